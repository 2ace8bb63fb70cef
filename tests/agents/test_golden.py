"""What an agent computes doesn't change unnoticed: its first losses are those on record."""

from __future__ import annotations

import json

import pytest

from redo_lab.commands.train import CONF
from tests.golden.losses import EVERY, UPDATES, path, sequence
from tests.helpers.agents import AGENTS


@pytest.mark.parametrize(("name", "method"), EVERY)
def test_the_first_losses_are_those_on_record(name: str, method: str) -> None:
    """Within 1e-4: another CPU sums in another order."""
    recorded, found = json.loads(path(name, method).read_text()), sequence(name, method)
    renew = f"{name} with {method}: if the change is meant, renew with `make golden` and say why in LOG.md"
    assert found.keys() == recorded.keys(), renew
    for metric, values in found.items():
        assert len(values) == UPDATES
        assert values == pytest.approx(recorded[metric], rel=1e-4, abs=1e-6), f"{metric} of {renew}"


def test_every_method_leaves_its_mark() -> None:
    for name in ("dqn", "drq_eps", "sac"):
        sequences = {method: path(agent, method).read_text() for agent, method in EVERY if agent == name}
        assert len(set(sequences.values())) == len(sequences)


def test_every_shipped_agent_is_on_record() -> None:
    assert {file.stem for file in (CONF / "agent").glob("*.yaml")} == set(AGENTS)
