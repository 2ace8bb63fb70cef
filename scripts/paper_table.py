"""docs/paper.md: every figure and table of the paper, its commands, its runs and how far it is reproduced.

python -m scripts.paper_table   writes it anew
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from redo_lab.launch.rates import FILE as RATES
from redo_lab.paths import shipped
from redo_lab.runs.atomic import write_text
from scripts.paper_runs import IDS, Run, Runs, sharing

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "paper.md"
RESULTS = ROOT / "docs" / "results"
NO_PICTURE = "not yet"
HEAD = """# Every figure and table of the paper

Each row is a figure or a table of the paper. Its sweep starts the runs, and its figure draws them from the runs below
`runs/`. Several ids share runs; these are trained once, by whichever sweep comes first. The numbers are those of
`scale=paper`. `scale=laptop` and `scale=smoke` make a sweep smaller, and `dry_run=true` says what it would take on this
machine.

`make paper-table` writes this page from `sweeps/`, `figures/` and `docs/results/`, and a test keeps it true.

"""
ABOUT_HOURS = """\
**CPU-hours** are an estimate for one core. `python -m scripts.paper_rates` measured how long a step of the
environment and an update of each kind of run take, in CPU time of the process with one thread. The estimate is
these times multiplied by their number. It is for training alone, without evaluation, probes and interventions.
The machine was busy with other work. What Figures 4 and 8 learn from was made for the measurement.

**GPU-hours** are an assumption and not measured, because there was no GPU. They are for one run after another, if
a gradient step takes {gpu_ms:g} ms and a step of the environment takes as long as here. {gpu_ms:g} ms is about
what eager PyTorch needs to launch a hundred and fifty kernels. If several runs share a GPU, divide by their
number. Once some runs below `runs/` have run on a GPU, `redo-lab sweep ID hydra/launcher=slurm dry_run=true`
gives measured hours."""
GPU_SECONDS_PER_UPDATE = 0.003
"""An assumption."""
COLUMNS = ("id", "what", "commands", "runs", "gradient steps", "CPU-hours", "GPU-hours", "shares", "state")


def page(runs: Mapping[str, Sequence[Run]]) -> str:
    """The whole page; ids without a sweep have an empty list of runs."""
    kinds = {run.kind for of in runs.values() for run in of}
    rates = {kind: rate for kind, rate in json.loads(RATES.read_text(encoding="utf-8")).items() if kind in kinds}
    shared = sharing({name: of for name, of in runs.items() if of})
    rows = [row(name, runs[name], shared.get(name, ""), rates) for name in runs]
    table = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    more = "".join(f"{before(name, rates)}\n\n" for name in runs if earlier(name))
    return f"{HEAD}{text}\n\n{_totals(runs, rates)}\n\n{more}{_about(rates)}\n"


def row(name: str, runs: Sequence[Run], shared: str, rates: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The cells of one id."""
    steps = f"{sum(run.updates for run in runs):,}" if runs else "–"
    count = f"{len(runs):,}" if runs else "–"
    hours = cpu_hours(runs, rates), gpu_hours(runs, rates)
    return [name, title(name), commands(name), count, steps, *hours, shared or "–", state(name)]


def title(name: str) -> str:
    """What the id shows: the first line of its figure's file."""
    path = shipped("figures") / f"{name}.yaml"
    if not path.is_file():
        return "–"
    line = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
    return line.partition(": ")[2] or line


def commands(name: str) -> str:
    """The commands in their order, with links to what they read; those that there are."""
    first = earlier(name)
    words = [("sweep", first)] * (first is not None) + [("sweep", name), ("figure", name)]
    links = [
        f"[`redo-lab {verb} {of}`](../{verb}s/{of}.yaml)"
        for verb, of in words
        if (shipped(f"{verb}s") / f"{of}.yaml").is_file()
    ]
    return " ".join(links) or "not written yet"


def earlier(name: str) -> str | None:
    """The sweep whose runs those of `name` learn from, as the head of its file says; None: they need none."""
    path = shipped("sweeps") / f"{name}.yaml"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    named = re.search(r"^# After `redo-lab sweep (\w+)`", text, re.MULTILINE)
    return named[1] if named else None


def before(name: str, rates: Mapping[str, Mapping[str, float]]) -> str:
    """What the runs that those of `name` learn from cost, which no number of the table has."""
    first = earlier(name)
    assert first is not None
    runs = Runs().of(first)
    steps = sum(run.updates for run in runs)
    return (
        f"The runs of {name} learn from those of {first}, which come on top: {len(runs)} runs, "
        f"{steps:,} gradient steps, {cpu_hours(runs, rates)} CPU-hours or {gpu_hours(runs, rates)} GPU-hours."
    )


def cpu_hours(runs: Sequence[Run], rates: Mapping[str, Mapping[str, float]]) -> str:
    """Of one core, by the rates measured for each kind of run; –: a kind has none."""
    return _hours(runs, rates, None)


def gpu_hours(runs: Sequence[Run], rates: Mapping[str, Mapping[str, float]]) -> str:
    """As `cpu_hours`, with the assumed time of an update on a GPU."""
    return _hours(runs, rates, GPU_SECONDS_PER_UPDATE)


def _hours(runs: Sequence[Run], rates: Mapping[str, Mapping[str, float]], per_update: float | None) -> str:
    if not runs or any(run.kind not in rates for run in runs):
        return "–"
    seconds = 0.0
    for run in runs:
        rate = rates[run.kind]
        seconds += run.total * rate["seconds_per_step"] + run.updates * (per_update or rate["seconds_per_update"])
    hours = seconds / 3600
    return f"{float(f'{hours:.2g}'):,.0f}" if hours >= 10 else f"{hours:.2g}"


def state(name: str) -> str:
    """At which scale it has been drawn, with how many runs, and the picture."""
    about = RESULTS / name / "about.json"
    if not about.is_file():
        return NO_PICTURE
    facts = json.loads(about.read_text(encoding="utf-8"))
    finished, planned = facts["finished"], facts["planned"]
    part = f"{finished} runs" if finished == planned else f"{finished} of {planned} runs"
    return f"[{facts['scale']}, {part}](results/{name}/{name}.png)"


def _totals(runs: Mapping[str, Sequence[Run]], rates: Mapping[str, Mapping[str, float]]) -> str:
    distinct = list({run.identity: run for of in runs.values() for run in of}.values())
    written = sum(bool(of) for of in runs.values())
    steps = sum(run.updates for run in distinct)
    known = [run for run in distinct if run.kind in rates]
    hours = f"{cpu_hours(known, rates)} CPU-hours or {gpu_hours(known, rates)} GPU-hours"
    of = "" if len(known) == len(distinct) else f" of {len(known):,} of them"
    return (
        f"All together, each run once: {len(distinct):,} runs of {written} of {len(runs)} ids, "
        f"{steps:,} gradient steps, {hours}{of}."
    )


def _about(rates: Mapping[str, Mapping[str, object]]) -> str:
    lines = [
        *ABOUT_HOURS.format(gpu_ms=1000 * GPU_SECONDS_PER_UPDATE).splitlines(),
        "",
        "| kind of run | ms a step | ms an update | processor | commit |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, rate in sorted(rates.items()):
        per_step, per_update = (1000 * float(str(rate[f"seconds_per_{what}"])) for what in ("step", "update"))
        commit = str(rate["commit"])[:7]
        lines.append(f"| {kind} | {per_step:.3g} | {per_update:.3g} | {rate['processor']} | {commit} |")
    return "\n".join(lines)


def all_runs(ids: Sequence[str] = IDS) -> dict[str, list[Run]]:
    """The runs of each id; none where there is no sweep yet."""
    runs = Runs()
    present = [name for name in ids if (shipped("sweeps") / f"{name}.yaml").is_file()]
    return {name: runs.of(name) if name in present else [] for name in ids}


def main() -> int:
    """Writes the page."""
    write_text(PAGE, page(all_runs()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
