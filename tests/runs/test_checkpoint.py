"""Checkpoints: old or new after any crash, never half; damage is noticed, named and survived."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from redo_lab.runs.atomic import DiskFull
from redo_lab.runs.bulk import PartFile
from redo_lab.runs.checkpoint import CheckpointError, Checkpoints, Manifest

CALLS = ("fsync", "replace", "unlink", "open")


class Crash(BaseException):
    pass


def part(number: int) -> str:
    return f"{number:012d}-{number + 1:012d}.segment"


def segment(checkpoints: Checkpoints, name: str) -> PartFile:
    content = f"frames of {name}".encode()
    checkpoints.bulk_folder.mkdir(parents=True, exist_ok=True)
    (checkpoints.bulk_folder / name).write_bytes(content)
    return PartFile(name, len(content), hashlib.sha256(content).hexdigest())


def state_of(number: int) -> bytes:
    return f"state {number}".encode() * 20


def commit(checkpoints: Checkpoints, number: int) -> None:
    """Names segments number-1 and number, as a ring of two would."""
    segments = [segment(checkpoints, part(at)) for at in (number - 1, number)]
    checkpoints.commit(number, state_of(number), segments, {"env_steps": 100 * number, "rate": 0.1})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def numbers(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.stem for path in checkpoints.folder.glob("*.json"))


def state_file(checkpoints: Checkpoints, number: int) -> Path:
    (path,) = checkpoints.folder.glob(f"{number}-*.state")
    return path


def assert_whole(checkpoints: Checkpoints, allowed: set[int]) -> int:
    found = checkpoints.newest()
    assert found is not None
    number = found.manifest.number
    assert number in allowed
    assert found.state == state_of(number)
    assert [path.read_text() for path in found.segments] == [f"frames of {part(at)}" for at in (number - 1, number)]
    assert found.manifest.facts == {"env_steps": 100 * number, "rate": 0.1}
    return number


@pytest.fixture
def two(tmp_path: Path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoint")
    commit(checkpoints, 1)
    commit(checkpoints, 2)
    return checkpoints


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("redo_lab"), "propagate", True)
    caplog.set_level(logging.WARNING, "redo_lab")
    return caplog


@contextmanager
def counted(stops: Callable[[int], bool] = lambda _: False) -> Iterator[list[tuple[str, str]]]:
    """Every system call made within, in order; the i-th raises if stops(i), and the context ends without a word."""
    made: list[tuple[str, str]] = []

    def wrap(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            what = str(Path(f"/proc/self/fd/{arguments[0]}").readlink() if name == "fsync" else arguments[-1])
            made.append((name, what))
            if stops(len(made) - 1):
                raise Crash
            return real(*arguments, **keywords)

        return call

    with pytest.MonkeyPatch.context() as patch, suppress(Crash):
        for name in CALLS:
            patch.setattr(os, name, wrap(name))
        yield made


def calls_of_a_commit(folder: Path) -> list[tuple[str, str]]:
    checkpoints = Checkpoints(folder)
    for number in (1, 2):
        commit(checkpoints, number)
    with counted() as made:
        commit(checkpoints, 3)
    return made


def test_nothing_was_ever_committed(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "absent").newest() is None
    assert Checkpoints(tmp_path / "absent").bytes_on_disk() == 0


@pytest.mark.parametrize("dead", [True, False], ids=["process dies", "one call fails"])
def test_a_crash_between_any_two_steps_of_a_commit_leaves_the_old_or_the_new_one_whole(
    tmp_path: Path, dead: bool
) -> None:
    steps = len(calls_of_a_commit(tmp_path / "counting"))
    assert steps >= 12
    seen = []
    for step in range(steps):
        checkpoints = Checkpoints(tmp_path / str(step) / "checkpoint")
        commit(checkpoints, 1)
        commit(checkpoints, 2)
        with counted((lambda at, s=step: at >= s) if dead else step.__eq__) as made:
            commit(checkpoints, 3)
        assert len(made) > step
        seen.append(assert_whole(Checkpoints(checkpoints.folder), {2, 3}))
        if not dead and seen[-1] == 2:
            assert names(checkpoints.folder) == sorted([*names_of(1, 2), part(3)])
        Checkpoints(checkpoints.folder).rewind(seen[-1])
        commit(Checkpoints(checkpoints.folder), 4)
        assert assert_whole(checkpoints, {4}) == 4
        assert names(checkpoints.folder) == names_of(seen[-1], 4)
    assert seen == sorted(seen)
    assert {2, 3} == set(seen)


def names_of(*kept: int) -> list[str]:
    states = [f"{n}-{hashlib.sha256(state_of(n)).hexdigest()[:12]}.state" for n in kept]
    return sorted({*states, *(f"{n}.json" for n in kept), *(part(at) for n in kept for at in (n - 1, n))})


def test_nothing_is_renamed_before_it_is_synced_and_nothing_removed_before_the_commit_is(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoint"
    calls = [(name, Path(what)) for name, what in calls_of_a_commit(folder) if name != "open"]
    kinds = [f"{name} {'folder' if what.is_dir() else what.suffix}" for name, what in calls]
    assert kinds[:8] == [
        *("fsync folder", "fsync folder"),
        *("fsync .tmp", "replace .state", "fsync folder"),
        *("fsync .tmp", "replace .json", "fsync folder"),
    ]
    assert [what for _, what in calls[:2]] == [tmp_path / "run", folder / "replay"]
    assert calls[8] == ("unlink", folder / "1.json")
    assert {name for name, _ in calls[8:]} == {"unlink"}


def test_the_newest_two_are_kept_with_the_segments_that_they_name(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    for number in range(1, 13):
        commit(checkpoints, number)
        assert names(checkpoints.folder) == names_of(*range(max(1, number - 1), number + 1))
    assert checkpoints.bytes_on_disk() == sum(p.stat().st_size for p in checkpoints.folder.rglob("*") if p.is_file())


def test_only_keep_checkpoints_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoint", keep=1)
    for number in (1, 2):
        commit(checkpoints, number)
    assert names(checkpoints.folder) == names_of(2)


LEFTOVERS = [
    f".3.json.{'a' * 32}.tmp",
    f".3-0123456789ab.state.{'a' * 32}.tmp",
    f"replay/.{part(9)}.{'a' * 32}.tmp",
    "3-0123456789ab.state",
    f"replay/{part(9)}",
]
"""What a process leaves that dies as it writes; or what a successor is just writing."""
FOREIGN = ["notes.txt", "3.json.bak", "x.state", "3-0123.state", "replay/9.segment", "replay/photo.jpg", ".x.tmp"]


def test_a_commit_leaves_what_a_successor_may_just_be_writing_and_a_rewind_cleans_it_up(two: Checkpoints) -> None:
    for name in LEFTOVERS:
        (two.folder / name).write_bytes(b"half")
    assert assert_whole(two, {2}) == 2
    two.commit(2, state_of(2), [segment(two, part(1)), segment(two, part(2))], {"env_steps": 200, "rate": 0.1})
    assert names(two.folder) == sorted([*names_of(1, 2), *(Path(name).name for name in LEFTOVERS)])
    two.rewind(2)
    assert names(two.folder) == names_of(1, 2)


def test_a_commit_cleans_up_what_a_skipped_save_left_behind_it(two: Checkpoints) -> None:
    (two.folder / "1-0123456789ab.state").touch()
    (two.bulk_folder / "000000000001-000000000003.segment").touch()
    commit(two, 3)
    assert names(two.folder) == names_of(2, 3)


def test_files_that_are_not_ours_are_never_deleted(two: Checkpoints) -> None:
    for name in FOREIGN:
        (two.folder / name).touch()
    commit(two, 3)
    two.rewind(3)
    two.rewind(None)
    assert names(two.folder) == sorted(Path(name).name for name in FOREIGN)


@pytest.mark.parametrize("link", ["", "replay"])
def test_a_folder_that_is_a_link_is_refused_and_its_target_left_alone(
    two: Checkpoints, tmp_path: Path, link: str
) -> None:
    other, linked = tmp_path / "other", two.folder / link
    linked.rename(other)
    (other / part(7)).touch()
    before = names(other)
    linked.symlink_to(other)
    segments = [PartFile(part(1), 15, "")]
    for use in (two.newest, lambda: two.commit(3, b"x", segments, {}), lambda: two.rewind(None), two.bytes_on_disk):
        with pytest.raises(CheckpointError, match=f"{linked} is a link to {other}"):
            use()
    assert names(other) == before


def test_a_file_that_is_a_link_is_neither_read_nor_deleted(two: Checkpoints, tmp_path: Path) -> None:
    path = two.folder / "2.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    state_file(two, 1).rename(tmp_path / "state")
    (two.folder / f"1-{hashlib.sha256(state_of(1)).hexdigest()[:12]}.state").symlink_to(tmp_path / "state")
    with pytest.raises(CheckpointError, match=r"1-.*\.state cannot be read \(is a link"):
        two.newest()
    two.rewind(None)
    assert path.is_symlink()
    assert (tmp_path / "elsewhere").exists()
    assert (tmp_path / "state").exists()


@pytest.mark.parametrize("state", [b"other", state_of(2)], ids=["another state", "the same state"])
def test_a_number_committed_twice_never_leaves_less_than_the_first(two: Checkpoints, state: bytes) -> None:
    for step in range(12):
        with counted(step.__eq__):
            two.commit(2, state, [segment(two, part(1)), segment(two, part(2))], {"env_steps": 200, "rate": 0.1})
        found = two.newest()
        assert found is not None
        assert found.manifest.number == 2
        assert found.state in (state_of(2), state)


def test_a_commit_whose_segment_is_missing_is_refused_and_changes_nothing(two: Checkpoints) -> None:
    before = names(two.folder)
    with pytest.raises(CheckpointError, match=r"checkpoint 3 needs .*absent.seg of 3 bytes"):
        two.commit(3, b"", [PartFile("absent.seg", 3, "")], {})
    assert names(two.folder) == before


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("file", "damage", "meant"),
    [
        ("2-*.state", flip, r"2 \(env_steps 200\) is damaged: 2-\w+\.state is changed \(sha256\)"),
        ("2-*.state", cut, r"2 \(env_steps 200\) is damaged: 2-\w+\.state has 131 bytes instead of 140"),
        ("2-*.state", Path.unlink, r"2 \(env_steps 200\) is damaged: 2-\w+\.state cannot be read \(No such file .*\)"),
        (f"replay/{part(2)}", flip, r"2 \(env_steps 200\) is damaged: 0+2-0+3\.segment is changed \(sha256\)"),
        (f"replay/{part(2)}", cut, r"2 \(env_steps 200\) is damaged: 0+2-0+3\.segment has 34 bytes instead of 43"),
        (
            f"replay/{part(2)}",
            Path.unlink,
            r"2 \(env_steps 200\) is damaged: 0+2-0+3\.segment cannot be read \(No such file .*\)",
        ),
        ("2.json", flip, r"2 is damaged: 2\.json is not a manifest"),
        ("2.json", cut, r"2 is damaged: 2\.json is not a manifest"),
        ("2.json", Path.unlink, r"2 has a state and no manifest \(killed as it was written, or 2\.json was deleted\)"),
    ],
)
def test_damage_to_the_newest_falls_back_to_the_one_before_and_says_what_was_lost(
    two: Checkpoints, warnings: pytest.LogCaptureFixture, file: str, damage: Callable[[Path], None], meant: str
) -> None:
    (path,) = two.folder.glob(file)
    damage(path)
    before = names(two.folder)
    assert_whole(two, {1})
    assert names(two.folder) == before
    (text,) = [record.getMessage() for record in warnings.records]
    rest = r"; the run goes on from checkpoint 1 \(env_steps 100\): all after it is lost and done again"
    assert re.fullmatch(f"checkpoint {meant}{rest}", text), text


def test_no_flipped_bit_of_a_manifest_gives_a_checkpoint_that_was_never_made(
    two: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("redo_lab"), "disabled", True)
    path = two.folder / "2.json"
    content = path.read_bytes()
    for at in range(0, len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        assert_whole(two, {1, 2})


def test_when_all_are_damaged_the_error_names_each(two: Checkpoints) -> None:
    (two.bulk_folder / part(1)).unlink()
    with pytest.raises(CheckpointError) as caught:
        two.newest()
    for text in (str(two.folder), "checkpoint 2 (env_steps 200) is damaged", "checkpoint 1 (env_steps", part(1)):
        assert text in str(caught.value)


def test_another_format_is_refused_not_taken_for_damage(two: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest.read(two.folder / "2.json")
    assert isinstance(manifest, Manifest)
    monkeypatch.setattr("redo_lab.runs.manifest.VERSION", 3)
    (two.folder / "2.json").write_bytes(manifest.encode())
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"2\.json is of format 3; this redo_lab reads format 2"):
        two.newest()


def test_rewind_leaves_what_led_to_the_checkpoint_and_nothing_else(two: Checkpoints) -> None:
    (two.bulk_folder / LEFTOVERS[0]).touch()
    two.rewind(1)
    assert names(two.folder) == names_of(1)
    commit(two, 2)
    two.rewind(2)
    assert names(two.folder) == names_of(1, 2)
    two.rewind(None)
    assert names(two.folder) == []


def test_after_a_fallback_the_next_commits_keep_two_whole_ones(two: Checkpoints) -> None:
    state_file(two, 2).unlink()
    two.rewind(assert_whole(two, {1}))
    commit(two, 3)
    (two.folder / "3.json").unlink()
    assert assert_whole(two, {1}) == 1


def test_a_guard_that_raises_keeps_a_zombie_from_changing_anything(two: Checkpoints) -> None:
    before = {path: path.read_bytes() for path in two.folder.rglob("*") if path.is_file()}

    def lost() -> None:
        raise Crash

    zombie = Checkpoints(two.folder, guard=lost)
    segments = [segment(two, part(1)), segment(two, part(2))]
    for write in (lambda: zombie.commit(3, b"x", segments, {}), lambda: zombie.rewind(1)):
        with pytest.raises(Crash):
            write()
        assert {path: path.read_bytes() for path in two.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("at", range(5))
def test_a_zombie_stopped_between_the_leases_check_and_what_follows_takes_nothing_from_its_successor(
    two: Checkpoints, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("redo_lab"), "disabled", True)
    calls = iter(range(100))
    left: list[str] = []

    def stopped() -> None:
        call = next(calls)
        if call > at:
            raise Crash
        if call == at:
            successor = Checkpoints(two.folder)
            number = assert_whole(successor, {2, 3})
            successor.rewind(number)
            for later in (number + 1, number + 2):
                commit(successor, later)
            left.extend(names(two.folder))

    zombie = Checkpoints(two.folder, guard=stopped)
    # The first two calls come before a file is renamed: the successor's rewind has taken that away.
    with suppress(Crash, FileNotFoundError):
        commit(zombie, 3)
    assert len(left) == 7
    assert set(left) <= set(names(two.folder))
    assert_whole(two, {4, 5})
    (two.folder / f"{max(map(int, numbers(two)))}.json").unlink()
    assert_whole(two, {3, 4})


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (b"[" * 200_000, "is not a manifest"),
        (b"null", "is not a manifest"),
        (b'{"sha256": 1}', "is changed"),
        (b" " * (2**24 + 1), "is too long for a manifest"),
    ],
)
def test_a_manifest_made_up_by_someone_is_damage(two: Checkpoints, content: bytes, damage: str) -> None:
    (two.folder / "2.json").write_bytes(content)
    assert damage in str(Manifest.read(two.folder / "2.json"))


@pytest.mark.parametrize("name", ["../1-0123456789ab.state", "/etc/passwd", "1.state", ""])
def test_a_manifest_that_names_files_elsewhere_is_damage(two: Checkpoints, name: str) -> None:
    path = two.folder / "2.json"
    path.write_bytes(Manifest(2, PartFile(name, 1, ""), (), {}).encode())
    assert "is not a manifest" in str(Manifest.read(path))


def test_a_sparse_manifest_of_20_gib_and_a_fifo_are_damage_at_once(two: Checkpoints) -> None:
    (two.folder / "2.json").unlink()
    with (two.folder / "2.json").open("wb") as file:
        file.truncate(20 * 2**30)
    (two.bulk_folder / part(1)).unlink()
    os.mkfifo(two.bulk_folder / part(1))
    with pytest.raises(CheckpointError, match=r"2\.json is too long.*segment cannot be read \(is not a regular file"):
        two.newest()


def test_a_checkpoint_that_is_a_pickle_is_refused_and_the_run_can_be_started_anew(
    two: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest.read(two.folder / "1.json")
    assert isinstance(manifest, Manifest)
    monkeypatch.setattr("redo_lab.runs.manifest.VERSION", 1)
    (two.folder / "1.json").write_bytes(manifest.encode())
    monkeypatch.undo()
    with pytest.raises(
        CheckpointError, match=rf"a pickle.*{two.folder.parent} was begun by an older .* force=true start it anew"
    ):
        two.newest()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", range(5))
def test_a_full_disk_is_said_and_leaves_the_checkpoints_before_as_they_were(
    two: Checkpoints, monkeypatch: pytest.MonkeyPatch, code: int, call: int
) -> None:
    calls = iter(range(100))
    real = os.fsync

    def full(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        DiskFull, match=rf"{two.folder}: .*(No space left|quota).* MB were to be written, .* MB are free"
    ):
        commit(two, 3)
    monkeypatch.undo()
    assert names(two.folder) == sorted([*names_of(1, 2), part(3)])
    assert assert_whole(two, {2}) == 2


def test_another_error_of_the_disk_is_not_called_full(two: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        commit(two, 3)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command: a small file system can't be made")
    if done.returncode:
        pytest.skip(f"may not mount a tmpfs: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_really_full_disk_leaves_the_checkpoint_before_whole_and_room_brings_the_next(small_disk: Path) -> None:
    checkpoints = Checkpoints(small_disk / "checkpoint")
    commit(checkpoints, 1)
    with pytest.raises(DiskFull, match=r"No space left on device: 0\.30\d MB were to be written, 0\.2\d\d MB are free"):
        checkpoints.commit(2, bytes(300_000), [segment(checkpoints, part(1))], {})
    assert names(checkpoints.folder) == sorted([*names_of(1)])
    assert assert_whole(checkpoints, {1}) == 1
    commit(checkpoints, 2)
    assert assert_whole(checkpoints, {2}) == 2


def test_facts_come_back_as_the_json_that_they_are(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    facts = {
        "env_steps": 2**60,
        "third": 1 / 3,
        "versions": {"torch": None, "b": [1, "×"]},
        "nested": {"2": 1, "10": 2},
    }
    checkpoints.commit(7, b"", [], facts)
    found = checkpoints.newest()
    assert found is not None
    assert found.manifest.facts == facts
    assert found.state == b""
    assert json.loads((tmp_path / "7.json").read_text())["number"] == 7
