"""The learner of supervised studies: a network and its optimizer, trained to tell images apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from redo_lab.config import require
from redo_lab.networks.parts import initialise
from redo_lab.networks.torso import Torso, TorsoBuilder
from redo_lab.neurons.layers import Network, Reader
from redo_lab.seeding import Seeds
from redo_lab.studies.single import SingleNetwork
from redo_lab.types import Examples


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


class Classifier(SingleNetwork):
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
        logits = Logits(body, classes=classes, generator=generator).to(device)
        hidden = tuple(body.hidden_layers((Reader(logits.head),)))
        rate, momentum = config.learning_rate, config.momentum
        optimizer = torch.optim.SGD(logits.parameters(), lr=rate, momentum=momentum, fused=True)
        super().__init__(Network(hidden, logits, body.init), optimizer)

    def loss(self, outputs: Tensor, batch: Examples) -> Tensor:
        """The mean cross-entropy of logits [N, classes]."""
        return functional.cross_entropy(outputs, batch.label)

    @torch.no_grad()
    def correct(self, batch: Examples) -> Tensor:
        """How many of the batch's labels have the highest logit: int64, 0-d."""
        return (self.forward(batch).argmax(dim=1) == batch.label).sum()
