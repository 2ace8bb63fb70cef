"""How numbers in YAML follow `scale`, the length of the run, and what its study says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, Node, OmegaConf

from redo_lab.config import target_of


def register_resolvers() -> None:
    """How numbers in YAML follow `scale`; `unit` is what a number counts, by default the last word of its key.

    `${capped:1000}`: at most scale.at_most[unit]. `${scaled:1000}`: times scale.fraction_of[unit] or scale.fraction, at
    least 1 and capped. `${env_steps_of:1000}`: the agent steps that have so many updates at the run's replay ratio.
    `${planned_updates:}`: the updates of the whole run, `${planned_updates:10}`: of a tenth of it.
    `${from_study:NAME,VALUE,…}`: what the static method NAME of the study's class makes of the root and the values.
    """

    def capped(full: float, unit: str = "", *, _node_: Node, _root_: DictConfig) -> int:
        return min(round(full), int(_of_unit(_root_.scale.at_most, unit or str(_node_._key()), round(full))))

    def scaled(full: float, unit: str = "", *, _node_: Node, _root_: DictConfig) -> int:
        scale = _root_.scale
        fraction = _of_unit(scale.fraction_of, unit or str(_node_._key()), scale.fraction)
        return max(1, capped(full * fraction, unit, _node_=_node_, _root_=_root_))

    def env_steps_of(updates: float, *, _root_: DictConfig) -> int:
        return max(1, round(updates / (OmegaConf.select(_root_, "training.replay_ratio", throw_on_missing=True) or 1)))

    def planned_updates(parts: int = 1, *, _root_: DictConfig) -> int:
        return max(1, int(target_of(_root_.study, "study").planned_updates(_root_)) // parts)

    def from_study(name: str, *values: Any, _root_: DictConfig) -> Any:
        return getattr(target_of(_root_.study, "study"), name)(_root_, *values)

    OmegaConf.register_new_resolver("capped", capped, replace=True)
    OmegaConf.register_new_resolver("env_steps_of", env_steps_of, replace=True)
    OmegaConf.register_new_resolver("from_study", from_study, replace=True)
    OmegaConf.register_new_resolver("scaled", scaled, replace=True)
    OmegaConf.register_new_resolver("planned_updates", planned_updates, replace=True)


def _of_unit(numbers: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """The number for the longest unit in which `name` ends: `env_steps` of `period_env_steps`."""
    units = [unit for unit in numbers if f"_{name}".endswith(f"_{unit}")]
    return numbers[max(units, key=len)] if units else otherwise
