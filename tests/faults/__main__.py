"""Every fault that docs/reliability.md lists, done to real runs; fails if one was not survived.

python -m tests.faults [--only NAME …] [--kills 20] [--seed N] [--root DIR]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.faults import files, owners, strangers, sweeps
from tests.faults.kills import kill_often
from tests.faults.runs import COMBINATIONS, OUTPUTS, Wrong, warm_up

Fault = Callable[[Path, random.Random], object]


class Result(NamedTuple):
    tried: int
    survived: int
    seconds: float
    remark: str


def faults(kills: int) -> dict[str, Fault]:
    """Each raises Wrong if it was not survived; those that return a Counter tried several."""
    found: dict[str, Fault] = {}
    for name, words in COMBINATIONS.items():
        found[f"kill-{name}"] = lambda root, chance, w=words: kill_often(w, root, kills, chance)
    for victim in files.VICTIMS:
        for harm in files.HARMS:
            found[f"damage-{victim}-{harm}"] = partial(files.damage, victim, harm)
    found["damage-both"] = files.damage_both
    found["disk-full-for-checkpoints"] = lambda root, _: files.disk_full(400_000, 20, root)
    found["disk-full-in-training"] = lambda root, _: files.disk_full(0, 20, root)
    found["disk-full-at-start"] = lambda root, _: files.disk_full(0, 0, root)
    found["read-only-directory"] = lambda root, _: files.read_only(False, root)
    found["read-only-root"] = lambda root, _: files.read_only(True, root)
    found["clock-forward"] = lambda root, _: owners.clock_jump(1, root)
    found["clock-back"] = lambda root, _: owners.clock_jump(-1, root)
    for copies in (2, 4):
        found[f"starts-{copies}-new"] = lambda root, _, n=copies: owners.simultaneous(n, False, root)
        found[f"starts-{copies}-resumed"] = lambda root, _, n=copies: owners.simultaneous(n, True, root)
    for kind in ("training", "evaluation", "checkpoint", "deletion", "metrics", "status"):
        found[f"zombie-{kind}"] = partial(owners.zombie, kind)
    found["two-sweeps-at-once"] = lambda root, _: sweeps.two_at_once(root)
    found["stopped-sweep"] = lambda root, _: sweeps.stopped_sweep(root)
    found["killed-sweep"] = lambda root, _: sweeps.killed_sweep(root)
    for how in sweeps.HOWS:
        found[f"status-{how}"] = partial(sweeps.damaged_status, how)
    found["lease-fifo"] = lambda root, _: sweeps.planted_lease(root)
    found["own-module-beside"] = lambda root, _: sweeps.own_module_beside(root)
    for name in ("checkpoint", "checkpoint/replay", "log.txt", "attempts.jsonl"):
        found[f"link-{name.replace('/', '-')}"] = partial(strangers.link, name)
    for how in ("deleted", "cut"):
        found[f"throughput-{how}"] = partial(strangers.lost_throughput, how)
    for version in (1, 2):
        found[f"foreign-pickle-{version}"] = partial(strangers.foreign_pickle, version)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="faults whose names begin so")
    parser.add_argument("--kills", type=int, default=20, help="of each agent with each recycler")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--root", type=Path, help="where the runs go; kept")
    arguments = parser.parse_args()
    root = arguments.root or Path(tempfile.mkdtemp(prefix="redo_lab_faults_"))
    chosen = {n: f for n, f in faults(arguments.kills).items() if n.startswith(tuple(arguments.only))}
    if not chosen:
        parser.error(f"--only: no such fault; there are {', '.join(faults(0))}")
    print(f"seed {arguments.seed}, {len(chosen)} kinds of faults, runs in {root}", flush=True)
    warm_up()
    results: dict[str, Result] = {}
    for name, fault in chosen.items():
        # By name, so that --only repeats exactly what the whole suite did.
        results[name] = tried(fault, root / name, random.Random(f"{arguments.seed} {name}"))
        print(line(name, results[name]), flush=True)
        if results[name].survived == results[name].tried and arguments.root is None:
            shutil.rmtree(root / name, ignore_errors=True)
    return summary(results, root)


def tried(fault: Fault, root: Path, chance: random.Random) -> Result:
    begun = time.monotonic()
    try:
        done = fault(root, chance)
    except files.Skipped as reason:
        return Result(0, 0, time.monotonic() - begun, f"skipped: {reason}")
    except Wrong as wrong:
        return Result(1, 0, time.monotonic() - begun, str(wrong))
    except Exception:
        return Result(1, 0, time.monotonic() - begun, traceback.format_exc())
    kinds = done if isinstance(done, Counter) else Counter()
    remark = ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items()))
    return Result(kinds.total() or 1, kinds.total() or 1, time.monotonic() - begun, remark)


def line(name: str, result: Result) -> str:
    return f"{name:<38} {result.tried:5d} {result.survived:8d} {result.seconds:7.1f} s  {result.remark}"


def summary(results: dict[str, Result], root: Path) -> int:
    print(f"\n{'fault':<38} tried survived")
    for name, result in results.items():
        print(line(name, result))
    tries, survived = (sum(column) for column in zip(*[r[:2] for r in results.values()], strict=True))
    print(f"{'all':<38} {tries:5d} {survived:8d}")
    if tries != survived:
        print(f"not survived: look into {root} and {OUTPUTS}")
        return 1
    shutil.rmtree(OUTPUTS, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
