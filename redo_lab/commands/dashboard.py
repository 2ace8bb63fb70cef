"""`redo-lab dashboard`: W&B's view of many runs, made from code."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from importlib.util import find_spec

from redo_lab.analysis.selection import guarded
from redo_lab.config import ConfigError
from redo_lab.dashboards.panels import Clock
from redo_lab.dashboards.views import Scope, dashboard
from redo_lab.paths import shipped


def project() -> str:
    """The project that runs go to unless it is said."""
    import yaml  # type: ignore[import-untyped]

    return str(yaml.safe_load((shipped("conf") / "logger" / "wandb.yaml").read_text(encoding="utf-8"))["project"])


def parser() -> argparse.ArgumentParser:
    """The options of the verb."""
    usual = project()
    command_line = argparse.ArgumentParser(
        "redo-lab dashboard", description="Makes saved views and a report in W&B; a second call renews them."
    )
    command_line.add_argument("--entity", metavar="E", help="a team or a user of W&B")
    command_line.add_argument("--project", default=usual, metavar="P", help=f"where the runs are (default: {usual})")
    command_line.add_argument("--experiment", metavar="X", help="only its runs, in views and a report of their own")
    command_line.add_argument("--games", nargs="+", default=(), metavar="GAME", help="only these (default: all)")
    command_line.add_argument(
        "--over",
        choices=[clock.value for clock in Clock],
        default=Clock.env_steps.value,
        help="what curves are drawn over (default: env_steps)",
    )
    command_line.add_argument("--dry-run", action="store_true", help="print the specification as JSON and do nothing")
    return command_line


def main(argv: Sequence[str]) -> int:
    """0, or 2 with the reason on stderr."""
    return guarded("dashboard", _dashboard, parser().parse_args(argv))


def _dashboard(arguments: argparse.Namespace) -> None:
    scope = Scope(arguments.project, arguments.experiment, tuple(arguments.games), Clock(arguments.over))
    specification = dashboard(arguments.entity, scope)
    if arguments.dry_run:
        print(json.dumps(specification.plain(), indent=1, ensure_ascii=False))
        return
    if find_spec("wandb_workspaces") is None:
        raise ConfigError("it needs wandb-workspaces: pip install 'redo_lab[dashboards]'")
    from redo_lab.dashboards.publish import publish

    for what, address in publish(specification):
        print(f"{what}: {address}")
