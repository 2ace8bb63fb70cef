"""When a run is saved and how it goes on: the study's state and the replay's new entries, written while it trains."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from redo_lab.config import CheckpointConfig
from redo_lab.replay import segments as replay_segments
from redo_lab.replay.segments import OverwrittenError, Segment, SegmentFile
from redo_lab.runs import checkpoint
from redo_lab.runs.checkpoint import Checkpoints, Found
from redo_lab.runs.record import Offsets
from redo_lab.types import Study

LOG = logging.getLogger("redo_lab")


@dataclass(frozen=True)
class Moment:
    """A study at one moment, ready to be written by another thread."""

    number: int
    state: bytes
    segments: list[Segment]
    oldest: int
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
        self._files: list[SegmentFile] = []
        self._headroom = replay_segments.SEGMENT_ENTRIES
        self._writer: threading.Thread | None = None
        self._problem: BaseException | None = None

    def tick(self, study: Study) -> None:
        """Saves when due, unless the writer still works on the last one; raises what the writer ran into."""
        self._raise_problem()
        busy = self._writer is not None and self._writer.is_alive()
        if time.monotonic() - self.saved >= self.config.every_seconds and not busy:
            self.save(study)

    def save(self, study: Study, replay: bool = True) -> None:
        """The study as it is now will be on disk, with its replay if both want it; `finish` waits for that."""
        self.finish()
        moment = self._moment(study, replay and self.config.replay)
        self._writer = threading.Thread(target=self._write, args=(moment,), name="checkpoint")
        self._writer.start()
        self.saved = time.monotonic()

    def finish(self) -> None:
        """Nothing is being written any more; raises what the writer ran into."""
        if self._writer is not None:
            self._writer.join()
            self._writer = None
        self._raise_problem()

    def _moment(self, study: Study, replay: bool) -> Moment:
        offsets = self.offsets()
        buffer = io.BytesIO()
        torch.save(study.state_dict(), buffer)
        first = self._files[-1].stop if self._files else 0
        segments = replay_segments.capture(study.bulk, first, self._headroom) if replay else []
        facts = {
            "env_steps": study.clocks().env_steps,
            "updates": study.clocks().updates,
            **offsets._asdict(),
            "versions": self.versions,
        }
        # From `added` on nothing is needed: a checkpoint without a replay names no segment.
        oldest = study.bulk.oldest if replay else study.bulk.added
        return Moment(study.progress().done, buffer.getvalue(), segments, oldest, facts)

    def _write(self, moment: Moment) -> None:
        try:
            folder = self.checkpoints.replay_folder
            folder.mkdir(parents=True, exist_ok=True)
            new = [replay_segments.write(segment, folder, self.checkpoints.guard) for segment in moment.segments]
            files = replay_segments.needed([*self._files, *new], moment.oldest)
            named = [checkpoint.SegmentFile(file.name, file.bytes, file.sha256) for file in files]
            self.checkpoints.commit(moment.number, moment.state, named, moment.facts)
            self._files = files
            used = self.checkpoints.bytes_on_disk() / 1e6
            LOG.info("checkpoint at %d agent steps; checkpoints use %.1f MB of disk", moment.number, used)
        except OverwrittenError as error:
            # The frames went by faster than they could be written; the next save copies them first.
            self._headroom = 10**12
            LOG.warning("checkpoint at %d agent steps skipped: %s", moment.number, error)
        except BaseException as error:
            self._problem = error

    def _raise_problem(self) -> None:
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem

    def restore(self, study: Study, found: Found) -> None:
        """`study` is as it was when `found` was saved, bit for bit where the replay was saved too."""
        state = torch.load(io.BytesIO(found.state), map_location=study.bulk.device, weights_only=False)
        self._files = [SegmentFile(*segment) for segment in found.manifest.segments]
        if self._files:
            replay_segments.load(study.bulk, state["replay"], self.checkpoints.replay_folder, self._files)
        study.load_state_dict(state)
        # The last checkpoint of a run has no replay, and one that died before it said `finished` needs none.
        progress = study.progress()
        if not self._files and 0 < progress.done < progress.total:
            LOG.warning("the checkpoint has no replay (checkpoint.replay=false): the run goes on, but not exactly")
            study.lose_bulk()
        before = found.manifest.facts["versions"]
        changed = [f"{name} {before.get(name)} → {now}" for name, now in self.versions.items() if before[name] != now]
        if changed:
            LOG.warning("continued with other versions, so maybe not bit for bit: %s", ", ".join(changed))
