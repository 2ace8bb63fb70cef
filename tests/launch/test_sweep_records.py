"""Records of sweeps that another version wrote, or that are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redo_lab.launch.record import sweeps_below
from tests.helpers.submitting import begun, config


def test_a_record_of_before_other_studies_is_read_too(tmp_path: Path) -> None:
    sweep = begun(tmp_path, 2, config())
    sweep.jobs = {"7_0": ["run0"]}
    sweep.write()
    old = json.loads(sweep.path.read_text())
    for run in old["runs"]:
        run["env_steps"] = run.pop("total")
        del run["unit"]
    sweep.path.write_text(json.dumps({**old, "mood": "good"}))
    assert sweeps_below([tmp_path]) == [sweep]


@pytest.mark.parametrize(
    "damage",
    [
        {"runs": []},
        {"runs": [{"run_id": 3}]},
        {"created": "today"},
        {"jobs": {"--user=root": ["run0"]}},
        {"jobs": {"7": ["other"]}},
        {"jobs": []},
    ],
)
def test_a_damaged_record_is_passed_over_by_name(
    tmp_path: Path, damage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = begun(tmp_path / "good", 1, config()), begun(tmp_path / "bad", 1, config())
    good.write()
    bad.write()
    bad.path.write_text(json.dumps({**json.loads(bad.path.read_text()), **damage}))
    assert sweeps_below([tmp_path]) == [good]
    (line,) = caplog.messages
    assert line.startswith(f"{bad.path} is not the record of a sweep: ")
