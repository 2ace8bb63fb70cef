"""The training loop: act, store, update, recycle, probe, evaluate. It sees protocols only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from redo_lab.clock import UpdateClock, exact_ratio
from redo_lab.config import TrainingConfig
from redo_lab.metrics_log import MetricsLog
from redo_lab.replay import Replay
from redo_lab.runs.names import TRAINING_RETURN
from redo_lab.types import Agent, Counters, Env, Observation, Probe, Recycler, Sampler

Evaluate = Callable[[int], Mapping[str, float]]
"""Iteration (1-based) → metrics of its evaluation phase."""

Tick = Callable[[Counters], None]
"""Called after every agent step: status, progress."""


@dataclass
class Loop:
    """One run. Each recycler and probe comes with a sampler of its own, so that none disturbs the training batches."""

    training: TrainingConfig
    agent: Agent
    env: Env
    replay: Replay
    sample: Sampler
    recyclers: Sequence[tuple[Recycler, Sampler]]
    probes: Sequence[tuple[Probe, Sampler]]
    evaluate: Evaluate
    log: MetricsLog
    tick: Tick
    counters: Counters = field(default_factory=Counters)

    def run(self) -> None:
        """Trains to the end; what is logged is flushed by `tick` and by the caller."""
        agent, counters = self.agent, self.counters
        clock = UpdateClock(
            exact_ratio(self.training.replay_ratio),
            agent.warmup_env_steps,
            agent.update_period_env_steps,
            self.training.env_steps,
        )
        obs = self._begin()
        while counters.env_steps < self.training.env_steps:
            obs = self._env_step(obs)
            for _ in range(clock.due(counters.env_steps, counters.updates)):
                self._update()
            agent.end_env_step(counters.env_steps)
            if counters.env_steps % self.training.iteration_env_steps == 0:
                iteration = counters.env_steps // self.training.iteration_env_steps
                self.log.add(counters, self.evaluate(iteration))
            self.tick(counters)

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
        metrics = self.agent.update(self.sample(self.agent.batch_size))
        self.counters.updates += 1
        if self.counters.updates % self.training.log_period_updates == 0:
            self.log.add(self.counters, metrics)
        # Probes first: they measure what training left, before anything is recycled.
        for part, sampler in (*self.probes, *self.recyclers):
            self.log.add(self.counters, part.after_update(self.agent, self.counters, sampler))
