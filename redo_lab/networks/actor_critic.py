"""The networks of an actor-critic on vectors: a tanh-Gaussian actor and a critic of observation and action."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from redo_lab.networks.parts import initialise
from redo_lab.networks.torso import Torso, TorsoBuilder
from redo_lab.neurons.layers import HiddenLayer, Network, Reader, observations
from redo_lab.types import Batch


class Actor(nn.Module):
    """Mean and log standard deviation, [N, dims] each, of a Gaussian before tanh; one linear head gives both."""

    def __init__(self, torso: Torso, *, dims: int, log_std: tuple[float, float], generator: torch.Generator) -> None:
        super().__init__()
        self.torso = torso
        self.log_std = log_std
        self.head = nn.Linear(torso.features, 2 * dims)
        initialise(self.head, torso.init, generator)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """The log standard deviation is clamped to the bounds `log_std`."""
        mean, log_std = self.head(self.torso(obs)).chunk(2, dim=1)
        return mean, log_std.clamp(*self.log_std)

    def hidden_layers(self) -> list[HiddenLayer]:
        """Those of the torso; the head reads the last."""
        return self.torso.hidden_layers((Reader(self.head),))


class Critic(nn.Module):
    """Q [N] of observations [N, D] and actions [N, dims], joined in this order before the first layer."""

    def __init__(self, torso: TorsoBuilder, *, obs_size: int, dims: int, generator: torch.Generator) -> None:
        super().__init__()
        self.torso = torso(obs_shape=(obs_size + dims,), generator=generator)
        self.head = nn.Linear(self.torso.features, 1)
        initialise(self.head, self.torso.init, generator)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        """Action values [N]."""
        q: Tensor = self.head(self.torso(torch.cat([obs, action], dim=1)))
        return q.squeeze(1)

    def hidden_layers(self) -> list[HiddenLayer]:
        """Those of the torso; the head reads the last."""
        return self.torso.hidden_layers((Reader(self.head),))


class TwinCritics(nn.Module):
    """Two critics of the same shape and their own weights."""

    def __init__(self, torso: TorsoBuilder, *, obs_size: int, dims: int, generator: torch.Generator) -> None:
        super().__init__()
        self.critic1, self.critic2 = (
            Critic(torso, obs_size=obs_size, dims=dims, generator=generator) for _ in range(2)
        )

    def forward(self, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """The values of both, [N] each."""
        return self.critic1(obs, action), self.critic2(obs, action)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Their passes within it hand gradients on to the inputs, but the weights gather none."""
        weights = list(self.parameters())
        for weight in weights:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in weights:
                weight.requires_grad_()


def declared(
    actor: Actor,
    critics: TwinCritics,
    targets: TwinCritics,
    critic_inputs: Callable[[Batch], tuple[Tensor, Tensor]],
) -> list[Network]:
    """The actor and both critics with their targets, in this order; `critic_inputs`: what critics read of a batch."""

    def network(name: str, online: Actor | Critic, target: Critic | None = None) -> Network:
        hidden = tuple(layer.within(name) for layer in online.hidden_layers())
        inputs = observations if target is None else critic_inputs
        return Network(hidden, online, online.torso.init, target, name, inputs)

    return [
        network("actor", actor),
        network("critic1", critics.critic1, targets.critic1),
        network("critic2", critics.critic2, targets.critic2),
    ]


def squashed(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions tanh(u) in (-1, 1) [N, dims] with u = mean + std * noise, and their log density [N].

    log p(tanh u) = log N(u) - Σ log(1 - tanh² u) (Appendix C, Haarnoja et al., 2018), where
    log(1 - tanh² u) = 2 (log 2 - u - softplus(-2u)) stays exact where tanh u rounds to ±1.
    """
    u = mean + log_std.exp() * noise
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
    correction = 2 * (math.log(2) - u - functional.softplus(-2 * u))
    return u.tanh(), (gaussian - correction).sum(dim=1)
