"""agent.precision=bf16: products in bfloat16, everything that is kept in float32, refused where it is emulated."""

from __future__ import annotations

import statistics
from pathlib import Path

import polars as pl
import pytest
import torch

from redo_lab.commands.train import main
from redo_lab.config import ConfigError
from redo_lab.networks.precision import Precision, cpu_has_bf16
from tests.helpers.agents import batches, tiny

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NAMES = ("dqn", "drq_eps", "sac")


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_near_those_of_float32_but_not_the_same(name: str) -> None:
    single, half = tiny(name), tiny(name, precision="bf16")
    for batch in batches(name, 3):
        expected, found = single.update(batch), half.update(batch)
        for metric, value in found.items():
            assert value.dtype is torch.float32
            assert value.item() == pytest.approx(expected[metric].item(), rel=0.05, abs=0.05), metric
    assert any(found[metric].item() != expected[metric].item() for metric in found)


@pytest.mark.parametrize("name", NAMES)
def test_weights_gradients_and_moments_are_float32_and_every_weight_learns(name: str) -> None:
    agent = tiny(name, precision="bf16")
    before = [p.clone() for network in agent.networks() for p in network.online.parameters()]
    for batch in batches(name, 2):
        agent.update(batch)
    after = [p for network in agent.networks() for p in network.online.parameters()]
    for parameter, old in zip(after, before, strict=True):
        assert parameter.dtype is torch.float32
        assert parameter.grad is not None
        assert parameter.grad.dtype is torch.float32
        assert not torch.equal(parameter, old)
    for optimizer in agent.optimizers:
        assert {value.dtype for state in optimizer.state.values() for value in state.values()} == {torch.float32}


@pytest.mark.parametrize("name", NAMES)
def test_what_isnt_an_update_stays_in_float32(name: str) -> None:
    single, half = tiny(name), tiny(name, precision="bf16")
    batch = batches(name, 1)[0]
    assert torch.equal(half.policy(batch.obs), single.policy(batch.obs))
    for critic, (q, target) in half.q_and_target(batch).items():
        expected = single.q_and_target(batch)[critic]
        assert torch.equal(q, expected[0])
        assert torch.equal(target, expected[1])


def test_a_cpu_without_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, "amx_bf16": False})
    assert not cpu_has_bf16()
    assert main(["env=minatar/breakout", "agent.precision=bf16"]) == 2
    assert "agent.precision=bf16: this CPU has neither AMX nor AVX512-BF16" in capsys.readouterr().err
    Precision.fp32.check(CPU)


@pytest.mark.parametrize("feature", ["amx_bf16", "avx512_bf16"])
def test_a_cpu_with_it_is_not(feature: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {feature: True})
    Precision.bf16.check(CPU)


def test_a_gpu_without_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    with pytest.raises(ConfigError, match=r"agent\.precision=bf16: Tesla V100 has no bfloat16"):
        Precision.bf16.check(GPU)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    Precision.bf16.check(GPU)


@pytest.mark.slow
@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU would emulate bfloat16")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_dqn_learns_cartpole(precision: str, tmp_path: Path) -> None:
    """A random policy keeps the pole up for 22 steps; the last games of 15k agent steps last twice that or more."""
    words = ["env=classic/cartpole", "replay_ratio=0.5", "training.iterations=3", "probe=none", "logger=none"]
    assert main([*words, f"agent.precision={precision}", "threads=1", f"root={tmp_path}"]) == 0
    (path,) = tmp_path.rglob("metrics.csv")
    games = pl.read_csv(path).filter(pl.col("name") == "training/return")["value"].to_list()
    assert statistics.mean(games[-20:]) > 45
