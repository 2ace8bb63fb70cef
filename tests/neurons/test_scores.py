"""The score of Eq. 1, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from redo_lab.neurons.scores import mean_deviation, mean_magnitude, mean_output, normalised_score

DENSE = torch.tensor([[1.0, -2.0, 0.0], [3.0, 2.0, 0.0]])


def test_the_score_is_the_mean_magnitude_over_the_layers_mean_of_it() -> None:
    # Magnitudes 2, 2 and 0, whose mean is 4/3.
    assert normalised_score(DENSE).tolist() == pytest.approx([1.5, 1.5, 0.0])
    assert normalised_score(1000 * DENSE).tolist() == pytest.approx([1.5, 1.5, 0.0])


def test_a_dead_layer_scores_zero() -> None:
    assert normalised_score(torch.zeros(4, 3)).tolist() == [0.0, 0.0, 0.0]


def test_a_feature_map_is_scored_over_the_batch_and_its_positions() -> None:
    maps = torch.zeros(2, 2, 1, 2)
    maps[0, 0, 0, 1], maps[1, 1] = -4.0, 1.5
    assert mean_magnitude(maps).tolist() == [1.0, 0.75]
    assert mean_output(maps).tolist() == [-1.0, 0.75]
    assert normalised_score(maps).tolist() == pytest.approx([1 / 0.875, 0.75 / 0.875])


def test_deviations_are_from_each_neurons_own_centre() -> None:
    assert mean_deviation(DENSE, mean_output(DENSE)).tolist() == [1.0, 2.0, 0.0]
    maps = torch.tensor([[[[1.0, 3.0]], [[5.0, 5.0]]]])
    assert mean_deviation(maps, torch.tensor([2.0, 4.0])).tolist() == [1.0, 1.0]
