"""Every figure and table of the paper at scale=smoke: `redo-lab sweep ID`, then `redo-lab figure ID`; network-free.

python -m tests.paper [--only ID …] [--root DIR]

Two runs at a time, and the drawing of one id beside the runs of the next. Runs that several ids share are trained once.
Exit code 1, with the ids, if one fails. What needs data that isn't here runs on what its sweep says for scale=smoke:
Figure 3 on scikit-learn's digits, as CIFAR-10 is a download of 170 MB; what others need is made before (preparations).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from redo_lab.paths import shipped
from scripts.paper_runs import IDS
from tests.paper.preparations import PREPARATIONS

NO_PROXY_LISTENS_HERE = "http://127.0.0.1:9"

SWEEP = ["scale=smoke", "logger=none", "hydra.launcher.runs_at_once=2", "hydra.launcher.threads_per_run=1"]
SAME_CODE = ["--allow-missing"]
"""The checkout may have changed between two runs, and a figure of runs of several codes is refused without this."""
CHECKOUT = Path(__file__).parent.parent.parent
LAST_LINES = 15


class Result(NamedTuple):
    """Of one id. failed: the command that failed and the end of its output; None: it was launched and drawn."""

    name: str
    seconds: float
    summary: str
    failed: str | None


def ids() -> list[str]:
    """Those of the paper that have a sweep and a figure, in its order."""
    folders = [shipped("sweeps"), shipped("figures")]
    return [name for name in IDS if all((folder / f"{name}.yaml").is_file() for folder in folders)]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=ids(), metavar="ID", choices=ids(), help="these alone")
    parser.add_argument("--root", type=Path, help="where the runs and figures go; kept")
    arguments = parser.parse_args(argv)
    root = arguments.root or Path(tempfile.mkdtemp(prefix="redo_lab_paper_"))
    root.mkdir(parents=True, exist_ok=True)
    begun, failed = time.monotonic(), list[str]()
    with ThreadPoolExecutor(1) as drawing:
        results = [launched(name, root, drawing) for name in arguments.only]
        for result in (future.result() for future in results):
            failed += [result.name] * (result.failed is not None)
    print(f"{len(arguments.only)} ids in {time.monotonic() - begun:.0f} s, {len(failed)} failed", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}; look into {root}")
        return 1
    if arguments.root is None:
        shutil.rmtree(root, ignore_errors=True)
    return 0


def launched(name: str, root: Path, drawing: ThreadPoolExecutor) -> Future[Result]:
    """Its runs are finished, or one has failed; the drawing waits its turn."""
    begun, last, failure = time.monotonic(), "", None
    for words in [*PREPARATIONS.get(name, []), ["sweep", name]]:
        done = redo_lab([*words, *(SWEEP if words[0] == "sweep" else [])], root)
        last = done.stdout.strip().rpartition("\n")[2]
        if done.returncode:
            failure = output_of(f"redo-lab {' '.join(words)}", done)
            break
    return drawing.submit(drawn, Result(name, time.monotonic() - begun, last, failure), root)


def drawn(result: Result, root: Path) -> Result:
    """Its figure is there, or a word why not; printed."""
    begun = time.monotonic()
    if result.failed is None:
        done = redo_lab(["figure", result.name, "-o", "drawn", "--format", "png", *SAME_CODE], root)
        picture = root / "drawn" / f"{result.name}.png"
        if done.returncode or not picture.is_file():
            result = result._replace(failed=output_of(f"redo-lab figure {result.name}", done))
    result = result._replace(seconds=result.seconds + time.monotonic() - begun)
    state = "drawn" if result.failed is None else f"FAILED\n{result.failed}"
    print(f"{result.name:<8}{result.seconds:6.0f} s  {result.summary}  {state}", flush=True)
    return result


def redo_lab(words: Sequence[str], root: Path) -> subprocess.CompletedProcess[str]:
    """The command, with `root` as its folder and no way into the network."""
    command = [sys.executable, "-m", "redo_lab.cli", *words]
    return subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, check=False)


def environment() -> Mapping[str, str]:
    """This one's with the checkout's code first, one thread a process, and a proxy that answers nobody."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NO_PROXY_LISTENS_HERE)
    path = os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **proxies, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def output_of(command: str, done: subprocess.CompletedProcess[str]) -> str:
    """The end of the output of a command that failed."""
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()][-LAST_LINES:]
    return "\n".join([f"  {command}: exit code {done.returncode}", *(f"  {line}" for line in lines)])


if __name__ == "__main__":
    sys.exit(main())
