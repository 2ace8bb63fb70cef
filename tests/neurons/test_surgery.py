"""Recycling changes exactly the weights and optimizer state of the chosen neurons, in place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from redo_lab.neurons.layers import HiddenLayer, Reader
from redo_lab.neurons.scores import incoming_magnitude, outgoing_magnitude
from redo_lab.neurons.surgery import (
    Incoming,
    Outgoing,
    StepCount,
    fold_outgoing,
    indices,
    lowest,
    recycle,
    row_norms,
    silence,
)
from tests.helpers.tiny_agent import TinyAgent, changed, generator, neuron_masks, surgery, trained, uniform

CONV, DENSE = [1], [0, 2]


def operate(agent: TinyAgent, **changes: object) -> None:
    chosen = [torch.tensor(CONV), torch.tensor(DENSE)]
    recycle(agent.hidden_layers(), chosen, agent.optimizers, surgery(**changes), generator())


def test_only_the_chosen_neurons_weights_and_moments_change() -> None:
    agent = trained()
    before = agent.everything()
    operate(agent)
    masks = neuron_masks(agent, CONV, DENSE)
    differences = changed(before, agent.everything())
    for name, mask in differences.items():
        kept = ~masks[name.partition("/")[0]]
        assert not (mask & kept).any(), f"{name} changed elsewhere"
    assert not any(name.endswith("/step") or name.startswith(("head.bias", "value.bias")) for name in differences)


def test_fresh_rows_come_from_the_initialiser_and_columns_and_biases_are_zero() -> None:
    agent = trained()
    operate(agent)
    net = agent.online
    assert ((net.conv.weight[1] >= 1) & (net.conv.weight[1] < 2)).all()
    assert (net.dense.weight[DENSE][:, [0, 1, 2, 3, 8, 9, 10, 11]] >= 1).all()
    for zero in (net.conv.bias[1], net.dense.bias[DENSE], net.head.weight[:, DENSE], net.value.weight[:, DENSE]):
        assert (zero == 0).all()


def test_the_columns_of_a_map_are_its_positions_in_the_flattened_input() -> None:
    agent = trained()
    before = agent.online.dense.weight.detach().clone()
    recycle(agent.hidden_layers(), [torch.tensor([1]), torch.tensor([], dtype=torch.long)], [], surgery(), generator())
    after = agent.online.dense.weight
    assert (after[:, 4:8] == 0).all()
    assert torch.equal(after[:, :4], before[:, :4])
    assert torch.equal(after[:, 8:], before[:, 8:])


def test_where_a_recycled_row_meets_a_recycled_column_zero_wins() -> None:
    agent = trained()
    operate(agent)
    assert (agent.online.dense.weight[DENSE][:, 4:8] == 0).all()


def test_moments_are_zero_wherever_a_weight_was_replaced_biases_included() -> None:
    agent = trained()
    operate(agent)
    state = agent.everything()
    for name, mask in neuron_masks(agent, CONV, DENSE).items():
        for moment in ("exp_avg", "exp_avg_sq"):
            assert (state[f"{name}/{moment}"][mask] == 0).all()
    assert (state["dense.bias/exp_avg_sq"][1] != 0).all()


def test_moments_are_kept_when_asked() -> None:
    agent = trained()
    before = agent.everything()
    operate(agent, reset_moments=False)
    assert not [name for name in changed(before, agent.everything()) if "/" in name]


def test_step_count_reset_zeroes_the_step_of_touched_parameters_only() -> None:
    agent = trained()
    recycle(
        agent.hidden_layers(),
        [torch.tensor([], dtype=torch.long), torch.tensor([3])],
        agent.optimizers,
        surgery(step_count=StepCount.reset),
        generator(),
    )
    steps = {name[: -len("/step")]: float(v) for name, v in agent.everything().items() if name.endswith("/step")}
    zeroed = {"dense.weight", "dense.bias", "head.weight", "value.weight"}
    assert steps == {name: 0.0 if name in zeroed else 3.0 for name in steps}


def test_step_count_reset_works_with_an_optimizer_that_counts_no_steps() -> None:
    agent = TinyAgent()
    agent.optimizer = torch.optim.SGD(agent.online.parameters(), lr=0.01, momentum=0.9)  # type: ignore[assignment]
    agent.train(2)
    operate(agent, step_count=StepCount.reset)
    assert (agent.optimizer.state[agent.online.conv.weight]["momentum_buffer"][1] == 0).all()


def test_scaled_rows_have_the_mean_norm_of_the_rows_not_chosen() -> None:
    agent = trained()
    before = agent.online.dense.weight.detach().clone()
    recycle(
        agent.hidden_layers(),
        [torch.tensor([], dtype=torch.long), torch.tensor([0, 2])],
        [],
        surgery(incoming=Incoming.scaled),
        generator(),
    )
    expected = (before[1].norm() + before[3].norm()) / 2
    assert torch.allclose(row_norms(agent.online.dense.weight)[[0, 2]], expected.expand(2))
    direction = agent.online.dense.weight[0] / agent.online.dense.weight[0].norm()
    assert (direction > 0).all(), "the direction is the fresh draw's"


def test_scaled_keeps_the_fresh_norm_where_every_row_is_chosen() -> None:
    agent = trained()
    nobody = torch.tensor([], dtype=torch.long)
    recycle(agent.hidden_layers(), [nobody, torch.arange(4)], [], surgery(incoming=Incoming.scaled), generator())
    assert (agent.online.dense.weight >= 1).all()


def test_outgoing_random_draws_the_columns_and_nothing_else() -> None:
    agent = trained()
    before = agent.everything()
    operate(agent, outgoing=Outgoing.random)
    net = agent.online
    assert (net.head.weight[:, DENSE] >= 1).all()
    assert (net.dense.weight[:, 4:8] >= 1).all()
    assert torch.equal(net.head.weight[:, [1, 3]], before["head.weight"][:, [1, 3]])


def test_nothing_chosen_changes_nothing() -> None:
    agent = trained()
    before, draws = agent.everything(), generator()
    nobody = torch.tensor([], dtype=torch.long)
    recycle(agent.hidden_layers(), [nobody, nobody], agent.optimizers, surgery(step_count=StepCount.reset), draws)
    assert not changed(before, agent.everything())
    assert torch.equal(draws.get_state(), generator().get_state())


def test_parameters_and_their_memory_are_the_same_ones_afterwards() -> None:
    agent = trained()
    before = [(id(p), p.data_ptr()) for p in agent.online.parameters()]
    operate(agent, outgoing=Outgoing.random, incoming=Incoming.scaled)
    assert [(id(p), p.data_ptr()) for p in agent.online.parameters()] == before
    agent.train(1)


def test_the_target_network_is_untouched() -> None:
    agent = trained()
    before = {name: p.clone() for name, p in agent.target.named_parameters()}
    operate(agent)
    assert all(torch.equal(p, before[name]) for name, p in agent.target.named_parameters())


def test_a_compiled_network_sees_the_edit_without_recompiling() -> None:
    agent, compilations = trained(), []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        compilations.append(graph)
        return graph.forward

    compiled = torch.compile(agent.online, backend=backend)
    obs = agent.sample(5).obs
    before = compiled(obs)
    operate(agent)
    after = compiled(obs)
    assert len(compilations) == 1
    assert torch.equal(after, agent.online(obs))
    assert not torch.equal(before, after)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
def test_a_network_compiled_by_inductor_sees_the_edit() -> None:
    agent = trained()
    compiled = torch.compile(agent.online)
    obs = agent.sample(5).obs
    compiled(obs)
    operate(agent)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert torch.allclose(compiled(obs), agent.online(obs), atol=1e-5)


def test_indices_are_the_true_positions_of_each_mask() -> None:
    masks = [torch.tensor([True, False, True]), torch.tensor([False, False]), torch.tensor([False, True])]
    assert [found.tolist() for found in indices(masks)] == [[0, 2], [], [1]]


def test_lowest_gives_exactly_as_many_as_asked_and_draws_equals_by_lot() -> None:
    values = torch.tensor([0.0, 5.0, 0.0, 0.0, 0.0, -1.0])
    draws = generator()
    picks = [set(lowest(values, 3, draws).tolist()) for _ in range(200)]
    assert all(len(pick) == 3 and 5 in pick and 1 not in pick for pick in picks)
    times = [sum(i in pick for pick in picks) for i in (0, 2, 3, 4)]
    assert min(times) > 70, f"each of the four equals should be picked about 100 times, got {times}"
    assert lowest(values, 0, draws).tolist() == []


@torch.no_grad()
def test_magnitudes_sum_absolute_weights_over_rows_and_over_all_readers() -> None:
    conv, dense = TinyAgent().hidden_layers()
    net = TinyAgent().online
    assert incoming_magnitude(conv).tolist() == pytest.approx(net.conv.weight.abs().sum((1, 2, 3)).tolist())
    columns = [float(net.dense.weight[:, 4 * i : 4 * i + 4].abs().sum()) for i in range(3)]
    assert outgoing_magnitude(conv).tolist() == pytest.approx(columns)
    both = net.head.weight.abs().sum(0) + net.value.weight.abs().sum(0)
    assert outgoing_magnitude(dense).tolist() == pytest.approx(both.tolist())


def test_silence_zeroes_all_that_belongs_to_the_chosen_and_nothing_else() -> None:
    agent = trained()
    before = agent.everything()
    silence(agent.hidden_layers(), [torch.tensor(CONV), torch.tensor(DENSE)])
    after, masks = agent.everything(), neuron_masks(agent, CONV, DENSE)
    for name, mask in masks.items():
        assert (after[name][mask] == 0).all()
        assert torch.equal(after[name][~mask], before[name][~mask])


def test_folding_keeps_the_mean_input_of_every_reader_of_a_dense_layer() -> None:
    agent = trained()
    with torch.no_grad():
        check_folding(agent)


def check_folding(agent: TinyAgent) -> None:
    layers, net, obs = agent.hidden_layers(), agent.online, agent.sample(64).obs
    h = net.act2(net.dense(net.act1(net.conv(obs)).flatten(1)))
    before = torch.cat([net.head(h), net.value(h)], dim=1).mean(0)
    chosen, mean = torch.tensor([1, 3]), h.mean(0)
    assert (mean[chosen] > 0.01).all()
    nobody = torch.tensor([], dtype=torch.long)
    fold_outgoing(layers, [nobody, chosen], [torch.tensor([]), mean[chosen]])
    h[:, chosen] = 0
    after = torch.cat([net.head(h), net.value(h)], dim=1).mean(0)
    assert torch.allclose(before, after, atol=1e-5)


@torch.no_grad()
def test_folding_constant_maps_into_a_dense_layer_is_exact() -> None:
    maps = torch.rand((1, 3, 1, 1), generator=generator()).expand(1, 3, 2, 2).clone()
    layer = TinyAgent().hidden_layers()[0]
    reader = layer.readers[0].layer
    before = reader(maps.flatten(1))
    fold_outgoing([layer], [torch.tensor([2, 0])], [maps[0, [2, 0], 0, 0]])
    maps[:, [0, 2]] = 0
    assert torch.allclose(reader(maps.flatten(1)), before, atol=1e-5)


@torch.no_grad()
def test_folding_a_constant_map_into_a_convolution_is_exact_away_from_the_border() -> None:
    first, second = nn.Conv2d(1, 3, 1), nn.Conv2d(3, 2, 3, padding=1)
    layer = HiddenLayer("first", first, nn.ReLU(), uniform, (Reader(second),))
    maps = torch.randn(4, 3, 5, 5, generator=generator())
    maps[:, 1] = 0.7
    before = second(maps)
    fold_outgoing([layer], [torch.tensor([1])], [torch.tensor([0.7])])
    maps[:, 1] = 0
    after = second(maps)
    assert torch.allclose(after[..., 1:-1, 1:-1], before[..., 1:-1, 1:-1], atol=1e-5)
    assert not torch.allclose(after[..., 0, :], before[..., 0, :], atol=1e-3)
