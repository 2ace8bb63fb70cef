"""Opening what someone may have put a link, a FIFO or a folder in the place of."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from redo_lab.runs import atomic
from redo_lab.runs.atomic import open_append_nofollow, open_regular, patiently


def test_appending_makes_the_file_and_goes_on_at_its_end(tmp_path: Path) -> None:
    for text in (b"one ", b"two"):
        with open_append_nofollow(tmp_path / "log.txt") as file:
            file.write(text)
    assert (tmp_path / "log.txt").read_bytes() == b"one two"
    with open_append_nofollow(tmp_path / "log.txt") as file:
        assert file.tell() == 7


def test_nothing_is_appended_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "log.txt").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="is a link"):
        open_append_nofollow(tmp_path / "log.txt")
    assert (tmp_path / "other").read_text() == "mine"


def test_a_fifo_is_refused_at_once_for_reading_and_appending(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="is not a regular file"):
        open_regular(tmp_path / "fifo")
    with pytest.raises(OSError, match="No such device"):
        open_append_nofollow(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="is not a regular file"):
        open_append_nofollow(tmp_path / "fifo")
    os.close(reader)


def test_reading_follows_a_link_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"x"
    with pytest.raises(OSError, match="is a link"):
        open_regular(tmp_path / "link", follow=False)


def failing(times: int, code: int, calls: list[int]) -> None:
    calls.append(code)
    if len(calls) <= times:
        raise OSError(code, os.strerror(code))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(atomic.time, "sleep", taken.append)
    return taken


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_what_a_file_server_refuses_for_a_moment_is_tried_again(code: int, pauses: list[float]) -> None:
    calls: list[int] = []
    patiently(lambda: failing(3, code, calls))
    assert len(calls) == 4
    assert sum(pauses) < 5


def test_what_it_refuses_for_good_is_raised_and_other_errors_at_once(pauses: list[float]) -> None:
    calls: list[int] = []
    with pytest.raises(OSError, match="Input/output error"):
        patiently(lambda: failing(99, errno.EIO, calls))
    assert len(calls) == 4
    with pytest.raises(OSError, match="Permission denied"):
        patiently(lambda: failing(99, errno.EACCES, calls))
    assert len(calls) == 5
