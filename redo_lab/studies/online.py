"""The training loop: act, store, update, recycle, probe, evaluate. It sees protocols only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from redo_lab.config import TrainingConfig
from redo_lab.neurons.hooks import Hooks
from redo_lab.replay.ring import Replay
from redo_lab.runs.names import TRAINING_RETURN
from redo_lab.studies.clock import UpdateClock, exact_ratio
from redo_lab.types import Agent, Counters, Env, Observation, Probe, Recycler, Sampler, Stateful

if TYPE_CHECKING:
    from redo_lab.attempt.metrics_log import MetricsLog

Evaluate = Callable[[int], Mapping[str, float]]
"""Iteration (1-based) → metrics of its evaluation phase."""

Tick = Callable[[Counters], None]
"""Called after every agent step, of training and of evaluation: status, progress, checkpoints, a wish to stop."""


@dataclass
class Loop:
    """One run. Each recycler and probe comes with a sampler of its own, so that none disturbs the training batches."""

    training: TrainingConfig
    agent: Agent
    env: Env
    replay: Replay
    sample: Sampler
    recyclers: Sequence[tuple[Recycler, Sampler]]
    probes: Sequence[tuple[Probe[Agent], Sampler]]
    evaluate: Evaluate
    log: MetricsLog
    tick: Tick
    generators: Mapping[str, np.random.Generator]
    regularisers: Sequence[tuple[Stateful, Sampler]] = ()
    counters: Counters = field(default_factory=Counters)
    obs: Observation | None = None
    evaluated_iterations: int = 0

    def __post_init__(self) -> None:
        self.hooks = Hooks([*self.regularisers, *self.recyclers])

    def run(self) -> None:
        """Trains to the end, from the beginning or from a loaded state; `tick` and the caller flush what is logged."""
        agent, counters = self.agent, self.counters
        clock = UpdateClock(
            exact_ratio(self.training.replay_ratio),
            agent.warmup_env_steps,
            agent.update_period_env_steps,
            self.training.env_steps,
        )
        obs = self._begin() if self.obs is None else self.obs
        self._evaluate_if_due()
        while counters.env_steps < self.training.env_steps:
            self.obs = obs = self._env_step(obs)
            for _ in range(clock.due(counters.env_steps, counters.updates)):
                self._update()
            agent.end_env_step(counters.env_steps)
            self._evaluate_if_due()
            self.tick(counters)

    def refill(self) -> None:
        """As many transitions as a warm-up has, from the agent as it is; none of them is counted or logged."""
        self.replay.episode_start, self.replay.added = None, 0
        obs = self._begin()
        for _ in range(self.agent.warmup_env_steps):
            step = self.env.step(action := self.agent.act(obs, self.counters.env_steps))
            self.replay.append(action, step.reward, step.obs, step.terminated, step.truncated)
            obs = self._begin() if step.terminated or step.truncated else step.obs
        self.obs = obs

    def _evaluate_if_due(self) -> None:
        """An evaluation that was cut off is played again from its start: it has seeds of its own, so it is the same."""
        iteration, within = divmod(self.counters.env_steps, self.training.iteration_env_steps)
        if within == 0 and iteration > self.evaluated_iterations:
            self.log.add(self.counters, self.evaluate(iteration))
            self.evaluated_iterations = iteration

    def _begin(self) -> Observation:
        obs = self.env.reset()
        self.replay.start(obs)
        return obs

    def _env_step(self, obs: Observation) -> Observation:
        action = self.agent.act(obs, self.counters.env_steps)
        step = self.env.step(action)
        self.counters.env_steps += 1
        self.replay.append(action, step.reward, step.obs, step.terminated, step.truncated)
        if step.game_return is not None:
            self.counters.episodes += 1
            self.log.add(self.counters, {TRAINING_RETURN: step.game_return})
        return self._begin() if step.terminated or step.truncated else step.obs

    def _update(self) -> None:
        metrics = self.agent.update(self.sample(self.agent.batch_size), self.hooks)
        self.counters.updates += 1
        if self.counters.updates % self.training.log_period_updates == 0:
            self.log.add(self.counters, {**metrics, **self.hooks.penalties})
        # Probes first: they measure what training left, before anything is recycled.
        for part, sampler in (*self.probes, *self.recyclers):
            self.log.add(self.counters, part.after_update(self.agent, self.counters, sampler))

    def state_dict(self) -> dict[str, Any]:
        """All that changes while training but the replay's contents, valid whenever `tick` is called."""
        return {
            "counters": asdict(self.counters),
            "evaluated_iterations": self.evaluated_iterations,
            "obs": self.obs,
            "env": self.env.state_dict(),
            "agent": self.agent.state_dict(),
            "recyclers": [part.state_dict() for part, _ in self.recyclers],
            "regularisers": [part.state_dict() for part, _ in self.regularisers],
            "probes": [part.state_dict() for part, _ in self.probes],
            "replay": self.replay.state_dict(),
            "generators": {name: generator.bit_generator.state for name, generator in self.generators.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`; the replay's contents are loaded apart."""
        for name, value in state["counters"].items():
            setattr(self.counters, name, value)
        self.evaluated_iterations = state["evaluated_iterations"]
        self.obs = state["obs"]
        self.env.load_state_dict(state["env"])
        self.agent.load_state_dict(state["agent"])
        everything: dict[str, Sequence[tuple[Stateful, Sampler]]] = {
            "recyclers": self.recyclers,
            "regularisers": self.regularisers,
            "probes": self.probes,
        }
        for group, parts in everything.items():
            for (part, _), part_state in zip(parts, state[group], strict=True):
                part.load_state_dict(part_state)
        self.replay.load_state_dict(state["replay"])
        for name, generator in self.generators.items():
            generator.bit_generator.state = state["generators"][name]
