"""`study=online`: an agent learns while it acts. What its config holds, what is checked, how it is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from redo_lab.config import ConfigError, Part, part, require
from redo_lab.envs.guard import Guard
from redo_lab.experience import Env, Rendered
from redo_lab.networks.torso import Torso, check_reads
from redo_lab.protocols import Agent, Journal
from redo_lab.replay.bulk import ReplayBulk
from redo_lab.replay.frames import Placement
from redo_lab.replay.memory import bytes_needed, check_memory, host_bytes_needed
from redo_lab.replay.ring import Replay
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.names import EVALUATION_RETURN
from redo_lab.seeding import Seeds
from redo_lab.studies.aftercare import Care, Samplers, method
from redo_lab.studies.blueprint import Blueprint
from redo_lab.studies.clock import UpdateClock, exact_ratio
from redo_lab.studies.device import check_compiled, check_kind, check_precision, eager
from redo_lab.studies.evaluation import Evaluation, Film
from redo_lab.studies.loop import Lengths, Loop
from redo_lab.types import EnvSpec


@dataclass
class TrainingConfig:
    """Length and clocks of a run. Training lasts iterations * iteration_env_steps agent steps."""

    iterations: int
    iteration_env_steps: int
    replay_ratio: float
    log_period_updates: int

    def __post_init__(self) -> None:
        for name in ("iterations", "iteration_env_steps", "log_period_updates"):
            require(getattr(self, name) >= 1, f"training.{name} must be ≥ 1, got {getattr(self, name)}")
        require(0 < self.replay_ratio < float("inf"), f"training.replay_ratio must be > 0, got {self.replay_ratio}")

    @property
    def env_steps(self) -> int:
        return self.iterations * self.iteration_env_steps


class Online(Blueprint):
    """Reinforcement learning with a replay: the studies of the paper's sections 3 and 5 but Figs. 3, 4 and 8."""

    @dataclass
    class Config:
        """The root nodes of such a run; those of parts stay plain, their classes own the schema."""

        training: TrainingConfig
        env: dict[str, Any]
        network: dict[str, Any]
        agent: dict[str, Any]
        replay: dict[str, Any]
        evaluation: dict[str, Any]
        recyclers: dict[str, Any]
        regularisers: dict[str, Any]
        probes: dict[str, Any]

    unit = "agent steps"
    scored_by = EVALUATION_RETURN
    score_word, higher_is_better = "return", True
    same_pace_axes = ("game",)
    clocks: Mapping[str, str] = {"env_steps": "agent steps", "updates": "gradient steps"}

    def __init__(self, config: Config) -> None:
        self.training = config.training
        self.total = config.training.env_steps
        self.env: Part[Env] = part(config.env, "env", Env)
        self.network: Part[Torso] = part(config.network, "network", Torso)
        self.agent: Part[Agent] = part(config.agent, "agent", Agent)
        self.replay: Part[Replay] = part(config.replay, "replay", Replay)
        self.evaluation: Part[Evaluation] = part(config.evaluation, "evaluation", Evaluation)
        self.care = Care.of(config.probes, config.recyclers, config.regularisers)
        self.spec: EnvSpec = self.env.cls.spec_of(self.env.config)
        self.frames_per_step = self.spec.frame_skip
        self._check()

    def _check(self) -> None:
        capacity = self.replay.config.capacity
        for path, size in {"agent": self.agent.config.batch_size, **self.care.batch_sizes()}.items():
            require(size <= capacity, f"{path}.batch_size={size} is more than replay.capacity={capacity}")
        self.care.check(self.agent.cls)
        check_compiled(self.agent, self.care)
        self.agent.cls.check_env(self.spec)
        check_reads(self.network, self.spec.obs_shape)
        warmup = self.agent.config.warmup_env_steps
        require(
            warmup < self.total, f"agent.warmup_env_steps={warmup}, but training has {self.total} agent steps in all"
        )
        first, n_step = self._first_update_env_step(), self.replay.config.n_step
        require(
            first >= n_step,
            f"the first update comes after agent step {first}, when no transition of n_step={n_step} is complete yet: "
            f"set agent.warmup_env_steps={n_step - 1} or more",
        )

    def _first_update_env_step(self) -> int:
        """That of the first update; the whole length where none is made, or where only the built agent knows."""
        agent = self.agent.config
        if not hasattr(agent, "update_period_env_steps"):
            return self.total
        ratio, warmup = exact_ratio(self.training.replay_ratio), agent.warmup_env_steps
        clock = UpdateClock(ratio, warmup, agent.update_period_env_steps, self.total)
        return next((step for step in range(warmup, self.total) if clock.due(step, 0)), self.total)

    @staticmethod
    def planned_updates(root: Mapping[str, Any]) -> int:
        """Those of all agent steps after the warm-up."""
        training = root["training"]
        env_steps = training["iterations"] * training["iteration_env_steps"] - root["agent"]["warmup_env_steps"]
        return int(env_steps * exact_ratio(training["replay_ratio"]))

    def axes(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """Agent, network, suite, game, replay ratio and recycling method."""
        ratio = self.training.replay_ratio
        return {
            "agent": choices["agent"],
            "network": choices["network"],
            "suite": self.env.config.suite,
            "game": self.env.config.game_id,
            "replay_ratio": int(ratio) if ratio.is_integer() else ratio,
            **self.care.names(),
        }

    def label(self, axes: Mapping[str, Any]) -> list[str]:
        """dqn, breakout, rr1, redo; a regulariser follows the recycler."""
        return [axes["agent"], axes["game"], f"rr{axes['replay_ratio']:g}", *method(axes)]

    def memory_bytes(self) -> int:
        """The host's, of the full replay."""
        return host_bytes_needed(self.replay.config, self.spec)

    def saved_bytes(self) -> int:
        """All of the replay."""
        return bytes_needed(self.replay.config, self.spec)

    def check_device(self, device: torch.device) -> None:
        """Raises ConfigError where a setting of the agent or the replay needs a GPU and `device` is none."""
        check_kind(self.agent, self.replay.config, device)

    def check_machine(self, device: torch.device) -> None:
        """Raises ConfigError if the full replay doesn't fit, or `device` can't do what the agent's settings say."""
        self.check_device(device)
        check_precision(self.agent, device)
        check_memory(self.replay.config, self.spec, device)

    def check_film(self) -> None:
        """Raises ConfigError if the environment can't be drawn."""
        require(hasattr(self.env.cls, "render"), f"{self.env.cls.__name__} has no `render`, so no game can be filmed")

    def build_agent(self, seeds: Seeds, device: torch.device) -> Agent:
        """The agent at its beginning, alone, to be looked at or to play."""
        return eager(self.agent).build(spec=self.spec, torso=self.network.build, seeds=seeds, device=device)

    def evaluation_env(self, seed: int) -> Env:
        """An environment to evaluate in, which `seed` determines."""
        return self.env.build(seed=seed, training=False)

    def kept_replay(
        self, state: Mapping[str, Any], folder: Path, files: Sequence[PartFile], device: torch.device
    ) -> Replay:
        """The replay that a checkpoint of such a run has, of `state` and `files`; ValueError if they aren't whole.

        Its frames are in the host's memory, wherever the run had them.
        """
        replay = Replay(replace(self.replay.config, device=Placement.cpu), spec=self.spec, device=device)
        replay.load_state_dict(state["replay"])
        ReplayBulk(replay).load(folder, files)
        return replay

    def start(self, seeds: Seeds, device: torch.device, journal: Journal) -> Loop:
        """The loop of a run, every part built and seeded."""
        timeout_seconds = getattr(self.env.config, "timeout_seconds", None)
        guard = Guard(self.env.config.game_id, timeout_seconds=timeout_seconds, on_hang=journal.give_up)
        env = guard.wrap(self.env.build(seed=seeds.integer("env"), training=True), "training")
        replay = self.replay.build(spec=env.spec, device=device)
        self.check_device(device)
        check_precision(self.agent, device)
        agent = self.agent.build(spec=self.spec, torso=self.network.build, seeds=seeds, device=device)
        samplers = Samplers(replay.sample, seeds)
        clock = UpdateClock(
            exact_ratio(self.training.replay_ratio),
            agent.warmup_env_steps,
            agent.update_period_env_steps,
            self.total,
        )
        return Loop(
            lengths=Lengths(self.total, self.training.iteration_env_steps, self.training.log_period_updates),
            clock=clock,
            agent=agent,
            env=env,
            replay=replay,
            samplers=samplers,
            aftercare=self.care.start(agent, samplers, seeds, device, journal),
            evaluation=self.evaluation.build(),
            evaluation_games=partial(self._evaluation_games, guard, seeds),
            films=partial(self._film, guard, seeds),
            journal=journal,
        )

    def _evaluation_games(self, guard: Guard, seeds: Seeds, iteration: int) -> tuple[Env, np.random.Generator]:
        name = f"evaluation.{iteration}"
        env = self.evaluation_env(seeds.integer(name))
        return guard.wrap(env, "evaluation"), seeds.numpy(name)

    def _film(self, guard: Guard, seeds: Seeds, agent: Agent, env_steps: int) -> Film:
        name = f"film.{env_steps}"
        env = self.evaluation_env(seeds.integer(name))
        if not isinstance(env, Rendered):
            raise ConfigError(f"{type(env).__name__} can't be drawn")
        game = self.evaluation.build().game(agent, guard.wrap(env, "film"), seeds.numpy(name))
        return Film(env, game)
