"""Colours that anyone can tell apart: by simulation of three kinds of colour blindness, and in grey."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from redo_lab.analysis.looks import COLOURS, looks
from redo_lab.analysis.palette import lightness, on_dark, sequence, shades, with_lightness

VISION = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                            [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
"""Machado, Oliveira and Fernandes (2009), full severity, for linear sRGB."""
WHITE = np.array([0.95047, 1.0, 1.08883])
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
SETS = {
    "methods": ["none", "redo", "reset", "weight_decay", "l2_init", "random", "inverse"],
    "four replay ratios of two": [f"{name}, RR {ratio}" for name in ("none", "redo") for ratio in (0.25, 0.5, 1, 2)],
    "two replay ratios of four": [
        f"{name}, RR {ratio}" for name in ("none", "redo", "reset", "weight_decay") for ratio in (0.25, 1)
    ],
    "replay ratios alone": [f"RR {ratio}" for ratio in (0.25, 0.5, 1, 2, 4, 8)],
    "unknown methods": ["rainbow", "plain", "layer_norm", "crelu", "upgd", "shrink_perturb"],
}
DARK_CARD = "#1F2227"


def linear(colour: str) -> NDArray[np.float64]:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str = "normal") -> NDArray[np.float64]:
    """CIE L*a*b* (D65) as these eyes see `colour`."""
    relative = TO_XYZ @ np.clip(VISION[vision] @ linear(colour), 0, 1) / WHITE
    root = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def contrast(one: str, other: str) -> float:
    """WCAG's."""
    low, high = sorted(float((TO_XYZ @ linear(colour))[1]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_that_of_cie() -> None:
    assert lab("#FFFFFF") == pytest.approx([100, 0, 0], abs=0.01)
    assert lab("#FF0000") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    grey = [lab("#777777", vision) for vision in VISION]
    assert all(each == pytest.approx(grey[0], abs=0.1) for each in grey), "who sees no red still sees grey"


@pytest.mark.parametrize("vision", VISION)
def test_the_colours_of_any_two_methods_differ_for_all_eyes(vision: str) -> None:
    for page in (list(COLOURS), [on_dark(colour) for colour in COLOURS]):
        for one, other in combinations(page, 2):
            distance = float(np.linalg.norm(lab(one, vision) - lab(other, vision)))
            assert distance > 10, (vision, one, other, distance)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("methods", SETS.values(), ids=SETS.keys())
def test_methods_of_one_line_pattern_differ_in_colour_for_all_eyes(methods: list[str], vision: str) -> None:
    for one, other in combinations(looks(methods).values(), 2):
        if one.line == other.line:
            for shown in (str, on_dark):
                distance = np.linalg.norm(lab(shown(one.colour), vision) - lab(shown(other.colour), vision))
                assert distance > 8, (vision, one, other)


@pytest.mark.parametrize("methods", SETS.values(), ids=SETS.keys())
def test_in_grey_any_two_methods_differ_in_pattern_or_clearly_in_lightness(methods: list[str]) -> None:
    for one, other in combinations(looks(methods).values(), 2):
        apart = abs(lab(one.colour)[0] - lab(other.colour)[0])
        assert one.line != other.line or apart > 7.5, (one, other, apart)


@pytest.mark.parametrize("methods", SETS.values(), ids=SETS.keys())
def test_lines_stand_out_from_white_paper_and_from_a_dark_card(methods: list[str]) -> None:
    for look in looks(methods).values():
        assert contrast(look.colour, "#FFFFFF") > 1.9, look
        assert contrast(on_dark(look.colour), DARK_CARD) > 3, look


def test_a_shade_has_the_lightness_asked_for_and_the_last_is_the_deepest() -> None:
    for colour in COLOURS:
        levels = [lightness(shade) for shade in shades(colour, 4)]
        assert levels == sorted(levels, reverse=True)
        assert np.diff(levels) == pytest.approx(np.diff(levels).mean(), abs=0.01), "even steps"
        assert shades(colour, 1) == [colour]
    assert with_lightness("#D55E00", lightness("#D55E00")) == "#D55E00"
    assert lightness(with_lightness("#0072B2", 0.9)) == pytest.approx(0.9, abs=0.01), "less colourful, as light"


def test_numbers_alone_go_from_pale_to_dark_and_words_do_not() -> None:
    assert [look.colour for look in looks(["RR 0.25", "RR 1", "RR 4"]).values()] == sequence(3)
    assert lightness(sequence(3)[0]) > lightness(sequence(3)[1]) > lightness(sequence(3)[2])
    redo = looks(["redo, RR 1", "redo, RR 2"])
    assert [look.colour for look in redo.values()] == shades(COLOURS[1], 2)
    assert looks(["redo 0.1", "redo 0.2"])["redo 0.2"].colour == shades(COLOURS[1], 2)[1], "a number after its name"
