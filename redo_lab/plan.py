"""From a composed config to a run directory that is ready to run, everything checked before anything starts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from redo_lab.config import ConfigError, RunConfig, parse, require, run_config, target_of
from redo_lab.replay.memory import check_memory
from redo_lab.runs import identity, status
from redo_lab.runs.atomic import write_json, write_text
from redo_lab.runs.status import State
from redo_lab.types import EnvSpec


@dataclass(frozen=True)
class Plan:
    """A checked run. `directory` need not exist yet."""

    plain: Mapping[str, Any]
    run: Mapping[str, Any]
    directory: Path

    @property
    def finished(self) -> bool:
        """Whether the run has been run to its end before."""
        found = status.read(self.directory)
        return found is not None and found.state is State.FINISHED

    def with_seed(self, seed: int) -> Plan:
        """The same run with another seed, for a config in which nothing else depends on the seed."""
        plain = {**self.plain, "seed": seed}
        axes = {**self.run["axes"], "seed": seed}
        digest = identity.digest(plain)
        run_id = identity.run_id(axes, digest)
        settings = {**self.run["settings"], "seed": seed}
        run = {**self.run, "run_id": run_id, "axes": axes, "identity": digest, "settings": settings}
        return Plan(plain, run, self.directory.with_name(run_id))

    def set_aside(self) -> None:
        """The directory is free; what it held is beside it, as `<run id>.old-1` or the next number that is free."""
        if self.directory.exists():
            names = (self.directory.with_name(f"{self.directory.name}.old-{n}") for n in itertools.count(1))
            self.directory.rename(next(name for name in names if not name.exists()))

    def write(self) -> None:
        """The directory holds config.yaml and run.json."""
        self.directory.mkdir(parents=True, exist_ok=True)
        write_text(self.directory / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(self.plain))))
        write_json(self.directory / "run.json", dict(self.run))


def plan(plain: Mapping[str, Any], choices: Mapping[str, Any], *, here: bool = True) -> Plan:
    """The run that `plain` (resolved) asks for; raises ConfigError for whatever can't work. Nothing is written.

    here: it is to run on this machine, so that has to have the memory and the device.
    """
    config = run_config(plain)
    check(config)
    if here:
        check_machine(config)
    axes = identity.axes(plain, choices, parse(config.env, "env").game_id)
    digest = identity.digest(plain)
    run_id = identity.run_id(axes, digest)
    run = {
        "run_id": run_id,
        "experiment": config.experiment,
        "axes": axes,
        "env_steps": config.training.env_steps,
        "frames_per_step": target_of(config.env, "env").spec_of(parse(config.env, "env")).frame_skip,
        "identity": digest,
        "git": identity.code_version(),
        "versions": identity.versions(),
        "settings": identity.relevant(plain),
    }
    return Plan(plain, run, Path(config.root) / config.experiment / run_id)


def check(config: RunConfig) -> None:
    """Every part's own schema, and what only shows between parts."""
    agent, replay = parse(config.agent, "agent"), parse(config.replay, "replay")
    env = parse(config.env, "env")
    for path, node in (("network", config.network), ("evaluation", config.evaluation), ("logger", config.logger)):
        parse(node, path)
    recyclers = {n: parse(node, f"recyclers.{n}") for n, node in config.recyclers.items() if "_target_" in node}
    probes = {n: parse(node, f"probes.{n}") for n, node in config.probes.items()}
    _check_batches({"agent": agent, **_under("recyclers", recyclers), **_under("probes", probes)}, replay.capacity)
    for name, recycler in recyclers.items():
        if hasattr(recycler, "check_beside"):
            recycler.check_beside({other: found for other, found in recyclers.items() if other != name})
    spec: EnvSpec = target_of(config.env, "env").spec_of(env)
    target_of(config.agent, "agent").check_env(spec)
    target_of(config.network, "network").check_obs(spec.obs_shape)
    _check_warmup(agent.warmup_env_steps, agent.batch_size, config)
    _check_device(config.device)


def check_machine(config: RunConfig) -> None:
    """This machine has the memory, the device and the tracker's login; raises ConfigError if not."""
    tracker = target_of(config.logger, "logger")
    if hasattr(tracker, "check_start"):
        tracker.check_start(parse(config.logger, "logger"))
    spec: EnvSpec = target_of(config.env, "env").spec_of(parse(config.env, "env"))
    check_memory(parse(config.replay, "replay"), spec)
    if config.device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            found = f"device={config.device}, but torch finds no CUDA device here"
            raise ConfigError(f"{found}; device=cpu or device=auto works")


def _under(group: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{group}.{name}": part for name, part in parts.items()}


def _check_batches(parts: Mapping[str, Any], capacity: int) -> None:
    for path, part in parts.items():
        size = getattr(part, "batch_size", 0)
        require(size <= capacity, f"{path}.batch_size={size} is more than replay.capacity={capacity}")


def _check_warmup(warmup_env_steps: int, batch_size: int, config: RunConfig) -> None:
    total = config.training.env_steps
    if warmup_env_steps >= total:
        raise ConfigError(f"agent.warmup_env_steps={warmup_env_steps}, but training has {total} agent steps in all")


def _check_device(device: str) -> None:
    import torch

    try:
        known = device == "auto" or torch.device(device).type in ("cpu", "cuda")
    except RuntimeError:
        known = False
    require(known, f"device must be cpu, cuda, cuda:<n> or auto, got {device}")
