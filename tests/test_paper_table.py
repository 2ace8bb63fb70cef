"""docs/paper.md: every figure and table of the paper has a sweep, a figure and a row with the numbers of its sweep."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hydra_plugins.redo_lab_sweeper.grid import values
from redo_lab.launch.sweep_file import SweepFile
from scripts import paper_table
from scripts.paper_runs import IDS, Run, Runs, sharing
from scripts.paper_table import PAGE, RATES, all_runs, before, cpu_hours, earlier, gpu_hours, page, row, state

ROOT = Path(__file__).parent.parent
ROWS = {
    cells[0]: cells
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (fig|table)\d", line)
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}
RUNS, STEPS, SHARES = 3, 4, 7


@pytest.fixture(scope="module")
def runs() -> Runs:
    return Runs()


@pytest.mark.parametrize("name", IDS)
def test_every_id_has_a_sweep_a_figure_and_a_row(name: str) -> None:
    assert (ROOT / "sweeps" / f"{name}.yaml").is_file()
    assert (ROOT / "figures" / f"{name}.yaml").is_file()
    assert f"`redo-lab sweep {name}`" in ROWS[name][2]
    assert f"`redo-lab figure {name}`" in ROWS[name][2]


def test_the_page_has_the_ids_of_the_paper_in_its_order() -> None:
    assert list(ROWS) == [*(f"fig{number}" for number in range(1, 31)), "table6", "table7"]


@pytest.mark.parametrize("name", IDS)
def test_every_row_counts_the_runs_of_its_sweep(name: str) -> None:
    jobs = SweepFile.read(ROOT / "sweeps" / f"{name}.yaml").jobs([], values)
    assert ROWS[name][RUNS] == f"{len(jobs):,}"


@pytest.mark.parametrize("name", ["fig1", "fig3", "fig8", "fig26", "table6"])
def test_a_row_has_the_numbers_of_its_sweep(name: str, runs: Runs) -> None:
    own = runs.of(name)
    rates = json.loads(RATES.read_text(encoding="utf-8"))
    assert ROWS[name] == row(name, own, ROWS[name][SHARES].replace("–", ""), rates)
    assert (ROWS[name][RUNS], ROWS[name][STEPS]) == (f"{len(own):,}", f"{sum(run.updates for run in own):,}")


@pytest.mark.slow
def test_the_whole_page_is_what_the_files_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(all_runs()), "make paper-table writes it anew"


def test_what_an_id_learns_from_is_trained_first_and_its_cost_is_stated() -> None:
    assert [name for name in IDS if earlier(name)] == ["fig8"]
    assert ROWS["fig8"][2].startswith("[`redo-lab sweep fig8_teachers`](../sweeps/fig8_teachers.yaml) [`redo-lab sweep")
    line = before("fig8", json.loads(RATES.read_text(encoding="utf-8")))
    assert "fig8_teachers, which come on top: 10 runs, 62,375,000 gradient steps" in line
    assert line in PAGE.read_text(encoding="utf-8").splitlines()


def test_no_id_is_without_an_estimated_cost() -> None:
    assert not [name for name, cells in ROWS.items() if "–" in cells[STEPS : STEPS + 3]]


def test_figure_1_is_340_runs_of_2_480_000_gradient_steps(runs: Runs) -> None:
    own = runs.of("fig1")
    assert (len(own), {run.updates for run in own}, {run.total for run in own}) == (340, {2_480_000}, {2_500_000})


def test_a_run_that_two_sweeps_ask_for_in_other_words_is_one(runs: Runs) -> None:
    without_length, with_length = runs.of("fig1"), runs.of("fig10_dqn")
    shared = {run.identity for run in without_length} & {run.identity for run in with_length}
    assert len(shared) == 2 * 17 * 5


def run(identity: str, kind: str = "k") -> Run:
    return Run(identity, kind, 1000, "agent steps", 500)


def test_sharing_names_the_same_the_larger_and_the_overlapping_ids() -> None:
    sets = {"a": "12", "b": "12", "c": "123", "d": "34", "e": "5"}
    shared = sharing({name: [run(identity) for identity in identities] for name, identities in sets.items()})
    assert shared == {
        "a": "the runs of b; all of them in c",
        "b": "the runs of a; all of them in c",
        "c": "2 also in a, b",
        "d": "1 also in c",
        "e": "",
    }


def test_cpu_hours_are_steps_and_updates_by_the_rates_of_their_kind() -> None:
    rates = {"k": {"seconds_per_step": 3.6, "seconds_per_update": 7.2}}
    assert cpu_hours([run("1"), run("2")], rates) == "4"
    assert cpu_hours([run("1")] * 20, rates) == "40"
    assert cpu_hours([run("1"), run("2", "unmeasured")], rates) == "–"


def test_gpu_hours_are_steps_by_their_rate_and_updates_by_the_time_that_the_page_states(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paper_table, "GPU_SECONDS_PER_UPDATE", 0.5)
    rates = {"dqn": {"seconds_per_step": 2.0, "seconds_per_update": 9.0}}
    one = run("1", "dqn")
    hours = (one.total * 2.0 + one.updates * 0.5) / 3600
    assert gpu_hours([one] * 3, rates) == f"{3 * hours:.2g}"
    assert gpu_hours([run("2", "unmeasured")], rates) == "–"


def test_the_state_is_what_has_been_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper_table, "RESULTS", tmp_path)
    assert state("fig1") == "not yet"
    (tmp_path / "fig1").mkdir()
    facts = {"scale": "laptop", "finished": 12, "planned": 40}
    (tmp_path / "fig1" / "about.json").write_text(json.dumps(facts))
    assert state("fig1") == "[laptop, 12 of 40 runs](results/fig1/fig1.png)"
    (tmp_path / "fig1" / "about.json").write_text(json.dumps({**facts, "finished": 40}))
    assert state("fig1") == "[laptop, 40 runs](results/fig1/fig1.png)"
