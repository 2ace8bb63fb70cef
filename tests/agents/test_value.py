"""The value-based agent: exploration, targets by hand, the target network, what an update may change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from redo_lab.agents.value import Epsilon, Loss, ValueAgent, bootstrap, td_loss
from redo_lab.config import ConfigError
from redo_lab.networks.augment import drq
from redo_lab.networks.q_network import dueling_values
from redo_lab.replay.ring import Replay
from redo_lab.types import Discrete, EnvSpec, Transition
from tests.helpers.agents import VECTOR_SPEC, batches, through_a_file, tiny

VALUE_AGENTS = ("dqn", "dqn_nstep3", "drq_eps")


class Table(nn.Module):
    """Q(s) is row int(s[0]) of a table."""

    def __init__(self, rows: list[list[float]]) -> None:
        super().__init__()
        self.rows = torch.tensor(rows)

    def forward(self, obs: Tensor) -> Tensor:
        return self.rows[obs[:, 0].long()]


def tabular(online: list[list[float]], target: list[list[float]], **overrides: object) -> ValueAgent:
    agent: ValueAgent = tiny("dqn", **overrides)
    agent.online, agent.target = Table(online), Table(target)  # type: ignore[assignment]
    return agent


def transition(reward: float, discount: float, next_state: int) -> Transition:
    return Transition(
        torch.zeros(1, 1),
        torch.tensor([0]),
        torch.tensor([reward]),
        torch.tensor([discount]),
        torch.tensor([[float(next_state)]]),
    )


@pytest.mark.parametrize(
    ("env_step", "epsilon"), [(0, 1.0), (99, 1.0), (100, 1.0), (125, 0.7525), (200, 0.01), (10**6, 0.01)]
)
def test_epsilon_is_1_in_warmup_then_falls_linearly_to_its_final_value(env_step: int, epsilon: float) -> None:
    assert Epsilon(1.0, 0.01, 100).at(env_step, warmup_env_steps=100) == pytest.approx(epsilon)


def test_act_is_random_in_warmup_and_almost_greedy_at_the_end() -> None:
    agent = tiny("dqn")
    obs = batches("dqn", 1)[0].obs[0].numpy()
    early = [agent.act(obs, 0) for _ in range(300)]
    late = [agent.act(obs, 10**7) for _ in range(300)]
    assert min(np.bincount(early, minlength=3)) > 60
    assert sum(action == agent.greedy(obs) for action in late) >= 290


def test_greedy_is_the_argmax_of_the_online_network() -> None:
    agent = tiny("dqn")
    obs = batches("dqn", 1)[0].obs
    expected = agent.online(obs).argmax(1)
    assert torch.equal(agent.policy(obs), expected)
    assert [agent.greedy(one.numpy()) for one in obs] == expected.tolist()


def test_huber_is_quadratic_within_1_and_linear_outside() -> None:
    q, target = torch.tensor([0.0, 0.0]), torch.tensor([0.5, -3.0])
    assert td_loss(q, target, Loss.huber).item() == pytest.approx((0.125 + 2.5) / 2)
    assert td_loss(q, target, Loss.mse).item() == pytest.approx((0.25 + 9) / 2)


def test_the_target_is_reward_plus_discounted_maximum_of_the_target_network() -> None:
    agent = tabular(online=[[9.0, 0.0], [9.0, 0.0]], target=[[1.0, 2.0], [4.0, 3.0]])
    assert agent.td_target(transition(0.5, 0.9, 1)).item() == pytest.approx(0.5 + 0.9 * 4)


def test_termination_drops_the_bootstrap() -> None:
    agent = tabular(online=[[0.0, 0.0]], target=[[7.0, 8.0]])
    assert agent.td_target(transition(0.5, 0.0, 0)).item() == 0.5


def test_double_q_picks_with_the_online_network_and_values_with_the_target() -> None:
    rows = {"online": [[0.0, 5.0]], "target": [[10.0, 3.0]]}
    assert tabular(**rows, double=False).td_target(transition(1.0, 0.5, 0)).item() == 6.0
    assert tabular(**rows, double=True).td_target(transition(1.0, 0.5, 0)).item() == 2.5


def test_bootstrap_takes_each_row_at_the_selectors_best_action() -> None:
    reward, discount = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.25])
    next_q, selector = torch.tensor([[2.0, 4.0], [8.0, 6.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert bootstrap(reward, discount, next_q, selector).tolist() == [2.0, 3.5]


@pytest.mark.parametrize(("terminated", "last"), [(True, [2 + 0.5 * 4, 4.0]), (False, [4 + 0.25 * 30, 4 + 0.5 * 30])])
def test_targets_of_3_steps_through_the_replay(terminated: bool, last: list[float]) -> None:
    """Rewards 1, 2, 4 and an end; γ = 0.5; max Q(state i) = 10 i. Truncation keeps the bootstrap, at γ^m."""
    spec = EnvSpec((1,), 1, np.float32, Discrete(2), frame_skip=1)
    replay = Replay(Replay.Config(capacity=20, n_step=3, discount=0.5), spec=spec, device=torch.device("cpu"))
    replay.start(np.array([0], np.float32))
    for i, reward in enumerate([1.0, 2.0, 4.0]):
        end = i == 2
        replay.append(0, reward, np.array([i + 1], np.float32), end and terminated, end and not terminated)
    agent = tabular(online=[[0.0, 0.0]] * 4, target=[[-1.0, 10.0 * i] for i in range(4)])
    found = agent.td_target(replay.transitions(np.array([0, 1, 2])))
    first = 1 + 0.5 * 2 + 0.25 * 4 + (0 if terminated else 0.125 * 30)
    second = last[0] if terminated else 2 + 0.5 * 4 + 0.25 * 30
    assert found.tolist() == pytest.approx([first, second, last[1]])


def test_dueling_subtracts_the_mean_advantage() -> None:
    q = dueling_values(torch.tensor([[5.0]]), torch.tensor([[1.0, 2.0, 6.0]]))
    assert q.tolist() == [[3.0, 4.0, 8.0]]
    agent = tiny("dqn", dueling=True)
    obs = batches("dqn", 1)[0].obs
    value = agent.online.value(agent.online.torso(obs))
    assert torch.allclose(agent.online(obs).mean(1, keepdim=True), value, atol=1e-6)


def test_the_target_network_is_copied_at_its_period_in_agent_steps_and_only_then() -> None:
    agent = tiny("dqn", target_period_env_steps=5)
    before = [p.clone() for p in agent.target.parameters()]
    for env_step in range(1, 5):
        agent.update(batches("dqn", 1)[0])
        agent.end_env_step(env_step)
        assert same(agent.target.parameters(), before)
    agent.end_env_step(5)
    assert same(agent.target.parameters(), agent.online.parameters())
    assert not same(agent.target.parameters(), before)


@pytest.mark.parametrize("name", VALUE_AGENTS)
def test_an_update_changes_every_online_weight_and_nothing_else(name: str) -> None:
    agent, batch = tiny(name), batches(name, 1)[0]
    copy = [value.clone() for value in batch]
    online, target = ([p.clone() for p in network.parameters()] for network in (agent.online, agent.target))
    agent.update(batch)
    assert same(agent.target.parameters(), target)
    assert all(not torch.equal(p, old) for p, old in zip(agent.online.parameters(), online, strict=True))
    assert same(batch, copy)


def test_augmentation_leaves_overlapping_observations_of_a_replay_alone() -> None:
    window = batches("drq_eps", 1)[0].obs
    batch = batches("drq_eps", 1)[0]._replace(obs=window[:, :-1], next_obs=window[:, 1:])
    agent = tiny("drq_eps")
    agent.online.torso.conv = nn.Conv2d(3, 8, 3)
    agent.target.torso.conv = nn.Conv2d(3, 8, 3)
    before = window.clone()
    agent.update(batch)
    assert torch.equal(window, before)


def test_both_observations_are_augmented_each_by_its_own_draw() -> None:
    agent, batch = tiny("drq_eps"), batches("drq_eps", 1)[0]
    batch = batch._replace(next_obs=batch.obs)
    seen: list[Tensor] = []
    for network in (agent.target, agent.online):
        network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    draws = agent.augmentation.clone_state()
    obs, next_obs = drq(batch.obs, draws), drq(batch.next_obs, draws)
    agent.update(batch)
    target_next, online_next, online_obs = seen
    assert torch.equal(online_obs, obs)
    assert torch.equal(target_next, next_obs)
    assert torch.equal(online_next, next_obs)
    assert not torch.equal(obs, next_obs)


def test_nothing_is_augmented_when_acting_and_scoring() -> None:
    agent, batch = tiny("drq_eps"), batches("drq_eps", 1)[0]
    before = agent.augmentation.get_state()
    assert torch.equal(agent.forward(batch), agent.online(batch.obs))
    agent.act(batch.obs[0].numpy(), 10**7)
    agent.q_and_target(batch)
    assert torch.equal(agent.augmentation.get_state(), before)


def test_observations_stay_bytes_until_the_network() -> None:
    agent = tiny("dqn")
    seen: list[torch.dtype] = []
    for network in (agent.online, agent.target):
        network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    agent.update(batches("dqn", 1)[0])
    agent.greedy(batches("dqn", 1)[0].obs[0].numpy())
    assert seen == [torch.uint8] * 3


@pytest.mark.parametrize("name", VALUE_AGENTS)
def test_a_seed_determines_the_losses(name: str) -> None:
    same_seed, again, other = (losses(tiny(name, seed), name) for seed in (0, 0, 1))
    assert same_seed == again
    assert same_seed != other


@pytest.mark.parametrize("name", VALUE_AGENTS)
def test_a_saved_agent_continues_bit_for_bit(name: str) -> None:
    agent, restored = tiny(name), tiny(name, seed=9)
    losses(agent, name)
    agent.end_env_step(10**6)
    restored.load_state_dict(through_a_file(agent.state_dict()))
    obs = batches(name, 1)[0].obs[0].numpy()
    assert losses(agent, name) == losses(restored, name)
    assert [agent.act(obs, 0) for _ in range(20)] == [restored.act(obs, 0) for _ in range(20)]
    assert same(agent.online.parameters(), restored.online.parameters())


def test_learning_rate_scale_multiplies_the_learning_rate() -> None:
    agent = tiny("dqn", learning_rate_scale=0.25)
    assert agent.optimizers[0].param_groups[0]["lr"] == 6.25e-5 / 4


@pytest.mark.parametrize("name", ["dqn", "sac"])
def test_adam_takes_its_epsilon_and_decays_nothing_itself(name: str) -> None:
    agent = tiny(name, optimizer={"epsilon": 0.125})
    assert all(type(optimizer) is torch.optim.Adam for optimizer in agent.optimizers)
    groups = [group for optimizer in agent.optimizers for group in optimizer.param_groups]
    assert {(group["eps"], group["weight_decay"]) for group in groups} == {(0.125, 0)}


def test_the_values_and_targets_a_probe_reads_are_those_of_the_loss() -> None:
    agent, batch = tiny("dqn"), batches("dqn", 1)[0]
    q, target = agent.q_and_target(batch)["q"]
    assert torch.equal(td_loss(q, target, Loss.huber), agent.update(batch)["train/loss"])


def test_continuous_actions_and_augmented_vectors_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs discrete actions"):
        ValueAgent.check_env(VECTOR_SPEC)
    with pytest.raises(ConfigError, match="needs discrete actions"):
        tiny_on(VECTOR_SPEC)
    with pytest.raises(ConfigError, match="augmentation=drq needs images"):
        tiny_on(EnvSpec((6,), 1, np.float32, Discrete(2), frame_skip=1))


def tiny_on(spec: EnvSpec) -> ValueAgent:
    config = tiny("drq_eps").config
    return ValueAgent(config, spec=spec, torso=None, seeds=None, device=torch.device("cpu"))  # type: ignore[arg-type]


def losses(agent: ValueAgent, name: str) -> list[float]:
    return [agent.update(batch)["train/loss"].item() for batch in batches(name, 4)]


def same(left: object, right: object) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))  # type: ignore[call-overload]
