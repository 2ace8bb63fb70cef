"""Where runs may lie, and how an old directory makes room for a new start."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from redo_lab.config import ConfigError
from redo_lab.runs.atomic import DiskFull
from redo_lab.runs.lease import acquire, owner_of
from redo_lab.runs.place import check_place, set_aside, writing


@pytest.mark.parametrize(
    ("root", "experiment", "words"),
    [
        ("runs\nrm", "exp", "root='runs\\\\nrm': control characters"),
        ("runs", "a\x1bb", "experiment='a\\\\x1bb': control characters"),
        ("runs", "../../x", "experiment=../../x: it must be a name"),
        ("runs", "a/../x", "experiment=a/../x: it must be a name"),
        ("runs", "/tmp/x", "experiment=/tmp/x: it must be a name"),
        ("runs", ".", "experiment=.: it must be a name"),
        ("runs", "", "experiment must name a folder"),
        (" ", "exp", "root must name a folder"),
        ("${oc.env:HOME}", "exp", "would be read as an interpolation"),
        ("-runs", "exp", "a leading dash"),
        ("runs", "--user=root", "a leading dash"),
    ],
)
def test_a_place_that_something_would_misread_is_refused_by_name(root: str, experiment: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_place(root, experiment)


@pytest.mark.parametrize("root", ["runs", "/scratch/me", "../up", 'it\'s $(here) `and` "there"', "ä b"])
def test_other_letters_are_as_good_as_any(root: str) -> None:
    check_place(root, "fig1/first try's")


def test_what_keeps_us_from_writing_is_a_mistake_in_the_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = r"root=R: can't write there: Not a directory \(.*\); give another root="
    with pytest.raises(ConfigError, match=words), writing("R"):
        (tmp_path / "file" / "run").mkdir(parents=True)
    with pytest.raises(DiskFull), writing("R"):
        raise DiskFull(errno.ENOSPC, "no room")


def test_what_is_put_aside_keeps_all_and_is_nobodys(tmp_path: Path) -> None:
    for content in ("first", "second"):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "metrics.csv").write_text(content)
        set_aside([tmp_path / "run", tmp_path / "absent"], stale_seconds=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.old-1", "run.old-2"]
    assert [(tmp_path / f"run.old-{n}" / "metrics.csv").read_text() for n in (1, 2)] == ["first", "second"]
    owner = owner_of(tmp_path / "run.old-1")
    assert owner is not None
    assert owner.released


def test_what_somebody_works_on_stays_and_with_it_all_others(tmp_path: Path) -> None:
    for name in ("free", "held"):
        (tmp_path / name).mkdir()
    acquire(tmp_path / "held", stale_seconds=1)
    with pytest.raises(ConfigError, match=r"force=true: .*held is in use by attempt 1"):
        set_aside([tmp_path / "free", tmp_path / "held"], stale_seconds=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["free", "held"]


def test_an_owner_elsewhere_is_watched_first(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    acquire(tmp_path / "run", stale_seconds=1)
    path = tmp_path / "run" / "lease.1.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "elsewhere"}))
    set_aside([tmp_path / "run"], stale_seconds=0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["run.old-1"]
