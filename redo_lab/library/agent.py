"""The trained agent of a run, out of its checkpoint, to measure or to watch."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from redo_lab.attempt.execute import device_of
from redo_lab.attempt.state_bytes import StateError, decode
from redo_lab.config import ConfigError, require
from redo_lab.library.run import load_run
from redo_lab.plan import CheckedRun
from redo_lab.protocols import Agent, Env, Rendered
from redo_lab.runs.checkpoint import CheckpointError, Checkpoints
from redo_lab.seeding import Seeds
from redo_lab.studies.evaluation import Evaluation, Film
from redo_lab.studies.online import Online

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedAgent:
    """An agent as a checkpoint has it. env_steps, updates: how long it had been trained.

    `agent.networks()` and `agent.hidden_layers()` are what `dormancy` and `recycle` work on.
    """

    agent: Agent
    env_steps: int
    updates: int
    study: Online

    def environment(self, seed: int = 0) -> Env:
        """A fresh evaluation environment of the run, which `seed` determines."""
        return self.study.evaluation_env(Seeds(seed).integer("play"))

    def play(self, episodes: int = 1, seed: int = 0, epsilon: float | None = None) -> list[float]:
        """The raw returns of so many games, which `seed` determines, with the policy that evaluates the run.

        That one acts randomly with probability `epsilon`, by default the run's `evaluation.epsilon`.
        """
        require(episodes >= 1, f"episodes must be ≥ 1, got {episodes}")
        evaluation = self._evaluation(epsilon)
        env, generator = self.environment(seed), Seeds(seed).numpy("play")
        return [_outcome(evaluation.game(self.agent, env, generator))[0] for _ in range(episodes)]

    def watch(self, seed: int = 0, epsilon: float | None = None) -> Film:
        """The first game that `play` plays with this `seed` and `epsilon`, to be looked at.

        ConfigError if the run's environment can't be drawn.
        """
        env = self.environment(seed)
        if not isinstance(env, Rendered):
            raise ConfigError(f"{type(env).__name__} has no `render`, so its games can't be watched")
        return Film(env, self._evaluation(epsilon).game(self.agent, env, Seeds(seed).numpy("play")))

    def _evaluation(self, epsilon: float | None) -> Evaluation:
        config = self.study.evaluation.config
        return Evaluation(config if epsilon is None else replace(config, epsilon=epsilon))


def load_agent(directory: str | Path, *, checkpoint: int | None = None, device: str = "cpu") -> LoadedAgent:
    """The agent of the run of online RL in `directory`, as its newest whole checkpoint, or that of this number, has it.

    The run may be unfinished. ValueError where there is no such run or checkpoint. Only classes of redo_lab and of the
    packages that your own conf folders name are imported, and what the checkpoint holds is data.
    """
    run = load_run(directory)
    checked = CheckedRun.of({**run.config, "device": device})
    study = checked.study
    if not isinstance(study, Online):
        raise ConfigError(f"{run.directory}: load_agent takes a run of study=online, this one's is a {_name(study)}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device={device}, but torch finds no CUDA device here; device=cpu or device=auto works")
    place = device_of(device)
    facts, state = _saved(run.directory, checkpoint, place)
    agent = study.build_agent(Seeds(checked.config.seed), place)
    try:
        agent.load_state_dict(state["agent"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{run.directory}: the checkpoint holds no state of such an agent: {error}") from error
    return LoadedAgent(agent, facts["env_steps"], facts["updates"], study)


def _saved(directory: Path, number: int | None, device: torch.device) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The facts of the checkpoint and the study's state."""
    folder = directory / "checkpoint"
    try:
        manifest, content = Checkpoints(folder).state(number)
        state = decode(content, device)
    except (CheckpointError, StateError) as error:
        raise ValueError(str(error) if str(error).startswith(str(folder)) else f"{folder}: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(f"{folder}: the state of checkpoint {manifest.number} is no state of a study")
    return manifest.facts, state


def _outcome(steps: Generator[None, None, T]) -> T:
    """What `steps` returns, once it has gone all its way."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: T = end.value
            return outcome


def _name(study: object) -> str:
    return type(study).__name__
