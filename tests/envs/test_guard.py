"""Environments that misbehave end a run with their name and step number."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redo_lab.envs.guard import EnvironmentFailure, Guard
from redo_lab.experience import Env
from redo_lab.types import Discrete, EnvSpec, Step

ROOT = Path(__file__).parent.parent.parent
OBS = np.zeros(3, np.float32)
SPEC = EnvSpec((3,), 1, np.float32, Discrete(2), 1)


class Scripted(Env):
    """Returns what `respond` says of step 1, 2, …"""

    def __init__(self, respond: Callable[[int], object], first: Callable[[], object] = lambda: OBS) -> None:
        self.spec, self.respond, self.first, self.steps = SPEC, respond, first, 0

    def reset(self) -> Any:
        return self.first()

    def step(self, action: object) -> Any:
        self.steps += 1
        return self.respond(self.steps)

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        assert set(state) == {"steps"}
        self.steps = state["steps"]


def never(message: str) -> None:
    raise AssertionError(message)


def guarded(env: Env, role: str = "training", guard: Guard | None = None) -> Env:
    return (guard or Guard("maze", timeout_seconds=None, on_hang=never)).wrap(env, role)


def step(obs: object = OBS, reward: object = 0.5, game_return: object = None) -> Step:
    return Step(obs, reward, False, False, game_return)  # type: ignore[arg-type]


def raising(error: BaseException) -> Callable[..., object]:
    def respond(*_: object) -> object:
        raise error

    return respond


MISBEHAVIOUR = {
    "a reward of nan": lambda _: step(reward=float("nan")),
    "a reward of -inf": lambda _: step(reward=float("-inf")),
    "a reward of type str, where a number was expected": lambda _: step(reward="1"),
    "a reward of type NoneType": lambda _: step(reward=None),
    "a game return of inf": lambda _: step(game_return=float("inf")),
    "an observation with NaN or infinity": lambda _: step(np.array([0, np.nan, 0], np.float32)),
    "an observation with NaN or infinity in it": lambda _: step(np.array([0, 1, -np.inf], np.float32)),
    "an observation of float32 of shape (2,), where float32 of shape (3,)": lambda _: step(OBS[:2]),
    "an observation of float64 of shape (3,)": lambda _: step(OBS.astype(np.float64)),
    "an observation of type list": lambda _: step([0.0, 0.0, 0.0]),
    "raised AttributeError": lambda _: (OBS, 0.5, False),
    "raised ZeroDivisionError: by nothing": raising(ZeroDivisionError("by nothing")),
    "tried to end the process (exit code 0)": raising(SystemExit(0)),
}


@pytest.mark.parametrize("what", MISBEHAVIOUR)
def test_a_step_that_misbehaves_is_named(what: str) -> None:
    env = guarded(Scripted(lambda number: step() if number < 3 else MISBEHAVIOUR[what](number)))
    env.reset()
    env.step(0)
    env.step(0)
    with pytest.raises(EnvironmentFailure) as failure:
        env.step(0)
    assert str(failure.value).startswith("training environment maze, step 3: it ")
    assert what in str(failure.value)


@pytest.mark.parametrize(
    ("first", "what"),
    [
        (lambda: OBS * np.nan, "returned an observation with NaN"),
        (lambda: (OBS, {}), "returned an observation of type tuple"),
        (raising(OSError("no screen")), "raised OSError: no screen"),
        (raising(SystemExit(3)), "tried to end the process (exit code 3)"),
    ],
)
def test_a_reset_that_misbehaves_is_named(first: Callable[[], object], what: str) -> None:
    env = guarded(Scripted(lambda _: step(), first), "evaluation")
    env.step(0)
    with pytest.raises(EnvironmentFailure, match="evaluation environment maze, reset after step 1: it ") as failure:
        env.reset()
    assert what in str(failure.value)


def test_what_behaves_passes_as_it_is() -> None:
    steps = [
        step(np.full(3, 3e38, np.float32)),  # their squares are infinite
        step(reward=np.float32(2.5)),
        step(reward=3),
        step(game_return=np.float64(7.0)),
    ]
    env = guarded(Scripted(lambda number: steps[number - 1]))
    assert env.spec is SPEC
    assert env.reset() is OBS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(env.step(0) is expected for expected in steps)


def test_ctrl_c_passes() -> None:
    env = guarded(Scripted(raising(KeyboardInterrupt()), raising(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        env.step(0)
    with pytest.raises(KeyboardInterrupt):
        env.reset()


def test_steps_are_counted_on_after_a_resume() -> None:
    env = guarded(Scripted(lambda _: step()))
    for _ in range(5):
        env.step(0)
    other = guarded(Scripted(raising(ValueError("bad"))))
    other.load_state_dict(env.state_dict())
    with pytest.raises(EnvironmentFailure, match="step 6: it raised ValueError: bad"):
        other.step(0)


def test_a_huge_reward_gets_one_warning_a_run(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("maze", timeout_seconds=None, on_hang=never)
    with caplog.at_level(logging.WARNING, "redo_lab"):
        first = guarded(Scripted(lambda number: step(reward=[0.0, 999_999.0, 1e30, 1e30][number])), "training", guard)
        first.step(0)
        assert caplog.messages == []
        first.step(0)
        first.step(0)
        guarded(Scripted(lambda _: step(reward=-1e7)), "evaluation", guard).step(0)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("training environment maze, step 2: a reward of 1e+30")


HANG = """
import ctypes, sys, time
from tests.envs.test_guard import Scripted, step
from redo_lab.envs.guard import Guard

def respond(number):
    if number == 3:
        {hang}
    return step()

guard = Guard("maze", timeout_seconds={timeout}, on_hang=lambda message: print(message, flush=True))
env = guard.wrap(Scripted(respond), "training")
env.reset()
for _ in range(4):
    env.step(0)
print("went on")
"""


def run(hang: str, timeout: float) -> subprocess.CompletedProcess[str]:
    code = HANG.format(hang=hang, timeout=timeout)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("hang", ["time.sleep(1000)", "ctypes.CDLL(None).pause()"], ids=["python", "code_in_c"])
def test_a_step_that_hangs_ends_the_process_after_its_message(hang: str) -> None:
    ended = run(hang, 0.3)
    assert ended.returncode == 1
    assert ended.stdout == "training environment maze, step 3: it has not returned for 0.3 seconds\n"


def test_code_that_hangs_and_lets_no_thread_run_ends_the_process_with_a_traceback() -> None:
    ended = run("ctypes.PyDLL(None).sleep(1000)", 0.3)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "respond" in ended.stderr


def test_a_step_within_its_time_goes_on() -> None:
    ended = run("time.sleep(0.2)", 60)
    assert (ended.returncode, ended.stdout) == (0, "went on\n")


def test_the_process_may_end_while_nothing_is_played() -> None:
    code = "import time; from redo_lab.envs.guard import Guard; Guard('maze', timeout_seconds=0.1, on_hang=print); "
    ended = subprocess.run([sys.executable, "-c", code + "time.sleep(0.5)"], cwd=ROOT, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, b"")
