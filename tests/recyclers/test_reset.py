"""Resets: which layers start again on which clock, what the optimizer and the target keep."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from redo_lab.config import ConfigError, build, parse
from redo_lab.neurons.layers import HiddenLayer, Network, Reader
from redo_lab.recyclers.reset import Layers, Reset, layers_of
from redo_lab.types import Counters
from tests.helpers.tiny_agent import TinyAgent, changed, generator, trained, uniform

NODE = {
    "_target_": "redo_lab.recyclers.reset.Reset",
    "layers": "last",
    "period_updates": 5,
    "period_env_steps": None,
    "targets": False,
    "reset_moments": True,
    "step_count": "keep",
}
MEMBERS = {
    "last": {"head", "value"},
    "penultimate": {"dense"},
    "last_two": {"dense", "head", "value"},
    "all": {"conv", "dense", "head", "value"},
}


def reset(**changes: object) -> Reset:
    part = build({**NODE, **changes}, "recyclers.reset", name="reset", generator=generator())
    assert isinstance(part, Reset)
    return part


def act(agent: TinyAgent, part: Reset, env_steps: int = 20, updates: int = 5) -> dict[str, torch.Tensor]:
    return part.after_update(agent, Counters(env_steps=env_steps, updates=updates), agent.sample)  # type: ignore[arg-type]


@pytest.mark.parametrize("layers", list(MEMBERS))
def test_the_layers_asked_for_are_fresh_and_all_others_untouched(layers: str) -> None:
    agent = trained()
    before = agent.everything()
    metrics = act(agent, reset(layers=layers))
    after = agent.everything()
    touched = {name.partition(".")[0] for name in changed(before, after)}
    assert touched == MEMBERS[layers]
    assert int(metrics["reset/reset_layers"]) == len(touched)
    for name in touched:
        assert ((after[f"{name}.weight"] >= 1) & (after[f"{name}.weight"] < 2)).all()
        for zero in (f"{name}.bias", f"{name}.weight/exp_avg", f"{name}.bias/exp_avg_sq"):
            assert (after[zero] == 0).all()
        assert after[f"{name}.weight/step"] == 3


def test_the_step_count_of_reset_parameters_only_is_zero_when_asked() -> None:
    agent = trained()
    act(agent, reset(step_count="reset"))
    steps = {name.partition(".")[0]: float(v) for name, v in agent.everything().items() if name.endswith("/step")}
    assert steps == {"conv": 3, "dense": 3, "head": 0, "value": 0}


def test_moments_are_kept_when_asked() -> None:
    agent = trained()
    before = agent.everything()
    act(agent, reset(reset_moments=False))
    assert not [name for name in changed(before, agent.everything()) if "/" in name]


def test_targets_stay_unless_asked_and_then_get_the_same_fresh_weights_only() -> None:
    agent = trained()
    before = {name: p.clone() for name, p in agent.target.named_parameters()}
    act(agent, reset())
    assert all(torch.equal(p, before[name]) for name, p in agent.target.named_parameters())
    act(agent, reset(targets=True))
    for name, p in agent.target.named_parameters():
        expected = agent.online.get_parameter(name) if name.startswith(("head", "value")) else before[name]
        assert torch.equal(p, expected)


def test_parameters_and_their_memory_are_the_same_ones_afterwards() -> None:
    agent = trained()
    before = [(id(p), p.data_ptr()) for net in (agent.online, agent.target) for p in net.parameters()]
    act(agent, reset(layers="all", targets=True))
    assert [(id(p), p.data_ptr()) for net in (agent.online, agent.target) for p in net.parameters()] == before


def test_it_resets_every_so_many_updates() -> None:
    agent, part = trained(), reset(period_updates=4)
    assert [u for u in range(1, 13) if act(agent, part, env_steps=1, updates=u)] == [4, 8, 12]


def on_env_clock(part: Reset, moments: list[tuple[int, int]]) -> list[tuple[int, int]]:
    agent = trained()
    return [(e, u) for e, u in moments if act(agent, part, env_steps=e, updates=u)]


def test_it_resets_once_at_the_first_update_at_or_after_every_multiple_of_env_steps() -> None:
    part = reset(period_updates=None, period_env_steps=10)
    # Updates every 4 agent steps, two each time.
    moments = [(e, 2 * i + k) for i, e in enumerate(range(4, 44, 4)) for k in (1, 2)]
    assert on_env_clock(part, moments) == [(12, 5), (20, 9), (32, 15), (40, 19)]


def test_no_reset_is_due_at_the_first_update_after_a_long_warm_up() -> None:
    part = reset(period_updates=None, period_env_steps=10)
    assert on_env_clock(part, [(25, 1), (26, 2), (30, 3)]) == [(30, 3)]


def test_a_restored_reset_continues_its_clock_and_its_draws() -> None:
    part, other = (reset(period_updates=None, period_env_steps=10) for _ in range(2))
    agent, twin = trained(), trained()
    act(agent, part, env_steps=8)
    act(agent, part, env_steps=10)
    act(agent, part, env_steps=18)
    other.load_state_dict(part.state_dict())
    assert act(agent, part, env_steps=20)
    assert act(twin, other, env_steps=20)
    assert torch.equal(agent.online.head.weight, twin.online.head.weight)


def test_outputs_are_the_readers_of_the_last_hidden_layer_even_where_hidden_layers_have_none() -> None:
    # A residual stream is scored but has no readers; its inner second layer is declared nowhere.
    net = nn.ModuleDict({name: nn.Linear(3, 3) for name in ("stream", "inner", "undeclared", "dense", "mean", "std")})
    acts = [nn.ReLU() for _ in range(3)]
    hidden = (
        HiddenLayer("stream", net["stream"], acts[0], uniform),  # type: ignore[arg-type]
        HiddenLayer("inner", net["inner"], acts[1], uniform, (Reader(net["undeclared"]),)),  # type: ignore[arg-type]
        HiddenLayer("dense", net["dense"], acts[2], uniform, (Reader(net["mean"]), Reader(net["std"]))),  # type: ignore[arg-type]
    )
    network = Network(hidden, net, uniform)
    names = {id(module): name for name, module in net.items()}

    def found(layers: Layers) -> set[str]:
        return {names[id(module)] for module, _ in layers_of(network, layers)}

    assert found(Layers.last) == {"mean", "std"}
    assert found(Layers.penultimate) == {"dense"}
    assert found(Layers.all) == set(net)


def test_a_normalisation_is_part_of_all_and_starts_again_too() -> None:
    agent = trained()
    norm = nn.LayerNorm(4)
    agent.online.add_module("norm", norm)
    with torch.no_grad():
        norm.weight.fill_(3)
    act(agent, reset(layers="last_two"))
    assert (norm.weight == 3).all()
    act(agent, reset(layers="all"))
    assert (norm.weight == 1).all()


def config(**changes: object) -> Reset.Config:
    parsed = parse({**NODE, **changes}, "recyclers.reset")
    assert isinstance(parsed, Reset.Config)
    return parsed


def test_two_resets_of_the_same_layers_at_the_same_clock_are_refused() -> None:
    with pytest.raises(ConfigError, match="other"):
        config().check_beside({"other": config(layers="last_two")})


@pytest.mark.parametrize(
    "changes", [{"layers": "penultimate"}, {"period_updates": 6}, {"period_updates": None, "period_env_steps": 5}]
)
def test_resets_of_other_layers_or_at_another_clock_go_together(changes: dict[str, object]) -> None:
    config().check_beside({"other": config(**changes), "something": object()})


@pytest.mark.parametrize(
    "changes", [{"period_updates": None}, {"period_env_steps": 5}, {"period_updates": 0}, {"layers": "first"}]
)
def test_values_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        config(**changes)


def test_a_layer_s_norm_is_reset_with_the_layer() -> None:
    norms = [nn.LayerNorm(3) for _ in range(2)]
    for norm in norms:
        nn.init.constant_(norm.weight, 5.0)
    model = nn.Sequential(nn.Linear(3, 3), norms[0], nn.ReLU(), nn.Linear(3, 3), norms[1], nn.ReLU(), nn.Linear(3, 1))
    hidden = [
        HiddenLayer("first", model[0], model[2], uniform, (Reader(model[3]),), norms[0]),
        HiddenLayer("second", model[3], model[5], uniform, (Reader(model[6]),), norms[1]),
    ]
    network = Network(tuple(hidden), model, uniform)
    place = {id(module): i for i, module in enumerate(model)}
    members = {layers: {place[id(m)] for m, _ in layers_of(network, layers)} for layers in Layers}
    assert members == {
        Layers.last: {6},
        Layers.penultimate: {3, 4},
        Layers.last_two: {3, 4, 6},
        Layers.all: {0, 1, 3, 4, 6},
    }
