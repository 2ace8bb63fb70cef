"""One owner of a run: races, dead owners, zombies, reused pids and wrong clocks."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from redo_lab.runs import lease as module
from redo_lab.runs.lease import Lease, LeaseHeld, LeaseLost, acquire, owner_of

RACERS, ROUNDS = 4, 40
RACE = f"""
import sys, time
from pathlib import Path
from redo_lab.runs.lease import LeaseHeld, acquire
root, start = Path(sys.argv[1]), float(sys.argv[2])
for turn in range({ROUNDS}):
    while time.monotonic() < start + 0.01 * turn:
        pass
    try:
        print(turn, acquire(root / str(turn), stale_seconds=1).attempt, flush=True)
    except LeaseHeld:
        pass
print("done", flush=True)
sys.stdin.read()
"""
OWN = """
import sys
from pathlib import Path
from redo_lab.runs.lease import acquire
print(acquire(Path(sys.argv[1]), stale_seconds=60).attempt, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Processes that live until their stdin is closed."""
    processes = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was slept, without sleeping."""
    slept: list[float] = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    return slept


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def change(directory: Path, **values: Any) -> None:
    """The newest record, as another process, machine or moment would have written it."""
    path = directory / f"lease.{max(module._attempts(directory))}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def elsewhere(directory: Path) -> Lease:
    """A lease whose owner is on another machine."""
    lease = acquire(directory, stale_seconds=1)
    change(directory, host="node7", kernel="other")
    lease.owner = owner_of(directory) or pytest.fail("no owner")
    return lease


@pytest.mark.parametrize("before", ["never owned", "owner dead"])
def test_of_processes_that_acquire_at_once_exactly_one_wins(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]], before: str
) -> None:
    for turn in range(ROUNDS):
        (tmp_path / str(turn)).mkdir()
        if before == "owner dead":
            acquire(tmp_path / str(turn), stale_seconds=1)
            change(tmp_path / str(turn), started=1)
    racers = [spawn(RACE, tmp_path, time.monotonic() + 1) for _ in range(RACERS)]
    lines = [line for racer in racers for line in iter(lambda racer=racer: said(racer), "done")]  # type: ignore[misc]
    attempt = 2 if before == "owner dead" else 1
    assert sorted(lines) == sorted(f"{turn} {attempt}" for turn in range(ROUNDS))


def test_no_attempt_is_given_twice_and_only_the_last_owner_passes_however_wrongly_others_are_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "lives", lambda _: False)
    leases: list[Lease] = []

    def take() -> None:
        taken = 0
        while taken < 4:
            with suppress(LeaseHeld):
                leases.append(acquire(tmp_path, stale_seconds=1))
                taken += 1

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leases) == 8 * 4
    assert set(Counter(lease.attempt for lease in leases).values()) == {1}
    newest = max(leases, key=lambda lease: lease.attempt)
    newest.check()
    for lease in leases:
        if lease is not newest:
            with pytest.raises(LeaseLost):
                lease.renew()
    newest.renew()


def test_a_taker_so_slow_that_the_attempt_it_wants_has_come_and_gone_withdraws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire(tmp_path, stale_seconds=1).release()
    monkeypatch.setattr(module, "_wait_until_free", lambda *_: 0)
    (tmp_path / "lease.1.json").rename(tmp_path / "lease.2.json")
    with pytest.raises(LeaseHeld, match="was taken just now"):
        acquire(tmp_path, stale_seconds=1)
    assert [path.name for path in tmp_path.iterdir()] == ["lease.2.json"]


def test_a_live_owner_on_this_machine_is_named_however_long_it_was_silent(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]], no_sleep: list[float]
) -> None:
    owner = spawn(OWN, tmp_path)
    assert said(owner) == "1"
    owner.send_signal(signal.SIGSTOP)
    change(tmp_path, heartbeat=0.0, since=0.0)
    who = rf"attempt 1: process {owner.pid} on {re.escape(os.uname().nodename)} since 1970-01-01"
    with pytest.raises(LeaseHeld, match=rf"{tmp_path} is in use by {who}"):
        acquire(tmp_path, stale_seconds=1)
    assert no_sleep == []


def test_the_directory_of_a_killed_process_is_taken_over_at_once_even_before_it_is_reaped(
    tmp_path: Path, spawn: Callable[..., subprocess.Popen[str]], no_sleep: list[float]
) -> None:
    for attempt in (1, 2):
        owner = spawn(OWN, tmp_path)
        assert said(owner) == str(attempt)
        os.kill(owner.pid, signal.SIGKILL)
        os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
    assert acquire(tmp_path, stale_seconds=60).attempt == 3
    assert no_sleep == []
    assert [path.name for path in tmp_path.iterdir()] == ["lease.3.json"]


def test_a_reused_pid_is_not_taken_for_the_owner(tmp_path: Path, no_sleep: list[float]) -> None:
    mine = acquire(tmp_path, stale_seconds=1)
    assert mine.owner.started is not None
    with pytest.raises(LeaseHeld):
        acquire(tmp_path, stale_seconds=1)
    change(tmp_path, started=mine.owner.started - 1)
    assert acquire(tmp_path, stale_seconds=1).attempt == 2
    assert no_sleep == []


def test_a_released_directory_is_free_at_once(tmp_path: Path, no_sleep: list[float]) -> None:
    elsewhere(tmp_path).release()
    assert acquire(tmp_path, stale_seconds=60).attempt == 2
    assert no_sleep == []


def test_a_silent_owner_elsewhere_is_watched_for_stale_seconds_and_then_replaced(
    tmp_path: Path, no_sleep: list[float]
) -> None:
    elsewhere(tmp_path)
    assert acquire(tmp_path, stale_seconds=60).attempt == 2
    assert sum(no_sleep) == pytest.approx(60)
    assert max(no_sleep) <= 0.5


@pytest.mark.parametrize("jump_seconds", [-1e8, 0.0, 1e8])
def test_clocks_that_jump_or_disagree_neither_kill_nor_keep_an_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_seconds: float
) -> None:
    owner = elsewhere(tmp_path)
    real = time.time
    monkeypatch.setattr(module.time, "time", lambda: real() + jump_seconds)
    looks = iter(range(1000))
    monkeypatch.setattr(module.time, "sleep", lambda _: owner.renew() if next(looks) == 7 else None)
    with pytest.raises(LeaseHeld, match=r"attempt 1: process \d+ on node7"):
        acquire(tmp_path, stale_seconds=10)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    assert acquire(tmp_path, stale_seconds=10).attempt == 2


def test_an_owner_that_releases_while_it_is_watched_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = elsewhere(tmp_path)
    monkeypatch.setattr(module.time, "sleep", lambda _: owner.release())
    assert acquire(tmp_path, stale_seconds=10).attempt == 2


def test_a_record_that_another_taker_replaces_while_it_is_watched_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(tmp_path)

    def faster(_: float) -> None:
        (tmp_path / "lease.1.json").rename(tmp_path / "lease.2.json")
        change(tmp_path, **module.this_process()._asdict(), attempt=2)

    monkeypatch.setattr(module.time, "sleep", faster)
    with pytest.raises(LeaseHeld, match="attempt 2"):
        acquire(tmp_path, stale_seconds=10)


def test_an_owner_that_came_and_went_while_the_one_before_was_watched_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(tmp_path)

    def come_and_go(_: float) -> None:
        (tmp_path / "lease.1.json").rename(tmp_path / "lease.2.json")
        change(tmp_path, attempt=2, released=True)

    monkeypatch.setattr(module.time, "sleep", come_and_go)
    assert acquire(tmp_path, stale_seconds=10).attempt == 3


@pytest.mark.parametrize("content", ["", '{"attempt": 1', "[]"])
def test_a_half_written_record_is_watched_then_replaced(tmp_path: Path, no_sleep: list[float], content: str) -> None:
    (tmp_path / "lease.1.json").write_text(content)
    assert acquire(tmp_path, stale_seconds=6).attempt == 2
    assert sum(no_sleep) == pytest.approx(6)


def test_a_machine_of_the_same_name_or_after_a_reboot_is_elsewhere(tmp_path: Path, no_sleep: list[float]) -> None:
    acquire(tmp_path, stale_seconds=1)
    change(tmp_path, kernel="an earlier boot")
    assert acquire(tmp_path, stale_seconds=5).attempt == 2
    assert sum(no_sleep) == pytest.approx(5)


@pytest.mark.usefixtures("no_sleep")
def test_a_zombie_notices_at_its_next_check_renewal_or_release_and_disturbs_nobody(tmp_path: Path) -> None:
    zombie = elsewhere(tmp_path)
    zombie.check()
    heir = acquire(tmp_path, stale_seconds=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for notice in (zombie.check, zombie.renew):
        with pytest.raises(
            LeaseLost, match=rf"process \d+ on node7 .* has lost the run to attempt 2: process {os.getpid()}"
        ):
            notice()
    zombie.release()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    heir.renew()


def test_a_lease_is_lost_while_it_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zombie = elsewhere(tmp_path)
    write = module.write_json
    heirs = []

    def taken_over(path: Path, value: object) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(module.time, "sleep", lambda _: None)
        heirs.append(acquire(tmp_path, stale_seconds=1))
        write(path, value)

    monkeypatch.setattr(module, "write_json", taken_over)
    with pytest.raises(LeaseLost, match="attempt 2"):
        zombie.renew()
    heirs[0].renew()


def test_a_directory_that_is_moved_away_or_made_anew_is_lost(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    lease = acquire(run, stale_seconds=1)
    run.rename(tmp_path / "aside")
    with pytest.raises(LeaseLost, match=r"nobody, .* was moved or deleted"):
        lease.check()
    run.mkdir()
    other = acquire(run, stale_seconds=1)
    with pytest.raises(LeaseLost, match="attempt 1"):
        lease.renew()
    other.check()


def test_renewing_counts_and_changes_nothing_else(tmp_path: Path) -> None:
    lease = acquire(tmp_path, stale_seconds=1)
    first = owner_of(tmp_path)
    for _ in range(3):
        lease.renew()
    now = owner_of(tmp_path)
    assert first is not None
    assert now is not None
    assert now == lease.owner
    assert (now.attempt, now.token, now.beats, now.since, now.released) == (1, first.token, 3, first.since, False)
    assert [path.name for path in tmp_path.iterdir()] == ["lease.1.json"]


def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        acquire(tmp_path, stale_seconds=1)
    assert list(tmp_path.iterdir()) == []


def test_a_lease_outlives_one_error_of_the_file_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = acquire(tmp_path, stale_seconds=1)
    monkeypatch.setattr("redo_lab.runs.atomic.time.sleep", lambda _: None)
    real, refused = os.replace, iter([True, False])

    def replace(*arguments: Any) -> None:
        if next(refused):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        real(*arguments)

    monkeypatch.setattr(os, "replace", replace)
    lease.renew()
    owner = owner_of(tmp_path)
    assert owner is not None
    assert owner.beats == 1
