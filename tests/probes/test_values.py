import torch

from redo_lab.probes.values import Values
from redo_lab.types import Transition
from tests.helpers.probes import Chain, HandAgent, always, measure, rounded, transitions


def values() -> Values:
    return Values(Values.Config(period_updates=5, batch_size=2))


def test_means_of_q_of_the_stored_action_and_of_the_td_error() -> None:
    agent = HandAgent({"": Chain([torch.eye(2), torch.eye(2)])})
    batch = transitions(torch.tensor([[1.0, 9], [3, 2]]), reward=1, discount=0.5)
    batch = batch._replace(action=torch.tensor([0, 1]), next_obs=torch.tensor([[4.0, 0], [0, 0]]))
    # Q: 1, 2. Targets: 1 + 4 / 2 = 3, 1 + 0 = 1. TD errors: 2, -1.
    assert rounded(measure(values(), agent, 5, lambda _: batch)) == {
        "values/q_mean": 1.5,
        "values/q_td_error_mean": 0.5,
        "values/q_td_error_abs_mean": 1.5,
    }


def test_every_critic_has_values_of_its_own() -> None:
    agent = HandAgent(
        {"critic1": Chain([torch.eye(2), torch.eye(2)]), "critic2": Chain([torch.eye(2), 2 * torch.eye(2)])}
    )
    found = measure(values(), agent, 5, always([[1, 0], [3, 0]]))
    assert found["values/critic1_mean"] == 2
    assert found["values/critic2_mean"] == 4


def test_it_asks_for_its_batch_size_when_due_only() -> None:
    agent = HandAgent({"": Chain([torch.eye(2), torch.eye(2)])})
    asked: list[int] = []

    def sample(n: int) -> Transition:
        asked.append(n)
        return transitions(torch.ones(n, 2))

    for updates in range(1, 11):
        measure(values(), agent, updates, sample)
    assert asked == [2, 2]
