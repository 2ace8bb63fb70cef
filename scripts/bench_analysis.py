"""How fast runs become tables, intervals, figures and a report; made-up runs, nothing is trained.

python scripts/bench_analysis.py [--quick]: 680 runs × 40 evaluations × 30 metrics; the bootstrap against rliable's;
the verbs at 5100 runs, which --many measures alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SCRIPTS = Path(__file__).parent
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the resamples, for a look")
    parser.add_argument("--many", action="store_true", help="only the verbs at 5100 runs")
    arguments = parser.parse_args()
    repetitions = 5_000 if arguments.quick else 50_000
    root = Path(tempfile.mkdtemp(prefix="redo_lab_bench_"))
    try:
        _many(root / "5100")
        if arguments.many:
            return
        _synthetic(root / "680")
        _synthetic(root / "340", "--methods", "none", "redo", "reset", "weight_decay", "--replay-ratios", "1")
        _tables(root / "680")
        _bootstrap(repetitions)
        _command("figure efficiency, 4 methods × 17 games × 5 seeds × 40 points", root,
                 "figure", "efficiency", root / "340", "-o", root, "--repetitions", repetitions)  # fmt: skip
        _command("figure iqm, the same runs", root, "figure", "iqm", root / "340", "-o", root)
        _command("report of 680 runs", root, "report", root / "680", "-o", root / "report.html")
    finally:
        shutil.rmtree(root)


def _many(folder: Path) -> None:
    """What a large project asks for; seconds of the processor too, as they depend less on who else is at work."""
    _synthetic(folder, "--methods", "none", "redo", "reset", "--seeds", "25")
    output = folder.parent / "many"
    for words in (["status"], ["runs"], ["aggregate", "-o", output], ["report", "-o", output / "report.html"]):
        verb, *options = words
        command = [sys.executable, "-m", "redo_lab.cli", str(verb), str(folder), *map(str, options)]
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{verb} of 5100 runs ended with code {child.returncode}")
        wall, busy = time.perf_counter() - begun, used.ru_utime + used.ru_stime
        peak = f"{used.ru_maxrss / 1024:.0f} MB of memory at its peak"
        print(f"{verb} of 5100 runs: {wall:.1f} s, {busy:.1f} s of processors, {peak}", flush=True)


def _synthetic(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, SCRIPTS / "synthetic_runs.py", folder, *words], check=True, capture_output=True)


def _tables(folder: Path) -> None:
    from redo_lab.runs.table import load

    if _drop_page_cache():
        _report("table of 680 runs × 40 × 30, nothing in memory", [_seconds(lambda: load([folder]).metrics())])
    _report("table of 680 runs × 40 × 30", [_seconds(lambda: load([folder]).metrics()) for _ in range(ROUNDS)])
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    runs = sorted(path.parent for path in folder.glob("*/run.json"))[:20]
    for directory in runs:  # As long as runs at the paper's scale: 100 times the lines.
        path = directory / "metrics.csv"
        header, _, lines = path.read_text().partition("\n")
        path.write_text(f"{header}\n" + lines * 100)
    table = load(runs)
    names = ["evaluation/return_mean"]
    _report("20 runs of 120 000 lines each, first time", [_seconds(lambda: table.metrics(names))])
    _report("the same, cached", [_seconds(lambda: table.metrics(names)) for _ in range(ROUNDS)])


def _bootstrap(repetitions: int) -> None:
    from rliable import library

    from redo_lab.analysis.aggregate import METRICS
    from redo_lab.analysis.bootstrap import Resampling
    from redo_lab.analysis.schemes import RAO_WU, RLIABLE

    generator = np.random.default_rng(0)
    scores = {name: generator.lognormal(size=(5, 17)) for name in "abcd"}
    for names in (["iqm"], list(METRICS)):
        chosen = [METRICS[name] for name in names]
        functions: Callable[[Any], Any] = lambda x, c=chosen: np.array([function(x) for function in c])  # noqa: E731
        theirs = _seconds(lambda f=functions: library.get_interval_estimates(scores, f, reps=repetitions))
        for scheme in (RAO_WU, RLIABLE):
            # Estimates are kept, so each round has a seed of its own.
            settings = [Resampling(repetitions, seed, scheme) for seed in range(ROUNDS)]
            ours = [_seconds(partial(_estimates, scores, names, resampling)) for resampling in settings]
            _report(f"{', '.join(names)} of 4 × 5 × 17, {repetitions} resamples, {scheme}", ours)
            print(f"  rliable: {theirs:.1f} s, {theirs / statistics.median(ours):.0f} times as long", flush=True)


def _estimates(scores: dict[str, Any], names: list[str], resampling: Any) -> None:
    from redo_lab.analysis.aggregate import estimate

    for method, each in scores.items():
        estimate(each, names, resampling, method)


def _command(what: str, folder: Path, *words: object) -> None:
    command = [sys.executable, "-m", "redo_lab.cli", *map(str, words)]
    _report(what, [_seconds(lambda: subprocess.run(command, check=True, capture_output=True, cwd=folder))])


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _report(what: str, seconds: list[float]) -> None:
    median = statistics.median(seconds)
    spread = f" ({min(seconds):.2f} – {max(seconds):.2f})" if len(seconds) > 1 else ""
    print(f"{what}: {median:.2f} s{spread}", flush=True)


def _drop_page_cache() -> bool:
    """Only root may."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
