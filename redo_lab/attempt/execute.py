"""A prepared run directory, trained: the only file that knows every part."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.attempt.session import Attempt, failing
from redo_lab.attempt.signals import stopping
from redo_lab.config import RunConfig, build, parse, run_config
from redo_lab.replay.memory import check_memory
from redo_lab.runs.lease import acquire
from redo_lab.runs.status import State
from redo_lab.seeding import Seeds
from redo_lab.studies.online import Loop
from redo_lab.types import Counters, Logger, Probe, Recycler, Sampler

LOG = logging.getLogger("redo_lab")


def execute(directory: Path) -> State:
    """Trains the run that config.yaml and run.json of `directory` describe, from its newest checkpoint if it has one.

    Returns how it ended, errors included. LeaseHeld: another process works on it; LeaseLost: one took it over.
    """
    plain = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"))
    assert isinstance(plain, dict)
    tree = {str(key): value for key, value in plain.items()}
    config = run_config(tree)
    run = json.loads((directory / "run.json").read_text())
    set_up_torch(config.threads)
    with stopping() as stop, _logging_to(directory / "log.txt"):
        lease = acquire(directory, stale_seconds=config.checkpoint.stale_seconds)
        try:
            tracker = _tracker(config, tree, run, directory)
            with failing(directory, lease):
                attempt = Attempt(config, directory, lease, stop, tracker, device_of(config.device).type)
            state = attempt.run(partial(assemble, config))
            tracker.finish(state.value)
        finally:
            lease.release()
    return state


def assemble(config: RunConfig, *, log: MetricsLog, tick: Callable[[Counters], None], counters: Counters) -> Loop:
    """The loop of a run, every part built and seeded."""
    seeds = Seeds(config.seed)
    device = device_of(config.device)
    env = build(config.env, "env", seed=seeds.integer("env"), training=True)
    check_memory(parse(config.replay, "replay"), env.spec)
    replay = build(config.replay, "replay", spec=env.spec, device=device)
    torso = partial(build, config.network, "network")
    agent = build(config.agent, "agent", spec=env.spec, torso=torso, seeds=seeds, device=device)
    evaluation = build(config.evaluation, "evaluation")

    generators: dict[str, np.random.Generator] = {}

    def sampler(name: str) -> Sampler:
        generators[name] = seeds.numpy(f"replay.{name}")
        return partial(replay.sample, generator=generators[name])

    def recycler(name: str, node: Mapping[str, Any]) -> tuple[Recycler, Sampler]:
        generator = seeds.torch(f"recycling.{name}", device)
        return build(node, f"recyclers.{name}", name=name, generator=generator), sampler(f"recyclers.{name}")

    def probe(name: str, node: Mapping[str, Any]) -> tuple[Probe, Sampler]:
        return build(node, f"probes.{name}"), sampler(f"probes.{name}")

    def evaluate(iteration: int) -> Mapping[str, float]:
        name = f"evaluation.{iteration}"
        games = build(config.env, "env", seed=seeds.integer(name), training=False)
        metrics: Mapping[str, float] = evaluation.run(agent, games, seeds.numpy(name), lambda: tick(counters))
        return metrics

    return Loop(
        training=config.training,
        agent=agent,
        env=env,
        replay=replay,
        sample=sampler("training"),
        recyclers=[recycler(name, node) for name, node in config.recyclers.items() if "_target_" in node],
        probes=[probe(name, node) for name, node in config.probes.items()],
        evaluate=evaluate,
        log=log,
        tick=tick,
        generators=generators,
        counters=counters,
    )


def set_up_torch(threads: int | None) -> None:
    """Denormals are flushed (worth some percent on a CPU); `threads` of them, or torch's own choice."""
    torch.set_flush_denormal(True)
    if threads is not None:
        torch.set_num_threads(threads)


def device_of(name: str) -> torch.device:
    """`auto` is the GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _tracker(config: RunConfig, tree: Mapping[str, Any], run: Mapping[str, Any], directory: Path) -> Logger:
    tracker: Logger = build(config.logger, "logger", directory=directory, run=run, config_tree=tree)
    return tracker


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """LOG goes to `path`, with times, and to the terminal."""
    to_file, to_terminal = logging.FileHandler(path), logging.StreamHandler()
    to_file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    LOG.handlers = [to_file, to_terminal]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.handlers = []
        to_file.close()
