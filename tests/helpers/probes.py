"""A hand-made agent whose every neuron a test sets, and draws a test chooses, for probes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from redo_lab.neurons.layers import HiddenLayer, Reader
from redo_lab.protocols import Probe
from redo_lab.types import Counters, Metrics, Sampler, Transition

OUTPUTS = 2


class Chain(nn.Module):
    """Layers with the given weights and no bias, ReLU after each but the last, which is the output layer."""

    def __init__(self, weights: Sequence[Tensor | Sequence[Sequence[float]]]) -> None:
        super().__init__()
        tensors = [torch.as_tensor(weight, dtype=torch.float32) for weight in weights]
        self.layers = nn.ModuleList(with_weight(weight) for weight in tensors)
        self.acts = nn.ModuleList(nn.ReLU() for _ in tensors[1:])

    def forward(self, obs: Tensor) -> Tensor:
        h = obs
        for layer, act in zip(self.layers, self.acts, strict=False):
            h = act(layer(h.flatten(1) if layer.weight.dim() == 2 else h))
        return self.layers[-1](h.flatten(1))

    def hidden_layers(self) -> list[HiddenLayer]:
        layers = list(self.layers)
        return [
            HiddenLayer(f"layer{i + 1}", layer, act, lambda *_: None, (Reader(reader, span=span(layer, reader)),))
            for i, (layer, reader, act) in enumerate(zip(layers, layers[1:], self.acts, strict=False))
        ]


def with_weight(weight: Tensor) -> nn.Linear | nn.Conv2d:
    out, into = weight.shape[:2]
    layer = nn.Linear(into, out, bias=False) if weight.dim() == 2 else nn.Conv2d(into, out, weight.shape[2], bias=False)
    layer.weight.data.copy_(weight)
    return layer


def span(layer: nn.Module, reader: nn.Module) -> int:
    flattened = layer.weight.dim() == 4 and reader.weight.dim() == 2
    return reader.weight.shape[1] // layer.weight.shape[0] if flattened else 1


class HandAgent:
    """One or several chains on the same observations; the first one's output is Q, or the action if continuous."""

    def __init__(self, chains: Mapping[str, Chain], continuous: bool = False) -> None:
        self.chains = chains
        self.continuous = continuous
        parameters = [p for chain in chains.values() for p in chain.parameters()]
        self.optimizers = [torch.optim.Adam(parameters, lr=0.05)]
        self.generator = torch.Generator().manual_seed(5)

    def forward(self, batch: Transition) -> list[Tensor]:
        return [chain(batch.obs) for chain in self.chains.values()]

    def hidden_layers(self) -> list[HiddenLayer]:
        return [
            layer.within(name) if name else layer
            for name, chain in self.chains.items()
            for layer in chain.hidden_layers()
        ]

    @torch.no_grad()
    def policy(self, obs: Tensor) -> Tensor:
        output: Tensor = next(iter(self.chains.values()))(obs)
        return output if self.continuous else output.argmax(dim=1)

    @torch.no_grad()
    def q_and_target(self, batch: Transition) -> dict[str, tuple[Tensor, Tensor]]:
        return {
            name or "q": (
                chain(batch.obs).gather(1, batch.action[:, None]).squeeze(1),
                batch.reward + batch.discount * chain(batch.next_obs).amax(dim=1),
            )
            for name, chain in self.chains.items()
        }

    def update(self, batch: Transition) -> Metrics:
        loss = sum(((q - target) ** 2).sum() for q, target in self._trained(batch))
        self.optimizers[0].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[0].step()
        return {}

    def state_dict(self) -> dict[str, object]:
        return {
            "chains": {name: chain.state_dict() for name, chain in self.chains.items()},
            "optimizer": self.optimizers[0].state_dict(),
            "generator": self.generator.get_state(),
        }

    def _trained(self, batch: Transition) -> list[tuple[Tensor, Tensor]]:
        targets = [target for _, target in self.q_and_target(batch).values()]
        return [
            (q.gather(1, batch.action[:, None]).squeeze(1), t)
            for q, t in zip(self.forward(batch), targets, strict=True)
        ]


def random_agent(continuous: bool = False) -> HandAgent:
    """Actor and critic of a convolution, a dense layer and an output layer, for observations [N, 2, 3, 3]."""
    generator = torch.Generator().manual_seed(0)

    def weights() -> list[Tensor]:
        return [torch.randn(shape, generator=generator) / 2 for shape in ((4, 2, 2, 2), (6, 16), (OUTPUTS, 6))]

    return HandAgent({"actor": Chain(weights()), "critic": Chain(weights())}, continuous)


def transitions(obs: Tensor, reward: float = 1.0, discount: float = 0.5) -> Transition:
    """A batch on `obs`, all alike but for them; next_obs is obs."""
    n = len(obs)
    return Transition(obs, torch.zeros(n, dtype=torch.int64), torch.full((n,), reward), torch.full((n,), discount), obs)


def random_sampler(seed: int) -> Sampler:
    """Draws for `random_agent` from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)

    def sample(n: int) -> Transition:
        action = torch.randint(OUTPUTS, (n,), generator=generator)
        return transitions(torch.randn((n, 2, 3, 3), generator=generator))._replace(action=action)

    return sample


def always(obs: object) -> Sampler:
    """A sampler of these observations, whatever is asked for."""
    return lambda _: transitions(torch.as_tensor(obs, dtype=torch.float32))


def measure(probe: Probe, agent: HandAgent, updates: int, sample: Sampler) -> dict[str, float]:
    """What `probe` logs after update number `updates`, as numbers."""
    metrics = probe.after_update(agent, Counters(updates=updates), sample)  # type: ignore[arg-type]
    return {name: value.item() for name, value in metrics.items()}


def rounded(values: Mapping[str, float], names: Iterable[str] = ()) -> dict[str, float]:
    """`values`, or those of them named, to 4 decimals."""
    return {name: round(value, 4) for name, value in values.items() if not names or name in names}
