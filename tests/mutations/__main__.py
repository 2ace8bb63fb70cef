"""Plants mistakes in copies of the tree, one at a time in each, and sees whether the tests fail; 1 if one survives.

python -m tests.mutations [--list] [--only NAME …] [--seconds N] [--seed N] [--processes N]
"""

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

from tests.mutations.catalogue import Mutation, mutations
from tests.mutations.trial import ROOT, Outcome, attempt, copy_tree


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="the names, and which can't be planted any more")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="names, or beginnings of names")
    parser.add_argument("--seconds", type=float, help="no new trial begins after so many; those left are counted")
    parser.add_argument("--seed", type=int, default=None, help="of the order; without one every call has another")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    chosen = [m for m in mutations() if not options.only or m.name.startswith(tuple(options.only))]
    problems = {m.name: problem for m in chosen if (problem := m.problem(ROOT))}
    for name, problem in problems.items():
        print(f"{name}: {problem}")
    if options.list or not chosen:
        print("\n".join(f"{m.name:<50} {m.file}" for m in chosen) or "no mutation is called so")
        return 1 if problems or not chosen else 0
    plantable = [m for m in chosen if m.name not in problems]
    seed = random.randrange(10**6) if options.seed is None else options.seed
    random.Random(seed).shuffle(plantable)
    print(f"{len(plantable)} planted mistakes, --seed {seed}", flush=True)
    outcomes = list(outcomes_of(plantable, options.processes, options.seconds))
    bad = [outcome for outcome in outcomes if not outcome.good]
    print(f"{len(outcomes) - len(bad)} caught, {len(bad)} not, {len(plantable) - len(outcomes)} not tried")
    for outcome in bad:
        print(f"  {outcome.name}: {outcome.verdict} {outcome.by}")
    return 1 if bad or problems else 0


def outcomes_of(chosen: Sequence[Mutation], processes: int, seconds: float | None) -> Iterator[Outcome]:
    """Each as soon as it is known, printed."""
    end = time.monotonic() + seconds if seconds is not None else float("inf")
    trees: queue.Queue[Path] = queue.Queue()
    with ExitStack() as stack, ThreadPoolExecutor(processes) as pool:
        for _ in range(processes):
            trees.put(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutations-"))))
            copy_tree(trees.queue[-1])

        def trial(mutation: Mutation) -> Outcome | None:
            if time.monotonic() > end:
                return None
            tree = trees.get()
            try:
                return attempt(mutation, tree)
            finally:
                trees.put(tree)

        for done in as_completed([pool.submit(trial, mutation) for mutation in chosen]):
            outcome = done.result()
            if outcome is not None:
                print(f"{outcome.name:<50} {outcome.verdict:<9} {outcome.seconds:5.0f} s  {outcome.by}", flush=True)
                yield outcome


if __name__ == "__main__":
    sys.exit(main())
