"""An agent small enough to check every weight: conv (3 maps of 2×2) → dense (4) → two heads, a target, fused Adam."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from redo_lab.neurons.layers import HiddenLayer, Network, Reader
from redo_lab.neurons.surgery import Incoming, Outgoing, StepCount, Surgery
from redo_lab.types import Transition

SURGERY = {"incoming": Incoming.init, "outgoing": Outgoing.zero, "reset_moments": True, "step_count": StepCount.keep}


def uniform(rows: Tensor, shape: torch.Size, generator: torch.Generator | None) -> None:
    """U(1, 2): a fresh weight is told from every other by its size."""
    nn.init.uniform_(rows, 1, 2, generator=generator)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def surgery(**changes: object) -> Surgery:
    return Surgery(**{**SURGERY, **changes})  # type: ignore[arg-type]


class TinyNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(1, 3, 2), nn.Linear(12, 4)
        self.head, self.value = nn.Linear(4, 2), nn.Linear(4, 1)
        self.act1, self.act2 = nn.ReLU(), nn.ReLU()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.rand(parameter.shape, generator=generator(len(parameter))) * 0.8 + 0.1)
            self.conv.weight.sub_(0.4)
            self.dense.weight.sub_(0.4)

    def forward(self, obs: Tensor) -> Tensor:
        h = self.act2(self.dense(self.act1(self.conv(obs)).flatten(1)))
        return torch.cat([self.head(h), self.value(h)], dim=1)


class TinyAgent:
    def __init__(self) -> None:
        self.online = TinyNetwork()
        self.target = copy.deepcopy(self.online)
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=0.01, fused=True)
        self.batches = generator(7)

    def sample(self, n: int) -> Transition:
        """Observations [n, 1, 3, 3] of normal numbers."""
        obs = torch.randn((n, 1, 3, 3), generator=self.batches)
        return Transition(obs, torch.zeros(n), torch.zeros(n), torch.zeros(n), obs)

    def update(self, batch: Transition) -> None:
        """One step towards the outputs 1, 2, 3."""
        self.optimizer.zero_grad()
        (self.online(batch.obs) - torch.tensor([1.0, 2.0, 3.0])).square().mean().backward()
        self.optimizer.step()

    def train(self, updates: int) -> None:
        for _ in range(updates):
            self.update(self.sample(8))

    def forward(self, batch: Transition) -> Tensor:
        return self.online(batch.obs)  # type: ignore[no-any-return]

    def hidden_layers(self) -> list[HiddenLayer]:
        net = self.online
        heads = (Reader(net.head), Reader(net.value))
        return [
            HiddenLayer("conv", net.conv, net.act1, uniform, (Reader(net.dense, span=4),)),
            HiddenLayer("dense", net.dense, net.act2, uniform, heads),
        ]

    def networks(self) -> list[Network]:
        return [Network(tuple(self.hidden_layers()), self.online, uniform, self.target)]

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        return [self.optimizer]

    def everything(self) -> dict[str, Tensor]:
        """A copy of all weights and of all that Adam keeps of them, by name."""
        found = {f"{name}": p.detach().clone() for name, p in self.online.named_parameters()}
        for name, p in self.online.named_parameters():
            found |= {f"{name}/{key}": value.clone() for key, value in self.optimizer.state[p].items()}
        return found


def trained(updates: int = 3) -> TinyAgent:
    """After a few updates, so that Adam has moments and counts."""
    agent = TinyAgent()
    agent.train(updates)
    return agent


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, Tensor]:
    """Where they differ, bit for bit, as masks by name; what doesn't differ anywhere is left out."""
    masks = {name: before[name] != after[name] for name in before}
    return {name: mask for name, mask in masks.items() if mask.any()}


def neuron_masks(agent: TinyAgent, conv: Sequence[int], dense: Sequence[int]) -> dict[str, Tensor]:
    """The weights that belong to the given neurons, incoming and outgoing, as masks by name."""
    masks = {name: torch.zeros_like(p, dtype=torch.bool) for name, p in agent.online.named_parameters()}
    for i in conv:
        masks["conv.weight"][i] = True
        masks["conv.bias"][i] = True
        masks["dense.weight"][:, 4 * i : 4 * i + 4] = True
    for i in dense:
        masks["dense.weight"][i] = True
        masks["dense.bias"][i] = True
        masks["head.weight"][:, i] = True
        masks["value.weight"][:, i] = True
    return masks
