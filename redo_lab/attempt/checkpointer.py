"""When a run is saved and how it goes on: the study's state and what is new in its bulk, written while it trains."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from redo_lab.attempt.breather import Breather
from redo_lab.config import CheckpointConfig
from redo_lab.protocols import Study
from redo_lab.runs.atomic import naming_full_disk
from redo_lab.runs.bulk import OverwrittenError, PartFile, Snapshot
from redo_lab.runs.checkpoint import Checkpoint, CheckpointError, Checkpoints
from redo_lab.runs.record import Offsets
from redo_lab.state_bytes import StateError, decode, encode

LOG = logging.getLogger("redo_lab")


@dataclass(frozen=True)
class Moment:
    """A study at one moment, ready to be written by another thread; `number` counts what the study does in `unit`s."""

    number: int
    unit: str
    state: bytes
    bulk: Snapshot | None
    facts: dict[str, Any]


class Checkpointer:
    """Saves every `every_seconds`; a background thread compresses and writes while training goes on."""

    def __init__(
        self,
        config: CheckpointConfig,
        *,
        checkpoints: Checkpoints,
        offsets: Callable[[], Offsets],
        versions: Mapping[str, Any],
    ) -> None:
        """`offsets`: flushes the metrics to disk and says how long their files are."""
        self.config = config
        self.checkpoints = checkpoints
        self.offsets = offsets
        self.versions = dict(versions)
        self.saved = time.monotonic()
        self._files: Sequence[PartFile] = []
        self._copied = False
        self._writer: threading.Thread | None = None
        self._breather = Breather()
        self._problem: BaseException | None = None

    def tick(self, study: Study) -> None:
        """Saves when due, unless the writer still works on the last one; raises what the writer ran into."""
        self._raise_problem()
        busy = self._writer is not None and self._writer.is_alive()
        if time.monotonic() - self.saved >= self.config.every_seconds and not busy:
            self.save(study)

    def save(self, study: Study, bulk: bool = True) -> None:
        """The study as it is now will be on disk, with its bulk if both want it; `finish` waits for that."""
        self.finish()
        moment = self._moment(study, bulk and self.config.replay)
        self._breather = Breather()
        self._writer = threading.Thread(target=self._write, args=(moment, self._breather), name="checkpoint")
        self._writer.start()
        self.saved = time.monotonic()

    def finish(self) -> None:
        """Nothing is being written any more; raises what the writer ran into."""
        if self._writer is not None:
            self._breather.hurry()
            self._writer.join()
            self._writer = None
        self._raise_problem()

    def close(self) -> None:
        """Nothing is being written any more; what the writer ran into is a line in the log if nobody has asked."""
        try:
            self.finish()
        except Exception as error:
            LOG.warning("the checkpoint that was being written is not there: %s", error)

    def _moment(self, study: Study, bulk: bool) -> Moment:
        offsets = self.offsets()
        state = encode(study.state_dict())
        snapshot = study.bulk.capture(self._files, copied=self._copied) if bulk and study.bulk is not None else None
        clocks, progress = study.clocks(), study.progress()
        facts = {
            "env_steps": clocks.env_steps,
            "updates": clocks.updates,
            **offsets._asdict(),
            "versions": self.versions,
        }
        return Moment(progress.done, progress.unit, state, snapshot, facts)

    def _write(self, moment: Moment, breather: Breather) -> None:
        try:
            folder = self.checkpoints.bulk_folder
            with naming_full_disk(folder, 0):
                folder.mkdir(parents=True, exist_ok=True)
            guard = self.checkpoints.guard
            files = moment.bulk.write(folder, guard, breather.rest) if moment.bulk is not None else []
            self.checkpoints.commit(moment.number, moment.state, files, moment.facts)
            self._files = files
            used = self.checkpoints.bytes_on_disk() / 1e6
            LOG.info("checkpoint at %d %s; checkpoints use %.1f MB of disk", moment.number, moment.unit, used)
        except OverwrittenError as error:
            # The study was faster than the writing; the next save copies first.
            self._copied = True
            LOG.warning("checkpoint at %d %s skipped: %s", moment.number, moment.unit, error)
        except BaseException as error:
            self._problem = error

    def _raise_problem(self) -> None:
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem

    def restore(self, study: Study, checkpoint: Checkpoint, device: torch.device) -> bool:
        """`study` is as it was when `checkpoint` was saved, bit for bit; whether that lacks the bulk that it had then.

        CheckpointError if what the files hold is no state of such a study.
        """
        manifest = checkpoint.manifest
        try:
            study.load_state_dict(decode(checkpoint.state, device))
            self._files = manifest.segments
            if study.bulk is not None and self._files:
                study.bulk.load(self.checkpoints.bulk_folder, self._files)
        except StateError as error:
            raise CheckpointError(f"{self.checkpoints.folder / manifest.state.name}: {error}") from error
        before = manifest.facts["versions"]
        names = (name for name in self.versions if before.get(name) != self.versions[name])
        if changed := [f"{name} {before.get(name)} → {self.versions[name]}" for name in names]:
            LOG.warning("continued with other versions, so maybe not bit for bit: %s", ", ".join(changed))
        return study.bulk is not None and not self._files and not study.bulk.empty
