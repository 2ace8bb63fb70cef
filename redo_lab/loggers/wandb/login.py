"""Whether W&B has a key on this machine: checked in a process of its own, so that wandb isn't imported into ours."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

SECONDS = 20
LOGGED_OUT = 3


def problem() -> str | None:
    """Why W&B can't log in here, None if it can. It needs no server, and asks once for each environment."""
    return _problem(tuple(sorted((name, value) for name, value in os.environ.items() if _says_who(name))))


def _says_who(name: str) -> bool:
    """Whether W&B's login reads this variable of the environment."""
    return name in {"HOME", "NETRC"} or name.startswith("WANDB_")


@functools.cache
def _problem(_environment: tuple[tuple[str, str], ...]) -> str | None:
    command = [sys.executable, "-P", "-m", "redo_lab.loggers.wandb.login"]
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return result.stdout.strip() if result.returncode == LOGGED_OUT else None


def without_key(text: str) -> str:
    """`text` with W&B's key left out."""
    key = os.environ.get("WANDB_API_KEY")
    return text.replace(key, "…") if key else text


def main() -> int:
    """LOGGED_OUT, with the reason on standard output, where there is no key in the environment, netrc or settings."""
    import wandb

    try:
        wandb.setup(wandb.Settings(mode="online", silent=True))
        if wandb.login(prompt=False, verify=False):
            return 0
        print("not logged in")
    except wandb.Error as error:
        print(without_key(str(error).splitlines()[0]))
    return LOGGED_OUT


if __name__ == "__main__":
    sys.exit(main())
