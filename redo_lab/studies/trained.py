"""Agents that runs of online RL have trained, and their replays, out of their checkpoints; only data is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from redo_lab.agents.value import ValueAgent
from redo_lab.config import ConfigError, InputError, run_config
from redo_lab.networks.q_network import QNetwork
from redo_lab.protocols import Agent
from redo_lab.replay.ring import Replay
from redo_lab.runs import about, provenance, status
from redo_lab.runs.about import About
from redo_lab.runs.checkpoint import CheckpointError, Checkpoints
from redo_lab.runs.manifest import Manifest, manifests
from redo_lab.runs.reading import read_object
from redo_lab.runs.status import State
from redo_lab.runs.stored import stored_config
from redo_lab.seeding import Seeds
from redo_lab.state_bytes import StateError, decode
from redo_lab.studies.online import Online
from redo_lab.types import Discrete

TEACHERS = "`redo-lab sweep fig8_teachers`"


@dataclass(frozen=True)
class Saved:
    """A checkpoint, read: what is known of it, and the state of the study."""

    manifest: Manifest
    state: Mapping[str, Any]


def saved_state(directory: Path, number: int | None, device: torch.device) -> Saved:
    """The newest whole checkpoint of the run in `directory`, or that of this `number`; ValueError if there is none."""
    folder = directory / "checkpoint"
    try:
        manifest, content = Checkpoints(folder).state(number)
        state = decode(content, device)
    except (CheckpointError, StateError) as error:
        raise ValueError(str(error) if str(error).startswith(str(folder)) else f"{folder}: {error}") from error
    if not isinstance(state, dict):
        raise ValueError(f"{folder}: the state of checkpoint {manifest.number} is no state of a study")
    return Saved(manifest, state)


def load_into(agent: Agent, state: Mapping[str, Any], directory: Path) -> None:
    """`agent` is as `state`, a checkpoint of the run in `directory`, has it; ValueError if it has no such agent."""
    try:
        agent.load_state_dict(state["agent"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{directory}: the checkpoint holds no state of such an agent: {error}") from error


@dataclass(frozen=True)
class TrainedRun:
    """A finished run of a value-based agent, checked; its checkpoint is read when it is asked for.

    path: the node that names it, for messages: teacher. network: that node of its config. end: its last checkpoint.
    """

    path: str
    directory: Path
    about: About
    study: Online
    network: Mapping[str, Any]
    end: Manifest

    @classmethod
    def of(cls, folder: str, path: str) -> TrainedRun:
        """The run in `folder`; InputError unless it is such a run, is finished and has the checkpoint of its end."""
        directory, where = Path(folder), f"{path}.folder={folder}"
        described = _about(directory, where)
        _require_finished(directory, described, where)
        config = _config(directory, where)
        try:
            study = run_config(config)[1]
        except ConfigError as error:
            raise _unreadable(where, error) from error
        if not isinstance(study, Online) or not issubclass(study.agent.cls, ValueAgent):
            kind = study.agent.cls.__name__ if isinstance(study, Online) else type(study).__name__
            raise InputError(f"{where} must be a run of a value-based agent (agent=dqn …), and is one of {kind}")
        return cls(path, directory, described, study, config["network"], _end(directory, described.total, where))

    @property
    def where(self) -> str:
        """For messages: teacher.folder=runs/…"""
        return f"{self.path}.folder={self.directory}"

    @property
    def words(self) -> str:
        """What tells it from others, without the seed: dqn-demon_attack-rr0.25-none."""
        *words, last = self.about.name.split()
        return "-".join(words if last == f"s{self.about.axes.get('seed')}" else [*words, last])

    @property
    def actions(self) -> int:
        """How many there are."""
        actions = self.study.spec.actions
        assert isinstance(actions, Discrete)
        return actions.n

    @property
    def dueling(self) -> bool:
        """Whether its network has dueling heads."""
        config = self.study.agent.config
        assert isinstance(config, ValueAgent.Config)
        return config.dueling

    def require_replay(self) -> None:
        """InputError unless the checkpoint of its end has the replay."""
        if not self.end.segments:
            raise InputError(
                f"{self.where} has no replay in the checkpoint of its end: train it with checkpoint.final_replay=true, "
                f"as {TEACHERS} does"
            )

    def untrained(self, seeds: Seeds, device: torch.device) -> QNetwork:
        """The online network of such an agent at its beginning."""
        agent = self.study.build_agent(seeds, device)
        assert isinstance(agent, ValueAgent)
        return agent.online

    def q_network(self, device: torch.device) -> QNetwork:
        """Its online network at its end."""
        agent = self.study.build_agent(Seeds(0), device)
        load_into(agent, saved_state(self.directory, self.end.number, device).state, self.directory)
        assert isinstance(agent, ValueAgent)
        return agent.online

    def replay(self, device: torch.device) -> Replay:
        """Its replay at its end; ValueError names a file that isn't whole."""
        saved = saved_state(self.directory, self.end.number, torch.device("cpu"))
        folder = self.directory / "checkpoint" / "replay"
        return self.study.kept_replay(saved.state, folder, saved.manifest.segments, device)


def run_id(folder: str, path: str) -> str:
    """The id of the run in `folder`, wherever that lies; `path` is the node that names it."""
    return _about(Path(folder), f"{path}.folder={folder}").run_id


def setting(folder: str, path: str, key: str) -> Any:
    """The setting `key` (agent.batch_size) of the run in `folder`; `path` is the node that names it."""
    where = f"{path}.folder={folder}"
    value = _config(Path(folder), where)
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise InputError(f"{where} must be a run of a value-based agent (agent=dqn …), and has no {key}")
        value = value[name]
    return value


def find_run(experiment: str, path: str, *, replay_ratio: float, seed: int, scale: Mapping[str, Any]) -> str:
    """The directory of the one run in the folder `experiment` of this replay ratio, seed and scale; else InputError."""
    wanted = {"replay_ratio": replay_ratio, "seed": seed}
    matches = []
    for file in sorted(Path(experiment).glob(f"*/{about.FILE_NAME}")):
        run = about.read(file.parent)
        if run is not None and wanted.items() <= run.axes.items() and _scale(file.parent) == scale:
            matches.append(str(file.parent))
    if len(matches) == 1:
        return matches[0]
    what = f"replay ratio {replay_ratio:g} and seed {seed} at this scale"
    problem = f"{len(matches)} runs with {what} ({', '.join(matches)})" if matches else f"no run with {what}"
    raise InputError(
        f"{experiment} holds {problem}: give {path}.folder=RUN, a run's directory; {TEACHERS} makes those of Fig. 8"
    )


def _about(directory: Path, where: str) -> About:
    try:
        return about.of(read_object(directory / about.FILE_NAME))
    except FileNotFoundError as error:
        raise InputError(f"{where} is no directory of a run: there is no {about.FILE_NAME} in it") from error
    except ValueError as error:
        raise InputError(f"{where} is no run that can be read: {error}") from error


def _config(directory: Path, where: str) -> Any:
    _about(directory, where)
    try:
        return stored_config(provenance.config_path(directory))
    except ConfigError as error:
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: ConfigError) -> InputError:
    return InputError(f"{where} can't be read by this redo_lab: {error}")


def _require_finished(directory: Path, run: About, where: str) -> None:
    now = status.read(directory)
    if now is None or now.state is not State.FINISHED:
        how = "has not begun" if now is None else f"is {now.state.value} at {now.done} of {run.total} {run.unit}"
        raise InputError(f"{where} must be a finished run, and {how}")


def _end(directory: Path, number: int, where: str) -> Manifest:
    folder = directory / "checkpoint"
    try:
        manifest = manifests(folder).get(number)
    except CheckpointError as error:
        raise InputError(f"{where}: {error}") from error
    if not isinstance(manifest, Manifest):
        raise InputError(f"{where} has no whole checkpoint of its end: no {folder / f'{number}.json'} that can be read")
    return manifest


def _scale(directory: Path) -> object:
    try:
        return stored_config(directory / provenance.FIRST).get("scale")
    except ConfigError:
        return None
