"""`env=atari/asterix`: every game of every environment is an option, without a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.config import parse
from redo_lab.options import files, games, options
from tests.envs.test_atari_config import PAPER_17, PAPER_26
from tests.helpers.composing import composed


@pytest.mark.parametrize(
    ("option", "suite", "game"),
    [
        ("atari/demon_attack", "atari", "DemonAttack"),
        ("atari_100k/up_n_down", "atari_100k", "UpNDown"),
        ("minatar/space_invaders", "minatar", "space_invaders"),
        ("mujoco/halfcheetah", "mujoco", "HalfCheetah"),
        ("classic/cartpole", "classic", "CartPole"),
    ],
)
def test_a_game_is_its_environment_with_that_game(option: str, suite: str, game: str) -> None:
    plain, choices = composed(f"env={option}")
    assert plain["env"] == composed(f"env={suite}", f"env.game={game}")[0]["env"]
    assert (plain["env"]["game"], plain["env"]["suite"], choices["env"]) == (game, suite, option)


def test_what_is_typed_of_the_environment_wins_over_the_game() -> None:
    assert composed("env=atari/pong", "env.game=Qbert", "env.stack=2")[0]["env"]["game"] == "Qbert"


@pytest.mark.parametrize("environment", files("env"))
def test_every_game_fits_the_schema_of_its_environment(environment: str) -> None:
    assert games(environment)
    node = composed(f"env={environment}/{min(games(environment))}")[0]["env"]
    for option, game in games(environment).items():
        assert option == parse({**node, "game": game}, "env").game_id


def test_every_game_of_the_paper_is_an_option() -> None:
    for names, environment in ((PAPER_17, "atari"), (PAPER_26, "atari_100k")):
        assert set(names.split()) < set(games(environment).values())
    assert {"mujoco/ant", "mujoco/halfcheetah", "mujoco/hopper", "mujoco/walker2d"} < set(options("env"))


def test_no_game_has_a_file() -> None:
    assert not [path for path in Path("conf/env").iterdir() if path.is_dir()]
