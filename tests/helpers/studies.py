"""Run directories with scores that are known, for the tests of what is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redo_lab.runs.names import tau_text

AXES = {"agent": "dqn", "network": "nature", "suite": "atari", "replay_ratio": 1.0, "scale": "paper"}
GIT = {"commit": "c0ffee", "dirty": False}
VERSIONS = {"redo_lab": "0.1.0", "torch": "2.13.0"}


def make_run(
    root: Path,
    recycler: str,
    game: str,
    seed: int,
    returns: list[float],
    dormant: float | None = 10.0,
    state: str = "finished",
    steps: int = 1000,
    error: str | None = None,
    git: dict[str, Any] | None = None,
    versions: dict[str, str] | None = None,
    settings: dict[str, Any] | None = None,
    extra: dict[str, float] | None = None,
    device: str = "cpu",
    **axes: Any,
) -> Path:
    """A run evaluated at even distances, at its end too; extra: further metrics, the same at each evaluation."""
    directory = root / "-".join(map(str, (recycler, game, seed, *axes.values())))
    directory.mkdir(parents=True)
    run = {
        "run_id": directory.name,
        "experiment": root.name,
        "axes": {**AXES, "recycler": recycler, "game": game, "seed": seed, **axes},
        "env_steps": steps,
        "git": git or GIT,
        "versions": versions or VERSIONS,
        "settings": {"seed": seed, **(settings or {})},
    }
    (directory / "run.json").write_text(json.dumps(run))
    (directory / "config.yaml").write_text(json.dumps({"seed": seed, "device": "cpu", **(settings or {})}))
    reached = steps if state == "finished" else steps // 4
    status = {"state": state, "env_steps": reached, "updates": reached, "error": error, "device": device}
    (directory / "status.json").write_text(json.dumps(status))
    lines = ["env_steps,updates,name,value"]
    for number, value in enumerate(returns, start=1):
        moment = steps * number // len(returns) if state == "finished" else 100 * number
        at = f"{moment},{moment}"
        lines.append(f"{at},evaluation/return_mean,{value}")
        if dormant is not None:
            lines += [f"{at},dormant/total_tau{tau_text(tau)},{dormant * tau}" for tau in (0, 0.025, 0.1)]
        lines += [f"{at},{name},{each}" for name, each in (extra or {}).items()]
    (directory / "metrics.csv").write_text("\n".join(lines) + "\n")
    header = "wall_seconds,env_steps,updates,env_steps_per_s,updates_per_s,peak_memory_mb"
    (directory / "throughput.csv").write_text(f"{header}\n1800.0,{reached},{reached},1.0,1.0,500.0\n")
    (directory / "log.txt").write_text("finished\n")
    return directory


def make_grid(root: Path, methods: tuple[str, ...] = ("none", "redo"), seeds: int = 2, **options: Any) -> None:
    """Final human-normalised scores: Breakout 0 + seed (none), 1 + seed (redo); Pong 2 + seed, 3 + seed."""
    for row, method in enumerate(methods):
        for seed in range(seeds):
            for game, random, span, base in (("breakout", 1.7, 28.8, 0), ("pong", -20.7, 35.3, 2)):
                final = random + span * (base + row + seed)
                dormant = 100.0 * (row + 1) + 100 * seed
                make_run(root, method, game, seed, [0.0] * 9 + [final], dormant=dormant, **options)


def make_long_names(root: Path, methods: Iterable[str], games: Iterable[str], seeds: int) -> list[Path]:
    """Every method × replay ratio 0.25 and 1 × game × seed, with ranks and dormancy by layer: methods of long names."""
    runs = []
    for row, method in enumerate(methods):
        extra = {"dormant/dense_tau0p1": 12.0 + row}
        for ratio in (0.25, 1.0):
            for game in games:
                for seed in range(seeds):
                    values = [10.0 * row + ratio + seed / 10 + moment for moment in range(4)]
                    more = {"rank/dense_srank": 400.0 + seed, **extra}
                    runs.append(make_run(root, method, game, seed, values, replay_ratio=ratio, extra=more))
    return runs
