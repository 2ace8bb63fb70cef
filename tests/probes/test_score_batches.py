import pytest
import torch

from redo_lab.config import ConfigError
from redo_lab.probes.score_batches import ScoreBatches
from redo_lab.types import Transition
from tests.helpers.probes import Chain, HandAgent, measure, transitions

EYE = torch.eye(4)
WEIGHTS = [EYE, torch.ones(2, 4), torch.ones(2, 2)]
ROWS = torch.tensor([[0, 0, 0, 1.0], [0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
"""Each row wakes one neuron more of the first layer; those of the second are awake on all."""


def first_rows(n: int) -> Transition:
    return transitions(ROWS[:n])


def probe(*sizes: int, threshold: float = 0.0) -> ScoreBatches:
    return ScoreBatches(ScoreBatches.Config(period_updates=10, batch_sizes=list(sizes), threshold=threshold))


def test_each_size_is_scored_on_a_batch_of_its_own_size_over_the_neurons_of_all_layers() -> None:
    agent = HandAgent({"": Chain(WEIGHTS)})
    assert measure(probe(1, 2, 4), agent, 10, first_rows) == {
        "score_batches/total_1": 50.0,
        "score_batches/total_2": pytest.approx(100 / 3),
        "score_batches/total_4": 0.0,
    }


def test_neurons_up_to_the_threshold_are_dormant() -> None:
    # With four rows the first layer's means are 1/4, 2/4, 3/4, 1: scores 0.4, 0.8, 1.2, 1.6.
    agent = HandAgent({"": Chain(WEIGHTS)})
    assert measure(probe(4, threshold=0.9), agent, 10, first_rows) == {"score_batches/total_4": pytest.approx(100 / 3)}


def test_it_measures_every_period_only() -> None:
    agent = HandAgent({"": Chain(WEIGHTS)})
    assert [bool(measure(probe(1), agent, updates, first_rows)) for updates in (9, 10, 11, 20)] == [
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("period_updates", "batch_sizes", "threshold", "message"),
    [(0, [1], 0.1, "period_updates must"), (1, [], 0.1, "at least one size"), (1, [0], 0.1, "≥ 1, got"),
     (1, [1], -1.0, "thresholds must")],
)  # fmt: skip
def test_impossible_settings_are_refused(
    period_updates: int, batch_sizes: list[int], threshold: float, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        ScoreBatches.Config(period_updates=period_updates, batch_sizes=batch_sizes, threshold=threshold)
