"""What stands between a run and its environments: one that misbehaves ends the run with its name and step number."""

from __future__ import annotations

import logging
import math
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from redo_lab.experience import Env
from redo_lab.runs import hang
from redo_lab.types import Action, Observation, Step

LOG = logging.getLogger("redo_lab")
LARGE_REWARD = 1e6
POLLS_PER_TIMEOUT = 10
STEPS = "guard.env_steps"


class EnvironmentFailure(RuntimeError):
    """An environment raised, exited, or returned what can't be learned from; the message says which, when and what."""


class Guard:
    """Guards every environment of one run, training's and evaluation's.

    With `timeout_seconds`, a call that takes longer is given to `on_hang` as a message, in a thread of its own since
    the call may never return; then the process ends with exit code 1. Code that hangs and keeps Python's lock lets no
    thread run: faulthandler then prints where it hangs and ends the process, after twice the time and without `on_hang`
    (so may end a process that was suspended for as long); a pool that started the process says in its status why.
    """

    def __init__(self, name: str, *, timeout_seconds: float | None, on_hang: Callable[[str], None]) -> None:
        self.name = name
        self.warned = False
        self._watchdog = None if timeout_seconds is None else _Watchdog(timeout_seconds, on_hang)
        if self._watchdog is not None:
            weakref.finalize(self, self._watchdog.stop)

    def wrap(self, env: Env, role: str) -> Env:
        """`env`, guarded; `role` is what messages call it: training or evaluation."""
        return Guarded(env, f"{role} environment {self.name}", self, self._watchdog)

    def warn_of(self, reward: float, where: str) -> None:
        """One warning in a run."""
        if not self.warned:
            self.warned = True
            LOG.warning("%s: a reward of %g; losses of such targets are not to be trusted", where, reward)


class Guarded(Env):
    """An environment whose every observation and reward is checked; it changes none of them.

    Steps are counted over the environment's whole life, through its state.
    """

    def __init__(self, env: Env, name: str, guard: Guard, watchdog: _Watchdog | None) -> None:
        self.spec = env.spec
        self._env = env
        self._name = name
        self._guard = guard
        self._watchdog = watchdog
        self._shape, self._dtype = env.spec.obs_shape, np.dtype(env.spec.dtype)
        self._real_valued = self._dtype.kind == "f"
        self._steps = 0

    def reset(self) -> Observation:
        """The environment's own, or EnvironmentFailure."""
        try:
            self._enter("reset")
            obs = self._env.reset()
            self._leave()
            self._check_obs(obs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._failure("reset", error) from error
        return obs

    def step(self, action: Action) -> Step:
        """The environment's own, or EnvironmentFailure."""
        self._steps += 1
        try:
            self._enter("step")
            step = self._env.step(action)
            self._leave()
            reward = step.reward
            if not (type(reward) is float and -LARGE_REWARD < reward < LARGE_REWARD and step.game_return is None):
                self._check_rewards(step)
            self._check_obs(step.obs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._failure("step", error) from error
        return step

    def state_dict(self) -> dict[str, Any]:
        """The environment's own, and the number of its steps."""
        return {**self._env.state_dict(), STEPS: self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._steps = state[STEPS]
        self._env.load_state_dict({key: value for key, value in state.items() if key != STEPS})

    def _enter(self, call: str) -> None:
        if self._watchdog is not None:
            self._watchdog.call = (self._name, call, self._steps)

    def _leave(self) -> None:
        if self._watchdog is not None:
            self._watchdog.call = None

    def _check_obs(self, obs: object) -> None:
        if not isinstance(obs, np.ndarray):
            raise _Nonsense(f"an observation of type {type(obs).__name__}, where an array was expected")
        if obs.shape != self._shape or obs.dtype != self._dtype:
            expected = f"{self._dtype} of shape {self._shape}"
            raise _Nonsense(f"an observation of {obs.dtype} of shape {obs.shape}, where {expected} was expected")
        # A third of the time of isfinite(obs).all().
        if self._real_valued and b"\0" in np.isfinite(obs).tobytes():
            raise _Nonsense("an observation with NaN or infinity in it")

    def _check_rewards(self, step: Step) -> None:
        values: tuple[tuple[str, object], ...] = (("reward", step.reward), ("game return", step.game_return))
        for kind, value in values:
            if value is None and kind == "game return":
                continue
            if not isinstance(value, Real):
                raise _Nonsense(f"a {kind} of type {type(value).__name__}, where a number was expected")
            if not math.isfinite(value):
                raise _Nonsense(f"a {kind} of {value}")
        if abs(step.reward) >= LARGE_REWARD:
            self._guard.warn_of(step.reward, f"{self._name}, step {self._steps}")

    def _failure(self, call: str, error: BaseException) -> EnvironmentFailure:
        self._leave()
        if isinstance(error, _Nonsense):
            what = f"returned {error}"
        elif isinstance(error, SystemExit):
            what = f"tried to end the process (exit code {error.code})"
        else:
            what = f"raised {type(error).__name__}: {error}"
        return EnvironmentFailure(f"{_where(self._name, call, self._steps)}: it {what}")


class _Nonsense(ValueError):
    """What the environment returned, in words."""


def _where(name: str, call: str, steps: int) -> str:
    return f"{name}, step {steps}" if call == "step" else f"{name}, {call} after step {steps}"


class _Watchdog:
    """A thread that looks again and again whether the same call still goes on.

    It counts its looks instead of reading a clock: a process that is held up has few of them.
    """

    def __init__(self, timeout_seconds: float, on_hang: Callable[[str], None]) -> None:
        self.call: tuple[str, str, int] | None = None
        """The call that goes on: environment, name of the call, steps so far."""
        self._timeout_seconds = timeout_seconds
        self._on_hang = on_hang
        self._stopped = threading.Event()
        self._arm()
        threading.Thread(target=self._watch, name="environment watchdog", daemon=True).start()

    def stop(self) -> None:
        """The thread ends soon, and nothing is watched any more."""
        self._stopped.set()

    def _watch(self) -> None:
        looked_at, looks = None, 0
        while not self._stopped.wait(self._timeout_seconds / POLLS_PER_TIMEOUT):
            self._arm()
            call = self.call
            looks = looks + 1 if call is not None and call is looked_at else 0
            looked_at = call
            if call is not None and looks >= POLLS_PER_TIMEOUT:
                self._end(f"{_where(*call)}: it has not returned for {self._timeout_seconds:g} seconds")
        hang.disarm()

    def _arm(self) -> None:
        hang.arm(self._timeout_seconds)

    def _end(self, message: str) -> None:
        try:
            LOG.error(message)
            self._on_hang(message)
        finally:
            os._exit(1)
