"""W&B's files of a run, in the order of its attempts."""

from __future__ import annotations

import os
from pathlib import Path

from redo_lab.runs import wandb_files


def file_of(directory: Path, folder: str, seconds: int) -> Path:
    """An empty file of W&B's, last written to that many seconds after 1970."""
    path = directory / "wandb" / folder / "run-ab12.wandb"
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (seconds, seconds))
    return path


def test_the_files_are_in_the_order_of_attempts_also_of_two_in_one_second(tmp_path: Path) -> None:
    """Whatever order the file system lists them in: of each pair one order is not the order of names."""
    third = file_of(tmp_path, "offline-run-20261125_015341-ab12", 30)
    fourth = file_of(tmp_path, "run-20261125_015341-ab12", 40)
    second = file_of(tmp_path, "offline-run-20261125_015340-ab12", 20)
    first = file_of(tmp_path, "run-20261125_015340-ab12", 10)
    assert wandb_files.files(tmp_path) == [first, second, third, fourth]


def test_a_folder_copied_without_its_times_is_in_the_order_of_its_seconds(tmp_path: Path) -> None:
    later = file_of(tmp_path, "run-20261125_015341-ab12", 10)
    earlier = file_of(tmp_path, "offline-run-20261125_015340-ab12", 10)
    assert wandb_files.files(tmp_path) == [earlier, later]
