"""The process that talks to W&B: metrics.csv is its queue, so nothing that W&B does slows training.

Its orders come as lines on standard input: a JSON object first (`Order`), `rows` once metrics.csv is this attempt's,
and `finish <exit code>`; the end of the input means that training is gone. It reports JSON lines on standard output.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import wandb

from redo_lab.loggers.wandb.attachments import VIDEO, add_checkpoint, add_lock_file, add_videos
from redo_lab.loggers.wandb.history import Measured, Metrics, earlier_names, supersede
from redo_lab.loggers.wandb.login import without_key
from redo_lab.loggers.wandb.outcome import Outcome

LOOK_SECONDS = 0.5
"""Between two looks at metrics.csv."""

AGAIN_SECONDS = 60.0
"""Before W&B is tried again, doubled each time."""

LOST = "Fatal error while uploading data"
"""What W&B prints when it has given up sending; it raises nothing."""


@dataclass(frozen=True)
class Order:
    """What to send where. init: the arguments of `wandb.init`; frames_per_step: None where a study has no frames.

    system: W&B watches the machine and the process `pid`; artifacts: the last checkpoint of a finished run is sent.
    """

    directory: str
    mode: str
    system: bool
    artifacts: bool
    pid: int
    init_seconds: float
    finish_seconds: float
    frames_per_step: int | None
    init: Mapping[str, Any]


class Wishes:
    """What training has ordered so far."""

    def __init__(self) -> None:
        self.rows = threading.Event()
        self.finish = threading.Event()
        self.exit_code = 1

    def read(self, lines: TextIO) -> None:
        """Runs in a thread; ends the process when training is gone."""
        for line in lines:
            word, _, code = line.strip().partition(" ")
            if word == "finish":
                self.exit_code = int(code)
                self.finish.set()
            self.rows.set()
        os._exit(1)


class Printed(io.TextIOBase):
    """Stands in for stderr: notes whether W&B has printed that it lost something."""

    def __init__(self) -> None:
        self.lost = False

    def write(self, text: str) -> int:
        self.lost = self.lost or LOST in text
        return len(text)


class Sender:
    """Sends metrics.csv until it is whole and the run is finished."""

    def __init__(self, order: Order, wishes: Wishes, printed: Printed, reports: TextIO) -> None:
        self._order = order
        self._wishes = wishes
        self._printed = printed
        self._reports = reports
        self._directory = Path(order.directory)
        self._metrics: Metrics | None = None

    def run(self) -> bool:
        """Whether W&B, or its file on this machine, has everything. Tries again for as long as training goes on."""
        pause = AGAIN_SECONDS
        while True:
            try:
                self._session()
                return True
            except Exception as error:
                reason = str(error).strip() or type(error).__name__
                self._report(problem=without_key(reason.splitlines()[0]))
            wandb.teardown()
            if self._wishes.finish.wait(pause):
                return False
            pause *= 2

    def _session(self) -> None:
        wandb.setup(settings(self._order))
        online = self._order.mode == "online"
        if online and not wandb.login(prompt=False, verify=False):
            raise wandb.errors.UsageError("not logged in, run `wandb login`")
        run = wandb.init(dir=self._directory, resume="allow", settings=settings(self._order), **self._order.init)
        for axis in ("env_steps", "updates", "frames"):
            run.define_metric(axis, hidden=True)
        run.define_metric("*", step_metric="env_steps")
        if online:
            self._report(url=run.url)
        sent = earlier_names(self._directory, run.starting_step if online else None)
        if online:
            supersede(self._directory)
        add_lock_file(run)
        config = self._order.init["config"]
        outcome = Outcome(config["run"], config["axes"])
        self._send_all(run, sent, outcome)
        run.summary.update(outcome.summary(self._directory))
        filmed = {moment[0] for moment, names in sent.items() if any(name.startswith(VIDEO) for name in names)}
        self._attach("videos", lambda: add_videos(run, self._directory, outcome.moments, filmed))
        if self._order.artifacts and self._wishes.exit_code == 0:
            self._attach("the last checkpoint", lambda: add_checkpoint(run, self._directory))
        self._end(run)

    def _send_all(self, run: wandb.Run, sent: Mapping[tuple[int, int], set[str]], outcome: Outcome) -> None:
        self._wishes.rows.wait()
        # The file is opened once: after a takeover the name is another attempt's.
        self._metrics = self._metrics or Metrics(self._directory / "metrics.csv")
        self._metrics.rewind()
        finished = False
        while not finished:
            finished = self._wishes.finish.wait(LOOK_SECONDS)
            for row in self._metrics.news():
                outcome.add(row)
                self._send(run, row, sent.get(row.moment, set()))

    def _send(self, run: wandb.Run, row: Measured, sent: set[str]) -> None:
        values = {name: value for name, value in row.values.items() if name not in sent}
        if values:
            env_steps, updates = row.moment
            frames = self._order.frames_per_step
            clocks = {"env_steps": env_steps, "updates": updates}
            run.log(values | clocks | ({} if frames is None else {"frames": env_steps * frames}))

    def _attach(self, what: str, send: Callable[[], None]) -> None:
        """A failure is a warning: the numbers, which are there already, must not be lost by it."""
        try:
            send()
        except Exception as error:
            reason = without_key((str(error).strip() or type(error).__name__).splitlines()[0])
            self._report(problem=f"{what}: not sent: {reason}")

    def _end(self, run: wandb.Run) -> None:
        """The run is closed and its file whole, whether or not W&B took everything in time."""
        folder = Path(run.settings.sync_dir)
        try:
            run.finish(exit_code=self._wishes.exit_code)
        except TimeoutError:
            self._printed.lost = True
        # finish() returns before wandb-core has written the file; teardown() waits for it.
        wandb.teardown()
        if self._printed.lost:
            self._report(problem=f"it did not take everything; `wandb sync --include-online {folder}` sends the rest")

    def _report(self, **words: object) -> None:
        print(json.dumps(words), file=self._reports, flush=True)

    def done(self) -> None:
        """Tells training that there is nothing to wait for any more."""
        self._report(done=True)


def settings(order: Order) -> wandb.Settings:
    """Nothing but our rows: no console capture, code or git, and machine polling only if asked for.

    Throughput, memory, host and versions are in the run directory already; polling them again costs a process a run.
    """
    return wandb.Settings(
        mode="online" if order.mode == "online" else "offline",
        quiet=True,
        reinit="create_new",
        console="off",
        save_code=False,
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=not order.system,
        x_stats_pid=order.pid,
        # W&B watches no machine of which it is to know nothing.
        x_disable_machine_info=not order.system,
        disable_job_creation=True,
        x_save_requirements=False,
        init_timeout=order.init_seconds,
        finish_timeout=order.finish_seconds,
        finish_timeout_raises=True,
    )


def main() -> None:
    """Leaves without wandb's hooks, which may wait for its server for ever."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    # wandb-core inherits neither pipe: training must see this process end.
    orders, reports = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nowhere, stream)
    printed = Printed()
    sys.stderr = printed
    wishes = Wishes()
    order = Order(**json.loads(orders.readline()))
    threading.Thread(target=wishes.read, args=(orders,), daemon=True).start()
    sender = Sender(order, wishes, printed, reports)
    if sender.run():
        sender.done()
    os._exit(0)


if __name__ == "__main__":
    main()
