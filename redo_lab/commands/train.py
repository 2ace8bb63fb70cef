"""`redo-lab train`, also `python -m redo_lab.commands.train`: overrides → a checked run directory → training."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from redo_lab.commands.again import with_way_on
from redo_lab.commands.mistakes import MISTAKES, explain
from redo_lab.commands.words import MULTIRUN, arranged
from redo_lab.config import ConfigError, resolve
from redo_lab.options import check_lists
from redo_lab.paths import shipped
from redo_lab.runs.reading import printable
from redo_lab.runs.status import State
from redo_lab.scaling import register_resolvers

if TYPE_CHECKING:
    from redo_lab.plan import Plan

CONF = shipped("conf")
EXIT_CODES = {State.FINISHED: 0, State.FAILED: 1, State.INTERRUPTED: 130, State.PREEMPTED: 143}
EXIT_MISTAKE = 2
EXIT_LOST = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what the overrides in `argv` ask for; returns the exit code.

    `--directory DIR` instead runs a prepared run directory; that is how launchers start their children.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--directory"]:
        if len(words) != 2:
            return _refuse(ConfigError("--directory needs the directory of a run, and nothing else"), [])
        return _execute(Path(words[1]))
    return with_way_on(compose(words), "train", words)


def compose(words: Sequence[str], command: Sequence[str] = MULTIRUN, added: Sequence[str] = ()) -> int:
    """Runs what the overrides in `words` ask for; returns the exit code.

    command: what begins a command of several runs; added: words of Hydra's that nobody typed.
    """
    try:
        words = arranged(words, command)
    except MISTAKES as error:
        return _refuse(error, words, command[0])
    sys.argv = [f"redo-lab {command[0]}", *words, *added]
    # Hydra then hands its errors on instead of printing them and leaving with code 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register_resolvers()
    try:
        compose_and_run()
    except MISTAKES as error:
        return _refuse(error, words, command[0])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _refuse(error: Exception, words: Sequence[str], verb: str = "train") -> int:
    print(printable(f"redo-lab {verb}: {explain(error, words)}"), file=sys.stderr)
    return EXIT_MISTAKE


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def compose_and_run(composed: DictConfig) -> float | None:
    """Hydra's entry: composes the config from sys.argv and trains the run, or leaves with its exit code.

    Returns the objective for a sweeper that learns; its launcher is another than ours, which do not come by here.
    """
    from redo_lab.plan import plan
    from redo_lab.runs.place import writing

    try:
        hydra_config = HydraConfig.get()
        check_lists(hydra_config.overrides.task)
        planned = plan(resolve(composed), hydra_config.runtime.choices, hydra_config.overrides.task)
        with writing(composed.root):
            if planned.dry_run:
                print(_described(planned))
                return None
            if composed.force:
                planned.set_aside()
            if planned.finished:
                print(f"{planned.directory} is finished; nothing to do")
                return _objective(planned)
            planned.write()
    except ConfigError as error:
        # Left to Hydra, it would be preceded by a line of Hydra's own.
        raise SystemExit(_refuse(error, [])) from error
    except OSError as error:
        print(f"redo-lab train: {error}", file=sys.stderr)
        raise SystemExit(EXIT_CODES[State.FAILED]) from error
    if code := _execute(planned.directory):
        # Not for 0: Ray's workers take any SystemExit for a crash.
        raise SystemExit(code)
    return _objective(planned)


def _objective(planned: Plan) -> float | None:
    """What the sweeper is told of the finished run; None if there is no sweeper that learns."""
    if HydraConfig.get().mode is not RunMode.MULTIRUN:
        return None
    from redo_lab.sweeping.objective import learns, objective

    return objective(planned) if learns(HydraConfig.get().sweeper) else None


def _described(planned: Plan) -> str:
    """What `planned` would do, for dry_run=true."""
    from redo_lab.sweeping.preview import Preview, Wanted, machine_problem

    problem = machine_problem([planned])
    text = Preview([Wanted.of(planned, HydraConfig.get().overrides.task)]).text(lambda cost: [])
    return text if problem is None else f"{problem}\n{text}"


def _execute(directory: Path) -> int:
    from redo_lab.attempt.execute import execute
    from redo_lab.launch.child import write_mistake
    from redo_lab.runs.checkpoint import CheckpointError
    from redo_lab.runs.lease import LeaseHeld, LeaseLost

    try:
        state = execute(directory)
    except KeyboardInterrupt:
        # A second Ctrl-C, or a third, while the run was ending: what it has saved is there.
        state = State.INTERRUPTED
    except LeaseHeld as error:
        return _refuse(error, [])
    except ConfigError as error:
        if directory.is_dir():
            with suppress(OSError):
                write_mistake(directory, str(error))
        return _refuse(error, [])
    except LeaseLost as error:
        print(f"redo-lab train: {error}; nothing more was written", file=sys.stderr)
        return EXIT_LOST
    except (CheckpointError, OSError) as error:
        print(f"redo-lab train: {directory}: {error}", file=sys.stderr)
        return EXIT_CODES[State.FAILED]
    print(f"{directory} is {state.value}")
    return EXIT_CODES[state]


if __name__ == "__main__":
    raise SystemExit(main())
