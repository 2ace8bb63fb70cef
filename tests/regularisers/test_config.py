"""The group `regulariser` composes like `recycler`, shows in a run's identity, and is what weight decay now is."""

from __future__ import annotations

from pathlib import Path

import pytest

from redo_lab.commands.train import main
from tests.helpers.composing import composed, planned

SMALL = ("env=minatar/breakout", "scale=smoke")


def test_none_is_the_default_and_a_list_keeps_its_order() -> None:
    assert composed()[0]["regularisers"] == {}
    assert composed("regulariser=none")[0]["regularisers"] == {}
    assert list(composed("regulariser=[weight_decay,l2_init]")[0]["regularisers"]) == ["weight_decay", "l2_init"]


def test_the_shipped_numbers_are_the_paper_s() -> None:
    found = composed("regulariser=[l2_init,weight_decay]", "regularisers.l2_init.coefficient=0.5")[0]["regularisers"]
    decay = {key: value for key, value in found["weight_decay"].items() if key != "_target_"}
    assert decay == {"coefficient": 1e-5, "actor_factor": 2.0}
    assert found["l2_init"]["coefficient"] == 0.5


def test_a_regulariser_stands_in_the_axes_and_in_the_id_of_a_run() -> None:
    plan = planned(*SMALL, "recycler=redo", "regulariser=[l2_init,weight_decay]")
    assert plan.run["axes"]["recycler"] == "redo"
    assert plan.run["axes"]["regulariser"] == "l2_init+weight_decay"
    assert "-redo-l2_init+weight_decay-s0-" in plan.run["run_id"]
    assert planned(*SMALL).run["axes"]["regulariser"] == "none"


MISTAKES = [
    (
        "recycler=weight_decay",
        "no option 'weight_decay' in group 'recycler': it is one of another group, give regulariser",
    ),
    ("regulariser=l2init", "no option 'l2init' in group 'regulariser': did you mean 'l2_init'?"),
    ("regularisers.l2_init.coefficient=1", "'regularisers.l2_init' is not part of this run: give regulariser=l2_init"),
    ("regulariser=l2_init regularisers.l2_init.coefficient=0", "regularisers.l2_init.coefficient must be > 0, got 0.0"),
    ("regulariser=weight_decay regularisers.weight_decay.actor_factor=-1", "actor_factor must be ≥ 0, got -1.0"),
    ("network.norm=batch", "network.norm: no choice 'batch': choices: layer, none"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_refused_with_exit_code_2(
    words: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), f"root={tmp_path / 'runs'}"]) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "runs").exists()
