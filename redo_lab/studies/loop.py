"""Online reinforcement learning, step by step: act, store, update, probe, evaluate, recycle. It sees protocols only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from redo_lab.experience import Env, Footage
from redo_lab.protocols import Agent, Journal, Study
from redo_lab.replay.bulk import ReplayBulk
from redo_lab.replay.ring import Replay
from redo_lab.runs.names import TRAINING_RETURN
from redo_lab.studies.aftercare import Aftercare, Samplers
from redo_lab.studies.clock import UpdateClock
from redo_lab.studies.evaluation import Evaluation
from redo_lab.studies.gradient import GradientSteps, headline
from redo_lab.types import Action, Counters, Observation, Progress, Sampler

EvaluationGames = Callable[[int], tuple[Env, np.random.Generator]]
"""Iteration (1-based) → a fresh environment and the generator of the policy that plays in it."""

Films = Callable[[Agent, int], Footage]
"""An agent and its agent steps so far → a game of it, with an environment and generators of its own."""


@dataclass(frozen=True)
class Lengths:
    """Of a run, in agent steps: all of it, and of the iterations after which it is evaluated; and when it logs."""

    env_steps: int
    iteration_env_steps: int
    log_period_updates: int


class Loop(Study):
    """One run. A step ends with its updates, its evaluation if one is due, and the interventions.

    Evaluation comes before the interventions that fall on the same step, and none acts on the last one: a network that
    was reset a moment ago would be scored as if it had learned nothing.
    """

    def __init__(
        self,
        *,
        lengths: Lengths,
        clock: UpdateClock,
        agent: Agent,
        env: Env,
        replay: Replay,
        samplers: Samplers,
        aftercare: Aftercare,
        evaluation: Evaluation,
        evaluation_games: EvaluationGames,
        films: Films,
        journal: Journal,
    ) -> None:
        self.lengths = lengths
        self.clock = clock
        self.agent = agent
        self.env = env
        self.replay = replay
        self.bulk = ReplayBulk(replay)
        self.samplers = samplers
        self.sample: Sampler = samplers.named("training")
        self.aftercare = aftercare
        self.evaluation = evaluation
        self.evaluation_games = evaluation_games
        self.films = films
        self.journal = journal
        self.gradient = GradientSteps(agent, aftercare, journal, lengths.log_period_updates)
        self.counters = Counters()
        self.obs: Observation | None = None
        self.next_action: Action | None = None
        """Of an agent that acts ahead: chosen for `obs` already."""
        self.evaluated_iterations = 0
        self.phase = "training"
        self.step_is_open = False
        self.acted_updates = 0
        """Interventions have acted after every update up to this one."""
        self.refill_env_steps = 0
        """To take before training goes on, of a run whose replay was lost."""

    def steps(self) -> Iterator[None]:
        """Trains to the end, from the beginning or from a loaded state; yields after each step, evaluation's too."""
        if self.obs is None:
            self.obs = self._begin()
        if self.refill_env_steps:
            yield from self._refill(self.obs)
        while self.step_is_open or self.counters.env_steps < self.lengths.env_steps:
            if not self.step_is_open:
                self._step(self.obs)
            yield from self._evaluate_if_due()
            self._close_step()
            yield

    def progress(self) -> Progress:
        """Agent steps done, of all; the phase is training, evaluation or refill."""
        return Progress(self.counters.env_steps, self.lengths.env_steps, "agent steps", self.phase)

    def clocks(self) -> Counters:
        """Agent steps and updates so far."""
        return self.counters

    def headline(self) -> dict[str, float]:
        """The newest training return and total dormant %, as soon as there are any."""
        return headline(self.journal.latest, "return", TRAINING_RETURN)

    def film(self) -> Footage:
        """A game of the agent as it is, with the policy that evaluates it."""
        return self.films(self.agent, self.counters.env_steps)

    def lose_bulk(self) -> None:
        """The replay was not saved: as many transitions as a warm-up has come first, from the agent as it is."""
        if 0 < self.counters.env_steps < self.lengths.env_steps:
            # With the next step there is a transition of n steps, as its updates need one.
            self.refill_env_steps = max(self.agent.warmup_env_steps, self.replay.config.n_step - 1)
            self.replay.episode_start, self.replay.added = None, 0
            self.obs = self.next_action = None

    def _refill(self, obs: Observation) -> Iterator[None]:
        """None of these transitions is counted or logged."""
        self.phase = "refill"
        while self.refill_env_steps:
            step = self.env.step(action := self.agent.act(obs, self.counters.env_steps))
            self.replay.append(action, step.reward, step.obs, step.terminated, step.truncated)
            self.obs = obs = self._begin() if step.terminated or step.truncated else step.obs
            self.refill_env_steps -= 1
            yield
        self.phase = "training"

    def _begin(self) -> Observation:
        obs = self.env.reset()
        self.replay.start(obs)
        return obs

    def _step(self, obs: Observation) -> None:
        self.obs = self._env_step(obs)
        self.step_is_open = True
        if self.agent.act_ahead:
            # Before the updates are queued: a GPU then makes them while the environment takes its next step.
            self.next_action = self.agent.act(self.obs, self.counters.env_steps)
        due = self.clock.due(self.counters.env_steps, self.counters.updates)
        held = self._evaluation_is_due()
        for _ in range(due):
            self.gradient.make(self.sample(self.agent.batch_size), self.counters)
            if not held:
                self._intervene()

    def _env_step(self, obs: Observation) -> Observation:
        chosen, self.next_action = self.next_action, None
        action = self.agent.act(obs, self.counters.env_steps) if chosen is None else chosen
        step = self.env.step(action)
        self.counters.env_steps += 1
        self.replay.append(action, step.reward, step.obs, step.terminated, step.truncated)
        if step.game_return is not None:
            self.counters.episodes += 1
            self.journal.add(self.counters, {TRAINING_RETURN: step.game_return})
        return self._begin() if step.terminated or step.truncated else step.obs

    def _evaluation_is_due(self) -> bool:
        iteration, within = divmod(self.counters.env_steps, self.lengths.iteration_env_steps)
        return within == 0 and iteration > self.evaluated_iterations

    def _evaluate_if_due(self) -> Iterator[None]:
        """An evaluation that was cut off is played again from its start: it has seeds of its own, so it is the same."""
        if not self._evaluation_is_due():
            return
        iteration = self.counters.env_steps // self.lengths.iteration_env_steps
        self.phase = "evaluation"
        metrics = yield from self.evaluation.play(self.agent, *self.evaluation_games(iteration))
        self.phase = "training"
        self.journal.add(self.counters, metrics)
        self.evaluated_iterations = iteration

    def _close_step(self) -> None:
        if self.counters.env_steps < self.lengths.env_steps:
            self._intervene()
        self.agent.end_env_step(self.counters.env_steps)
        self.step_is_open = False

    def _intervene(self) -> None:
        for update in range(self.acted_updates + 1, self.counters.updates + 1):
            self.aftercare.intervene(replace(self.counters, updates=update))
        self.acted_updates = self.counters.updates

    def state_dict(self) -> dict[str, Any]:
        """All that changes while training but the replay's contents, valid whenever `steps` has yielded."""
        return {
            "counters": asdict(self.counters),
            "evaluated_iterations": self.evaluated_iterations,
            "step_is_open": self.step_is_open,
            "acted_updates": self.acted_updates,
            "obs": self.obs,
            "next_action": self.next_action,
            "refill_env_steps": self.refill_env_steps,
            "env": self.env.state_dict(),
            "agent": self.agent.state_dict(),
            "aftercare": self.aftercare.state_dict(),
            "replay": self.replay.state_dict(),
            "generators": self.samplers.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from `state`; the replay's contents are loaded apart."""
        self.counters = Counters(**state["counters"])
        self.evaluated_iterations = state["evaluated_iterations"]
        self.step_is_open = state["step_is_open"]
        self.acted_updates = state["acted_updates"]
        self.obs = state["obs"]
        self.next_action = state.get("next_action")
        self.refill_env_steps = state.get("refill_env_steps", 0)
        self.env.load_state_dict(state["env"])
        self.agent.load_state_dict(state["agent"])
        self.aftercare.load_state_dict(state["aftercare"])
        self.replay.load_state_dict(state["replay"])
        self.samplers.load_state_dict(state["generators"])
