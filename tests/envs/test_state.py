"""Environments continued from a saved state, bit for bit, whenever it was saved."""

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redo_lab.envs.atari import Atari
from redo_lab.envs.gymnasium_env import GymnasiumEnv
from redo_lab.envs.minatar import GAMES, MinAtar
from redo_lab.experience import Env
from redo_lab.types import Action, Discrete, EnvSpec, Step

ROOT = Path(__file__).parent.parent.parent
MUJOCO = [f"{game}-{version}" for game in ("HalfCheetah", "Hopper", "Walker2d", "Ant") for version in ("v4", "v5")]
CLASSIC = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]
LIMITS = {"Breakout": 100, "Qbert": 60, "Amidar": 60}
ENVS = [*LIMITS, *GAMES, *CLASSIC, *MUJOCO, "Humanoid-v5", "Reacher-v4"]


def make(name: str, seed: int, limit: int | None = None) -> Any:
    if name[0].isupper() and "-" not in name:
        settings = {
            "sticky_action_probability": 0.25,
            "terminal_on_life_loss": True,
            "clip_rewards": True,
            "noop_max": 29,
        }
        limit = limit or LIMITS.get(name, 1000)
        config = Atari.Config("", name, frame_skip=4, stack=4, max_episode_env_steps=limit, **settings)
        return Atari(config, seed=seed, training=True)
    if name in GAMES:
        return MinAtar(MinAtar.Config("", name, 0.5, limit or 60, False), seed=seed, training=True)
    game, version = name.split("-")
    return GymnasiumEnv(GymnasiumEnv.Config("", game, version, limit or 50), seed=seed, training=True)


def random_action(spec: EnvSpec, generator: np.random.Generator) -> Action:
    if isinstance(spec.actions, Discrete):
        return int(generator.integers(spec.actions.n))
    return generator.uniform(spec.actions.low, spec.actions.high).astype(np.float32)


def play(env: Env, env_steps: int, actions_seed: int, *, reset: bool) -> list[Step | np.ndarray]:
    """Observations of resets and steps in their order; where `reset`, a reset comes first."""
    generator = np.random.default_rng(actions_seed)
    seen: list[Step | np.ndarray] = []
    for _ in range(env_steps):
        if reset:
            seen.append(env.reset())
        step = env.step(random_action(env.spec, generator))
        seen.append(step)
        reset = step.terminated or step.truncated
    return seen


def digest(seen: list[Step | np.ndarray]) -> str:
    found = hashlib.sha256()
    for item in seen:
        obs, rest = (item.obs, item[1:]) if isinstance(item, Step) else (item, ())
        found.update(obs.tobytes() + repr((obs.dtype, obs.shape, rest)).encode())
    return found.hexdigest()


def play_until(env: Env, wanted: Callable[[Step], bool]) -> None:
    """Plays up to and with the first step that is `wanted`, without the reset after it."""
    generator = np.random.default_rng(0)
    env.reset()
    for _ in range(3000):
        step = env.step(random_action(env.spec, generator))
        if wanted(step):
            return
        if step.terminated or step.truncated:
            env.reset()
    raise AssertionError("never seen")


def assert_continues(env: Any, name: str, env_steps: int, *, reset: bool, limit: int | None = None) -> None:
    """`env`, and another with another seed and past that loads its state, go on identically and leave it as it is."""
    state = env.state_dict()
    saved = pickle.dumps(state)
    expected = play(env, env_steps, 1, reset=reset)
    other = make(name, seed=99, limit=limit)
    play(other, 7, 2, reset=True)
    other.load_state_dict(state)
    assert digest(play(other, env_steps, 1, reset=reset)) == digest(expected)
    assert pickle.dumps(state) == saved


@pytest.mark.parametrize("name", ENVS)
@pytest.mark.parametrize("played", [0, 41])
def test_a_restored_environment_continues_through_several_resets(name: str, played: int) -> None:
    env = make(name, seed=3)
    last = play(env, played, 0, reset=True)[-1:]
    over = [step.terminated or step.truncated for step in last if isinstance(step, Step)]
    assert_continues(env, name, 130, reset=not played or over[0])


@pytest.mark.parametrize("name", ["Breakout", "asterix", "seaquest", "CartPole-v1", "Hopper-v5"])
def test_a_state_saved_after_a_termination_continues_with_the_reset(name: str) -> None:
    env = make(name, seed=3, limit=1000)
    play_until(env, lambda step: step.terminated and step.game_return is not None)
    assert_continues(env, name, 100, reset=True, limit=1000)


@pytest.mark.parametrize("name", ["Breakout", "Qbert", "freeway", "Ant-v4", "Pendulum-v1"])
def test_a_state_saved_after_a_truncation_continues_with_the_reset(name: str) -> None:
    env = make(name, seed=3, limit=20)
    play_until(env, lambda step: step.truncated)
    assert_continues(env, name, 100, reset=True, limit=20)


def test_a_state_saved_after_a_lost_life_continues_the_same_game() -> None:
    env = make("Breakout", seed=3)
    play_until(env, lambda step: step.terminated and step.game_return is None)
    assert env.state_dict()["game_goes_on"]
    assert_continues(env, "Breakout", 300, reset=True)


def test_sticky_actions_continue_over_thousands_of_steps() -> None:
    env = make("Breakout", seed=3, limit=27_000)
    play_until(env, lambda step: step.reward > 0)
    assert_continues(env, "Breakout", 2000, reset=False, limit=27_000)


def test_the_action_that_may_stick_is_restored() -> None:
    env, other = make("Breakout", seed=3), make("Breakout", seed=4)
    play(env, 10, 0, reset=True)
    for moment in range(12):
        state = env.state_dict()
        other.load_state_dict(state)
        seen, again = (play(one, 2, moment, reset=state["episode_over"]) for one in (env, other))
        assert digest(seen) == digest(again)


@pytest.mark.parametrize("name", MUJOCO)
def test_physics_in_contact_continues_over_a_thousand_steps(name: str) -> None:
    env = make(name, seed=3, limit=1100)
    last = play(env, 60, 0, reset=True)[-1]
    assert isinstance(last, Step)
    assert_continues(env, name, 1000, reset=last.terminated, limit=1100)


@pytest.mark.parametrize("name", ["Breakout", "Hopper-v4"])
def test_a_fresh_process_continues(name: str, tmp_path: Path) -> None:
    env = make(name, seed=3)
    play(env, 33, 0, reset=True)
    over = env.state_dict()["episode_over"]
    (tmp_path / "state").write_bytes(pickle.dumps(env.state_dict()))
    code = (
        "import pickle, pathlib; from tests.envs.test_state import digest, make, play; "
        f"env = make({name!r}, seed=4); "
        f"env.load_state_dict(pickle.loads(pathlib.Path({str(tmp_path / 'state')!r}).read_bytes())); "
        f"print(digest(play(env, 150, 1, reset={over})))"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == digest(play(env, 150, 1, reset=over))


@pytest.mark.parametrize("name", ["Breakout", "space_invaders", "Ant-v5"])
def test_saving_disturbs_nothing(name: str) -> None:
    env, generator, seen, reset = make(name, seed=3), np.random.default_rng(1), [], True
    for _ in range(100):
        env.state_dict()
        if reset:
            seen.append(env.reset())
            env.state_dict()
        seen.append(env.step(random_action(env.spec, generator)))
        reset = seen[-1].terminated or seen[-1].truncated
    assert digest(seen) == digest(play(make(name, seed=3), 100, 1, reset=True))


@pytest.mark.parametrize("name", ["Breakout", *GAMES, "CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Ant-v5"])
def test_states_are_plain_data(name: str) -> None:
    def check(value: object) -> None:
        assert type(value) in {dict, list, str, bytes, bool, int, float, type(None), np.ndarray}, type(value)
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(part)

    env = make(name, seed=3)
    play(env, 41, 0, reset=True)
    check(env.state_dict())


FORGETTABLE = [
    *(("Breakout", field) for field in ("game_env_steps", "game_return", "stack", "episode_over", "generator")),
    *(("space_invaders", field) for field in ("game", "generator", "game_env_steps", "game_return")),
    *(("CartPole-v1", field) for field in ("attributes", "generator", "game_env_steps", "game_return")),
    *(("Ant-v4", f"physics.{field}") for field in ("integration", "xpos")),
    ("Humanoid-v5", "physics.xipos"),
    ("asterix", "last_action"),
]


@pytest.mark.parametrize(("name", "field"), FORGETTABLE)
def test_forgetting_a_field_shows(name: str, field: str) -> None:
    """The field keeps what a new environment has in it."""
    limit = {"Breakout": 60, "space_invaders": 30, "CartPole-v1": 6}.get(name)

    def go_on(state: dict[str, Any]) -> str:
        restored = make(name, seed=4, limit=limit)
        restored.load_state_dict(state)
        try:
            return digest(play(restored, 70, 1, reset=False))
        except AssertionError as error:
            return str(error)

    env = make(name, seed=3, limit=limit)
    play_until(env, lambda step: step.reward > 0 and not step.terminated and not step.truncated)
    fresh, state = make(name, seed=4, limit=limit).state_dict(), env.state_dict()
    complete = go_on(state)
    *path, last = field.split(".")
    holder = state
    for part in path:
        holder, fresh = holder[part], fresh[part]
    holder[last] = fresh[last]
    assert go_on(state) != complete


@pytest.mark.parametrize("field", ["screens", "lives"])
def test_forgetting_screens_or_lives_shows_when_a_life_is_lost(field: str) -> None:
    env = make("Breakout", seed=3)
    env.reset()
    state, step = env.state_dict(), env.step(1)
    while not step.terminated:
        state, step = env.state_dict(), env.step(1)
    other = make("Breakout", seed=4)
    other.load_state_dict(state)
    assert digest([other.step(1)]) == digest([step])
    other.load_state_dict(state | {field: make("Breakout", seed=4).state_dict()[field]})
    assert digest([other.step(1)]) != digest([step])


@pytest.mark.parametrize("field", ["asked", "before_game", "emulator"])
def test_a_damaged_game_of_atari_is_refused(field: str) -> None:
    env = make("Breakout", seed=3)
    play(env, 41, 0, reset=True)
    state = env.state_dict() | {field: make("Breakout", seed=4).state_dict()[field]}
    with pytest.raises(RuntimeError, match="Breakout: the game so far, played again, did not come to the saved state"):
        make("Breakout", seed=5).load_state_dict(state)


def test_an_environment_that_keeps_what_cannot_be_saved_says_so() -> None:
    env = make("CartPole-v1", seed=3)
    env._env.world = object()
    with pytest.raises(ValueError, match="CartPole-v1: world is a object, which can't be saved"):
        env.state_dict()
