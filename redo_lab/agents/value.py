"""The value-based agent: DQN (Mnih et al., 2015) and, by settings, n-step, double and dueling DQN and DrQ(ε)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.memory_format import convert_conv2d_weight_memory_format

from redo_lab.config import ConfigError, require
from redo_lab.networks.adam import restore
from redo_lab.networks.augment import Augmentation
from redo_lab.networks.compiling import compiled, updating
from redo_lab.networks.off_policy import OffPolicyConfig
from redo_lab.networks.q_network import QNetwork
from redo_lab.networks.torso import TorsoBuilder
from redo_lab.neurons.hooks import NO_HOOKS, Hooks
from redo_lab.neurons.layers import HiddenLayer, Network
from redo_lab.protocols import Agent
from redo_lab.seeding import Seeds
from redo_lab.types import Action, Discrete, EnvSpec, Metrics, Observation, Transition


class Loss(Enum):
    """huber with δ = 1 (Table 1 of Mnih et al., 2015, and the authors' code), or the mean squared error."""

    huber = "huber"
    mse = "mse"


@dataclass
class Epsilon:
    """ε is `initial` during warm-up, then goes linearly to `final` within `decay_env_steps`."""

    initial: float
    final: float
    decay_env_steps: int

    def __post_init__(self) -> None:
        require(0 <= self.final <= self.initial <= 1, f"0 ≤ final ≤ initial ≤ 1 must hold, got {self}")
        require(self.decay_env_steps >= 1, f"decay_env_steps must be ≥ 1, got {self.decay_env_steps}")

    def at(self, env_step: int, warmup_env_steps: int) -> float:
        """ε after `env_step` agent steps."""
        share = 1 - (env_step - warmup_env_steps) / self.decay_env_steps
        return self.final + (self.initial - self.final) * min(1.0, max(0.0, share))


class ValueAgent(Agent):
    """Q-learning on a replay with a target network copied every `target_period_env_steps`."""

    @dataclass
    class Config(OffPolicyConfig):
        """Tables 1 to 3, numbers in conf/agent. `learning_rate_scale` multiplies `learning_rate` (Fig. 11)."""

        loss: Loss
        double: bool
        dueling: bool
        augmentation: Augmentation
        target_period_env_steps: int
        epsilon: Epsilon

        def __post_init__(self) -> None:
            super().__post_init__()
            period = self.target_period_env_steps
            require(period >= 1, f"target_period_env_steps must be ≥ 1, got {period}")

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
        self.actions = self.check_env(spec)
        if config.augmentation is not Augmentation.none:
            require(len(spec.obs_shape) == 3, f"agent: augmentation={config.augmentation.value} needs images")
        generator = seeds.torch("init")
        self.online = QNetwork(
            torso(obs_shape=spec.obs_shape, generator=generator),
            actions=self.actions,
            dueling=config.dueling,
            generator=generator,
        ).to(device)
        convert_conv2d_weight_memory_format(self.online, torch.channels_last)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.optimizer = config.adam(self.online.parameters())
        self._network = Network(tuple(self.online.hidden_layers()), self.online, self.online.torso.init, self.target)
        self.exploration = seeds.numpy("exploration")
        self.augmentation = seeds.torch("augmentation", device)
        self._loss_and_values = compiled(self.loss_and_values, config.compile)
        self._updating = updating(self._update, config.compile, [self.augmentation])

    @staticmethod
    def check_env(spec: EnvSpec) -> int:
        """The number of actions; raises ConfigError when they are not discrete."""
        if not isinstance(spec.actions, Discrete):
            raise ConfigError("agent: a value-based agent needs discrete actions; use agent=sac for continuous ones")
        return spec.actions.n

    def act(self, obs: Observation, env_step: int) -> Action:
        """ε-greedy."""
        if self.exploration.random() < self.config.epsilon.at(env_step, self.warmup_env_steps):
            return int(self.exploration.integers(self.actions))
        return self.greedy(obs)

    def greedy(self, obs: Observation) -> Action:
        """The action of highest value, the first of equals."""
        return int(self.policy(torch.from_numpy(obs[None])))

    @torch.no_grad()
    def policy(self, obs: Tensor) -> Tensor:
        """The greedy actions, int64 [N], of observations [N, …]."""
        values: Tensor = self.online(obs.to(self.device, non_blocking=True))
        return values.argmax(dim=1)

    def update(self, batch: Transition, hooks: Hooks = NO_HOOKS) -> Metrics:
        """One step of Adam on the TD loss of `batch`, whose observations are augmented first, each by its own draw."""
        return self._updating(batch, hooks)

    def _update(self, batch: Transition, hooks: Hooks) -> Metrics:
        augment, generator = self.config.augmentation, self.augmentation
        batch = batch._replace(obs=augment(batch.obs, generator), next_obs=augment(batch.next_obs, generator))
        with hooks.watching(self.networks()):
            loss, values = self._loss_and_values(batch)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(hooks.loss(loss, self.networks(), batch))
        hooks.before_step(self.networks())
        self.optimizer.step()
        return {"train/loss": loss.detach(), "train/q_mean": values.detach().mean()}

    def loss_and_values(self, batch: Transition) -> tuple[Tensor, Tensor]:
        """The TD loss of `batch` and the values of its actions, [N]; the online network's last pass is the loss's."""
        with self.config.precision.autocast(self.device):
            target = self.td_target(batch)
        with self.config.precision.autocast(self.device):
            q: Tensor = self.online(batch.obs)
            values = q.float().gather(1, batch.action[:, None]).squeeze(1)
            return td_loss(values, target, self.config.loss), values

    @torch.no_grad()
    def td_target(self, batch: Transition) -> Tensor:
        """reward + discount * Q_target(next_obs, a*), a* by the target network or, if double, the online one: [N]."""
        next_q: Tensor = self.target(batch.next_obs)
        selector: Tensor = self.online(batch.next_obs) if self.config.double else next_q
        return bootstrap(batch.reward, batch.discount, next_q, selector)

    def end_env_step(self, env_step: int) -> None:
        """Copies the online network to the target when due."""
        if env_step % self.config.target_period_env_steps == 0:
            with torch.no_grad():
                torch._foreach_copy_(list(self.target.parameters()), list(self.online.parameters()))

    def forward(self, batch: Transition) -> Tensor:
        """Q of the online network, eagerly."""
        values: Tensor = self.online(batch.obs)
        return values

    @torch.no_grad()
    def q_and_target(self, batch: Transition) -> dict[str, tuple[Tensor, Tensor]]:
        """Q of the batch's actions and its TD target, [N] each, under the network's name; nothing is augmented."""
        q: Tensor = self.online(batch.obs)
        return {"q": (q.gather(1, batch.action[:, None]).squeeze(1), self.td_target(batch))}

    def networks(self) -> list[Network]:
        """The one network and its target."""
        return [self._network]

    def hidden_layers(self) -> Sequence[HiddenLayer]:
        """Those of the online network."""
        return self._network.hidden

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one of the online network."""
        return [self.optimizer]

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes while training."""
        return {
            "online": self.online.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "exploration": self.exploration.bit_generator.state,
            "augmentation": self.augmentation.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.online.load_state_dict(state["online"])
        self.target.load_state_dict(state["target"])
        restore(self.optimizer, state["optimizer"])
        self.exploration.bit_generator.state = state["exploration"]
        self.augmentation.set_state(state["augmentation"])


def bootstrap(reward: Tensor, discount: Tensor, next_q: Tensor, selector: Tensor) -> Tensor:
    """reward + discount * next_q at the argmax of `selector`; reward, discount [N]; next_q, selector [N, actions]."""
    best = selector.argmax(dim=1, keepdim=True)
    return reward + discount * next_q.gather(1, best).squeeze(1)


def td_loss(q: Tensor, target: Tensor, loss: Loss) -> Tensor:
    """The mean loss over a batch of values [N] and their targets [N]; Huber has δ = 1."""
    if loss is Loss.huber:
        return functional.smooth_l1_loss(q, target)
    return functional.mse_loss(q, target)
