"""Scores put on one scale across games, and the name of that scale for every label."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from redo_lab.config import nearest
from redo_lab.runs.names import EVALUATION_RETURN


class Normalisation(Enum):
    """How returns become comparable between games."""

    HUMAN = "human"
    MINMAX = "minmax"
    NONE = "none"

    def label(self, word: str) -> str:
        """What a score is called in tables and on axes; `word`: what a raw one is called."""
        return {
            Normalisation.HUMAN: "human-normalised score",
            Normalisation.MINMAX: "score from random (0) to the best run here (1)",
            Normalisation.NONE: word,
        }[self]


class Reference(NamedTuple):
    """Raw returns of a uniformly random agent and of a human player; None where no human score is known."""

    random: float
    human: float | None


def normalisation_for(suite: str, scored_by: str, wish: Normalisation | None = None) -> Normalisation:
    """`wish`, else human for returns of Atari's games, none (raw scores) for all else.

    ValueError if the runs are scored by anything but returns and `wish` would normalise these.
    """
    if scored_by != EVALUATION_RETURN:
        if wish not in (None, Normalisation.NONE):
            raise ValueError(f"--normalisation {wish.value} is for returns of games, these runs have {scored_by}")
        return Normalisation.NONE
    return wish or (Normalisation.HUMAN if suite.startswith("atari") else Normalisation.NONE)


@cache
def atari_references() -> dict[str, Reference]:
    """ROM id without underscores → reference scores; the source is named in atari_scores.csv."""
    text = files(__package__).joinpath("atari_scores.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {row["game"]: Reference(float(row["random"]), _number(row["human"])) for row in rows}


def human_normalised(score: float, game: str) -> float:
    """(score − random) / (human − random) for an Atari game by ROM id ("demon_attack"): 0 is random, 1 human."""
    random, span = scale_of(game, Normalisation.HUMAN)
    return (score - random) / span


def minmax_scale(game: str, finals: Sequence[float]) -> tuple[float, float]:
    """Offset: the random agent's return where it is known, else the least of `finals`; span: up to their greatest."""
    reference = atari_references().get(game.replace("_", "").lower())
    low, high = reference.random if reference else min(finals), max(finals)
    if high <= low:
        raise ValueError(f"game '{game}': no run is above {low:g}, so there is no min-max scale for it")
    return low, high - low


def scale_of(game: str, normalisation: Normalisation) -> tuple[float, float]:
    """Offset and span of `game`: a score is (return − offset) / span. ValueError if the game has no such scale."""
    if normalisation is Normalisation.NONE:
        return 0.0, 1.0
    references = atari_references()
    key = game.replace("_", "").lower()
    if key not in references:
        raise ValueError(f"no human score for game '{game}': {nearest(key, references)} (or --normalisation none)")
    return _span(game, references[key])


def _span(game: str, reference: Reference) -> tuple[float, float]:
    if reference.human is None:
        raise ValueError(f"no human score is known for game '{game}' (use --normalisation none, or leave it out)")
    if reference.human == reference.random:
        raise ValueError(f"game '{game}': human and random scores are equal, so its score cannot be normalised")
    return reference.random, reference.human - reference.random


def _number(text: str) -> float | None:
    return float(text) if text else None
