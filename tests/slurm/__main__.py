"""Sweeps of real runs on a real Slurm, disturbed in every way we know; each must end complete and as if undisturbed.

python -m tests.slurm [--only NAME …] [--root DIR]. Needs root and Debian 12; elsewhere it says so and leaves with 0.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.slurm import disturbances
from tests.slurm.cluster import WORDS, Wrong, free, redo_lab

Disturbance = Callable[[Path, Path], str]
ALL: list[Disturbance] = [
    disturbances.packed,
    disturbances.usr2,
    disturbances.requeue,
    disturbances.partition,
    disturbances.time_limit,
    disturbances.node_down,
    disturbances.crash,
    disturbances.cancel,
    disturbances.submit_limit,
    disturbances.zombie,
]
WITHOUT_ACCOUNTING: list[Disturbance] = [disturbances.packed, disturbances.usr2, disturbances.crash]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="those whose names begin so")
    parser.add_argument("--root", type=Path, help="where the runs go; kept")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("test-slurm: skipped: bringing up a Slurm needs root on Debian")
        return 0
    root = arguments.root or Path(tempfile.mkdtemp(prefix="redo_lab_slurm_"))
    whole = root / "whole"
    done = redo_lab("train", "-m", *WORDS, f"root={whole}")
    if done.returncode:
        print(f"the undisturbed runs failed: {done.stderr}")
        return 1
    wrong = 0
    for accounting, chosen in (("1", ALL), ("0", WITHOUT_ACCOUNTING)):
        named = [one for one in chosen if one.__name__.startswith(tuple(arguments.only))]
        if named:
            subprocess.run([disturbances.CLUSTER, "up"], check=True, env={**os.environ, "SLURM_CI_ACCT": accounting})
        for one in named:
            suffix = "" if accounting == "1" else "_without_accounting"
            wrong += not survived(one, root / f"{one.__name__}{suffix}", whole)
    subprocess.run([disturbances.CLUSTER, "down"], check=True)
    print(f"{wrong} not survived: look into {root}" if wrong else "all survived")
    if not wrong and arguments.root is None:
        shutil.rmtree(root)
    return 1 if wrong else 0


def survived(one: Disturbance, root: Path, whole: Path) -> bool:
    begun = time.monotonic()
    try:
        seen, fine = one(root, whole), True
        free(root)
    except Wrong as wrong:
        seen, fine = str(wrong), False
    except Exception:
        seen, fine = traceback.format_exc(), False
    print(
        f"{root.name:<28} {'as undisturbed' if fine else 'WRONG':<15} {time.monotonic() - begun:6.1f} s  {seen}",
        flush=True,
    )
    if not fine:
        subprocess.run(["scancel", "--me"], check=False)
        subprocess.run([disturbances.CLUSTER, "up"], check=False, capture_output=True)
    return fine


if __name__ == "__main__":
    sys.exit(main())
