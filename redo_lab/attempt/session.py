"""One attempt at a run: from its newest checkpoint or from the start, until it ends, however it ends."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from redo_lab.attempt.checkpointer import Checkpointer
from redo_lab.attempt.metrics_log import MetricsLog, NonFinite
from redo_lab.attempt.reporter import Reporter
from redo_lab.attempt.signals import Stop, Stopped
from redo_lab.config import ConfigError, RunConfig
from redo_lab.runs import status
from redo_lab.runs.about import About
from redo_lab.runs.atomic import DiskFull
from redo_lab.runs.checkpoint import CheckpointError, Checkpoints
from redo_lab.runs.identity import code_version, versions
from redo_lab.runs.lease import Lease, LeaseLost
from redo_lab.runs.names import TRAINING_RETURN, dormant_percent
from redo_lab.runs.record import Offsets, Record
from redo_lab.runs.status import State
from redo_lab.studies.online import Loop, Tick
from redo_lab.types import Counters, Logger, Progress

LOG = logging.getLogger("redo_lab")


class Assemble(Protocol):
    """Builds the loop of a run, every part seeded."""

    def __call__(self, *, log: MetricsLog, tick: Tick, counters: Counters) -> Loop: ...


class Watched:
    """Online training as a reporter sees it."""

    def __init__(self, counters: Counters, total: int, log: MetricsLog) -> None:
        self.counters, self.total, self.log = counters, total, log
        self.before = -1

    def progress(self) -> Progress:
        """An agent step that was not counted was one of an evaluation."""
        phase = "training" if self.counters.env_steps != self.before else "evaluation"
        self.before = self.counters.env_steps
        return Progress(self.before, self.total, "agent steps", phase)

    def clocks(self) -> Counters:
        """The moment."""
        return self.counters

    def headline(self) -> dict[str, float]:
        """The last return and the dormant share, as far as they are known."""
        values = {"return": self.log.latest.get(TRAINING_RETURN), "dormant %": dormant_percent(self.log.latest)}
        return {name: value for name, value in values.items() if value is not None}


class Attempt:
    """Holds what one attempt writes to; the lease guards all of it."""

    def __init__(
        self, config: RunConfig, directory: Path, lease: Lease, stop: Stop, tracker: Logger, device: str | None = None
    ) -> None:
        """device: the one that is used, for the record."""
        self.config = config
        self.directory = directory
        self.stop = stop
        self.counters = Counters()
        self.watched: Watched | None = None
        self.versions = {**versions(), "commit": code_version()["commit"]}
        self.checkpoints = Checkpoints(directory / "checkpoint", config.checkpoint.keep, guard=lease.check)
        self.found = self.checkpoints.newest()
        self.checkpoints.rewind(self.found.manifest.number if self.found else None)
        self.record = Record(directory, _offsets(self.found.manifest.facts) if self.found else None)
        self.log = MetricsLog([self.record.append, tracker.log])
        self.checkpointer = self._checkpointer(self.checkpoints)
        self.reporter = Reporter(
            config.progress,
            directory=directory,
            record=self.record,
            log=self.log,
            total=config.training.env_steps,
            unit="agent steps",
            lease=lease,
            device=device,
        )

    def run(self, assemble: Assemble) -> State:
        """How the attempt ended; everything is on disk, and the status says it."""
        state, error = State.FAILED, None
        try:
            try:
                state = self._train(assemble)
            except KeyboardInterrupt:
                state = State.INTERRUPTED
            except LeaseLost:
                raise
            except Exception as problem:
                error = traceback.format_exc()
                LOG.error("training failed: %s", problem, exc_info=not isinstance(problem, (NonFinite, DiskFull)))
            return self._end(state, error)
        finally:
            self.record.close()

    def _end(self, state: State, error: str | None) -> State:
        try:
            self.reporter.end(self.watched, state, error)
            return state
        except OSError as problem:
            LOG.error("the last metrics are not on disk: %s", problem)
            error = error or str(problem)
        try:
            self.reporter.write(State.FAILED, error)
        except OSError as problem:
            LOG.error("status.json does not say that the run has failed: %s", problem)
        return State.FAILED

    def _train(self, assemble: Assemble) -> State:
        watched = self.watched = Watched(self.counters, self.config.training.env_steps, self.log)

        def tick(counters: Counters) -> None:
            self.reporter.tick(watched)
            self.checkpointer.tick(loop)
            self.stop.check()

        loop = assemble(log=self.log, tick=tick, counters=self.counters)
        if self.found is not None:
            self.checkpointer.restore(loop, self.found)
            LOG.info("continuing at %d agent steps", self.counters.env_steps)
            self.found = None
        try:
            loop.run()
            self.log.flush()
        except Stopped:
            self.checkpointer.save(loop)
            self.checkpointer.finish()
            assert self.stop.state is not None
            return self.stop.state
        except NonFinite:
            self._save_for_inspection(loop)
            raise
        # The replay has served; the trained networks stay.
        self.checkpointer.save(loop, replay=False)
        self.checkpointer.finish()
        return State.FINISHED

    def _save_for_inspection(self, loop: Loop) -> None:
        inspected = self._checkpointer(Checkpoints(self.directory / "debug", keep=1))
        inspected.save(loop, replay=False)
        inspected.finish()

    def _checkpointer(self, checkpoints: Checkpoints) -> Checkpointer:
        return Checkpointer(
            self.config.checkpoint, checkpoints=checkpoints, offsets=self._synced, versions=self.versions
        )

    def _synced(self) -> Offsets:
        self.log.flush()
        self.record.sync()
        return self.record.offsets()


@contextmanager
def failing(directory: Path, lease: Lease, run: About) -> Iterator[None]:
    """The status is `failed` if the attempt at `run` can't begin.

    CheckpointError if that is for what an earlier attempt has left in `directory`.
    """
    try:
        yield
    except LeaseLost:
        raise
    except Exception as error:
        before = status.read(directory) or status.blank(run.total, run.unit)
        failed = replace(before, state=State.FAILED, error=str(error), attempt=lease.attempt, heartbeat=time.time())
        status.write(directory, failed, lease.check)
        if isinstance(error, ValueError) and not isinstance(error, ConfigError):
            raise CheckpointError(str(error)) from error
        raise


def _offsets(facts: object) -> Offsets:
    assert isinstance(facts, dict)
    return Offsets(facts["metrics_bytes"], facts["throughput_bytes"])
