"""What can be asked of Atari: names of games, ranges of values, and specs without a game."""

import re
from dataclasses import replace

import numpy as np
import pytest

from redo_lab.config import ConfigError
from redo_lab.envs.atari import Atari, canonical_game
from redo_lab.types import Discrete, EnvSpec

PAPER_17 = (
    "Asterix DemonAttack Seaquest WizardOfWor BeamRider RoadRunner Jamesbond Qbert Breakout Enduro SpaceInvaders "
    "Pong Zaxxon YarsRevenge MsPacman DoubleDunk IceHockey"
)
PAPER_26 = (
    "Alien Amidar Assault Asterix BankHeist BattleZone Boxing Breakout ChopperCommand CrazyClimber DemonAttack "
    "Freeway Frostbite Gopher Hero Jamesbond Kangaroo Krull KungFuMaster MsPacman Pong PrivateEye Qbert RoadRunner "
    "Seaquest UpNDown"
)
PAPER_GAMES = sorted({*PAPER_17.split(), *PAPER_26.split()})


def config(game: str = "Breakout", **changes: object) -> Atari.Config:
    base = Atari.Config(
        suite="atari",
        game=game,
        frame_skip=4,
        stack=4,
        sticky_action_probability=0.25,
        terminal_on_life_loss=False,
        max_episode_env_steps=27_000,
        clip_rewards=True,
        noop_max=0,
    )
    return replace(base, **changes)


@pytest.mark.parametrize("name", PAPER_GAMES)
def test_every_game_of_the_paper_resolves(name: str) -> None:
    rom = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    assert canonical_game(name) == canonical_game(rom) == canonical_game(name.upper()) == rom


def test_every_game_of_the_paper_starts() -> None:
    assert len(PAPER_GAMES) == 34
    for name in PAPER_GAMES:
        spec = Atari.spec_of(config(name))
        assert 3 <= spec.actions.n <= 18, name
        assert spec == EnvSpec((1, 84, 84), 4, np.uint8, Discrete(spec.actions.n), 4)


def test_the_spec_is_that_of_the_environment_and_comes_at_once() -> None:
    assert Atari(config("Pong"), seed=0, training=False).spec == Atari.spec_of(config("Pong"))
    assert Atari.spec_of(config("Pong")).obs_shape == (4, 84, 84)


@pytest.mark.parametrize(
    ("name", "hint"), [("DemonAtack", "demon_attack"), ("brekout", "breakout"), ("SpaceInvader", "space_invaders")]
)
def test_an_unknown_game_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"no Atari game '{name}': did you mean '{hint}'?")):
        config(name)


def test_a_rom_that_would_end_the_process_is_unknown() -> None:
    with pytest.raises(ConfigError, match="no Atari game 'Combat'"):
        config("Combat")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_skip": 1}, "frame_skip must be ≥ 2"),
        ({"stack": 0}, "stack must be ≥ 1"),
        ({"sticky_action_probability": 1.0}, "sticky_action_probability must be in"),
        ({"max_episode_env_steps": 0}, "max_episode_env_steps must be ≥ 1"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**changes)
