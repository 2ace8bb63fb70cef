"""Opening what someone may have put a link, a FIFO or a folder in the place of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from redo_lab.runs.atomic import open_append_nofollow, open_regular


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
