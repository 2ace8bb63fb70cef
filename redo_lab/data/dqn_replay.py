"""The DQN Replay data set (Agarwal et al., 2020), or a replay of one's own that `redo-lab export-replay` wrote."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from redo_lab.config import ConfigError, nearest, require
from redo_lab.experience import Recording
from redo_lab.replay import dopamine, recorded
from redo_lab.replay.ring import Replay
from redo_lab.types import Discrete, EnvSpec

LOGS = "replay_logs"


class DqnReplay(Recording):
    """The checkpoints of one run, `<folder>/<game>/<run>/replay_logs`, which are its parts."""

    @dataclass
    class Config:
        """folder: holds a folder a game; run: 1 to 5 in the data set. One checkpoint is in memory for `part_updates`.

        checkpoints: their numbers, null: all that are there; of these the `fraction` is used, evenly spread.
        """

        folder: str
        run: int
        checkpoints: list[int] | None
        fraction: float
        part_updates: int

        def __post_init__(self) -> None:
            require(self.run >= 0, f"run must be ≥ 0, got {self.run}")
            require(0 < self.fraction <= 1, f"fraction must lie in (0, 1], got {self.fraction}")
            require(self.part_updates >= 1, f"part_updates must be ≥ 1, got {self.part_updates}")
            given = self.checkpoints
            good = given is None or (len(given) > 0 and len(set(given)) == len(given) and min(given) >= 0)
            require(good, f"checkpoints must be different numbers, or null for all of them, got {given}")

    def __init__(self, config: Config, *, game: str, spec: EnvSpec, clip_rewards: bool) -> None:
        self.config = config
        self.spec = spec
        self.clip_rewards = clip_rewards
        self.folder = logs(config, game)
        self._numbers = selected(config, self.folder)

    @classmethod
    def check_machine(cls, config: Config, *, game: str, spec: EnvSpec) -> int:
        """The most entries of a checkpoint. Reads of each file its beginning and its end."""
        require(isinstance(spec.actions, Discrete), "data: such a recording has discrete actions")
        folder = logs(config, game)
        most = 0
        for number in selected(config, folder):
            try:
                header = dopamine.check(folder, number)
                terminals = dopamine.read_array(dopamine.path_of(folder, dopamine.TERMINAL, number))
            except (ValueError, OSError) as error:
                raise ConfigError(f"data: {error}") from error
            _check_frames(dopamine.path_of(folder, dopamine.OBSERVATION, number), header, spec)
            # Of each episode a last observation is added; where there are stacks, padding makes room for it.
            most = max(most, header.shape[0] + (int(np.count_nonzero(terminals)) if spec.stack == 1 else 1))
        return most

    def parts(self) -> Sequence[int]:
        """The numbers of the checkpoints."""
        return self._numbers

    def load(self, part: int, config: Replay.Config, device: torch.device) -> Generator[None, None, Replay]:
        """The checkpoint number `part`: no more than the ring and one block of a file is in memory at once."""
        return recorded.load(self.folder, part, config, spec=self.spec, clip_rewards=self.clip_rewards, device=device)


def logs(config: DqnReplay.Config, game: str) -> Path:
    """The folder of the game's run; ConfigError if there is none. DemonAttack and demon_attack are the same game."""
    folder = Path(config.folder)
    require(
        folder.is_dir(),
        f"data.folder={folder} is no folder: it is to hold a folder a game, of the DQN Replay data set (gsutil -m cp "
        "-R gs://atari-replay-datasets/dqn/DemonAttack FOLDER) or of `redo-lab export-replay RUN -o FOLDER`",
    )
    games = {_folded(path.name): path for path in sorted(folder.iterdir()) if path.is_dir()}
    if _folded(game) not in games:
        raise ConfigError(
            f"data.folder={folder} has no game '{game}': {nearest(game, [p.name for p in games.values()])}"
        )
    of_game = games[_folded(game)]
    place = of_game / str(config.run) / LOGS
    runs = ", ".join(sorted(path.name for path in of_game.iterdir() if (path / LOGS).is_dir())) or "none"
    require(place.is_dir(), f"data.run={config.run}: there is no {place}; runs that are there: {runs}")
    return place


def selected(config: DqnReplay.Config, folder: Path) -> list[int]:
    """The checkpoints in `folder` that the config asks for, ascending; ConfigError if one is missing."""
    present = dopamine.numbers(folder)
    require(bool(present), f"data: {folder} holds no {dopamine.OBSERVATION}_ckpt.N.gz")
    if missing := sorted(set(config.checkpoints or ()) - set(present)):
        there = ", ".join(map(str, present))
        raise ConfigError(f"data.checkpoints: {folder} has no checkpoint {missing[0]}, but: {there}")
    numbers = sorted(config.checkpoints) if config.checkpoints is not None else present
    count = max(1, round(config.fraction * len(numbers)))
    return [numbers[index] for index in np.linspace(0, len(numbers) - 1, count).round().astype(int)]


def _folded(game: str) -> str:
    return game.replace("_", "").casefold()


def _check_frames(path: Path, header: dopamine.Header, spec: EnvSpec) -> None:
    expected = dopamine.stored_shape(spec.frame_shape)
    if header.shape[1:] != expected or not np.can_cast(header.dtype, spec.dtype, "safe"):
        raise ConfigError(
            f"data: {path} has frames of {'×'.join(map(str, header.shape[1:]))} {header.dtype}, but those of this "
            f"environment are {'×'.join(map(str, expected))} {np.dtype(spec.dtype)}"
        )
