"""Dormancy and ReDo on networks that know nothing of redo_lab."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from redo_lab import declare, dormancy, recycle


def chain() -> nn.Sequential:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(16, 6), nn.Dropout(0.0), nn.Tanh(), nn.Linear(6, 2))


def test_a_chain_declares_its_hidden_layers_and_who_reads_them() -> None:
    model = chain()
    conv, dense = declare(model)
    assert (conv.name, conv.layer, conv.neurons) == ("0.0", model[0][0], 4)
    assert (conv.readers[0].layer, conv.readers[0].span) == (model[2], 4)
    assert (dense.name, dense.activation, dense.readers[0].layer) == ("2", model[4], model[5])


def test_silencing_a_neuron_equals_zeroing_its_declared_columns() -> None:
    model, inputs = chain(), torch.randn(5, 1, 6, 6)
    for layer in declare(model):
        (reader,) = layer.readers
        with torch.no_grad():
            kept = reader.layer.weight.clone()
            reader.layer.weight[:, reader.columns(1)] = 0
            without = model(inputs)
            reader.layer.weight.copy_(kept)

            def silenced(module: nn.Module, args: object, output: torch.Tensor) -> torch.Tensor:
                return output.index_fill(1, torch.tensor([0]), 0)

            hook = layer.activation.register_forward_hook(silenced)
            torch.testing.assert_close(model(inputs), without)
            hook.remove()


def test_dormancy_counts_the_neurons_whose_score_is_at_most_the_threshold() -> None:
    model, inputs = chain(), torch.randn(5, 1, 6, 6)
    with torch.no_grad():
        model[0][0].weight[0], model[0][0].bias[0] = 0, -1  # a dead feature map of 4
    assert dormancy(model, inputs) == {"0.0": 25.0, "2": 0.0, "total": pytest.approx(10.0)}


def test_recycling_a_dead_neuron_gives_it_new_weights_and_changes_no_output() -> None:
    model, inputs = chain(), torch.randn(5, 1, 6, 6)
    optimizer = torch.optim.Adam(model.parameters())
    model(inputs).square().sum().backward()
    optimizer.step()
    with torch.no_grad():
        model[0][0].weight[0], model[0][0].bias[0] = 0, -1
    before = model(inputs).detach()
    assert recycle(model, inputs, optimizer, threshold=0.0) == {"0.0": 1, "2": 0, "total": 1}
    assert torch.equal(model(inputs), before)
    assert 0 < model[0][0].weight[0].abs().max() <= 1 / 3
    assert model[2].weight[:, :4].abs().max() == 0
    moments = optimizer.state[model[2].weight]["exp_avg"]
    assert moments[:, :4].abs().max() == 0 < moments[:, 4:].abs().max()


def test_the_same_generator_draws_the_same_weights() -> None:
    weights = []
    for _ in range(2):
        model = chain()
        with torch.no_grad():
            model[0][0].weight[0], model[0][0].bias[0] = 0, -1
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        recycle(model, torch.randn(5, 1, 6, 6), optimizer, generator=torch.Generator().manual_seed(3))
        weights.append(model[0][0].weight[0].clone())
    assert torch.equal(*weights)


SHARED = nn.ReLU()
WRONG = {
    "only an nn.Sequential": nn.Linear(2, 2),
    "at least two layers": nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
    "followed by no activation": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)),
    "a module of its own": nn.Sequential(nn.Linear(2, 2), SHARED, nn.Linear(2, 2), SHARED, nn.Linear(2, 1)),
    "1 is a LayerNorm": nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.ReLU(), nn.Linear(2, 2)),
    "no multiple of the 3": nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_plain_chain_is_refused_by_name(message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare(WRONG[message])
