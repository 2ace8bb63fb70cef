"""`study=distill`: a network is fitted to a trained agent's action values. Its config, its checks, its assembly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from redo_lab.config import InputError, Part, part, require
from redo_lab.networks.q_network import QNetwork
from redo_lab.networks.torso import Torso
from redo_lab.protocols import Journal
from redo_lab.replay.frames import Placement
from redo_lab.replay.memory import bytes_needed, check_memory
from redo_lab.replay.ring import Replay
from redo_lab.runs import provenance
from redo_lab.runs.names import TRAIN_LOSS
from redo_lab.seeding import Seeds
from redo_lab.studies import trained
from redo_lab.studies.aftercare import Care, Samplers, method
from redo_lab.studies.blueprint import Blueprint
from redo_lab.studies.regressor import Regression, Regressor
from redo_lab.studies.trained import TrainedRun
from redo_lab.studies.updates import Lengths, Updates

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass
class TrainingConfig:
    """Length of a run and how often it logs."""

    updates: int
    log_period_updates: int

    def __post_init__(self) -> None:
        for name in ("updates", "log_period_updates"):
            require(getattr(self, name) >= 1, f"training.{name} must be ≥ 1, got {getattr(self, name)}")


@dataclass
class TeacherConfig:
    """The run directory of the agent whose values are fitted, and the id of the run that lies there."""

    folder: str
    run: str


@dataclass
class StudentConfig:
    """The run directory whose agent's last weights the network begins with, and that run's id; null: fresh weights."""

    folder: str | None
    run: str | None


class Distill(Blueprint):
    """Regression onto the values that a DQN has for what is in its replay: Fig. 8 (Sokar et al., 2023)."""

    @dataclass
    class Config:
        """The root nodes of such a run; those of parts stay plain, their classes own the schema."""

        training: TrainingConfig
        teacher: TeacherConfig
        student: StudentConfig
        network: dict[str, Any]
        learner: dict[str, Any]
        recyclers: dict[str, Any]
        regularisers: dict[str, Any]
        probes: dict[str, Any]

    unit = "updates"
    scored_by = TRAIN_LOSS
    score_word, higher_is_better = "loss", False
    same_pace_axes = ("game", "student", "source", "teacher")
    clocks: Mapping[str, str] = {"env_steps": "gradient steps", "updates": "gradient steps"}

    def __init__(self, config: Config) -> None:
        self.training = config.training
        self.total = config.training.updates
        self.network: Part[Torso] = part(config.network, "network", Torso)
        self.learner: Part[Regressor] = part(config.learner, "learner", Regressor)
        self.care = Care.of(config.probes, config.recyclers, config.regularisers)
        self.care.check(self.learner.cls)
        self.teacher = _trained("teacher", config.teacher.folder, config.teacher.run)
        self.teacher.require_replay()
        self.source: TrainedRun | None = None
        if config.student.folder is not None:
            self.source = _trained("student", config.student.folder, config.student.run)
        self._check(config.network)

    def _check(self, network: Mapping[str, Any]) -> None:
        teacher, source = self.teacher, self.source
        for run in [teacher] if source is None else [teacher, source]:
            if differences := provenance.differences(run.network, network):
                words = [f"network={run.about.axes.get('network')}"] if "_target_" in differences else []
                words += [f"network.{key}={value}" for key, value in differences.items() if key != "_target_"]
                raise InputError(f"{run.where} has another network than this run: it has {' '.join(words)}")
        if source is not None:
            for name, taught, own in (
                ("observations", teacher.study.spec.obs_shape, source.study.spec.obs_shape),
                ("actions", teacher.actions, source.actions),
                ("agent.dueling", teacher.dueling, source.dueling),
            ):
                if taught != own:
                    raise InputError(
                        f"{source.where} has {name} {own}, {teacher.where} {taught}: they must be the same"
                    )

    @staticmethod
    def planned_updates(root: Mapping[str, Any]) -> int:
        """Those that the config says."""
        return int(root["training"]["updates"])

    @staticmethod
    def trained_run(root: DictConfig, node: str, experiment: str, replay_ratio: float, seed: int) -> str:
        """The folder of the run in `experiment` with this ratio, this seed and the scale of `root`, for `node`."""
        return trained.find_run(experiment, node, replay_ratio=replay_ratio, seed=seed, scale=dict(root.scale))

    @staticmethod
    def run_id(root: DictConfig, node: str, folder: str) -> str:
        """The id of the run in `folder`, which `node` names: what counts for the identity of a run that reads it."""
        return trained.run_id(folder, node)

    @staticmethod
    def setting(root: DictConfig, node: str, folder: str, key: str) -> Any:
        """The setting `key` of the run in `folder`, which `node` names."""
        return trained.setting(folder, node, key)

    def axes(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """How the student begins, the agents, the game, the network, and the interventions.

        There is no suite: a loss is not normalised as the returns of its games are.
        """
        return {
            "student": choices["student"],
            "source": "none" if self.source is None else self.source.words,
            "teacher": self.teacher.words,
            "game": self.teacher.study.env.config.game_id,
            "network": choices["network"],
            **self.care.names(),
        }

    def label(self, axes: Mapping[str, Any]) -> list[str]:
        """distill, demon_attack, pretrained, redo; a regulariser follows the recycler."""
        return ["distill", axes["game"], axes["student"], *method(axes)]

    def memory_bytes(self) -> int:
        """Of the teacher's replay."""
        return bytes_needed(self.teacher.study.replay.config, self.teacher.study.spec)

    def check_machine(self, device: torch.device) -> None:
        """Raises ConfigError if the teacher's replay doesn't fit."""
        check_memory(replace(self.teacher.study.replay.config, device=Placement.cpu), self.teacher.study.spec, device)

    def start(self, seeds: Seeds, device: torch.device, journal: Journal) -> Updates:
        """The run at its beginning, every part built and seeded."""
        lessons = Lessons(self.teacher.q_network(device).requires_grad_(False), self.teacher.replay(device))
        learner = self.learner.build(network=self.student(seeds, device))
        samplers = Samplers(lessons.draw, seeds)
        return Updates(
            lengths=Lengths(self.total, self.training.log_period_updates),
            learner=learner,
            batch_size=self.learner.config.batch_size,
            samplers=samplers,
            aftercare=self.care.start(learner, samplers, seeds, device, journal),
            journal=journal,
        )

    def student(self, seeds: Seeds, device: torch.device) -> QNetwork:
        """The network before its first update: the source's last one, or that of an agent which `seeds` begin."""
        return self.teacher.untrained(seeds, device) if self.source is None else self.source.q_network(device)


class Lessons:
    """What a teacher has seen, in its replay, and what it thinks of that."""

    def __init__(self, teacher: QNetwork, replay: Replay) -> None:
        self.teacher = teacher
        self.replay = replay

    @torch.no_grad()
    def draw(self, batch_size: int, generator: np.random.Generator) -> Regression:
        """Observations drawn uniformly from the replay with replacement, and the teacher's values of every action."""
        obs = self.replay.sample(batch_size, generator).obs
        return Regression(obs, self.teacher(obs))


def _trained(path: str, folder: str, run_id: str | None) -> TrainedRun:
    run = TrainedRun.of(folder, path)
    if run.about.run_id != run_id:
        raise InputError(f"{run.where} is now the run {run.about.run_id}; this run has begun with {run_id}")
    return run
