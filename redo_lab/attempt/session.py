"""One attempt at a run: from its newest checkpoint or from the start, until it ends, however it ends."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from redo_lab.attempt.checkpointer import Checkpointer
from redo_lab.attempt.filming import Filming
from redo_lab.attempt.metrics_log import MetricsLog, NonFinite
from redo_lab.attempt.reporter import Reporter
from redo_lab.attempt.signals import Stop, Stopped
from redo_lab.config import ConfigError, RunConfig
from redo_lab.protocols import Journal, Logger, Study
from redo_lab.runs import provenance, status
from redo_lab.runs.about import About
from redo_lab.runs.atomic import NO_SPACE, DiskFull
from redo_lab.runs.checkpoint import CheckpointError, Checkpoints
from redo_lab.runs.identity import code_version, versions
from redo_lab.runs.lease import Lease, LeaseLost
from redo_lab.runs.record import Offsets, Record
from redo_lab.runs.status import State

LOG = logging.getLogger("redo_lab")
EXPLAINED = (NonFinite, DiskFull, CheckpointError)
UNTOLD = "status.json does not say that the run has failed: %s"

Start = Callable[[Journal], Study]
"""Journal → the study at its beginning, every part seeded."""


class Attempt:
    """Holds what one attempt writes to; the lease guards all of it."""

    def __init__(
        self,
        config: RunConfig,
        directory: Path,
        lease: Lease,
        stop: Stop,
        tracker: Logger,
        total: int,
        unit: str,
        device: torch.device,
        filming: Filming | None = None,
    ) -> None:
        """total: the length of the study, in `unit`."""
        self.filming = filming
        self.config = config
        self.directory = directory
        self.device = device
        self.stop = stop
        self.study: Study | None = None
        self.versions = {**versions(), "commit": code_version()["commit"]}
        self.checkpoints = Checkpoints(directory / "checkpoint", config.checkpoint.keep, guard=lease.check)
        self.newest = self.checkpoints.newest()
        self.checkpoints.rewind(self.newest.manifest.number if self.newest else None)
        self.record = Record(directory, _offsets(self.newest.manifest.facts) if self.newest else None)
        self.log = MetricsLog([self.record.append, tracker.log])
        self.checkpointer = self._checkpointer(self.checkpoints)
        self.reporter = Reporter(
            config.progress,
            directory=directory,
            record=self.record,
            log=self.log,
            total=total,
            unit=unit,
            lease=lease,
            device=device.type,
        )
        self.log.on_give_up = partial(self.reporter.write, State.FAILED)

    @property
    def first_step(self) -> int:
        """How far the run was when this attempt began."""
        return self.newest.manifest.number if self.newest else 0

    def note(self, changed: Mapping[str, Any]) -> None:
        """`attempts.jsonl` says how this attempt begins; if that raises, nothing of the attempt is left open."""
        try:
            provenance.append(self.reporter.lease, from_step=self.first_step, device=self.device.type, changed=changed)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """The files are closed, and the terminal is as it was."""
        self.reporter.close()
        self.record.close()

    def run(self, start: Start) -> State:
        """How the attempt ended; everything is on disk, and the status says it."""
        state, error = State.FAILED, None
        try:
            try:
                state = self._train(start)
            except KeyboardInterrupt:
                state = State.INTERRUPTED
            except LeaseLost:
                raise
            except Exception as problem:
                error = traceback.format_exc()
                LOG.error("training failed: %s", problem, exc_info=not _is_explained(problem))
            return self._end(state, error)
        except KeyboardInterrupt:
            # The last metrics may be missing, the word on how it ended is not.
            state = State.FAILED if error is not None else State.INTERRUPTED
            self.reporter.write(state, error)
            return state
        finally:
            try:
                # Before the lease and the log go: the writer needs both.
                self.checkpointer.close()
            finally:
                self.close()

    def _end(self, state: State, error: str | None) -> State:
        try:
            self.reporter.end(self.study, state, error)
            return state
        except LeaseLost:
            raise
        except Exception as problem:
            # Not of the disk alone: they may not be finite, or not come from a GPU that has failed.
            explained = isinstance(problem, (OSError, *EXPLAINED))
            LOG.error("the last metrics are not on disk: %s", problem, exc_info=not explained)
            error = error or str(problem)
        try:
            self.reporter.write(State.FAILED, error)
        except OSError as problem:
            LOG.error(UNTOLD, problem)
        return State.FAILED

    def _train(self, start: Start) -> State:
        study = self.study = start(self.log)
        if self.newest is not None:
            bulk_is_missing = self.checkpointer.restore(study, self.newest, self.device)
            progress = study.progress()
            LOG.info("continuing at %d %s", progress.done, progress.unit)
            # The last checkpoint of a run has no bulk, and one that died before its status was `finished` needs none.
            if bulk_is_missing and 0 < progress.done < progress.total:
                LOG.warning("the checkpoint has no replay (checkpoint.replay=false): the run goes on, but not exactly")
                study.lose_bulk()
            self.newest = None
        try:
            for _ in study.steps():
                self.reporter.tick(study)
                self.checkpointer.tick(study)
                if self.filming is not None:
                    self.filming.tick(study)
                self.stop.check()
            self.log.flush()
        except Stopped:
            self.checkpointer.save(study)
            self.checkpointer.finish()
            assert self.stop.state is not None
            return self.stop.state
        except NonFinite:
            self._save_for_inspection(study)
            raise
        # The trained networks stay; the replay is needed no more unless other runs are to learn from it.
        self.checkpointer.save(study, bulk=self.config.checkpoint.final_replay)
        self.checkpointer.finish()
        return State.FINISHED

    def _save_for_inspection(self, study: Study) -> None:
        """`debug/` holds the study as it is, if it can be written: that it can't is not why the run has failed."""
        try:
            inspected = self._checkpointer(Checkpoints(self.directory / "debug", keep=1))
            inspected.save(study, bulk=False)
            inspected.finish()
        except Exception as problem:
            LOG.error("debug/ does not hold the networks to be looked at: %s", problem)

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

    CheckpointError if the reason is a file of an earlier attempt in `directory`.
    """
    try:
        yield
    except LeaseLost:
        raise
    except Exception as error:
        try:
            before = status.read(directory) or status.blank(run.total, run.unit)
            failed = replace(before, state=State.FAILED, error=str(error), attempt=lease.attempt, heartbeat=time.time())
            status.write(directory, failed, lease.check)
        except OSError as problem:
            LOG.error(UNTOLD, problem)
        if isinstance(error, ValueError) and not isinstance(error, ConfigError):
            raise CheckpointError(str(error)) from error
        raise


def _is_explained(problem: Exception) -> bool:
    """Whether its message says all: so does that of a full disk whoever writes, a library or torch.compile too."""
    return isinstance(problem, EXPLAINED) or (isinstance(problem, OSError) and problem.errno in NO_SPACE)


def _offsets(facts: object) -> Offsets:
    assert isinstance(facts, dict)
    return Offsets(facts["metrics_bytes"], facts["throughput_bytes"], facts.get("metrics_sha256"))
