"""Scores on a human scale."""

from __future__ import annotations

import hashlib

import pytest

from redo_lab.analysis import normalise
from redo_lab.analysis.normalise import Normalisation, Reference, human_normalised, normalisation_for, scale_of
from redo_lab.runs.names import EVALUATION_RETURN, TRAIN_ACCURACY


def test_random_play_is_zero_and_human_play_is_one() -> None:
    assert human_normalised(1.7, "breakout") == 0.0
    assert human_normalised(30.5, "breakout") == 1.0
    assert human_normalised(1971.0, "demon_attack") == 1.0
    assert human_normalised(-20.7 + 35.3 / 2, "pong") == pytest.approx(0.5)
    assert human_normalised(-18.6 + 2 * 2.2, "double_dunk") == pytest.approx(2.0)


def test_the_table_has_57_games_of_which_two_without_a_human_score() -> None:
    references = normalise.atari_references()
    assert len(references) == 57
    assert {game for game, reference in references.items() if reference.human is None} == {"defender", "surround"}


def test_every_score_is_that_of_its_source() -> None:
    """The checksum was taken when all 57 rows were compared with Dopamine's normalization_utils.py."""
    rows = [f"{game} {scores.random} {scores.human}" for game, scores in sorted(normalise.atari_references().items())]
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    assert digest == "fc48bfb66cc45b6645225f32b41d525a67685e09cc928d8b6ffa4a94b5a71299"


def test_games_without_a_scale_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no human score for game 'demon_atack': did you mean 'demonattack'"):
        human_normalised(0.0, "demon_atack")
    with pytest.raises(ValueError, match="no human score is known for game 'defender'"):
        human_normalised(0.0, "defender")
    monkeypatch.setattr(normalise, "atari_references", lambda: {"flat": Reference(3.0, 3.0)})
    with pytest.raises(ValueError, match="'flat': human and random scores are equal"):
        human_normalised(0.0, "flat")


def test_the_suite_picks_the_normalisation_and_the_label_names_it() -> None:
    assert normalisation_for("atari", EVALUATION_RETURN).label("return") == "human-normalised score"
    assert normalisation_for("minatar", EVALUATION_RETURN) is Normalisation.NONE
    assert normalisation_for("mujoco", EVALUATION_RETURN).label("return") == "return"
    assert normalisation_for("atari", EVALUATION_RETURN, Normalisation.MINMAX) is Normalisation.MINMAX


def test_only_returns_are_normalised() -> None:
    assert normalisation_for("atari", TRAIN_ACCURACY).label("accuracy") == "accuracy"
    assert normalisation_for("atari", TRAIN_ACCURACY, Normalisation.NONE) is Normalisation.NONE
    for wish in (Normalisation.HUMAN, Normalisation.MINMAX):
        with pytest.raises(ValueError, match="is for returns of games, these runs have evaluation/train_accuracy"):
            normalisation_for("atari", TRAIN_ACCURACY, wish)
    assert scale_of("hopper", Normalisation.NONE) == (0.0, 1.0)
