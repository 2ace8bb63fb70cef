"""Moments at which a process can be struck, by what it is doing."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from redo_lab.attempt.checkpointer import Checkpointer
from redo_lab.protocols import Study
from redo_lab.recyclers.continual_backprop import ContinualBackprop
from redo_lab.recyclers.prune import Prune
from redo_lab.recyclers.redo import ReDo
from redo_lab.runs import record, status

COUNTS = {"training": 60, "evaluation": 30, "recycle": 3, "checkpoint": 40, "deletion": 5, "metrics": 5, "status": 5}
"""Kinds of moments, and before which repetition at most the process is struck: small beside a whole run."""


class Moment(NamedTuple):
    """The `count`-th time that a thing of `kind` happens; `part` (in [0, 1)) chooses within it."""

    kind: str
    count: int
    part: float

    @classmethod
    def draw(cls, chance: random.Random, kind: str) -> Moment:
        return cls(kind, chance.randint(1, COUNTS[kind]), chance.random())

    def arm(self, number: int = signal.SIGKILL) -> None:
        """This process sends itself the signal at this moment."""
        Strike(self, number).arm()


class Strike:
    def __init__(self, moment: Moment, number: int) -> None:
        self.moment, self.number, self.left = moment, number, moment.count

    def arm(self) -> None:
        getattr(self, f"arm_{self.moment.kind}")()

    def now(self) -> None:
        os.kill(os.getpid(), self.number)

    def due(self) -> bool:
        self.left -= 1
        return self.left == 0

    def arm_training(self) -> None:
        self._ticks(of_evaluation=False)

    def arm_evaluation(self) -> None:
        self._ticks(of_evaluation=True)

    def _ticks(self, of_evaluation: bool) -> None:
        tick = Checkpointer.tick

        def ticked(checkpointer: Checkpointer, study: Study) -> None:
            tick(checkpointer, study)
            if (study.progress().phase == "evaluation") is of_evaluation and self.due():
                self.now()

        Checkpointer.tick = ticked

    def arm_recycle(self) -> None:
        for recycler in (ReDo, ContinualBackprop, Prune):
            recycler.after_update = self._acted(recycler.after_update)

    def _acted(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def after_update(*arguments: Any) -> Any:
            metrics = original(*arguments)
            if metrics and self.due():
                self.now()
            return metrics

        return after_update

    def arm_checkpoint(self) -> None:
        os.fsync, os.replace, os.unlink = (self._writing(call) for call in (os.fsync, os.replace, os.unlink))

    def arm_deletion(self) -> None:
        """Between the lease's check and what it allowed."""
        os.unlink = self._writing(os.unlink)

    def _writing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            struck = threading.current_thread().name == "checkpoint" and self.due()
            before = self.moment.part < 0.5
            if struck and before:
                self._tear(original.__name__, arguments)
                self.now()
            result = original(*arguments, **more)
            if struck and not before:
                self.now()
            return result

        return call

    def _tear(self, name: str, arguments: tuple[Any, ...]) -> None:
        """What is not synced may be lost: half of the file that was to be synced is."""
        if name == "fsync" and self.number == signal.SIGKILL and not os.path.isdir(f"/proc/self/fd/{arguments[0]}"):  # noqa: PTH112
            os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)

    def arm_metrics(self) -> None:
        original = record._write_whole_lines

        def write(file: BinaryIO, lines: list[str]) -> bytes:
            struck = "metrics.csv" in Path(file.name).name and self.due()
            if struck:
                block = "".join(f"{line}\n" for line in lines).encode()
                file.write(block[: int(len(block) * self.moment.part)])
                file.flush()
                self.now()
            return original(file, lines)

        record._write_whole_lines = write

    def arm_status(self) -> None:
        original = status.write_json

        def write(*arguments: Any) -> None:
            struck = self.due()
            if struck and self.moment.part < 0.3:
                self.now()
            elif struck and self.moment.part < 0.6:
                os.replace = lambda *_: self.now()
            original(*arguments)
            if struck and self.moment.part >= 0.6:
                self.now()

        status.write_json = write
