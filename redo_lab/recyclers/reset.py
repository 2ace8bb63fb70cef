"""Resets: whole layers start again every so often (Nikishin et al., 2022), the paper's baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import nn

from redo_lab.config import require
from redo_lab.networks.parts import initialise
from redo_lab.neurons.layers import Initialiser, Network
from redo_lab.neurons.surgery import Redraws, StepCount, forget_all
from redo_lab.protocols import Learner, Recycler
from redo_lab.runs.names import RESET_LAYERS
from redo_lab.types import Counters, Metrics, Sampler


class Layers(Enum):
    """last: the output layers (appendix A); penultimate: the last hidden layer (section 5.4); last_two: both; all."""

    last = "last"
    penultimate = "penultimate"
    last_two = "last_two"
    all = "all"


class Reset(Recycler):
    """Every period, the `layers` of every network are as at construction: fresh weights, biases 0, no moments."""

    @dataclass
    class Config(Redraws):
        """Exactly one period is given. `targets`: the target networks get the same fresh weights."""

        layers: Layers
        period_updates: int | None
        period_env_steps: int | None
        targets: bool
        reset_moments: bool
        step_count: StepCount

        def __post_init__(self) -> None:
            periods = [period for period in (self.period_updates, self.period_env_steps) if period is not None]
            require(len(periods) == 1, "give one of period_updates and period_env_steps, the other is null")
            require(periods[0] >= 1, f"a period must be ≥ 1, got {periods[0]}")

        def check_beside(self, others: Mapping[str, object]) -> None:
            """Raises ConfigError where another reset has the same layers and the same clock."""
            for name, other in others.items():
                if isinstance(other, Reset.Config):
                    require(
                        self._clock() != other._clock() or not _PARTS[self.layers] & _PARTS[other.layers],
                        f"two resets of the same layers at the same clock contradict each other: see {name}",
                    )

        def _clock(self) -> tuple[int | None, int | None]:
            return self.period_updates, self.period_env_steps

    def __init__(self, config: Config, *, name: str, generator: torch.Generator) -> None:
        self.config = config
        self.name = name
        self.generator = generator
        self._last_env_steps: int | None = None

    def after_update(self, learner: Learner, counters: Counters, sample: Sampler) -> Metrics:
        """Resets when due; returns the number of layers reset."""
        if not self._due(counters):
            return {}
        layers = 0
        for network in learner.networks():
            touched = list(layers_of(network, self.config.layers))
            for layer, init in touched:
                _restart(layer, init, self.generator)
                for parameter in layer.parameters(recurse=False):
                    forget_all(parameter, learner.optimizers, self.config)
            if self.config.targets:
                _copy_to_target(network, [layer for layer, _ in touched])
            layers += len(touched)
        return {f"{self.name}/{RESET_LAYERS}": torch.tensor(layers).to(self.generator.device, non_blocking=True)}

    def _due(self, counters: Counters) -> bool:
        if self.config.period_updates is not None:
            return counters.updates % self.config.period_updates == 0
        period, last = self.config.period_env_steps, self._last_env_steps
        assert period is not None
        self._last_env_steps = counters.env_steps
        # Updates come some env steps apart, and several at the same one: due is the first at or after a multiple.
        return last is not None and counters.env_steps // period > last // period

    def state_dict(self) -> dict[str, Any]:
        """The generator and the clock."""
        return {"generator": self.generator.get_state(), "last_env_steps": self._last_env_steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.generator.set_state(state["generator"])
        self._last_env_steps = state["last_env_steps"]


_PARTS: dict[Layers, frozenset[str]] = {
    Layers.last: frozenset({"outputs"}),
    Layers.penultimate: frozenset({"penultimate"}),
    Layers.last_two: frozenset({"outputs", "penultimate"}),
    Layers.all: frozenset({"outputs", "penultimate", "others"}),
}


def layers_of(network: Network, layers: Layers) -> Iterator[tuple[nn.Module, Initialiser]]:
    """The modules with weights that `layers` names, each with its initialiser."""
    inits = {id(hidden.layer): hidden.init for hidden in network.hidden}
    penultimate = {id(module) for module in network.hidden[-1].modules()}
    outputs = {id(layer) for layer in network.outputs()}
    for module in network.online.modules():
        part = "outputs" if id(module) in outputs else "penultimate" if id(module) in penultimate else "others"
        if part in _PARTS[layers] and any(True for _ in module.parameters(recurse=False)):
            yield module, inits.get(id(module), network.init)


def _restart(module: nn.Module, init: Initialiser, generator: torch.Generator) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        initialise(module, init, generator)
    else:
        # Normalisation: scale 1 and shift 0, nothing is drawn.
        assert isinstance(module, nn.LayerNorm)
        module.reset_parameters()


@torch.no_grad()
def _copy_to_target(network: Network, modules: list[nn.Module]) -> None:
    if network.target is None:
        return
    touched = {id(parameter) for module in modules for parameter in module.parameters(recurse=False)}
    for name, parameter in network.online.named_parameters():
        if id(parameter) in touched:
            network.target.get_parameter(name).copy_(parameter)
