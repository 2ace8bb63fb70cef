"""The files of a run as a table reads them."""

from __future__ import annotations

import json
from pathlib import Path

HEADER = "env_steps,updates,name,value\n"


def make_run(directory: Path, metrics: str | None = HEADER, state: str | None = "finished", **axes: object) -> Path:
    directory.mkdir(parents=True)
    run = {"run_id": directory.name, "experiment": directory.parent.name, "axes": axes, "env_steps": 100}
    (directory / "run.json").write_text(json.dumps(run))
    if state:
        status = {"state": state, "env_steps": 60, "updates": 15, "error": None}
        (directory / "status.json").write_text(json.dumps(status))
    if metrics is not None:
        (directory / "metrics.csv").write_text(metrics)
    return directory


def rewrite(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
