"""SAC: densities, targets and losses by hand, what an update may change, a toy problem it must solve."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from redo_lab.agents.sac import SAC
from redo_lab.config import ConfigError
from redo_lab.networks.actor_critic import squashed
from redo_lab.networks.soft_losses import actor_loss, critic_loss, soft_target, temperature_loss
from redo_lab.neurons.hooks import NO_HOOKS
from redo_lab.types import Box, EnvSpec, Transition
from tests.helpers.agents import GRID_SPEC, VECTOR_SPEC, batches, through_a_file, tiny


def test_log_density_is_that_of_a_change_of_variables_with_a_numerical_derivative() -> None:
    """log p(a) = log N(u) - log |da/du|, da/du by central differences in float64."""
    mean, log_std = torch.tensor([[0.3, -1.2]]).double(), torch.tensor([[-0.5, 0.4]]).double()
    noise = torch.tensor([[0.7, -1.1]]).double()
    action, log_density = squashed(mean, log_std, noise)
    u, step = mean + log_std.exp() * noise, 1e-5
    slope = ((u + step).tanh() - (u - step).tanh()) / (2 * step)
    gaussian = torch.distributions.Normal(mean, log_std.exp()).log_prob(u)
    assert torch.allclose(action, u.tanh())
    assert log_density.item() == pytest.approx((gaussian - slope.log()).sum().item(), abs=1e-9)


def test_log_density_integrates_to_1() -> None:
    u = torch.linspace(-12, 12, 200_001).double()[:, None]
    mean, log_std = torch.full_like(u, 0.4), torch.full_like(u, -0.3)
    action, log_density = squashed(mean, log_std, (u - mean) / log_std.exp())
    assert torch.trapezoid(log_density.exp(), action[:, 0]).item() == pytest.approx(1, abs=1e-6)


def test_log_density_and_its_gradient_stay_finite_where_tanh_rounds_to_1() -> None:
    mean = torch.tensor([[40.0]], requires_grad=True)
    action, log_density = squashed(mean, torch.tensor([[-5.0]]), torch.tensor([[0.0]]))
    log_density.sum().backward()
    assert action.item() == 1.0
    # -log(1 - tanh² u) → 2u - log 4
    assert log_density.item() == pytest.approx(5 - 0.5 * math.log(2 * math.pi) + 80 - math.log(4), rel=1e-6)
    assert mean.grad is not None
    assert mean.grad.item() == pytest.approx(2.0)


def test_soft_target_subtracts_the_temperature_times_the_log_density() -> None:
    reward, discount = torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.0])
    found = soft_target(reward, discount, torch.tensor([4.0, 4.0]), torch.tensor([-2.0, 9.0]), torch.tensor(0.25))
    assert found.tolist() == [1 + 0.5 * (4 + 0.5), 1.0]


class Constant(nn.Module):
    """Twin critics with given values."""

    def __init__(self, q1: float, q2: float) -> None:
        super().__init__()
        self.values = q1, q2

    def forward(self, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full((len(obs),), self.values[0]), torch.full((len(obs),), self.values[1])


@pytest.mark.parametrize(("discount", "bootstraps"), [(0.0, False), (0.99, True)])
def test_the_agents_target_takes_the_lower_target_critic_and_scales_rewards(discount: float, bootstraps: bool) -> None:
    """Discount 0 is a termination; a truncated step has discount γ and keeps the bootstrap."""
    agent = tiny("sac", reward_scale=0.1, initial_temperature=0.5)
    agent.targets, agent.critics = Constant(3.0, 2.0), Constant(-50.0, -50.0)
    batch = batches("sac", 1)[0]
    batch = batch._replace(discount=torch.full((8,), discount))
    noise = torch.randn(8, 2, generator=agent.noise.clone_state())
    _, log_density = squashed(*agent.actor(batch.next_obs), noise)
    expected = 0.1 * batch.reward + bootstraps * discount * (2.0 - 0.5 * log_density)
    assert torch.allclose(agent.td_target(batch, agent.standard_normal(len(batch.obs), agent.noise)), expected)


def test_critic_loss_is_half_the_sum_of_both_squared_errors() -> None:
    q1, q2, target = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]), torch.tensor([0.0, 4.0])
    assert critic_loss(q1, q2, target).item() == 0.5 * (2.5 + 8)


def test_actor_loss_is_the_temperature_times_the_log_density_minus_q() -> None:
    found = actor_loss(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 6.0]), torch.tensor(0.5))
    assert found.item() == (0.5 * 2 - 1 + 0.5 * 6 - 3) / 2


def test_the_actors_gradient_is_of_the_lower_critic() -> None:
    agent, batch = tiny("sac"), batches("sac", 1)[0]
    noise = torch.randn(8, 2, generator=agent.noise.clone_state())
    action, log_density = squashed(*agent.actor(batch.obs), noise)
    q1, q2 = agent.critics(batch.obs, action)
    assert (q1 < q2).any()
    assert (q2 < q1).any()
    loss = (log_density - torch.where(q1 < q2, q1, q2)).mean()
    expected = torch.autograd.grad(loss, list(agent.actor.parameters()))
    agent._update_actor(batch, NO_HOOKS)
    for parameter, gradient in zip(list(agent.actor.parameters()), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-6)
    assert all(p.grad is None for p in agent.critics.parameters())


@pytest.mark.parametrize(("log_density", "rises"), [(5.0, True), (-5.0, False)])
def test_the_temperature_rises_while_the_entropy_is_below_its_target(log_density: float, rises: bool) -> None:
    log_temperature = torch.zeros((), requires_grad=True)
    loss = temperature_loss(log_temperature, torch.full((3,), log_density), entropy_target=-2.0)
    loss.backward()
    assert log_temperature.grad is not None
    assert log_temperature.grad.item() == -(log_density - 2.0)
    assert (log_temperature.grad < 0) == rises


@pytest.mark.parametrize(("name", "per_dim"), [("sac", -1.0), ("sac_upstream", -0.5)])
def test_an_update_steps_the_temperature_towards_the_entropy_target(name: str, per_dim: float) -> None:
    agent, batch = tiny(name), batches(name, 1)[0]
    assert agent.entropy_target == 2 * per_dim
    entropy = agent.update(batch)["train/entropy"].item()
    assert (agent.log_temperature.item() < 0) == (entropy > agent.entropy_target)
    assert abs(agent.log_temperature.item()) == pytest.approx(3e-4, rel=1e-3)


def test_the_targets_move_by_the_smoothing_after_every_update() -> None:
    agent = tiny("sac", target_smoothing=0.25)
    before = [p.clone() for p in agent.targets.parameters()]
    agent.update(batches("sac", 1)[0])
    for target, old, online in zip(agent.targets.parameters(), before, agent.critics.parameters(), strict=True):
        assert torch.allclose(target, 0.75 * old + 0.25 * online, atol=1e-7)
        assert not target.requires_grad


def test_an_update_changes_every_weight_of_actor_and_critics() -> None:
    agent, batch = tiny("sac"), batches("sac", 1)[0]
    copy = [value.clone() for value in batch]
    online = [*agent.actor.parameters(), *agent.critics.parameters(), agent.log_temperature]
    before = [p.clone() for p in online]
    agent.update(batch)
    assert all(not torch.equal(p, old) for p, old in zip(online, before, strict=True))
    assert all(torch.equal(value, old) for value, old in zip(batch, copy, strict=True))


def test_the_critics_read_actions_scaled_to_1() -> None:
    agent, batch = tiny("sac"), batches("sac", 1)[0]
    low, high = (torch.tensor([bound]) for bound in (VECTOR_SPEC.actions.low, VECTOR_SPEC.actions.high))
    for action, normal in ((low, -1.0), (high, 1.0), ((low + high) / 2, 0.0)):
        assert torch.allclose(agent.range.normalised(action), torch.full((1, 2), normal), atol=1e-6)
    q, _ = agent.q_and_target(batch)["critic1"]
    scaled = 2 * (batch.action - low) / (high - low) - 1
    assert torch.allclose(q, agent.critics.critic1(batch.obs, scaled), atol=1e-6)


def test_the_twins_start_apart() -> None:
    agent = tiny("sac")
    for first, second in zip(agent.critics.critic1.parameters(), agent.critics.critic2.parameters(), strict=True):
        assert first.dim() == 1 or not torch.equal(first, second)


def test_actions_lie_in_the_environments_bounds_and_reach_them() -> None:
    agent, obs = tiny("sac"), np.zeros(6, np.float32)
    assert isinstance(agent, SAC)
    low, high = np.array(VECTOR_SPEC.actions.low, np.float32), np.array(VECTOR_SPEC.actions.high, np.float32)
    with torch.no_grad():
        agent.actor.head.bias.copy_(torch.tensor([30.0, -30.0, 0.0, 0.0]))
    assert agent.greedy(obs).tolist() == [high[0], low[1]]
    with torch.no_grad():
        agent.actor.head.bias.copy_(torch.tensor([0.0, 0.0, 2.0, 2.0]))
    for env_step in (0, 10**6):
        actions = np.stack([agent.act(obs, env_step) for _ in range(200)])
        assert actions.dtype == np.float32
        assert (actions >= low).all()
        assert (actions <= high).all()
        assert (actions.max(0) > high - 0.2).all()
        assert (actions.min(0) < low + 0.2).all()


def test_actions_are_uniform_until_warmup_ends() -> None:
    agent, obs = tiny("sac", warmup_env_steps=10), np.zeros(6, np.float32)
    with torch.no_grad():
        agent.actor.head.bias.copy_(torch.tensor([30.0, -30.0, 0.0, 0.0]))
    random = np.stack([agent.act(obs, 9) for _ in range(2000)])
    assert np.allclose(random.mean(0), [0.0, -0.75], atol=0.06)
    assert np.allclose(random.std(0), [2 / 12**0.5, 2.5 / 12**0.5], atol=0.03)
    assert agent.act(obs, 10).tolist() == [1.0, -2.0]


def test_the_log_standard_deviation_stays_in_its_bounds() -> None:
    agent = tiny("sac")
    with torch.no_grad():
        agent.actor.head.bias.copy_(torch.tensor([0.0, 0.0, 50.0, -50.0]))
    _, log_std = agent.actor(torch.zeros(1, 6))
    assert log_std.tolist() == [[2.0, -20.0]]


def test_greedy_is_tanh_of_the_mean() -> None:
    agent, batch = tiny("sac"), batches("sac", 1)[0]
    u = agent.actor(batch.obs)[0].tanh()
    low, high = (torch.tensor([bound]) for bound in (VECTOR_SPEC.actions.low, VECTOR_SPEC.actions.high))
    assert torch.allclose(agent.policy(batch.obs), low + (high - low) * (u + 1) / 2, atol=1e-6)
    assert np.allclose(agent.greedy(batch.obs[0].numpy()), agent.policy(batch.obs)[0], atol=1e-6)


def test_a_probe_that_reads_values_and_targets_does_not_disturb_training() -> None:
    probed, alone = tiny("sac"), tiny("sac")
    for batch in batches("sac", 3):
        probed.q_and_target(batch)
        probed.policy(batch.obs)
        assert probed.update(batch) == alone.update(batch)


def test_a_saved_agent_continues_bit_for_bit() -> None:
    agent, restored = tiny("sac"), tiny("sac", seed=9)
    updates(agent)
    restored.load_state_dict(through_a_file(agent.state_dict()))
    assert updates(agent) == updates(restored)
    obs = np.ones(6, np.float32)
    for env_step in (0, 10**6):
        assert np.array_equal(agent.act(obs, env_step), restored.act(obs, env_step))
    for one, other in zip(agent.targets.parameters(), restored.targets.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_seed_determines_the_losses() -> None:
    assert updates(tiny("sac")) == updates(tiny("sac"))
    assert updates(tiny("sac")) != updates(tiny("sac", seed=1))


def test_discrete_and_unbounded_actions_are_refused() -> None:
    with pytest.raises(ConfigError, match="SAC needs continuous actions"):
        SAC.check_env(GRID_SPEC)
    with pytest.raises(ConfigError, match="SAC needs bounded actions"):
        SAC.check_env(EnvSpec((6,), 1, np.float32, Box((-math.inf,), (math.inf,)), frame_skip=1))


def test_sac_learns_where_the_reward_of_a_bandit_is() -> None:
    """Reward -(a - 0.6)² with no future: the critics' loss falls and the greedy action comes near 0.6."""
    agent = tiny("sac", learning_rate=3e-3, entropy_target_per_dim=-3.0)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(400):
        action = torch.rand(64, 2, generator=generator) * torch.tensor([2.0, 2.5]) + torch.tensor(
            VECTOR_SPEC.actions.low
        )
        reward = -(action - torch.tensor([0.6, -1.0])).square().sum(1)
        obs = torch.randn(64, 6, generator=generator)
        batch = Transition(obs, action, reward, torch.zeros(64), obs)
        losses.append(agent.update(batch)["train/critic_loss"].item())
    assert np.mean(losses[-20:]) < 0.02 * np.mean(losses[:5])
    greedy = agent.policy(torch.randn(200, 6, generator=generator)).mean(0)
    assert torch.allclose(greedy, torch.tensor([0.6, -1.0]), atol=0.15)


def updates(agent: SAC) -> list[float]:
    return [value.item() for batch in batches("sac", 4) for value in agent.update(batch).values()]
