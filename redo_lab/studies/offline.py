"""`study=offline`: an agent learns from a recorded replay alone. Its config, its checks, its assembly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from redo_lab.config import Part, fill, part, require
from redo_lab.experience import Env, Recording
from redo_lab.networks.torso import Torso, check_reads
from redo_lab.protocols import Agent, Journal
from redo_lab.replay.memory import check_memory, host_bytes_needed
from redo_lab.replay.ring import Replay
from redo_lab.runs.names import DORMANT_TOTAL, tau_text
from redo_lab.seeding import Seeds
from redo_lab.studies import online
from redo_lab.studies.aftercare import Care, Samplers, method
from redo_lab.studies.blueprint import Blueprint
from redo_lab.studies.clock import exact_ratio
from redo_lab.studies.device import check_compiled, check_kind, check_precision
from redo_lab.studies.fixed_memory import FixedMemory
from redo_lab.studies.updates import Lengths, Updates
from redo_lab.types import EnvSpec

if TYPE_CHECKING:
    import torch


ACTING = (
    *("agent.warmup_env_steps", "agent.update_period_env_steps", "agent.act_ahead"),
    *("agent.epsilon", "shared.epsilon_decay_env_steps"),
)
"""Settings of how an agent acts, and when it learns meanwhile."""


@dataclass
class TrainingConfig(online.TrainingConfig):
    """Length in `updates`; null: as many as online training of these iterations and this replay ratio makes
    if it begins without a warm-up.

    One update stands for 1 / replay_ratio agent steps, in which all periods in agent steps are counted.
    """

    updates: int | None

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.updates is None or self.updates >= 1, f"training.updates must be ≥ 1 or null, got {self.updates}")

    @property
    def planned_updates(self) -> int:
        return self.updates or int(self.env_steps * exact_ratio(self.replay_ratio))


class Kind(Enum):
    """What Q(s, a) is trained towards.

    moving: r + γ max Q of a target network that is copied again and again; frozen: of one that stays as it began;
    random: a number that was drawn once for each stored transition.
    """

    moving = "moving"
    frozen = "frozen"
    random = "random"


@dataclass
class TargetsConfig:
    """random_std: of the normal distribution around 0 that random targets come from; null with the others."""

    kind: Kind
    random_std: float | None

    def __post_init__(self) -> None:
        std, is_random = self.random_std, self.kind is Kind.random
        require(not is_random or (std is not None and std > 0), f"random_std must be > 0, got {std}")
        require(is_random or std is None, f"random_std={std}, but these targets are {self.kind.value}")


class Offline(Blueprint):
    """An agent on a fixed replay, with moving and with fixed targets: Fig. 4 (Sokar et al., 2023)."""

    @dataclass
    class Config:
        """The root nodes of such a run; those of parts stay plain, their classes own the schema."""

        training: TrainingConfig
        env: dict[str, Any]
        data: dict[str, Any]
        targets: dict[str, Any]
        network: dict[str, Any]
        agent: dict[str, Any]
        replay: dict[str, Any]
        recyclers: dict[str, Any]
        regularisers: dict[str, Any]
        probes: dict[str, Any]

    unit = "updates"
    scored_by = f"{DORMANT_TOTAL}{tau_text(0)}"
    score_word, higher_is_better = "dormant %", False
    same_pace_axes = ("game", "data", "targets")
    clocks: Mapping[str, str] = {"env_steps": "agent steps of as many updates online", "updates": "gradient steps"}

    def __init__(self, config: Config) -> None:
        self.training = config.training
        self.total = config.training.planned_updates
        self.targets = fill(TargetsConfig, config.targets, "targets", "study=offline")
        self.env: Part[Env] = part(config.env, "env", Env)
        self.data: Part[Recording] = part(config.data, "data", Recording)
        self.network: Part[Torso] = part(config.network, "network", Torso)
        self.agent: Part[Agent] = part(config.agent, "agent", Agent)
        self.replay: Part[Replay] = part(config.replay, "replay", Replay)
        self.care = Care.of(config.probes, config.recyclers, config.regularisers)
        self.spec: EnvSpec = self.env.cls.spec_of(self.env.config)
        self.frames_per_step = self.spec.frame_skip
        self._check()

    def _check(self) -> None:
        self.care.check(self.agent.cls)
        check_compiled(self.agent, self.care)
        self.agent.cls.check_env(self.spec)
        check_reads(self.network, self.spec.obs_shape)

    @staticmethod
    def planned_updates(root: Mapping[str, Any]) -> int:
        """As many as the config says, or as online training of the same length makes without a warm-up."""
        training = root["training"]
        env_steps = training["iterations"] * training["iteration_env_steps"]
        return int(training["updates"] or env_steps * exact_ratio(training["replay_ratio"]))

    def axes(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """Agent, network, suite, game, data, targets and recycling method."""
        return {
            "agent": choices["agent"],
            "network": choices["network"],
            "suite": self.env.config.suite,
            "game": self.env.config.game_id,
            "data": choices["data"],
            "targets": choices["targets"],
            **self.care.names(),
        }

    def label(self, axes: Mapping[str, Any]) -> list[str]:
        """dqn, breakout, moving, redo; a regulariser follows the recycler."""
        return [axes["agent"], axes["game"], axes["targets"], *method(axes)]

    def idle(self) -> Mapping[str, str]:
        """What only an agent that acts has a use for, and, beside `updates`, what the length would follow from."""
        lengths = () if self.training.updates is None else ("training.iterations", "training.iteration_env_steps")
        return {
            **dict.fromkeys(ACTING, "with study=offline nothing acts"),
            **dict.fromkeys(lengths, "the length is training.updates (null: that of these iterations)"),
        }

    def memory_bytes(self) -> int:
        """Of a part of the recording that fills the replay."""
        return host_bytes_needed(self.replay.config, self.spec)

    def check_device(self, device: torch.device) -> None:
        """Raises ConfigError where a setting of the agent or the replay needs a GPU and `device` is none."""
        check_kind(self.agent, self.replay.config, device)

    def check_machine(self, device: torch.device) -> None:
        """Raises ConfigError if the recording isn't here, is of another environment, or a part of it doesn't fit.

        So it does if `device` can't do what the agent's settings say.
        """
        self.check_device(device)
        check_precision(self.agent, device)
        most = self.data.cls.check_machine(self.data.config, game=self.env.config.game_id, spec=self.spec)
        capacity = self.replay.config.capacity
        check_memory(replace(self.replay.config, capacity=min(most, capacity)), self.spec, device)

    def start(self, seeds: Seeds, device: torch.device, journal: Journal) -> Updates:
        """The run at its beginning, every part built and seeded; the recording is loaded by its first step."""
        self.check_device(device)
        check_precision(self.agent, device)
        agent = self.agent.build(spec=self.spec, torso=self.network.build, seeds=seeds, device=device)
        recording = self.data.build(
            game=self.env.config.game_id,
            spec=self.spec,
            clip_rewards=getattr(self.env.config, "clip_rewards", False),
        )
        memory = FixedMemory(
            recording,
            self.replay.config,
            part_updates=self.data.config.part_updates,
            random_target_std=self.targets.random_std,
            seeds=seeds,
            device=device,
        )
        samplers = Samplers(memory.draw, seeds)
        ratio = exact_ratio(self.training.replay_ratio)
        return Updates(
            lengths=Lengths(self.total, self.training.log_period_updates, 1 / ratio),
            learner=agent,
            batch_size=agent.batch_size,
            samplers=samplers,
            aftercare=self.care.start(agent, samplers, seeds, device, journal),
            journal=journal,
            loading=memory.loading,
            end_env_step=agent.end_env_step if self.targets.kind is Kind.moving else None,
        )
