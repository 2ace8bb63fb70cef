"""Recordings on disk: which game, run and checkpoints are meant, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from redo_lab.config import ConfigError
from redo_lab.data.dqn_replay import DqnReplay, logs, selected
from redo_lab.replay import dopamine
from redo_lab.replay.ring import Replay
from redo_lab.types import Box, EnvSpec
from tests.helpers.recordings import FRAME, outcome, written
from tests.helpers.replays import ATARI, CPU

ENTRIES = ([0, 0, 0, 1, 2, 3], [0] * 6)


def recording(folder: Path, game: str = "DemonAttack", run: int = 1, checkpoints: int = 5) -> Path:
    for number in range(checkpoints):
        written(folder / game / str(run) / "replay_logs", *ENTRIES, add_count=6, number=number)
    return folder


def config(where: Path, **settings: object) -> DqnReplay.Config:
    every = {"folder": str(where), "run": 1, "checkpoints": None, "fraction": 1.0, "part_updates": 10}
    return DqnReplay.Config(**{**every, **settings})  # type: ignore[arg-type]


def test_all_checkpoints_are_used_unless_some_are_named_or_a_fraction_is(tmp_path: Path) -> None:
    folder = recording(tmp_path)

    def numbers(**settings: object) -> list[int]:
        return selected(config(folder, **settings), logs(config(folder), "DemonAttack"))

    assert numbers() == [0, 1, 2, 3, 4]
    assert numbers(checkpoints=[3, 1]) == [1, 3]
    assert numbers(fraction=0.6) == [0, 2, 4]
    assert numbers(fraction=0.01) == [0]
    assert numbers(checkpoints=[4, 2, 3, 1], fraction=0.5) == [1, 4]


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    folder = recording(tmp_path, checkpoints=12)
    assert selected(config(folder), logs(config(folder), "demon_attack")) == list(range(12))


@pytest.mark.parametrize("game", ["demon_attack", "DemonAttack", "demonattack"])
def test_a_game_is_known_by_either_of_its_names(game: str, tmp_path: Path) -> None:
    assert logs(config(recording(tmp_path)), game) == tmp_path / "DemonAttack" / "1" / "replay_logs"


def test_the_check_says_how_many_entries_there_are_at_most(tmp_path: Path) -> None:
    assert DqnReplay.check_machine(config(recording(tmp_path)), game="DemonAttack", spec=FRAME) == 7


@pytest.mark.parametrize(
    ("game", "settings", "message"),
    [
        ("DemonAttack", {"folder": "nowhere"}, r"data\.folder=nowhere is no folder: .*export-replay"),
        ("Pong", {}, r"has no game 'Pong': choices: DemonAttack"),
        ("DemonAttack", {"run": 2}, r"data\.run=2: there is no .*/2/replay_logs; runs that are there: 1"),
        ("DemonAttack", {"checkpoints": [1, 8]}, r"data\.checkpoints: .* has no checkpoint 8, but: 0, 1, 2"),
    ],
)
def test_what_is_missing_is_named(game: str, settings: dict[str, object], message: str, tmp_path: Path) -> None:
    recording(tmp_path, checkpoints=3)
    with pytest.raises(ConfigError, match=message):
        DqnReplay.check_machine(config(tmp_path, **settings), game=game, spec=FRAME)


def test_a_folder_without_observations_is_named(tmp_path: Path) -> None:
    (tmp_path / "DemonAttack" / "1" / "replay_logs").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"holds no \$store\$_observation_ckpt"):
        DqnReplay.check_machine(config(tmp_path), game="DemonAttack", spec=FRAME)


def test_a_damaged_checkpoint_is_refused_only_where_it_is_used(tmp_path: Path) -> None:
    folder = logs(config(recording(tmp_path)), "DemonAttack")
    path = dopamine.path_of(folder, dopamine.REWARD, 3)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ConfigError, match=r"reward_ckpt\.3\.gz is damaged"):
        DqnReplay.check_machine(config(tmp_path), game="DemonAttack", spec=FRAME)
    assert DqnReplay.check_machine(config(tmp_path, checkpoints=[2, 4]), game="DemonAttack", spec=FRAME) == 7


def test_frames_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="frames of 2×3 uint8, but those of this environment are 84×84 uint8"):
        DqnReplay.check_machine(config(recording(tmp_path)), game="DemonAttack", spec=ATARI)


def test_continuous_actions_are_refused(tmp_path: Path) -> None:
    spec = EnvSpec((1, 2, 3), 4, np.uint8, Box((-1.0,), (1.0,)), 1)
    with pytest.raises(ConfigError, match="discrete actions"):
        DqnReplay.check_machine(config(recording(tmp_path)), game="DemonAttack", spec=spec)


@pytest.mark.parametrize(
    "settings", [{"fraction": 0.0}, {"fraction": 1.1}, {"checkpoints": []}, {"checkpoints": [1, 1]}, {"run": -1}]
)
def test_senseless_settings_are_refused(settings: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must"):
        config(tmp_path, **settings)


@pytest.mark.parametrize(("clip", "rewards"), [(True, [1, 1, 1]), (False, [1, 2, 3])])
def test_rewards_are_clipped_where_those_of_the_environment_are(clip: bool, rewards: list[int], tmp_path: Path) -> None:
    data = DqnReplay(config(recording(tmp_path)), game="DemonAttack", spec=FRAME, clip_rewards=clip)
    replay = outcome(data.load(2, Replay.Config(100, 1, 0.9), CPU))
    assert replay.rewards.tolist() == [0, 0, 0, *rewards]
