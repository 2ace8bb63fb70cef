"""What an agent computes doesn't change unnoticed: its first losses are those on record."""

from __future__ import annotations

import json

import pytest

from tests.agents import AGENTS
from tests.composing import CONF
from tests.golden.losses import UPDATES, path, sequence


@pytest.mark.parametrize("name", AGENTS)
def test_the_first_losses_are_those_on_record(name: str) -> None:
    """Within 1e-4: another CPU sums in another order."""
    recorded, found = json.loads(path(name).read_text()), sequence(name)
    renew = (
        f"{name}: if the change is meant, renew with `make golden` (python -m tests.golden.renew) and say why in LOG.md"
    )
    assert found.keys() == recorded.keys(), renew
    for metric, values in found.items():
        assert len(values) == UPDATES
        assert values == pytest.approx(recorded[metric], rel=1e-4, abs=1e-6), f"{metric} of {renew}"


def test_every_shipped_agent_is_on_record() -> None:
    assert {file.stem for file in (CONF / "agent").glob("*.yaml")} == set(AGENTS)
