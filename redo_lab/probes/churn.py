"""How much the greedy policy changes between measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from redo_lab.probes import Schedule
from redo_lab.protocols import Actor, Probe
from redo_lab.runs.names import CHURN
from redo_lab.types import Counters, Metrics, Sampler


class Churn(Probe[Actor]):
    """The change of the greedy actions on fixed observations since the last measurement (Schaul et al., 2022).

    Discrete actions: % that differ; continuous ones: the mean absolute difference, over observations and dimensions.
    The observations are drawn once, at the first measurement, which logs nothing. State: them and their last actions.
    """

    @dataclass
    class Config(Schedule):
        """Nothing of its own."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.obs: Tensor | None = None
        self.actions: Tensor | None = None

    def after_update(self, learner: Actor, counters: Counters, sample: Sampler) -> Metrics:
        """churn/greedy_changed or, of continuous actions, churn/greedy_distance."""
        if not self.config.due(counters.updates):
            return {}
        if self.obs is None:
            self.obs = sample(self.config.batch_size).obs
        before, self.actions = self.actions, learner.policy(self.obs)
        return {} if before is None else action_change(before.to(self.actions.device, non_blocking=True), self.actions)

    def state_dict(self) -> dict[str, Any]:
        """The fixed observations and their actions at the last measurement."""
        return {"obs": self.obs, "actions": self.actions}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`."""
        self.obs, self.actions = state["obs"], state["actions"]


def action_change(before: Tensor, now: Tensor) -> Metrics:
    """int64 [N]: 100 * the share that differs; float32 [N, A]: the mean absolute difference."""
    if now.is_floating_point():
        return {f"{CHURN}/greedy_distance": (now - before).abs().mean()}
    return {f"{CHURN}/greedy_changed": 100 * (now != before).float().mean()}
