"""log.txt: where the disk refuses it, the run goes on, and nobody is shown a traceback."""

from __future__ import annotations

import errno
import io
import logging
from pathlib import Path

import pytest

from redo_lab.attempt import log_file
from redo_lab.attempt.log_file import logging_to

LOG = logging.getLogger("redo_lab")


class Disk(io.BytesIO):
    """A file on a disk that takes nothing while it is full; `kept` is what it holds."""

    full = False
    kept = b""

    def write(self, content: object, /) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        assert isinstance(content, (bytes, bytearray, memoryview))
        self.kept += bytes(content)
        return len(content)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(log_file, "open_append_nofollow", lambda path: io.BufferedWriter(disk))  # type: ignore[type-var]
    return disk


def test_a_full_disk_costs_lines_of_the_log_and_shows_no_traceback(
    tmp_path: Path, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to(tmp_path / "log.txt"):
        LOG.info("before")
        disk.full = True
        LOG.info("first")
        LOG.info("second")
    text = capsys.readouterr().err
    assert text.splitlines() == [
        "before",
        f"{tmp_path / 'log.txt'}: No space left on device; lines of the log are missing there",
        "first",
        "second",
    ]
    assert disk.kept.endswith(b" before\n")


def test_lines_that_a_full_disk_refused_come_once_there_is_room(tmp_path: Path, disk: Disk) -> None:
    with logging_to(tmp_path / "log.txt"):
        disk.full = True
        LOG.info("first")
        disk.full = False
        LOG.info("second")
    assert [line.split()[-1] for line in disk.kept.splitlines()] == [b"first", b"second"]


def test_a_message_that_cannot_be_formatted_is_still_shown_as_the_mistake_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to(tmp_path / "log.txt"):
        LOG.info("%d", "no number")
    assert "TypeError" in capsys.readouterr().err
