"""An update as one graph: the same numbers as eagerly, whatever happens between updates, on the same memory always."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
import torch

from redo_lab.config import ConfigError
from redo_lab.networks.compiling import Compile, check_interventions, updating
from redo_lab.networks.graphed import WARM_UPS, CudaGraph, GraphedUpdate
from redo_lab.neurons.hooks import NO_HOOKS, Hooks
from redo_lab.types import Metrics
from tests.helpers.agents import AGENTS, batch_of, batches, spec_of, through_a_file, tiny
from tests.helpers.interventions import INTERVENTIONS, Trial, ids
from tests.helpers.tape import Tape, storages

GPU = torch.device("cuda", 1)
LEARNERS = ("dqn minatar full", "sac mlp")


def graphed(agent: Any) -> Any:
    """`agent` with its whole update on record after the warm-up."""
    agent._updating = GraphedUpdate(agent._update, partial(Tape, agent))
    return agent


def numbers(metrics: Metrics) -> dict[str, float]:
    return {name: value.item() for name, value in metrics.items()}


def pointers(agent: Any) -> dict[str, int]:
    return {name: tensor.data_ptr() for name, tensor in storages(agent).items()}


@pytest.mark.parametrize("name", AGENTS)
def test_a_recorded_update_gives_the_losses_of_an_eager_one(name: str) -> None:
    eager, recorded = tiny(name), graphed(tiny(name))
    for step, batch in enumerate(batches(name, WARM_UPS + 5), start=1):
        assert numbers(recorded.update(batch)) == numbers(eager.update(batch)), f"update {step}"
        for agent in (eager, recorded):
            agent.end_env_step(1000 * step)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
def test_interventions_between_replays_reach_the_recorded_update(learner: str, interventions: tuple[str, ...]) -> None:
    eager, recorded = Trial(learner, "layer", interventions), Trial(learner, "layer", interventions)
    graphed(recorded.agent)
    assert recorded.run(WARM_UPS + 5) == eager.run(WARM_UPS + 5)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("interventions", INTERVENTIONS, ids=ids)
def test_nothing_rebinds_a_parameter_or_a_state_of_the_optimizer(learner: str, interventions: tuple[str, ...]) -> None:
    trial = Trial(learner, "layer", interventions)
    trial.run(2)
    before, state = pointers(trial.agent), through_a_file(trial.state_dict())
    trial.run(2)
    trial.agent.end_env_step(1_000_000)
    assert pointers(trial.agent) == before
    trial.load_state_dict(state)
    assert pointers(trial.agent) == before


def test_a_recorded_update_goes_on_from_a_restored_state() -> None:
    eager, recorded = tiny("sac"), graphed(tiny("sac"))
    first, then = batches("sac", WARM_UPS + 4)[:5], batches("sac", WARM_UPS + 4)[5:]
    for batch in first:
        recorded.update(batch)
        eager.update(batch)
    for batch in then:
        recorded.update(batch)
    recorded.load_state_dict(through_a_file(eager.state_dict()))
    for batch in then:
        assert numbers(recorded.update(batch)) == numbers(eager.update(batch))


def test_a_state_of_before_the_first_update_empties_the_optimizer_in_place() -> None:
    eager, recorded = tiny("dqn"), graphed(tiny("dqn"))
    beginning = through_a_file(recorded.state_dict())
    for batch in batches("dqn", WARM_UPS + 3):
        recorded.update(batch)
    recorded.load_state_dict(beginning)
    for batch in batches("dqn", 3):
        assert numbers(recorded.update(batch)) == numbers(eager.update(batch))


def test_a_batch_of_another_size_is_recorded_anew() -> None:
    eager, recorded = tiny("dqn"), graphed(tiny("dqn"))
    for size in [8] * (WARM_UPS + 2) + [4] * (WARM_UPS + 2):
        batch = batch_of(spec_of("dqn"), size, seed=size)
        assert numbers(recorded.update(batch)) == numbers(eager.update(batch))


def test_a_graph_is_refused_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match=r"agent\.compile=graph needs a CUDA device, and device is cpu"):
        tiny("dqn", compile="graph")


class Penalty:
    """It says nothing about graphs."""

    name = "penalty"

    def loss(self, network: object, batch: object, sample: object) -> torch.Tensor:
        return torch.tensor(0.0)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: object) -> None:
        pass


class Watcher:
    name = "watcher"

    def watch(self, network: object, activations: object) -> None: ...
    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: object) -> None: ...


def test_what_a_compiled_update_would_leave_out_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"regularisers\.penalty: Penalty takes part in an update and doesn't say"):
        check_interventions({"regularisers.penalty": Penalty}, Compile.graph)
    check_interventions({"regularisers.penalty": Penalty}, Compile.default)
    for how in (Compile.default, Compile.graph):
        with pytest.raises(ConfigError, match="watcher watches the activations of the training batch"):
            check_interventions({"watcher": Watcher}, how)
    check_interventions({"watcher": Watcher, "penalty": Penalty}, Compile.off)


def test_hooks_are_checked_where_an_agent_is_used_without_a_config() -> None:
    update = updating(lambda batch, hooks: {}, Compile.default, [])
    batch = batches("dqn", 1)[0]
    update(batch, NO_HOOKS)
    with pytest.raises(ConfigError, match="watcher watches the activations"):
        update(batch, Hooks([(Watcher(), lambda n: batch)]))


def test_a_cuda_graph_is_recorded_as_pytorch_documents_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generators are registered first, warm-ups and the recording are on one side stream, replays on the caller's."""
    cuda, generator = Mock(), torch.Generator()
    for name in ("device", "stream", "graph"):
        setattr(cuda, name, MagicMock())
    monkeypatch.setattr(torch, "cuda", cuda)
    graph = CudaGraph([generator], GPU)
    side, current, recorded = cuda.Stream(), cuda.current_stream(), cuda.CUDAGraph()
    recorded.register_generator_state.assert_called_once_with(generator)
    cuda.reset_mock()
    assert graph.warm_up(lambda: {"done": torch.tensor(1.0)})["done"] == 1
    side.wait_stream.assert_called_once_with(current)
    cuda.stream.assert_called_once_with(side)
    current.wait_stream.assert_called_once_with(side)
    graph.record(dict)
    cuda.graph.assert_called_once_with(recorded, stream=side, capture_error_mode="thread_local")
    recorded.replay.assert_not_called()
    graph.replay()
    recorded.replay.assert_called_once_with()
    assert {call.args for call in cuda.device.call_args_list} == {(GPU,)}
