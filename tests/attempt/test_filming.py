"""`logger.video_every_env_steps`: games are filmed while a run trains, and the run is the same, bit for bit."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import pytest

from redo_lab.attempt import filming
from redo_lab.config import ConfigError
from redo_lab.envs.minatar import MinAtar
from redo_lab.plan import CheckedRun
from tests.attempt.test_resume import RUNS, Died, dying_at, final_state, same, train
from tests.helpers.composing import composed

FILMED = "logger.video_every_env_steps=150"
WORDS = {name: RUNS[name] for name in ("dqn minatar redo", "dqn minatar continual_backprop")} | {
    "sac classic": ["env=classic/pendulum", "agent=sac", "recycler=redo", "network.width=0.25"],
    "drq minatar": ["env=minatar/breakout", "agent=drq_eps", "replay_ratio=0.5"],
}


def videos(directory: Path) -> list[Path]:
    return sorted((directory / "videos").glob("*"))


@pytest.mark.parametrize("name", WORDS)
def test_a_filmed_run_is_the_same_run_bit_for_bit(name: str, tmp_path: Path) -> None:
    plain, filmed = train(tmp_path / "plain", WORDS[name]), train(tmp_path / "filmed", [*WORDS[name], FILMED])
    assert (filmed / "metrics.csv").read_bytes() == (plain / "metrics.csv").read_bytes()
    assert same(final_state(filmed), final_state(plain))
    assert not videos(plain)
    assert [path.name.partition("-return")[0] for path in videos(filmed)] == ["step150-training", "step300-training"]
    assert filmed.name == plain.name, "it is the same run by its id, too"


def test_a_resumed_run_films_no_step_twice_and_the_same_games(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*RUNS["dqn minatar redo"], FILMED]
    whole = train(tmp_path / "whole", words)
    with dying_at(310, monkeypatch), pytest.raises(Died):
        train(tmp_path / "cut", words)
    (directory,) = (path.parent for path in (tmp_path / "cut").rglob("run.json"))
    before = {path.name: path.stat().st_mtime_ns for path in videos(directory)}
    assert before
    train(tmp_path / "cut", words)
    after = {path.name: path.stat().st_mtime_ns for path in videos(directory)}
    assert after | before == after
    assert [path.read_bytes() for path in videos(directory)] == [path.read_bytes() for path in videos(whole)]


def test_a_long_game_is_cut_and_has_no_return_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filming, "MOST_SECONDS", 0.2)
    directory = train(tmp_path, [*RUNS["dqn minatar redo"], "logger.video_every_env_steps=400"])
    (path,) = videos(directory)
    assert path.name == "step400-training.mp4"
    assert len(iio.imread(path, plugin="pyav")) == round(0.2 * iio.immeta(path, plugin="pyav")["fps"])


def test_a_screen_that_cannot_be_drawn_costs_one_warning_and_the_run_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_display(self: MinAtar) -> None:
        raise RuntimeError("no display")

    monkeypatch.setattr(MinAtar, "render", no_display)
    directory = train(tmp_path, [*RUNS["dqn minatar redo"], FILMED])
    assert (directory / "log.txt").read_text().count("no videos: RuntimeError: no display") == 1
    assert videos(directory) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["env=minatar/breakout", "logger.video_every_env_steps=0"], "must be ≥ 1 or null, got 0"),
        (["env=minatar/breakout", "logger.video_every_env_steps=1.5"], "must be ≥ 1 or null, got 1.5"),
        (["study=supervised", "logger.video_every_env_steps=5"], "study=supervised plays no games"),
    ],
)
def test_mistakes_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CheckedRun.of(composed(*words, "scale=smoke")[0])
