"""The games that ALE can run: their names, their ROMs and an emulator for each."""

from __future__ import annotations

import functools
from pathlib import Path

import ale_py
from ale_py import roms

from redo_lab.config import ConfigError, nearest


def canonical_game(name: str) -> str:
    """The ROM id of a game named in any case, with or without underscores: DemonAttack → demon_attack."""
    games = rom_ids()
    folded = name.replace("_", "").casefold()
    if folded not in games:
        raise ConfigError(f"no Atari game '{name}': {nearest(name, games.values())}")
    return games[folded]


@functools.lru_cache(maxsize=1)
def rom_ids() -> dict[str, str]:
    """Folded name → ROM id, of the ROMs that ALE can run.

    ALE ends the process on the others (combat, joust, maze_craze, warlords: no game for one player).
    """
    supported = ale_py.ALEInterface.isSupportedROM
    return {rom.replace("_", ""): rom for rom in roms.get_all_rom_ids() if supported(_path(rom)) == rom}


@functools.cache
def action_count(rom: str) -> int:
    """How many actions are in the minimal set of `rom`; the first call for a game starts it once (about 0.1 s)."""
    return len(emulator(rom, seed=0, sticky_action_probability=0.0).getMinimalActionSet())


def emulator(rom: str, seed: int, sticky_action_probability: float) -> ale_py.ALEInterface:
    """A new one with the game `rom` loaded; `seed` is that of the actions that stick."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", sticky_action_probability)
    ale.loadROM(_path(rom))
    return ale


def _path(rom: str) -> Path:
    path = roms.get_rom_path(rom)
    assert path is not None
    return path
