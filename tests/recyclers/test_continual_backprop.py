"""Continual Backprop against a neuron-by-neuron reference: utilities, ages, who is replaced and what readers keep."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from redo_lab.config import ConfigError, build, parse
from redo_lab.recyclers.continual_backprop import ContinualBackprop
from redo_lab.types import Counters, Transition
from tests.helpers.tiny_agent import TinyAgent, changed, generator, neuron_masks, trained

NODE = {
    "_target_": "redo_lab.recyclers.continual_backprop.ContinualBackprop",
    "utility": "contribution",
    "replacement_rate": 0.09,
    "decay": 0.9,
    "maturity_updates": 4,
    "batch_size": 6,
    "reset_moments": True,
    "step_count": "keep",
}


def cbp(seed: int = 0, **changes: object) -> ContinualBackprop:
    part = build({**NODE, **changes}, "recyclers.cbp", name="cbp", generator=generator(seed))
    assert isinstance(part, ContinualBackprop)
    return part


def act(agent: TinyAgent, part: ContinualBackprop, updates: int) -> dict[str, Tensor]:
    return part.after_update(agent, Counters(updates=updates), agent.sample)  # type: ignore[arg-type]


class Neuron:
    """One neuron as in Dohare et al.: age, running utility, running mean output."""

    def __init__(self) -> None:
        self.age, self.utility, self.mean = 0, 0.0, 0.0

    def see(self, outputs: list[float], incoming: float, outgoing: float, adaptable: bool, decay: float) -> None:
        self.age += 1
        correction = 1 - decay**self.age
        self.mean = decay * self.mean + (1 - decay) * sum(outputs) / len(outputs)
        if adaptable:
            deviation = sum(abs(h - self.mean / correction) for h in outputs) / len(outputs)
            new = deviation * outgoing / incoming
        else:
            new = sum(abs(h) for h in outputs) / len(outputs) * outgoing
        self.utility = decay * self.utility + (1 - decay) * new

    def corrected(self, decay: float) -> tuple[float, float]:
        return self.utility / (1 - decay**self.age), self.mean / (1 - decay**self.age)


class Reference:
    """Decides neuron by neuron; the caller does the surgery that it asks for."""

    def __init__(self, adaptable: bool) -> None:
        self.adaptable = adaptable
        self.layers = [[Neuron() for _ in range(3)], [Neuron() for _ in range(4)]]
        self.owed = [0.0, 0.0]

    @torch.no_grad()
    def step(self, agent: TinyAgent, obs: Tensor) -> list[dict[int, float]]:
        """Of each layer, whom to replace and their mean outputs."""
        net, replace = agent.online, []
        maps = net.conv(obs).relu()
        features = net.dense(maps.flatten(1)).relu()
        heads = torch.cat([net.head.weight, net.value.weight])
        for i, (layer, h) in enumerate(((net.conv, maps), (net.dense, features))):
            for n, neuron in enumerate(self.layers[i]):
                out = net.dense.weight[:, 4 * n : 4 * n + 4] if i == 0 else heads[:, n]
                incoming, outgoing = float(layer.weight[n].abs().sum()), float(out.abs().sum())
                neuron.see(h[:, n].flatten().tolist(), incoming, outgoing, self.adaptable, NODE["decay"])  # type: ignore[arg-type]
            mature = [n for n, neuron in enumerate(self.layers[i]) if neuron.age > NODE["maturity_updates"]]  # type: ignore[operator]
            self.owed[i] += NODE["replacement_rate"] * len(mature)  # type: ignore[operator]
            due = math.floor(self.owed[i])
            self.owed[i] -= due
            mature.sort(key=lambda n: self.layers[i][n].corrected(NODE["decay"])[0])  # type: ignore[arg-type]
            replace.append({n: self.layers[i][n].corrected(NODE["decay"])[1] for n in mature[:due]})  # type: ignore[arg-type]
            for n in mature[:due]:
                self.layers[i][n] = Neuron()
        return replace


@pytest.mark.parametrize("utility", ["contribution", "adaptable_contribution"])
def test_it_equals_the_reference_over_many_updates(utility: str) -> None:
    agent, part, reference = trained(), cbp(utility=utility), Reference(utility.startswith("adaptable"))
    replaced: list[tuple[int, int, int]] = []
    for u in range(1, 41):
        agent.train(1)
        batch = agent.sample(6)
        before = agent.everything()
        asked = reference.step(agent, batch.obs)
        metrics = part.after_update(agent, Counters(updates=u), lambda n, batch=batch: batch)  # type: ignore[arg-type]
        check_replacement(agent, before, asked)
        counts = [len(neurons) for neurons in asked]
        assert [int(v) for v in metrics.values()] == ([*counts, sum(counts)] if any(counts) else [])
        replaced += [(u, i, n) for i, neurons in enumerate(asked) for n in neurons]
    assert len(replaced) > 10
    assert len({(i, n) for _, i, n in replaced}) > 2, "the test should see several neurons replaced"
    for name, neurons in zip(("conv", "dense"), reference.layers, strict=True):
        known = part.state_dict()["layers"][name]
        assert known["utility"].tolist() == pytest.approx([n.utility for n in neurons], abs=1e-5)
        assert known["mean"].tolist() == pytest.approx([n.mean for n in neurons], abs=1e-5)
        assert (40 - known["born"]).tolist() == [n.age for n in neurons]


def check_replacement(agent: TinyAgent, before: dict[str, Tensor], asked: list[dict[int, float]]) -> None:
    """Exactly the weights of the neurons asked for are new; readers' biases have taken over their mean contribution."""
    after, (conv, dense) = agent.everything(), asked
    masks = neuron_masks(agent, list(conv), list(dense))
    biases = {"dense.bias": before["dense.bias"].clone()}
    for n, mean in conv.items():
        biases["dense.bias"] += before["dense.weight"][:, 4 * n : 4 * n + 4].sum(1) * mean
    for head in ("head", "value"):
        columns, means = list(dense), torch.tensor(list(dense.values()))
        biases[f"{head}.bias"] = before[f"{head}.bias"] + before[f"{head}.weight"][:, columns] @ means
    for name, mask in masks.items():
        expected = biases.get(name, before[name])
        assert torch.allclose(after[name][~mask], expected[~mask], atol=1e-5), name
        if name not in biases:
            assert torch.equal(after[name][~mask], before[name][~mask]), name
        for moment in ("exp_avg", "exp_avg_sq"):
            key = f"{name}/{moment}"
            assert torch.equal(after[key], before[key].masked_fill(mask, 0)), key
    for n in dense:
        assert after["dense.bias"][n] == 0
        assert (after["head.weight"][:, n] == 0).all()
        assert set(after["dense.weight"][n].ge(1).tolist()) <= ({True} if not conv else {True, False})


def test_folding_keeps_the_readers_mean_input_on_the_data_seen() -> None:
    agent, part = trained(), cbp(replacement_rate=0.3, maturity_updates=0, decay=0.0)
    batch = agent.sample(64)
    # conv owes 0.9 and dense 1.2: one of dense goes.
    with torch.no_grad():
        before = agent.online(batch.obs).mean(0)
        metrics = part.after_update(agent, Counters(updates=1), lambda n: batch)  # type: ignore[arg-type]
        after = agent.online(batch.obs).mean(0)
    assert (int(metrics["cbp/recycled_conv"]), int(metrics["cbp/recycled_dense"])) == (0, 1)
    assert torch.allclose(before, after, atol=1e-5)


def test_nobody_is_replaced_before_maturity_and_owed_fractions_add_up() -> None:
    agent, part = trained(), cbp(replacement_rate=0.05, maturity_updates=10)
    times: dict[str, list[int]] = {"conv": [], "dense": []}
    for u in range(1, 31):
        metrics = act(agent, part, u)
        for name, found in times.items():
            found += [u] * int(metrics.get(f"cbp/recycled_{name}", torch.tensor(0)))
    # conv: 0.15 a turn from 11 on (seven turns for 1), then 0.10 while one of the three is young.
    assert times["conv"][0] == 17
    assert times["dense"][0] == 15


def test_the_young_are_spared_however_useless() -> None:
    agent, part = trained(), cbp(maturity_updates=5, replacement_rate=0.25)
    seen: dict[int, int] = {}
    for u in range(1, 40):
        before = part.state_dict()["layers"].get("dense")
        act(agent, part, u)
        born = part.state_dict()["layers"]["dense"]["born"].tolist()
        for n, update in enumerate(born):
            if update == u and before is not None:
                assert u - int(before["born"][n]) > 5
                seen[n] = u
    assert seen


def test_a_restored_one_continues_bit_for_bit() -> None:
    agent, part = trained(), cbp()
    for u in range(1, 14):
        act(agent, part, u)
    twin, other = copy.deepcopy(agent), cbp(seed=3)
    other.load_state_dict(copy.deepcopy(part.state_dict()))
    for u in range(14, 40):
        act(agent, part, u)
        act(twin, other, u)
    assert not changed(agent.everything(), twin.everything())
    assert str(part.state_dict()["layers"]) == str(other.state_dict()["layers"])


def test_the_state_handed_out_does_not_change_later() -> None:
    agent, part = trained(), cbp()
    act(agent, part, 1)
    state = part.state_dict()
    before = str(state["layers"])
    for u in range(2, 20):
        act(agent, part, u)
    assert str(state["layers"]) == before


def test_it_looks_at_one_batch_of_its_own_an_update() -> None:
    agent, part, asked = trained(), cbp(batch_size=9), []

    def sample(n: int) -> Transition:
        asked.append(n)
        return agent.sample(n)

    for u in range(1, 4):
        part.after_update(agent, Counters(updates=u), sample)  # type: ignore[arg-type]
    assert asked == [9, 9, 9]


@pytest.mark.parametrize(
    ("key", "value"),
    [("replacement_rate", 0.0), ("replacement_rate", 2.0), ("decay", 1.0), ("maturity_updates", -1), ("batch_size", 0)],
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        parse({**NODE, key: value}, "recyclers.cbp")
