"""`redo-lab <verb>`: each verb's module is imported only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from redo_lab.paths import USER_CONF, take_conf

VERBS = {
    "train": ("redo_lab.commands.train", "train one run, or a sweep with -m (Hydra overrides)"),
    "sweep": ("redo_lab.commands.sweep", "every run of a figure of the paper, or of a sweep file"),
    "status": ("redo_lab.commands.status", "how runs stand: running, waiting, lost, failed; --watch, --json"),
    "wait": ("redo_lab.commands.wait", "return when every run has ended"),
    "cancel": ("redo_lab.commands.cancel", "end jobs and processes; the runs save"),
    "retry": ("redo_lab.commands.retry", "do failed and lost runs again, from their checkpoints"),
    "logs": ("redo_lab.commands.logs", "the messages of one run; -f follows"),
    "errors": ("redo_lab.commands.errors", "why runs failed, each reason once"),
    "runs": ("redo_lab.commands.runs", "the table of runs: choose, show, export as CSV or Parquet"),
    "diff": ("redo_lab.commands.diff", "in what two runs differ, and from where on"),
    "export-replay": ("redo_lab.commands.export_replay", "write a run's replay as a data set to learn from offline"),
    "figure": ("redo_lab.commands.figure", "draw one figure (figures/NAME.yaml) as PDF, SVG and PNG"),
    "play": ("redo_lab.commands.play", "watch a trained agent: a video or a GIF of a game"),
    "report": ("redo_lab.commands.report", "one HTML file: summary, figures, curves, cost, runs"),
    "dashboard": ("redo_lab.commands.dashboard", "saved views and a report in W&B, made from code"),
    "board": ("redo_lab.commands.board", "W&B's own viewer in the terminal, without an account"),
    "sync": ("redo_lab.commands.sync", "upload offline W&B runs, several at once, resumably"),
    "aggregate": ("redo_lab.commands.aggregate", "aggregate finished runs: IQM with confidence intervals, figures"),
}

HELP = """redo-lab: plasticity experiments in deep reinforcement learning

usage: redo-lab [--conf FOLDER] <verb> [arguments]

{verbs}

--conf: a folder of your own with config groups, sweeps/ and figures/, for your
package; the variable REDO_LAB_CONF=FOLDER[:FOLDER …] says the same everywhere.

`redo-lab <verb> --help` explains one; `redo-lab --version` says which version this is.
Tab completion of verbs, options, runs, sweeps and keys: eval "$(redo-lab -sc install=bash)"
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of the verb in `argv`: 0 done, 1 failed, 2 a mistake in the command, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--conf"] or os.environ.get(USER_CONF):
        from redo_lab.options import check_user_conf

        try:
            words = take_conf(words)
            check_user_conf()
        except ValueError as error:
            print(f"redo-lab: {error}", file=sys.stderr)
            return 2
    if words[:1] == ["-sc"]:
        from redo_lab.commands.complete import main as complete

        return complete(words, VERBS)
    if not words or words[0] in ("-h", "--help", "help"):
        width = max(map(len, VERBS)) + 2
        print(HELP.format(verbs="\n".join(f"  {verb:<{width}}{text}" for verb, (_, text) in VERBS.items())))
        return 0
    if words[0] in ("-V", "--version", "version"):
        from redo_lab import __version__

        print(f"redo-lab {__version__}")
        return 0
    verb, *rest = words
    if verb not in VERBS:
        from redo_lab.config import nearest

        print(f"redo-lab: no verb '{verb}': {nearest(verb, VERBS)}", file=sys.stderr)
        return 2
    try:
        code: int = importlib.import_module(VERBS[verb][0]).main(rest)
    except KeyboardInterrupt:
        print(f"redo-lab {verb}: stopped by Ctrl-C", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    raise SystemExit(main())
