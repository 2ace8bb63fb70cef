"""The learner of supervised studies: a network and its optimizer, trained to tell images apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from redo_lab.config import require
from redo_lab.networks.parts import initialise
from redo_lab.networks.torso import Torso, TorsoBuilder
from redo_lab.neurons.hooks import NO_HOOKS, Hooks
from redo_lab.neurons.layers import HiddenLayer, Network, Reader
from redo_lab.protocols import Trained
from redo_lab.seeding import Seeds
from redo_lab.types import Examples, Metrics


class Logits(nn.Module):
    """A linear head on a torso: [N, classes]."""

    def __init__(self, torso: Torso, *, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.torso = torso
        self.head = nn.Linear(torso.features, classes)
        initialise(self.head, torso.init, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Unnormalised log probabilities [N, classes] of images [N, C, H, W]."""
        logits: Tensor = self.head(self.torso(images))
        return logits


class Classifier(Trained):
    """Cross-entropy, minimised by SGD with momentum (Table 5, Sokar et al., 2023)."""

    @dataclass
    class Config:
        """Numbers in conf/study/supervised.yaml. `batch_size` examples an update."""

        learning_rate: float
        momentum: float
        batch_size: int

        def __post_init__(self) -> None:
            require(self.learning_rate > 0, f"learning_rate must be > 0, got {self.learning_rate}")
            require(0 <= self.momentum < 1, f"momentum must lie in [0, 1), got {self.momentum}")
            require(self.batch_size >= 1, f"batch_size must be ≥ 1, got {self.batch_size}")

    def __init__(
        self,
        config: Config,
        *,
        obs_shape: tuple[int, ...],
        classes: int,
        torso: TorsoBuilder,
        seeds: Seeds,
        device: torch.device,
    ) -> None:
        self.config = config
        generator = seeds.torch("init")
        body = torso(obs_shape=obs_shape, generator=generator)
        self.online = Logits(body, classes=classes, generator=generator).to(device)
        hidden = tuple(body.hidden_layers((Reader(self.online.head),)))
        self._network = Network(hidden, self.online, body.init)
        self.optimizer = torch.optim.SGD(
            self.online.parameters(), lr=config.learning_rate, momentum=config.momentum, fused=True
        )

    def update(self, batch: Examples, hooks: Hooks = NO_HOOKS) -> Metrics:
        """One step of SGD on the mean cross-entropy of `batch`."""
        with hooks.watching(self.networks()):
            logits: Tensor = self.online(batch.obs)
        loss = functional.cross_entropy(logits, batch.label)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(hooks.loss(loss, self.networks(), batch))
        hooks.before_step(self.networks())
        self.optimizer.step()
        return {"train/loss": loss.detach()}

    @torch.no_grad()
    def correct(self, batch: Examples) -> Tensor:
        """How many of the batch's labels have the highest logit: int64, 0-d."""
        return (self.forward(batch).argmax(dim=1) == batch.label).sum()

    def forward(self, batch: Examples) -> Tensor:
        """The logits of the batch's images."""
        logits: Tensor = self.online(batch.obs)
        return logits

    def hidden_layers(self) -> Sequence[HiddenLayer]:
        """Those of the network."""
        return self._network.hidden

    def networks(self) -> list[Network]:
        """The one network; it has no target."""
        return [self._network]

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """The one of the network."""
        return [self.optimizer]

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes while training."""
        return {"online": self.online.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.online.load_state_dict(state["online"])
        self.optimizer.load_state_dict(state["optimizer"])
