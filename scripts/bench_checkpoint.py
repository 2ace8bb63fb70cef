"""What checkpoints cost with a full replay of Atari frames: time held, disk, saving before a preemption, restoring.

The replay is filled with real frames: games of random actions, over and over. DQN on Breakout with the Nature network.

    python scripts/bench_checkpoint.py [--capacity 1000000] [--new 30000] [--rounds 3] [--threads N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir

from redo_lab.attempt.checkpointer import Checkpointer
from redo_lab.attempt.execute import set_up_torch
from redo_lab.attempt.metrics_log import MetricsLog
from redo_lab.commands.train import CONF
from redo_lab.config import resolve
from redo_lab.plan import CheckedRun
from redo_lab.replay.ring import TRUNCATED, Replay
from redo_lab.runs.checkpoint import Checkpoints
from redo_lab.runs.record import Offsets
from redo_lab.scaling import register_resolvers
from redo_lab.seeding import Seeds
from redo_lab.studies.loop import Loop

INTERVAL_SECONDS = 300
PLAYED_ENTRIES = 5000
REST_ENTRIES = 500
ALONE_SECONDS = 5
TARGETS = {"cost of checkpoints": 2.0, "preemption save": 10.0, "restore": 10.0}

Row = tuple[str, float, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capacity", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=30_000, help="entries between two checkpoints")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of torch")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; default: where temporary files go")
    arguments = parser.parse_args()
    config = configured(arguments.capacity, arguments.threads)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rows = saving(config, Path(folder), arguments.new, arguments.rounds)
        gc.collect()
        rows += restoring(config, Path(folder))
    show(rows, arguments)
    return 0


def configured(capacity: int, threads: int) -> CheckedRun:
    register_resolvers()
    words = ["env=atari/breakout", "logger=none", "probe=none", f"replay.capacity={capacity}", f"threads={threads}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        checked = CheckedRun.of(resolve(compose("config", overrides=words)))
    set_up_torch(checked.config.threads)
    return checked


def set_up(checked: CheckedRun, folder: Path) -> tuple[Loop, Checkpointer, Checkpoints]:
    config = checked.config
    loop = checked.study.start(Seeds(config.seed), torch.device("cpu"), MetricsLog([]))
    assert isinstance(loop, Loop)
    checkpoints = Checkpoints(folder / "checkpoint", config.checkpoint.keep)
    saver = Checkpointer(config.checkpoint, checkpoints=checkpoints, offsets=lambda: Offsets(0, 0), versions={})
    return loop, saver, checkpoints


def saving(config: CheckedRun, folder: Path, new_entries: int, rounds: int) -> list[Row]:
    """Of the whole replay, of what an interval adds, of the small rest, and how much the writer slows updates."""
    loop, saver, checkpoints = set_up(config, folder)
    play(loop, min(PLAYED_ENTRIES, loop.replay.config.capacity))
    advance(loop, loop.replay.config.capacity - loop.replay.added)
    loop.agent.update(loop.sample(loop.agent.batch_size))
    with timed() as whole:
        saver.save(loop)
        saver.finish()
    rows: list[Row] = [("first save of the full replay", whole(), "s")]
    rows.append(("replay and two states on disk", checkpoints.bytes_on_disk() / 1e6, "MB"))
    saves = [interval(loop, saver, new_entries) for _ in range(rounds)]
    held, written, alone, beside = (statistics.median(column) for column in zip(*saves, strict=True))
    lost = held + statistics.median([w * max(0, 1 - b / a) for _, w, a, b in saves])
    rows += [
        (f"training held by a save, {new_entries:,} new entries", held * 1e3, "ms"),
        ("written in the background within", written, "s"),
        ("updates while nothing is written", alone, "/s"),
        ("updates while the writer works", beside, "/s"),
        (f"cost of checkpoints, one each {INTERVAL_SECONDS} s", 100 * lost / INTERVAL_SECONDS, "%"),
    ]
    advance(loop, REST_ENTRIES)
    with timed() as rest:
        saver.save(loop)
        saver.finish()
    rows.append((f"preemption save, {REST_ENTRIES} new entries", rest(), "s"))
    # The worst moment to be preempted: just before the next checkpoint was due.
    advance(loop, new_entries)
    with timed() as worst:
        saver.save(loop)
        saver.finish()
    return [*rows, (f"preemption save, {new_entries:,} new entries", worst(), "s")]


def interval(loop: Loop, saver: Checkpointer, new_entries: int) -> tuple[float, float, float, float]:
    """Seconds held, seconds of background writing, updates a second before it and while it goes on."""
    advance(loop, new_entries)
    end = time.perf_counter() + ALONE_SECONDS
    alone = updates_per_s(loop, lambda: time.perf_counter() < end)
    with timed() as held:
        saver.save(loop)
    with timed() as written:
        writer = saver._writer
        assert writer is not None
        beside = updates_per_s(loop, writer.is_alive)
        saver.finish()
    return held(), written(), alone, beside


def updates_per_s(loop: Loop, going_on: Callable[[], bool]) -> float:
    updates, begun = 0, time.perf_counter()
    while going_on():
        loop.agent.update(loop.sample(loop.agent.batch_size))
        updates += 1
    return updates / (time.perf_counter() - begun)


def restoring(config: CheckedRun, folder: Path) -> list[Row]:
    """As `redo-lab train` does it: every byte verified, every frame unpacked. The files may still be in memory."""
    loop, saver, checkpoints = set_up(config, folder)
    with timed() as verified:
        newest = checkpoints.newest()
    assert newest is not None
    with timed() as loaded:
        saver.restore(loop, newest, loop.replay.device)
    assert len(loop.replay) == loop.replay.config.capacity
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return [
        ("restore", verified() + loaded(), "s"),
        ("of which checksums", verified(), "s"),
        ("most memory in all of this", memory, "GB"),
    ]


def play(loop: Loop, entries: int) -> None:
    """The replay holds real games of random actions; the last one counts as cut off."""
    chance, replay = np.random.default_rng(0), loop.replay
    loop.obs = loop._begin()
    while replay.added < entries:
        action = int(chance.integers(replay.spec.actions.n))
        step = loop.env.step(action)
        replay.append(action, step.reward, step.obs, step.terminated, step.truncated)
        if (step.terminated or step.truncated) and replay.added < entries:
            loop.obs = loop._begin()
    replay.ends[replay.added - 1] = replay.ends[replay.added - 1] or TRUNCATED
    replay.episode_start = None
    loop.counters.env_steps = replay.added


def advance(loop: Loop, entries: int) -> None:
    """`entries` more are in the ring: again the games that were played, from the first."""
    replay, end = loop.replay, loop.replay.added + entries
    while replay.added < end:
        turn = repeat(replay, min(PLAYED_ENTRIES, end - replay.added))
        replay.added += turn
    loop.counters.env_steps = replay.added


def repeat(replay: Replay, entries: int) -> int:
    """Copies the first `entries` of the ring behind the newest one; how many, at most to the end of the ring."""
    slot = replay.added % replay.config.capacity
    count = min(entries, replay.config.capacity - slot)
    for array in (replay.frames, replay.actions, replay.rewards, replay.ends, replay.history):
        array[slot : slot + count] = array[:count].copy()
    replay.ends[slot + count - 1] = replay.ends[slot + count - 1] or TRUNCATED
    return count


@contextlib.contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Gives a function that, after the block, says how many seconds it took."""
    ends = [time.perf_counter()]
    yield lambda: ends[1] - ends[0]
    ends.append(time.perf_counter())


def show(rows: list[Row], arguments: argparse.Namespace) -> None:
    print(
        f"replay of {arguments.capacity:,} Atari frames, {arguments.threads} torch thread(s), {arguments.rounds} rounds"
    )
    for name, value, unit in rows:
        limit = next((at_most for begin, at_most in TARGETS.items() if name.startswith(begin)), None)
        target = "" if limit is None else f"  (at most {limit:g}{'' if value <= limit else ': MISSED'})"
        print(f"  {name:<48} {value:9.2f} {unit}{target}")


if __name__ == "__main__":
    raise SystemExit(main())
