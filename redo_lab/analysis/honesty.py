"""What makes runs unfit for a comparison as they are: every case is listed, and left out only on --allow-missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import polars as pl

from redo_lab.analysis.sheet import current
from redo_lab.runs.entry import CONTINUED
from redo_lab.runs.final_metrics import final_metrics_problem


class Cell(NamedTuple):
    """One entry of a score matrix."""

    method: str
    game: str
    seed: int

    def __str__(self) -> str:
        return f"{self.method} · {current().game(self.game)} · seed {self.seed}"


@dataclass
class Findings:
    """left_out: what the numbers do not cover, each with the reason; caveats: what their reader should know."""

    left_out: list[str] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)

    def refusal(self) -> str:
        """All of it at once, for a user who has not given --allow-missing."""
        problems = [*self.left_out, *self.caveats]
        lines = [
            f"{len(problems)} {'thing is' if len(problems) == 1 else 'things are'} in the way of a fair comparison:"
        ]
        lines += [f"  {line}" for line in problems]
        return "\n".join([*lines, "--allow-missing goes on with what is common, and says all this in every caption"])


def one_suite(runs: pl.DataFrame) -> str:
    """The suite of all runs, or the study where these have none; ValueError if they are of several."""
    kinds = runs["study"] if "suite" not in runs.columns else runs["suite"].cast(pl.String).fill_null(runs["study"])
    suites = sorted(set(kinds))
    if len(suites) > 1:
        raise ValueError(f"the runs are of several suites ({', '.join(suites)}), whose scores have nothing in common; "
                         f"choose: --where {_choice(runs, suites[0])}")  # fmt: skip
    metrics = runs["scored_by"].unique(maintain_order=True).to_list()
    if len(metrics) > 1:
        studies = runs["study"].unique(maintain_order=True).to_list()
        raise ValueError(f"the runs are scored by different metrics ({', '.join(metrics)}), which can't be compared; "
                         f"choose: --where study={studies[0]}")  # fmt: skip
    return str(suites[0])


def alike(runs: pl.DataFrame, findings: Findings, *, mixed_steps: bool) -> pl.DataFrame:
    """`runs` (with their `method`) of the most frequent scale and length; the others are listed in `findings`.

    mixed_steps: methods may differ in length, the runs of one may not.
    """
    if "scale" in runs.columns:
        runs = _most_frequent(runs, "scale", "scale", findings)
    runs = _most_frequent(runs, "unit", "lengths in", findings)
    parts = runs.partition_by("method", maintain_order=True) if mixed_steps else [runs]
    runs = pl.concat([_most_frequent(part, "planned", runs["unit"][0], findings) for part in parts])
    _check_versions(runs, findings)
    return runs


def cells(runs: pl.DataFrame, scores: dict[str, float], last: dict[str, int], findings: Findings) -> dict[Cell, str]:
    """The directory of every usable run (finished, measured to its end, of a finite score); the others are listed.

    scores: of each directory; last: where its last evaluation was, on the clock that its length is counted on.
    """
    rows = {Cell(row["method"], row["game"], row["seed"]): row for row in runs.iter_rows(named=True)}
    methods = list(dict.fromkeys(runs["method"]))
    usable: dict[Cell, str] = {}
    for cell in map(Cell._make, product(methods, sorted(set(runs["game"])), sorted(set(runs["seed"])))):
        row = rows.get(cell)
        if row is None:
            findings.left_out.append(f"{cell}: no run")
        elif row["state"] != "finished":
            at = f"{row['state']} at {row['done']} of {row['planned']} {row['unit']}"
            findings.left_out.append(f"{cell}: {at}: {_last_line(row['error'])}" if row["error"] else f"{cell}: {at}")
        elif row["directory"] not in scores:
            findings.left_out.append(f"{cell}: finished without any {row['scored_by']} in {row['directory']}")
        elif row["directory"] in last and last[row["directory"]] < row["planned"]:
            at = f"{last[row['directory']]} of {row['planned']} {row['unit']}"
            findings.left_out.append(f"{cell}: finished, but its last evaluation is at {at}: metrics.csv was cut")
        elif not math.isfinite(scores[row["directory"]]):
            findings.left_out.append(f"{cell}: its final score is {scores[row['directory']]}")
        elif problem := _changed(row["directory"]):
            findings.left_out.append(f"{cell}: finished, but {problem}")
        else:
            usable[cell] = row["directory"]
    return usable


def _changed(directory: str) -> str | None:
    """How the metrics in `directory` differ from those it finished with; None: not at all, or not known."""
    try:
        facts = (Path(directory) / "metrics.csv").stat()
    except OSError:
        return None
    return _changed_at(directory, facts.st_mtime_ns, facts.st_size)


@cache
def _changed_at(directory: str, _mtime_ns: int, _size: int) -> str | None:
    """Of many figures each asks for the same runs."""
    return final_metrics_problem(Path(directory))


def common(usable: dict[Cell, str], methods: Sequence[str]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
    """The games of which every method has a usable run, and each method's seeds that have one of all these games.

    Games first: a game with few seeds costs seeds, not the game. ValueError if nothing is left of a method.
    """
    games_of = {method: {cell.game for cell in usable if cell.method == method} for method in methods}
    for method, own in games_of.items():
        if not own:
            raise ValueError(f"method '{method}' has no usable run at all; leave its runs out")
    games = tuple(sorted(set.intersection(*games_of.values())))
    if not games:
        listed = "; ".join(f"{method}: {', '.join(sorted(own))}" for method, own in games_of.items())
        raise ValueError(f"no game has a usable run of every method ({listed})")
    seeds = {}
    for method in methods:
        per_game = [{cell.seed for cell in usable if cell[:2] == (method, game)} for game in games]
        seeds[method] = tuple(sorted(set.intersection(*per_game)))
        if not seeds[method]:
            raise ValueError(f"method '{method}' has no seed with a usable run of all of {', '.join(games)}")
    return games, seeds


def dropped(cell: Cell, games: Sequence[str]) -> str:
    """Why a usable run is not in the matrices."""
    if cell.game not in games:
        return f"{cell}: left out, as another method has no usable run of this game"
    return f"{cell}: left out, as this method lacks the seed in another game"


def _most_frequent(runs: pl.DataFrame, column: str, name: str, findings: Findings) -> pl.DataFrame:
    counts = Counter(runs[column].to_list()).most_common()
    if len(counts) == 1:
        return runs
    standard, _ = counts[0]
    for value, count in counts[1:]:
        noun = "1 run has" if count == 1 else f"{count} runs have"
        findings.left_out.append(f"{noun} {name} {value}, most have {standard}")
    return runs.filter(pl.col(column) == standard)


def _check_versions(runs: pl.DataFrame, findings: Findings) -> None:
    for what, counts in (
        ("commits", Counter(runs["code"])),
        ("versions", Counter(v or "unknown" for v in runs["versions"])),
    ):
        if len(counts) > 1:
            listed = ", ".join(
                f"{code} ({count} {'run' if count == 1 else 'runs'})" for code, count in counts.most_common()
            )
            findings.caveats.append(f"the runs come from different {what} of the code: {listed}")
    continued = runs.filter(pl.col("code").str.contains(CONTINUED, literal=True))
    for (code,), of_code in continued.group_by("code", maintain_order=True):
        ids = of_code["run_id"]
        which = ids[0] if len(ids) == 1 else f"{len(ids)} runs, {ids[0]} the first of them"
        findings.caveats.append(f"continued with other code: {which} ({code})")


def _last_line(error: str) -> str:
    return error.strip().splitlines()[-1]


def _choice(runs: pl.DataFrame, suite: str) -> str:
    return f"{'suite' if 'suite' in runs.columns and suite in set(runs['suite']) else 'study'}={suite}"
