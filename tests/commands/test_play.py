"""`redo-lab play`: the videos show the very games that an evaluation plays, and nothing else changes."""

from __future__ import annotations

import re
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from redo_lab import load_agent
from redo_lab.cli import main
from redo_lab.envs.minatar import COLOURS, MinAtar
from redo_lab.experience import Rendered
from redo_lab.plan import CheckedRun
from redo_lab.runs import video
from redo_lab.studies.online import Online
from redo_lab.types import Observation
from tests.attempt.test_resume import same
from tests.helpers.composing import composed

WORDS = ["env=minatar/breakout", "scale=smoke", "training.iterations=2", "logger=none", "threads=1"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    assert main(["train", *WORDS, f"root={root}"]) == 0
    (path,) = root.rglob("run.json")
    return path.parent


def test_a_film_is_the_game_that_play_plays(directory: Path) -> None:
    trained = load_agent(directory)
    (game_return,) = trained.play(seed=3, epsilon=0.3)
    film = trained.watch(seed=3, epsilon=0.3)
    assert film.game_return is None
    frames = list(film.frames())
    assert film.game_return == game_return
    assert {frame.shape for frame in frames} == {(10, 10, 3)}
    cut = trained.watch(seed=3, epsilon=0.3)
    assert len(list(cut.frames(most=2))) == 2 < len(frames)
    assert cut.game_return == game_return, "the game is played to its end all the same"


def test_each_kind_of_object_has_a_colour() -> None:
    config = MinAtar.Config("minatar", "breakout", 0.0, max_episode_env_steps=100, clip_rewards=False)
    env = MinAtar(config, seed=0, training=False)
    obs: Observation = env.reset()
    picture = env.render()
    for channel, row, column in np.argwhere(obs):
        if not obs[channel + 1 :, row, column].any():
            assert picture[row, column].tolist() == COLOURS[channel + 1].tolist()
    assert (picture[~obs.any(axis=0)] == COLOURS[0]).all()
    assert np.array_equal(obs, env._observation()), "it changes nothing"


@pytest.mark.parametrize(
    ("words", "shape", "frames_per_second"),
    [
        (["env=atari/breakout", "agent.warmup_env_steps=5"], (210, 160, 3), 15.0),
        (["env=classic/cartpole"], (400, 600, 3), 50.0),
    ],
)
def test_screens_come_in_colours_at_the_speed_of_the_game(
    words: list[str], shape: tuple[int, ...], frames_per_second: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    study = CheckedRun.of(composed(*words, "scale=smoke")[0]).study
    assert isinstance(study, Online)
    env = study.evaluation_env(seed=0)
    assert isinstance(env, Rendered)
    env.reset()
    before = env.state_dict()
    picture = env.render()
    assert (picture.shape, picture.dtype, env.frames_per_second) == (shape, np.uint8, frames_per_second)
    assert picture.max() > picture.min()
    assert same(env.state_dict(), before)


def test_a_video_holds_every_frame_enlarged_at_the_games_own_speed(tmp_path: Path) -> None:
    frames = [np.full((9, 15, 3), 10 * number, np.uint8) for number in range(20)]
    for name in ("new/game.mp4", "game.gif"):
        assert video.write(tmp_path / name, iter(frames), frames_per_second=10) == 20
    films = {
        "mp4": iio.imread(tmp_path / "new" / "game.mp4", plugin="pyav"),
        "gif": iio.imread(tmp_path / "game.gif", plugin="pillow"),
    }
    for film in films.values():
        assert film.shape == (20, 406, 676, 3)
        assert np.abs(film[:, 5, 5, 0].astype(int) - 10 * np.arange(20)).max() <= 4
    assert iio.immeta(tmp_path / "new" / "game.mp4", plugin="pyav")["fps"] == 10
    assert iio.immeta(tmp_path / "game.gif", plugin="pillow")["duration"] == 100
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["game.gif", "game.mp4"]


def test_a_film_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> object:
        yield np.zeros((8, 8, 3), np.uint8)
        raise RuntimeError("no display")

    with pytest.raises(RuntimeError, match="no display"):
        video.write(tmp_path / "game.mp4", broken(), 10)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_games_are_filmed_into_the_runs_directory_with_the_return_in_the_name(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    assert main(["play", str(directory), "--games", "2", "--seed", "3"]) == 0
    trained = load_agent(directory)
    returns = [trained.play(seed=seed)[0] for seed in (3, 4)]
    names = [f"step400-seed{seed}-return{value:g}.mp4" for seed, value in zip((3, 4), returns, strict=True)]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{directory / 'videos' / name}: return {value:g}" for name, value in zip(names, returns, strict=True)
    ]
    assert sorted(path.name for path in (directory / "videos").iterdir()) == sorted(names)
    assert {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()} == before


def test_a_name_of_ones_own_and_a_part_of_the_runs_id(directory: Path, tmp_path: Path) -> None:
    words = ["play", "breakout", "--root", str(directory.parent), "-o", str(tmp_path / "a.gif"), "--seconds", "0.5"]
    assert main([*words]) == 0
    assert main([*words, "--games", "2"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.gif", "a-2.gif", "a.gif"]
    assert len(iio.imread(tmp_path / "a.gif", plugin="pillow")) <= 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no run below"),
        (["breakout", "-o", "game.avi"], "game.avi: a video ends in .mp4 or .gif"),
        (["breakout", "--games", "0"], "--games must be ≥ 1, got 0"),
        (["breakout", "--seconds", "0"], "--seconds must be > 0"),
        (["breakout", "--epsilon", "2"], r"epsilon must lie in \[0, 1\]"),
        (["breakout", "--checkpoint", "7"], "7"),
    ],
)
def test_mistakes(directory: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", *words, "--root", str(directory.parent)]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_an_environment_that_cannot_be_drawn_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(load_agent(directory).environment(), Rendered)
    monkeypatch.setattr("redo_lab.library.agent.Rendered", int)
    assert main(["play", str(directory)]) == 2
    assert "MinAtar has no `render`" in capsys.readouterr().err
