"""Sweep files: which jobs they make, what is refused, and that the shipped ones are the paper's."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from hydra_plugins.redo_lab_sweeper import grid
from redo_lab.commands import sweep
from redo_lab.config import ConfigError
from redo_lab.launch.sweep_file import SweepFile
from redo_lab.options import games, options
from redo_lab.plan import plan
from scripts.stand_ins import stand_ins
from tests.helpers.composing import composed, planned

COUNTS = {
    "demo_grid": 10,
    "fig4": 2 * 2 * 5,
    "fig4_recorded": 2,
    "fig1": 4 * 17 * 5,
    "fig2": 2 * 5,
    "fig3": 6,
    "fig3_digits": 10,
    "fig3_recyclers": len(options("recycler")) * 2 * 5,
    "fig5": 2 * 5,
    "fig6": 2 * 2 * 5,
    "fig7": 4 * 5,
    "fig8": 10,
    "fig8_teachers": 10,
    "fig9": 2 * 5,
    "fig10": 3 * (4 * 2 * 17 * 5) + 4 * 2 * 26 * 10,
    "fig10_dqn": 4 * 2 * 17 * 5,
    "fig10_nstep3": 4 * 2 * 17 * 5,
    "fig10_resnet": 4 * 2 * 17 * 5,
    "fig10_drq": 4 * 2 * 26 * 10,
    "fig11": 3 * 17 * 5,
    "fig12": 3 * 2 * 17 * 5,
    "fig13": 4 * 17 * 5,
    "fig14": 4 * 2 * 10,
    "fig15": 3 * 2 * 5,
    "fig16": 4 * 5 * 5,
    "fig17": 5 * 10,
    "fig18": 2 * 10,
    "fig19": 2 * 2 * 10,
    "fig20": 4 * 4 * 10,
    "fig21": 2 * 2 * 5,
    "fig22": 2 * 5 * 5,
    "fig23": 2 * 5 * 5,
    "fig24": 5 * 5,
    "fig25": 2 * 2 * 5,
    "fig26": 3 * 2 * 17 * 5,
    "fig27": 2 * 17 * 5,
    "fig28": 2 * 17 * 5,
    "fig29": 2 * 26 * 10,
    "fig30": 2 * 26 * 10,
    "methods_by_replay_ratio": 5 * 3 * 17 * 5,
    "table6": 2 * 2 * 5,
    "table7": 2 * 5,
}
SCALES = ("paper", "laptop", "smoke")
"""At which every sweep has runs."""


def values(word: str) -> list[str]:
    """As Hydra's parser reads lists and the ranges of these tests."""
    key, _, value = word.partition("=")
    if value.startswith("range("):
        return [f"{key}={n}" for n in range(int(value[6:-1]))]
    if value.startswith("glob("):
        return grid.values(word)
    return [word] if value.startswith("[") else [f"{key}={one}" for one in value.split(",")]


def written(root: Path, content: dict[str, Any]) -> SweepFile:
    (root / "mine.yaml").write_text(json.dumps(content))
    return SweepFile.read(root / "mine.yaml")


def test_the_product_of_the_grid_with_what_holds_for_all(tmp_path: Path) -> None:
    file = written(
        tmp_path, {"overrides": {"agent": "dqn"}, "grid": {"recycler": ["none", ["redo", "prune"]], "seed": "range(2)"}}
    )
    assert file.jobs([], values) == [
        ["agent=dqn", "recycler=none", "seed=0"],
        ["agent=dqn", "recycler=none", "seed=1"],
        ["agent=dqn", "recycler=[redo,prune]", "seed=0"],
        ["agent=dqn", "recycler=[redo,prune]", "seed=1"],
    ]


def test_what_is_zipped_goes_together(tmp_path: Path) -> None:
    file = written(tmp_path, {"grid": {"seed": [0, 1]}, "zip": [{"replay_ratio": [0.25, 1], "period": [5, None]}]})
    assert file.jobs([], values) == [
        ["seed=0", "replay_ratio=0.25", "period=5"],
        ["seed=0", "replay_ratio=1", "period=null"],
        ["seed=1", "replay_ratio=0.25", "period=5"],
        ["seed=1", "replay_ratio=1", "period=null"],
    ]


def test_what_is_excluded_is_left_out(tmp_path: Path) -> None:
    content = {
        "grid": {"env": ["a", "b"], "recycler": ["x", "y"], "seed": [0, 1]},
        "exclude": [{"env": "a", "recycler": ["x", "y"]}, {"env": "b", "seed": 1, "recycler": "y"}],
    }
    assert written(tmp_path, content).jobs([], values) == [
        ["env=b", "recycler=x", "seed=0"],
        ["env=b", "recycler=x", "seed=1"],
        ["env=b", "recycler=y", "seed=0"],
    ]


def test_a_sweep_uses_lists_beside_it_and_those_that_come_with_us(tmp_path: Path) -> None:
    (tmp_path / "pair.yaml").write_text(json.dumps({"grid": {"env": ["a", "b"], "seed": [5]}}))
    file = written(tmp_path, {"use": "pair", "grid": {"seed": [0], "recycler": ["x"]}})
    assert file.jobs([], values) == [["env=a", "seed=0", "recycler=x"], ["env=b", "seed=0", "recycler=x"]]
    assert len(written(tmp_path, {"use": ["pair", "lists/games17"]}).jobs([], values)) == 17


def test_the_command_line_replaces_axes_and_overrides_and_comes_last(tmp_path: Path) -> None:
    content = {"overrides": {"scale": "paper"}, "grid": {"seed": [0, 1]}, "zip": [{"a": [1, 2], "b": [3, 4]}]}
    file = written(tmp_path, content)
    assert file.jobs(["seed=7", "scale=smoke"], values) == [
        ["scale=smoke", "seed=7", "a=1", "b=3"],
        ["scale=smoke", "seed=7", "a=2", "b=4"],
    ]
    assert file.jobs(["a=9", "b=8", "seed=0"], values) == [["scale=paper", "seed=0", "a=9", "b=8"]]
    with pytest.raises(ConfigError, match="a goes together with b in this sweep: give these too"):
        file.jobs(["a=9"], values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"gird": {"seed": [0]}}, "unknown key 'gird'.*grid"),
        ({}, "a sweep has the keys use, sweeps, overrides, grid, zip, exclude"),
        ({"grid": ["seed"]}, "grid must be a mapping"),
        ({"zip": {"a": [1]}}, "zip must be a list of mappings"),
        ({"zip": [{"a": [1, 2], "b": [1]}]}, "lists of the same length, got a 2, b 1"),
        ({"use": {"a": 1}}, "use must be a name or a list of names"),
        ({"use": "absent"}, "use: there is no .*absent.yaml, and no sweep 'absent' comes with redo_lab"),
        ({"use": "mine"}, "use: 'mine' uses this file"),
        ({"zip": [{"a": 1}]}, "lists of the same length, got a -1"),
    ],
)
def test_a_mistake_in_the_file_is_named(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        written(tmp_path, content)


@pytest.mark.parametrize("name", sweep.names())
def test_a_shipped_sweep_has_the_papers_jobs_and_says_how_many(name: str) -> None:
    jobs = SweepFile.read(sweep.SWEEPS / f"{name}.yaml").jobs([], values)
    assert len(jobs) == len({tuple(job) for job in jobs}) == COUNTS[name]
    assert any(f"{COUNTS[name]} runs" in line for line in sweep.described() if line.split()[0] == name)


def test_the_games_of_every_sweep_are_known() -> None:
    for name, scale in product(sweep.names(), SCALES):
        for job in SweepFile.read(sweep.SWEEPS / f"{name}.yaml").jobs([f"scale={scale}"], values):
            for word in job:
                if word.startswith("env="):
                    suite, _, game = word.removeprefix("env=").partition("/")
                    assert game in games(suite), word


@pytest.mark.parametrize("scale", SCALES)
def test_every_value_of_the_shipped_sweeps_and_the_ends_of_each_work(scale: str, tmp_path: Path) -> None:
    """Each word of a file, of games one a suite; jobs that sweeps share are composed once."""
    stand_ins(tmp_path, scale)
    words_of_all = ["logger=none", f"scale={scale}", f"root={tmp_path}"]
    tried: set[str] = set()
    for name in sweep.names():
        jobs = SweepFile.read(sweep.SWEEPS / f"{name}.yaml").jobs(words_of_all, values)
        for at, job in enumerate(jobs):
            words = {word.partition("/")[0] for word in job if not word.startswith("seed=")}
            kind = " ".join(sorted(words))
            ends = at in (0, len(jobs) - 1) and kind not in tried
            if ends or not words <= tried:
                tried |= words | {kind}
                # CIFAR-10 need not be on this machine.
                run = plan(*composed(*job), here=False).run
                assert (f"experiment={run['experiment']}" in job, run["axes"]["scale"]) == (True, scale)


def test_runs_that_figures_share_have_one_identity_in_one_experiment() -> None:
    """The paper's settings written out (`width 1`, `10 iterations`) are those that are left alone."""
    plain = "agent=dqn", "env=atari/demon_attack", "seed=3"
    same = [
        ["recycler=redo", "replay_ratio=1", "training.iterations=10"],
        ["recycler=redo", "replay_ratio=1"],
        ["recycler=redo", "replay_ratio=1", "network.width=1.0"],
        ["recycler=redo", "replay_ratio=1", "network.activation=relu"],
        ["recycler=redo", "replay_ratio=1", "agent.learning_rate_scale=1.0"],
        ["recycler=redo", "replay_ratio=1", "recyclers.redo.outgoing=zero"],
        ["recycler=redo", "replay_ratio=1", "recyclers.redo.incoming=init"],
    ]
    names = ["fig10_dqn", "fig1", "fig12", "fig21", "fig11", "fig22", "fig23"]
    for name, words in zip(names, same, strict=True):
        jobs = SweepFile.read(sweep.SWEEPS / f"{name}.yaml").jobs([], values)
        assert any({"experiment=dqn17", *plain, *words} <= set(job) for job in jobs), name
    assert len({planned(*plain, *words).run["run_id"] for words in same}) == 1


def test_figure_26_has_as_many_gradient_steps_at_each_replay_ratio() -> None:
    for scale, updates in (("paper", 625_000), ("laptop", 25_000)):
        jobs = SweepFile.read(sweep.SWEEPS / "fig26.yaml").jobs([f"scale={scale}", "seed=0"], values)
        lengths = {tuple(word for word in job if word.startswith(("replay", "training"))) for job in jobs}
        assert len(lengths) == 3
        for words in lengths:
            settings = {key: float(value) for key, _, value in (word.partition("=") for word in words)}
            env_steps = settings["training.iterations"] * settings["training.iteration_env_steps"]
            assert env_steps * settings["replay_ratio"] == updates


def test_figure_10_trains_for_ten_million_frames_at_every_replay_ratio() -> None:
    for replay_ratio in ("0.25", "2"):
        words = ["training.iterations=10", "agent=dqn", f"replay_ratio={replay_ratio}"]
        assert planned(*words).run["total"] * 4 == 10_000_000
    assert "training.iterations=10" in SweepFile.read(sweep.SWEEPS / "fig10_dqn.yaml").jobs([], values)[0]


def test_a_sweep_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(["fig99"]) == 2
    assert "no sweep 'fig99': did you mean 'fig" in capsys.readouterr().err
    assert sweep.main([]) == 0
    assert "fig10_drq" in capsys.readouterr().out
