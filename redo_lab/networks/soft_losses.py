"""What soft actor-critic minimises (Haarnoja et al., 2018, arXiv 1812.05905)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def soft_target(reward: Tensor, discount: Tensor, next_q: Tensor, log_density: Tensor, temperature: Tensor) -> Tensor:
    """reward + discount * (next_q - temperature * log_density), all [N] (Eq. 2 and 3, Haarnoja et al., 2018)."""
    return reward + discount * (next_q - temperature * log_density)


def critic_loss(q1: Tensor, q2: Tensor, target: Tensor) -> Tensor:
    """Half the sum of both critics' mean squared errors (Eq. 5): values and target [N]."""
    return 0.5 * (functional.mse_loss(q1, target) + functional.mse_loss(q2, target))


def actor_loss(q: Tensor, log_density: Tensor, temperature: Tensor) -> Tensor:
    """The mean of temperature * log_density - q, both [N] (Eq. 9)."""
    return (temperature * log_density - q).mean()


def temperature_loss(log_temperature: Tensor, log_density: Tensor, entropy_target: float) -> Tensor:
    """The temperature rises while the entropy, E[-log_density], is below its target.

    As in the authors' code and elsewhere the logarithm stands where Eq. 18 has the temperature itself.
    """
    return -log_temperature * (log_density + entropy_target).mean()
