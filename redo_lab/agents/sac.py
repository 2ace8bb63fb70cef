"""Soft actor-critic with a learned temperature (Haarnoja et al., 2018, arXiv 1812.05905)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from redo_lab.config import ConfigError, require
from redo_lab.networks.action_range import ActionRange
from redo_lab.networks.actor_critic import Actor, TwinCritics, declared, squashed
from redo_lab.networks.adam import restore
from redo_lab.networks.compiling import compiled, updating
from redo_lab.networks.off_policy import OffPolicyConfig
from redo_lab.networks.soft_losses import actor_loss, critic_loss, soft_target, temperature_loss
from redo_lab.networks.torso import TorsoBuilder
from redo_lab.neurons.hooks import NO_HOOKS, Hooks
from redo_lab.neurons.layers import HiddenLayer, Network
from redo_lab.protocols import Agent
from redo_lab.seeding import Seeds
from redo_lab.types import Action, Box, EnvSpec, Metrics, Observation, Transition


class SAC(Agent):
    """Twin critics with smoothed targets and a tanh-Gaussian actor.

    Actor, critics and the entropy work on actions in [-1, 1]; the environment's own bounds are applied in `act` and
    undone in `update`.
    """

    @dataclass
    class Config(OffPolicyConfig):
        """Table 4; the numbers stand in conf/agent. The entropy target is `entropy_target_per_dim` × dim(A)."""

        target_smoothing: float
        entropy_target_per_dim: float
        initial_temperature: float
        reward_scale: float
        log_std_min: float
        log_std_max: float

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("initial_temperature", "reward_scale"):
                require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
            require(0 < self.target_smoothing <= 1, f"target_smoothing must lie in (0, 1], got {self.target_smoothing}")
            require(self.log_std_min < self.log_std_max, "log_std_min must be < log_std_max")

    def __init__(
        self, config: Config, *, spec: EnvSpec, torso: TorsoBuilder, seeds: Seeds, device: torch.device
    ) -> None:
        config.compile.check(device)
        self.config = config
        self.batch_size = config.batch_size
        self.warmup_env_steps = config.warmup_env_steps
        self.update_period_env_steps = config.update_period_env_steps
        self.act_ahead = config.act_ahead
        self.device = device
        self.bounds = bounds = self.check_env(spec)
        self.range = ActionRange(bounds, device)
        self.dims = len(bounds.low)
        self.entropy_target = config.entropy_target_per_dim * self.dims
        generator = seeds.torch("init")
        self.actor = Actor(
            torso(obs_shape=spec.obs_shape, generator=generator),
            dims=self.dims,
            log_std=(config.log_std_min, config.log_std_max),
            generator=generator,
        ).to(device)
        self.critics = TwinCritics(torso, obs_size=spec.obs_shape[0], dims=self.dims, generator=generator).to(device)
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(config.initial_temperature), device=device))
        self._networks = declared(self.actor, self.critics, self.targets, self._observations_and_actions)
        self.actor_optimizer = config.adam(self.actor.parameters())
        self.critic_optimizer = config.adam(self.critics.parameters())
        self.temperature_optimizer = config.adam([self.log_temperature])
        self.exploration = seeds.numpy("exploration")
        self.noise = seeds.torch("policy_noise", device)
        self._critics_loss = compiled(self.critics_loss, config.compile)
        self._actor_loss = compiled(self.actor_loss, config.compile)
        self._updating = updating(self._update, config.compile, [self.noise])

    @staticmethod
    def check_env(spec: EnvSpec) -> Box:
        """The bounds of the actions; raises ConfigError when these are discrete or unbounded."""
        if not isinstance(spec.actions, Box):
            raise ConfigError("agent: SAC needs continuous actions, but the environment's are discrete; use agent=dqn")
        require(bool(np.isfinite([spec.actions.low, spec.actions.high]).all()), "agent: SAC needs bounded actions")
        return spec.actions

    def act(self, obs: Observation, env_step: int) -> Action:
        """Uniformly random during warm-up, then drawn from the policy."""
        if env_step < self.warmup_env_steps:
            return self.exploration.uniform(self.bounds.low, self.bounds.high).astype(np.float32)
        noise = torch.from_numpy(self.exploration.standard_normal(self.dims, np.float32))
        with torch.no_grad():
            mean, log_std = self.actor(torch.from_numpy(obs[None]).to(self.device, non_blocking=True))
            u = mean + log_std.exp() * noise.to(self.device, non_blocking=True)
            return self.range.scaled(u)[0].cpu().numpy()

    def greedy(self, obs: Observation) -> Action:
        """tanh of the mean, within the environment's bounds."""
        return self.policy(torch.from_numpy(obs[None]))[0].cpu().numpy()

    @torch.no_grad()
    def policy(self, obs: Tensor) -> Tensor:
        """The greedy actions, float32 [N, dims], of observations [N, D]."""
        mean, _ = self.actor(obs.to(self.device, non_blocking=True))
        return self.range.scaled(mean)

    def update(self, batch: Transition, hooks: Hooks = NO_HOOKS) -> Metrics:
        """One step each of the critics, the actor, the temperature and the targets, in this order.

        The critics' loss gets the penalties of both critics, the actor's those of the actor; the temperature is none's.
        """
        return self._updating(batch, hooks)

    def _update(self, batch: Transition, hooks: Hooks) -> Metrics:
        critics = self._update_critics(batch, hooks)
        actor, log_density = self._update_actor(batch, hooks)
        temperature = self._update_temperature(log_density)
        self._smooth_targets()
        return {**critics, **actor, **temperature}

    def _update_critics(self, batch: Transition, hooks: Hooks) -> Metrics:
        noise = self.standard_normal(len(batch.obs), self.noise)
        with hooks.watching(self._networks[1:]):
            loss, q1 = self._critics_loss(batch, noise)
        self.critic_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(hooks.loss(loss, self._networks[1:], batch))
        hooks.before_step(self._networks[1:])
        self.critic_optimizer.step()
        return {"train/critic_loss": loss.detach(), "train/q_mean": q1.detach().float().mean()}

    def critics_loss(self, batch: Transition, noise: Tensor) -> tuple[Tensor, Tensor]:
        """That of both critics on `batch`, and the first one's values, [N]; `noise` draws the next actions."""
        with self.config.precision.autocast(self.device):
            target = self.td_target(batch, noise)
            q1, q2 = self.critics(batch.obs, self.range.normalised(batch.action))
            return critic_loss(q1.float(), q2.float(), target), q1

    @torch.no_grad()
    def td_target(self, batch: Transition, noise: Tensor) -> Tensor:
        """reward + discount * (min of the target critics - temperature * log density) at a fresh next action: [N]."""
        action, log_density = self._sampled(batch.next_obs, noise)
        next_q = torch.minimum(*self.targets(batch.next_obs, action))
        temperature = self.log_temperature.exp()
        return soft_target(self.config.reward_scale * batch.reward, batch.discount, next_q, log_density, temperature)

    def _update_actor(self, batch: Transition, hooks: Hooks) -> tuple[Metrics, Tensor]:
        """Returns the log density of the actions sampled too, [N]: the temperature learns from the same ones."""
        noise = self.standard_normal(len(batch.obs), self.noise)
        with hooks.watching(self._networks[:1]), self.critics.frozen():
            loss, log_density = self._actor_loss(batch, noise)
        self.actor_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(hooks.loss(loss, self._networks[:1], batch))
        hooks.before_step(self._networks[:1])
        self.actor_optimizer.step()
        log_density = log_density.detach()
        return {"train/actor_loss": loss.detach(), "train/entropy": -log_density.mean()}, log_density

    def actor_loss(self, batch: Transition, noise: Tensor) -> tuple[Tensor, Tensor]:
        """That of the actor at actions which `noise` draws, and their log density, [N]."""
        with self.config.precision.autocast(self.device):
            action, log_density = self._sampled(batch.obs, noise)
            q = torch.minimum(*self.critics(batch.obs, action))
            return actor_loss(q, log_density, self.log_temperature.detach().exp()), log_density

    def _update_temperature(self, log_density: Tensor) -> Metrics:
        temperature = self.log_temperature.detach().exp()
        self.temperature_optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(temperature_loss(self.log_temperature, log_density, self.entropy_target))
        self.temperature_optimizer.step()
        return {"train/temperature": temperature}

    def standard_normal(self, count: int, generator: torch.Generator) -> Tensor:
        """What draws `count` actions of the policy: [count, dims]."""
        return torch.randn((count, self.dims), generator=generator, device=self.device)

    def _sampled(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.actor(obs)
        return squashed(mean.float(), log_std.float(), noise)

    @torch.no_grad()
    def _smooth_targets(self) -> None:
        followers: list[Tensor] = list(self.targets.parameters())
        torch._foreach_lerp_(followers, list(self.critics.parameters()), self.config.target_smoothing)

    def end_env_step(self, env_step: int) -> None:
        """Nothing: the targets follow every update."""

    def forward(self, batch: Transition) -> list[Tensor]:
        """Mean, log standard deviation and both critics' values of the batch's own actions, eagerly."""
        action = self.range.normalised(batch.action)
        return [*self.actor(batch.obs), *self.critics(batch.obs, action)]

    @torch.no_grad()
    def q_and_target(self, batch: Transition) -> dict[str, tuple[Tensor, Tensor]]:
        """Each critic's values of the batch's own actions, and the TD target; training's noise isn't consumed."""
        target = self.td_target(batch, self.standard_normal(len(batch.obs), self.noise.clone_state()))
        q1, q2 = self.critics(batch.obs, self.range.normalised(batch.action))
        return {"critic1": (q1, target), "critic2": (q2, target)}

    def hidden_layers(self) -> Sequence[HiddenLayer]:
        """Those of actor, critic1 and critic2, in this order."""
        return [layer for network in self._networks for layer in network.hidden]

    def networks(self) -> list[Network]:
        """The actor and both critics with their targets, in this order."""
        return self._networks

    def _observations_and_actions(self, batch: Transition) -> tuple[Tensor, Tensor]:
        return batch.obs, self.range.normalised(batch.action)

    @property
    def optimizers(self) -> Sequence[torch.optim.Adam]:
        """Those of actor, critics and temperature."""
        return [self.actor_optimizer, self.critic_optimizer, self.temperature_optimizer]

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes while training."""
        return {
            "actor": self.actor.state_dict(),
            "critics": self.critics.state_dict(),
            "targets": self.targets.state_dict(),
            "log_temperature": self.log_temperature.detach().clone(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "exploration": self.exploration.bit_generator.state,
            "noise": self.noise.get_state(),
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.actor.load_state_dict(state["actor"])
        self.critics.load_state_dict(state["critics"])
        self.targets.load_state_dict(state["targets"])
        self.log_temperature.copy_(state["log_temperature"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            restore(optimizer, saved)
        self.exploration.bit_generator.state = state["exploration"]
        self.noise.set_state(state["noise"])
