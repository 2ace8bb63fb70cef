"""What a run began with stays, and each attempt leaves a line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from redo_lab.runs import identity, provenance
from redo_lab.runs.lease import LeaseLost, acquire


def lines(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "attempts.jsonl").read_text().splitlines()]


def attempt(directory: Path, from_step: int = 0) -> None:
    lease = acquire(directory, stale_seconds=1)
    provenance.append(lease, from_step=from_step, device="cpu", changed={"threads": 2})
    lease.release()


def test_config_and_run_of_a_run_that_is_there_are_never_rewritten(tmp_path: Path) -> None:
    provenance.prepare(tmp_path / "run", "seed: 1\n", {"git": "first"})
    provenance.prepare(tmp_path / "run", "seed: 1\nthreads: 2\n", {"git": "second"})
    assert (tmp_path / "run" / "config.yaml").read_text() == "seed: 1\n"
    assert json.loads((tmp_path / "run" / "run.json").read_text()) == {"git": "first"}


def test_other_settings_are_those_of_the_next_attempt_until_the_first_ones_are_asked_for_again(tmp_path: Path) -> None:
    provenance.prepare(tmp_path, "threads: 1\n", {})
    assert provenance.config_path(tmp_path).name == "config.yaml"
    provenance.prepare(tmp_path, "threads: 2\n", {})
    assert provenance.config_path(tmp_path).read_text() == "threads: 2\n"
    provenance.prepare(tmp_path, "threads: 1\n", {})
    assert provenance.config_path(tmp_path).name == "config.yaml"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "run.json"]


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_run_json_that_a_crash_has_emptied_is_written_anew(tmp_path: Path, content: str) -> None:
    provenance.prepare(tmp_path, "seed: 1\n", {"id": "a"})
    (tmp_path / "run.json").write_text(content)
    provenance.prepare(tmp_path, "seed: 1\n", {"id": "a"})
    assert json.loads((tmp_path / "run.json").read_text()) == {"id": "a"}


def test_every_attempt_leaves_a_line_with_its_code_and_where_it_began(tmp_path: Path) -> None:
    attempt(tmp_path)
    attempt(tmp_path, from_step=500)
    assert [(line["attempt"], line["from_step"], line["changed"]) for line in lines(tmp_path)] == [
        (1, 0, {"threads": 2}),
        (2, 500, {"threads": 2}),
    ]
    starts = provenance.attempts(tmp_path)
    assert [start.attempt for start in starts] == [1, 2]
    assert starts[0].commit == identity.code_version()["commit"]
    assert starts[0].versions == identity.versions()


def test_who_lost_the_lease_leaves_no_line(tmp_path: Path) -> None:
    lease = acquire(tmp_path, stale_seconds=1)
    lease.release()
    acquire(tmp_path, stale_seconds=1)
    with pytest.raises(LeaseLost):
        provenance.append(lease, from_step=0, device="cpu", changed={})
    assert not (tmp_path / "attempts.jsonl").exists()


@pytest.mark.parametrize("rubbish", [b'{"attempt": 7, "fr', b"[" * 99_999, b"null", b'{"attempt": "9"}', b"\xff"])
def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path, rubbish: bytes) -> None:
    attempt(tmp_path)
    with (tmp_path / "attempts.jsonl").open("ab") as file:
        file.write(rubbish)
    attempt(tmp_path)
    assert [start.attempt for start in provenance.attempts(tmp_path)] == [1, 2]


def test_mixed_code_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance.codes(tmp_path) == ()
    for commit, dirty in (("aa", False), ("aa", False), ("bb", False), ("bb", True), (None, None)):
        with monkeypatch.context() as patch:
            patch.setattr(provenance, "code_version", lambda c=commit, d=dirty: {"commit": c, "dirty": d})
            attempt(tmp_path)
    assert provenance.codes(tmp_path) == ("aa", "bb", "bb with changes", "unknown")


def test_nothing_is_appended_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "attempts.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="is a link"):
        attempt(tmp_path / "run")
    assert (tmp_path / "other").read_text() == "mine\n"


def test_differences_are_named_by_dotted_key() -> None:
    first = {"a": 1, "b": {"c": 2, "d": [1]}, "e": 0}
    assert provenance.differences({"a": 1, "b": {"c": 3, "d": [1]}, "f": {}}, first) == {"b.c": 3, "e": None, "f": {}}


def test_untracked_files_make_no_checkout_dirty_and_changed_ones_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    (tmp_path / "code.py").write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(identity, "__file__", str(tmp_path / "code.py"))
    (tmp_path / "results.csv").write_text("")
    assert identity.code_version.__wrapped__()["dirty"] is False
    (tmp_path / "code.py").write_text("2")
    assert identity.code_version.__wrapped__()["dirty"] is True
