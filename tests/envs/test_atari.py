"""Atari against a plain transcription of the published preprocessing, on an emulator of its own."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import ale_py
import cv2
import numpy as np
import pytest
from ale_py import roms

from redo_lab.envs.atari import Atari
from redo_lab.types import Step


def config(game: str = "Breakout", **changes: object) -> Atari.Config:
    base = Atari.Config(
        suite="atari",
        game=game,
        frame_skip=4,
        stack=4,
        sticky_action_probability=0.25,
        terminal_on_life_loss=False,
        max_episode_env_steps=27_000,
        clip_rewards=True,
        noop_max=0,
    )
    return replace(base, **changes)


def play(env: Atari, env_steps: int, actions_seed: int = 0) -> list[Step | np.ndarray]:
    """Observations of resets and steps in their order, under uniformly random actions."""
    actions = np.random.default_rng(actions_seed)
    seen: list[Step | np.ndarray] = [env.reset()]
    for _ in range(env_steps):
        step = env.step(int(actions.integers(env.spec.actions.n)))
        seen.append(step)
        if step.terminated or step.truncated:
            seen.append(env.reset())
    return seen


def steps_of(seen: list[Step | np.ndarray]) -> list[Step]:
    return [item for item in seen if isinstance(item, Step)]


def equal(a: Step | np.ndarray, b: Step | np.ndarray) -> bool:
    if isinstance(a, Step) and isinstance(b, Step):
        return np.array_equal(a.obs, b.obs) and a[1:] == b[1:]
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.array_equal(a, b)


def reference(
    game: str, *, seed: int, sticky: float, training: bool, limit: int, choose: Callable[[int], int]
) -> Iterator[Step | np.ndarray]:
    """What an agent sees of Dopamine's environment and runner, step by step, for ever."""
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", sticky)
    ale.loadROM(roms.get_rom_path(game))
    minimal = ale.getMinimalActionSet()

    def shrunk(screen: np.ndarray) -> np.ndarray:
        return cv2.resize(screen, (84, 84), interpolation=cv2.INTER_AREA)

    while True:
        ale.reset_game()
        lives, env_steps, total = ale.lives(), 0, 0.0
        first, second = ale.getScreenGrayscale(), np.zeros((210, 160), np.uint8)
        first = np.maximum(first, second)
        frames = [np.zeros((84, 84), np.uint8)] * 3 + [shrunk(first)]
        yield np.stack(frames)
        while True:
            action = minimal[choose(len(minimal))]
            reward = 0
            for frame in range(4):
                reward += ale.act(action)
                over = ale.game_over()
                lost = ale.lives() < lives
                lives = ale.lives()
                if over or lost:
                    break
                if frame == 2:
                    first = ale.getScreenGrayscale()
                if frame == 3:
                    second = ale.getScreenGrayscale()
            first = np.maximum(first, second)
            frames = [*frames[1:], shrunk(first)]
            env_steps, total = env_steps + 1, total + reward
            ended = over or env_steps == limit
            terminated = over or (lost and training)
            if lost and not training and not ended:
                frames = [np.zeros((84, 84), np.uint8)] * 3 + [frames[-1]]
            clipped = float(np.clip(reward, -1, 1))
            yield Step(np.stack(frames), clipped, terminated, ended and not terminated, total if ended else None)
            if ended:
                break
            if lost and training:
                frames = [np.zeros((84, 84), np.uint8)] * 3 + [frames[-1]]
                yield np.stack(frames)


@pytest.mark.parametrize("game", ["breakout", "ms_pacman", "demon_attack"])
@pytest.mark.parametrize(("sticky", "training"), [(0.25, True), (0.25, False), (0.0, True)])
def test_every_frame_reward_and_flag_is_dopamines(game: str, sticky: float, training: bool) -> None:
    choices = np.random.default_rng(7)
    limit = 130  # ends some games by truncation, others by their last life
    theirs = reference(
        game,
        seed=3,
        sticky=sticky,
        training=training,
        limit=limit,
        choose=lambda actions: int(choices.integers(actions)),
    )
    env = Atari(
        config(game, sticky_action_probability=sticky, terminal_on_life_loss=True, max_episode_env_steps=limit),
        seed=3,
        training=training,
    )
    ours = play(env, 300, actions_seed=7)
    assert len(steps_of(ours)) == 300
    assert any(step.truncated for step in steps_of(ours))
    assert all(equal(mine, next(theirs)) for mine in ours)


def test_a_stack_starts_with_zeros_and_one_frame() -> None:
    first = Atari(config(), seed=0, training=True).reset()
    assert not first[:3].any()
    assert first[3].any()


def test_kept_observations_do_not_change() -> None:
    env = Atari(config("Pong"), seed=0, training=True)
    kept = [env.reset(), env.step(0).obs]
    before = [obs.copy() for obs in kept]
    kept_by_vandal = env.step(1).obs
    kept_by_vandal[:] = 255
    after = env.step(2).obs
    assert all(np.array_equal(old, new) for old, new in zip(before, kept, strict=True))
    assert not (after == 255).all(axis=(1, 2)).any()


def test_a_lost_life_ends_the_episode_but_not_the_game() -> None:
    settings = config(terminal_on_life_loss=True, sticky_action_probability=0.0, clip_rewards=False)
    env = Atari(settings, seed=0, training=True)
    seen = play(env, 700)
    episodes, games, raw = 0, [], 0.0
    for item, following in itertools.pairwise(seen):
        if not isinstance(item, Step):
            continue
        raw += item.reward
        episodes += item.terminated
        if item.terminated and item.game_return is None:
            assert not following[:3].any()
            assert np.array_equal(following[3], item.obs[3])
        if item.game_return is not None:
            games.append((episodes, item.game_return, raw))
            episodes, raw = 0, 0.0
    assert len(games) >= 2
    assert all(lives == 5 for lives, _, _ in games)
    assert all(game_return == total for _, game_return, total in games)
    assert max(game_return for _, game_return, _ in games) > 0


def test_lives_do_not_end_episodes_in_evaluation() -> None:
    env = Atari(config(terminal_on_life_loss=True), seed=0, training=False)
    steps = steps_of(play(env, 500))
    assert all(step.terminated == (step.game_return is not None) for step in steps)
    assert sum(step.terminated for step in steps) >= 1


def test_the_limit_truncates_and_starts_a_new_game() -> None:
    env = Atari(config("Pong", max_episode_env_steps=10), seed=0, training=True)
    fresh = env.reset()
    steps = [env.step(0) for _ in range(10)]
    assert [step.truncated for step in steps] == [False] * 9 + [True]
    assert not any(step.terminated for step in steps)
    assert [step.game_return is None for step in steps] == [True] * 9 + [False]
    assert np.array_equal(env.reset(), fresh)


def test_a_life_lost_on_the_last_step_terminates_and_still_ends_the_game() -> None:
    settings = config(terminal_on_life_loss=True, sticky_action_probability=0.0)
    steps = steps_of(play(Atari(settings, seed=0, training=True), 200))
    loss = next(number for number, step in enumerate(steps, start=1) if step.terminated)
    last = steps_of(play(Atari(replace(settings, max_episode_env_steps=loss), seed=0, training=True), loss))[-1]
    assert (last.terminated, last.truncated) == (True, False)
    assert last.game_return == sum(step.reward for step in steps[:loss])


def test_learning_rewards_are_clipped_and_returns_are_raw() -> None:
    clipped = steps_of(play(Atari(config("DemonAttack", max_episode_env_steps=100), seed=0, training=True), 100))
    raw_config = config("DemonAttack", max_episode_env_steps=100, clip_rewards=False)
    raw = steps_of(play(Atari(raw_config, seed=0, training=True), 100))
    assert max(step.reward for step in raw) >= 5
    assert [step.reward for step in clipped] == [min(step.reward, 1.0) for step in raw]
    assert clipped[-1].game_return == raw[-1].game_return == sum(step.reward for step in raw)


def test_a_seed_fixes_the_trajectory_and_another_changes_it() -> None:
    np.random.seed(1)  # noqa: NPY002 - global state must not matter
    first = play(Atari(config(), seed=5, training=True), 150)
    np.random.seed(2)  # noqa: NPY002
    again = play(Atari(config(), seed=5, training=True), 150)
    other = play(Atari(config(), seed=6, training=True), 150)
    assert all(map(equal, first, again))
    assert not all(map(equal, first, other))


def test_a_reset_continues_the_generator() -> None:
    env = Atari(config(max_episode_env_steps=40), seed=5, training=True)
    games = [[env.reset(), *(env.step(number % 4) for number in range(40))] for _ in range(2)]
    assert not all(map(equal, *games))
