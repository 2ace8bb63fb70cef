"""The code as it is now, kept for jobs that start later."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from redo_lab.config import ConfigError

CODE = Path(__file__).parent.parent.parent
FOLDERS = ("redo_lab", "hydra_plugins", "conf", "sweeps", "figures")


def take(folder: Path) -> Path:
    """`folder` holds the files of our packages, changed and new ones too; ConfigError where the code is no checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *FOLDERS]
    done = subprocess.run(command, cwd=CODE, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise ConfigError(f"snapshot=true: {CODE} is no git checkout, so there is no saying what its code is")
    for name in done.stdout.rstrip("\0").split("\0"):
        source, target = CODE / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder
