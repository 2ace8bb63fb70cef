"""The trained agent of a run, out of its checkpoint, to measure or to watch."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from redo_lab.config import ConfigError, require
from redo_lab.experience import Env, Rendered
from redo_lab.library.run import load_run
from redo_lab.plan import CheckedRun, device_of, stored_run
from redo_lab.protocols import Agent
from redo_lab.runs import provenance
from redo_lab.runs.stored import stored_config
from redo_lab.seeding import Seeds
from redo_lab.studies.evaluation import Evaluation, Film
from redo_lab.studies.online import Online
from redo_lab.studies.trained import load_into, saved_state

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
    directory = load_run(directory).directory
    config = stored_config(provenance.config_path(directory))
    stored_run(config, directory)
    checked = CheckedRun.of({**config, "device": device})
    study = checked.study
    if not isinstance(study, Online):
        raise ConfigError(f"{directory}: load_agent takes a run of study=online, this one's is a {_name(study)}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device={device}, but torch finds no CUDA device here; device=cpu or device=auto works")
    place = device_of(device)
    saved = saved_state(directory, checkpoint, place)
    agent = study.build_agent(Seeds(checked.config.seed), place)
    load_into(agent, saved.state, directory)
    facts = saved.manifest.facts
    return LoadedAgent(agent, facts["env_steps"], facts["updates"], study)


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
