"""Atari 2600 games, preprocessed as Dopamine does (Machado et al. 2018), on the Arcade Learning Environment itself."""

from redo_lab.envs.atari.environment import Atari
from redo_lab.envs.atari.games import canonical_game

__all__ = ["Atari", "canonical_game"]
