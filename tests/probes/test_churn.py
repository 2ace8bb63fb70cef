import pytest
import torch

from redo_lab.probes.churn import Churn
from redo_lab.types import Transition
from tests.helpers.probes import Chain, HandAgent, always, measure, transitions

OBS = [[1, 0], [2, 0], [0, 3], [0, 1]]  # Q = observation: actions 0, 0, 1, 1


def churn() -> Churn:
    return Churn(Churn.Config(period_updates=5, batch_size=4))


def passing_on(continuous: bool = False) -> HandAgent:
    return HandAgent({"": Chain([torch.eye(2), torch.eye(2)])}, continuous)


def set_head(agent: HandAgent, weight: list[list[float]]) -> None:
    agent.chains[""].layers[-1].weight.data.copy_(torch.tensor(weight))


def test_the_share_of_greedy_actions_that_changed_since_the_last_measurement() -> None:
    agent, probe = passing_on(), churn()
    assert measure(probe, agent, 5, always(OBS)) == {}
    assert measure(probe, agent, 10, always(OBS)) == {"churn/greedy_changed": 0}
    set_head(agent, [[0, 1], [1, 0]])  # every action flips
    assert measure(probe, agent, 15, always(OBS)) == {"churn/greedy_changed": 100}
    set_head(agent, [[0, 1], [1, 4]])  # 1, 1, 1, 1 after 1, 1, 0, 0
    assert measure(probe, agent, 20, always(OBS)) == {"churn/greedy_changed": 50}
    assert measure(probe, agent, 25, always(OBS)) == {"churn/greedy_changed": 0}


def test_the_observations_are_drawn_once() -> None:
    draws: list[int] = []

    def sample(n: int) -> Transition:
        draws.append(n)
        return transitions(torch.tensor(OBS, dtype=torch.float32))

    probe = churn()
    for updates in range(1, 16):
        measure(probe, passing_on(), updates, sample)
    assert draws == [4]


def test_continuous_actions_are_compared_by_their_mean_absolute_difference() -> None:
    agent, probe = passing_on(continuous=True), churn()
    measure(probe, agent, 5, always(OBS))
    set_head(agent, [[0.5, 0], [0, 1]])  # first dimension 0.5 and 1 less on two of the four observations
    assert measure(probe, agent, 10, always(OBS)) == {"churn/greedy_distance": pytest.approx(1.5 / 8)}


def test_convolutional_policies_are_measured_alike() -> None:
    agent = HandAgent({"": Chain([torch.ones(1, 1, 1, 1), [[1, 0, 0, 0], [0, 0, 0, 1]]])})
    images, probe = always(torch.eye(4).view(4, 1, 2, 2)), churn()
    measure(probe, agent, 5, images)
    set_head(agent, [[1, 0, 0, 0], [0, 1, 1, 0]])  # actions 0, 0, 0, 1 become 0, 1, 1, 0
    assert measure(probe, agent, 10, images) == {"churn/greedy_changed": 75}
