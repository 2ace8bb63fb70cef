"""The no-ops that open a game of Atari, and what a lost life does to the stack in evaluation."""

import itertools
from dataclasses import replace

import ale_py
import numpy as np
import pytest
from ale_py import roms

from redo_lab.config import ConfigError
from redo_lab.envs.atari import Atari
from tests.envs.test_atari import config, equal, play, steps_of

DRQ = {"sticky_action_probability": 0.0, "terminal_on_life_loss": True, "noop_max": 29}


def game(env: Atari) -> list[object]:
    """Everything of one game of a fixed policy."""
    shown: list[object] = [env.reset()]
    for number in itertools.count():
        step = env.step(number // 3 % env.spec.actions.n)
        shown.append(step)
        if step.game_return is not None:
            return shown
    raise AssertionError


def noops(env: Atari) -> int:
    asked = env.state_dict()["asked"]
    assert set(asked) <= {0}
    return len(asked)


def test_games_of_a_fixed_policy_differ_and_a_seed_repeats_them() -> None:
    envs = [Atari(config("Pong", max_episode_env_steps=60, **DRQ), seed=seed, training=False) for seed in (1, 1, 2)]
    first, again, other = [[game(env) for _ in range(6)] for env in envs]
    assert all(all(map(equal, *games)) for games in zip(first, again, strict=True))
    assert not all(all(map(equal, *games)) for games in zip(first, other, strict=True))
    distinct = {b"".join(step.obs.tobytes() for step in steps_of(one)) for one in first}
    assert len(distinct) >= 5

    without = Atari(config("Pong", max_episode_env_steps=60, **DRQ | {"noop_max": 0}), seed=1, training=False)
    assert all(map(equal, game(without), game(without)))


@pytest.mark.parametrize("training", [True, False])
def test_every_number_from_0_to_29_opens_games(training: bool) -> None:
    env = Atari(config("Pong", **DRQ, max_episode_env_steps=1), seed=0, training=training)
    counts = []
    for _ in range(200):
        env.reset()
        counts.append(noops(env))
        env.step(0)
    assert set(counts) == set(range(30))


def test_noops_are_frames_of_the_emulator_that_count_nowhere() -> None:
    env = Atari(config("Breakout", **DRQ, max_episode_env_steps=5), seed=4, training=True)
    plain = Atari(config("Breakout", **DRQ | {"noop_max": 0}), seed=4, training=True)
    first_screen = plain.reset()
    assert np.array_equal(env.reset(), first_screen)

    theirs = ale_py.ALEInterface()
    theirs.setInt("random_seed", 4)
    theirs.setFloat("repeat_action_probability", 0.0)
    theirs.loadROM(roms.get_rom_path("breakout"))
    theirs.reset_game()
    for _ in range(noops(env)):
        theirs.act(0)
    assert noops(env) > 0
    for number in range(1, 6):
        for _ in range(4):
            theirs.act(1)
        step = env.step(1)
        assert np.array_equal(env._screens[1], theirs.getScreenGrayscale())
        assert step.truncated == (number == 5)


def test_only_a_new_game_opens_with_noops() -> None:
    env = Atari(config("Breakout", **DRQ), seed=0, training=True)
    env.reset()
    opened, frames = env._generator.bit_generator.state, 0
    while True:
        step = env.step(1)
        if step.game_return is not None:
            break
        if step.terminated:
            before = len(env.state_dict()["asked"])
            env.reset()
            frames += len(env.state_dict()["asked"]) - before
            assert env._generator.bit_generator.state == opened
    assert frames == 0
    env.reset()
    assert env._generator.bit_generator.state != opened


def test_a_game_that_the_noops_end_starts_again_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    env = Atari(config("Pong", **DRQ), seed=0, training=True)

    class Ended:
        """The emulator, which says once that the game is over."""

        def __init__(self, ale: ale_py.ALEInterface) -> None:
            self.ale, self.ended = ale, False

        def __getattr__(self, name: str) -> object:
            return getattr(self.ale, name)

        def game_over(self) -> bool:
            over, self.ended = not self.ended, True
            return over

    monkeypatch.setattr(env, "_ale", Ended(env._ale))
    env.reset()
    assert noops(env) == 0
    assert not env.step(0).terminated


def test_where_lives_do_not_matter_a_lost_one_leaves_the_stack() -> None:
    zeroed = {}
    for matters in (True, False):
        settings = config("Breakout", sticky_action_probability=0.0, terminal_on_life_loss=matters)
        steps = steps_of(play(Atari(settings, seed=0, training=False), 300))
        zeroed[matters] = [n for n, step in enumerate(steps) if n > 3 and not step.obs[:3].any() and step.obs[3].any()]
        assert not any(step.terminated and step.game_return is None for step in steps)
    assert len(zeroed[True]) >= 3
    assert zeroed[False] == []


def test_a_life_lost_in_evaluation_leaves_the_newest_frame_alone_in_the_stack() -> None:
    settings = config("Breakout", sticky_action_probability=0.0, terminal_on_life_loss=True)
    training, evaluation = (Atari(settings, seed=0, training=training) for training in (True, False))
    training.reset()
    evaluation.reset()
    for number in range(250):
        lived, shown = training.step(number % 4), evaluation.step(number % 4)
        expected = lived.obs
        if lived.terminated:
            expected = training.reset()
            if lived.game_return is not None:
                expected = lived.obs
                evaluation.reset()
        if shown.game_return is None:
            assert np.array_equal(shown.obs, expected)
            assert not shown.terminated


def test_a_negative_number_of_noops_is_refused() -> None:
    with pytest.raises(ConfigError, match="noop_max must be ≥ 0, got -1"):
        replace(config(), noop_max=-1)
