"""The files of a run directory: exact, whole and atomic."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import logging
import math
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from redo_lab.runs import status
from redo_lab.runs.atomic import DiskFull, write_json, write_text
from redo_lab.runs.record import Offsets, Record, Throughput
from redo_lab.runs.status import State, Status
from redo_lab.types import Row

RUNNING = Status(
    state=State.RUNNING,
    done=10,
    total=100,
    unit="epochs",
    phase="evaluation",
    rate_per_s=12.5,
    headline={"accuracy": 0.5, "dormant %": 3.25},
    updates=2,
    heartbeat=1.7e9,
    stepped=1.6e9,
    attempt=1,
    error=None,
    host="here",
    pid=7,
)


def metrics(directory: Path) -> list[list[str]]:
    with (directory / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_metrics_csv_gives_back_every_float_exactly_in_the_given_order(tmp_path: Path) -> None:
    values = {"b/third": 1 / 3, "a/tiny": 5e-324, "a/big": 1.7976931348623157e308, "a/τ0.1": -0.0, "a/one": 1}
    record = Record.create(tmp_path, "seed: 1\n", {})
    record.append([Row(10, 2, values), Row(20, 4, {}), Row(30, 6, {"c/float32": np.float32(0.1)})])
    record.close()
    lines = metrics(tmp_path)
    assert lines[0] == ["env_steps", "updates", "name", "value"]
    assert [(line[0], line[1], line[2]) for line in lines[1:]] == [
        *(("10", "2", name) for name in values),
        ("30", "6", "c/float32"),
    ]
    assert [line[3] for line in lines[1:]] == [repr(float(v)) for v in values.values()] + ["0.10000000149011612"]
    assert math.copysign(1, float(lines[4][3])) == -1


def test_metrics_csv_keeps_nan_and_infinities(tmp_path: Path) -> None:
    record = Record.create(tmp_path, "", {})
    record.append([Row(1, 1, {"loss": math.nan, "up": math.inf, "down": -math.inf})])
    record.close()
    assert [line[3] for line in metrics(tmp_path)[1:]] == ["nan", "inf", "-inf"]


@pytest.mark.parametrize("names", [1, 1000])
def test_rows_are_on_disk_as_whole_lines_while_the_record_is_open(tmp_path: Path, names: int) -> None:
    record = Record.create(tmp_path, "", {})
    assert metrics(tmp_path) == [["env_steps", "updates", "name", "value"]]
    for env_steps in range(1, 4):
        record.append([Row(env_steps, 0, {f"group/{i}": i / 7 for i in range(names)})])
        text = (tmp_path / "metrics.csv").read_text(encoding="utf-8")
        assert text.endswith(f"{env_steps},0,group/{names - 1},{(names - 1) / 7!r}\n")
        assert text.count("\n") == 1 + names * env_steps
    record.close()


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        record = Record.create(tmp_path / name, "", {"started": name})
        record.append([Row(1, 1, {"loss": 0.1})])
        record.throughput(Throughput(1.0 if name == "a" else 2.0, 1, 1, 1.0, 1.0, 1.0))
        record.close()
    assert (tmp_path / "a/metrics.csv").read_bytes() == (tmp_path / "b/metrics.csv").read_bytes()
    assert (tmp_path / "a/throughput.csv").read_bytes() != (tmp_path / "b/throughput.csv").read_bytes()


def test_throughput_csv_holds_what_depends_on_the_clock(tmp_path: Path) -> None:
    record = Record.create(tmp_path, "", {})
    record.throughput(Throughput(1.5, 100, 25, 66.7, 16.7, 512.25))
    record.close()
    assert (tmp_path / "throughput.csv").read_text().splitlines() == [
        "wall_seconds,env_steps,updates,env_steps_per_s,updates_per_s,peak_memory_mb",
        "1.5,100,25,66.7,16.7,512.25",
    ]


def test_a_new_record_keeps_config_and_identity_and_drops_old_metrics(tmp_path: Path) -> None:
    directory = tmp_path / "experiment" / "run"
    for seed in (1, 2):
        record = Record.create(directory, f"seed: {seed}\n", {"id": f"run-{seed}", "versions": {"torch": None}})
        record.append([Row(seed, 0, {"loss": 0.0})])
        record.close()
    assert (directory / "config.yaml").read_text() == "seed: 2\n"
    assert json.loads((directory / "run.json").read_text()) == {"id": "run-2", "versions": {"torch": None}}
    assert [line[0] for line in metrics(directory)] == ["env_steps", "2"]


def test_a_file_handler_can_write_the_log(tmp_path: Path) -> None:
    record = Record.create(tmp_path, "", {})
    handler = logging.FileHandler(record.log_path)
    handler.emit(logging.LogRecord("run", logging.INFO, "", 0, "started", None, None))
    handler.close()
    record.close()
    assert (tmp_path / "log.txt").read_text() == "started\n"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_text(tmp_path / "a.txt", "old")

    def no_space(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), no_space)
    with pytest.raises(OSError, match="no space left"):
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    code = (
        "import os, pathlib, sys, redo_lab.runs.atomic as a;"
        "a.os.fsync = lambda _: os.kill(os.getpid(), 9);"
        "a.write_text(pathlib.Path(sys.argv[1]), 'new')"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False)
    assert killed.returncode == -9
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_value_that_is_not_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"b": 2, "path": tmp_path})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "")
    (tmp_path / "plain.txt").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert status.read(tmp_path) is None
    assert status.read(tmp_path / "absent") is None
    status.write(tmp_path, RUNNING)
    assert status.read(tmp_path) == RUNNING
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "running"
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_a_status_of_before_other_studies_is_read_too(tmp_path: Path) -> None:
    old = {"state": "running", "env_steps": 10, "total_env_steps": 100, "updates": 2, "episodes": 1, "attempt": 1}
    last = {"rate_env_steps_per_s": 12.5, "last_return": None, "dormant_percent": 3.25, "heartbeat": 1.7e9}
    (tmp_path / "status.json").write_text(json.dumps({**old, **last, "error": None, "host": "here", "pid": 7}))
    expected = replace(RUNNING, unit="agent steps", phase=None, headline={"dormant %": 3.25}, stepped=None)
    assert status.read(tmp_path) == expected


def test_a_field_of_a_later_version_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(json.dumps({**asdict(RUNNING), "mood": "good"}))
    assert status.read(tmp_path) == RUNNING


def text_of(**changed: object) -> str:
    return json.dumps({**asdict(RUNNING), **changed})


@pytest.mark.parametrize(
    "content",
    [
        text_of()[:20],
        "",
        "[]",
        "[" * 100_000,
        text_of(state="walking"),
        text_of(done="ten"),
        text_of(total=None),
        text_of(rate_per_s=math.inf),
        text_of(headline={"return": "much"}),
        text_of(pid=-1),
        text_of(heartbeat=math.nan),
    ],
    ids=["half", "empty", "list", "deep", "state", "done", "total", "rate", "headline", "pid", "heartbeat"],
)
def test_a_damaged_status_is_none_with_a_line_that_names_it(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "status.json"
    path.write_text(content)
    assert status.read(tmp_path) is None
    (line,) = caplog.messages
    assert str(path) in line
    assert "\n" not in line


def test_what_is_no_file_or_too_large_is_no_status(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("fifo", "folder", "large"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "fifo" / "status.json")
    (tmp_path / "folder" / "status.json").mkdir()
    with (tmp_path / "large" / "status.json").open("wb") as file:
        file.truncate(20 * 2**30)
    assert [status.read(tmp_path / name) for name in ("fifo", "folder", "large")] == [None] * 3
    assert len(caplog.messages) == 3
    assert "not a regular file" in caplog.messages[0]


def test_what_a_status_says_moves_no_cursor(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(text_of(host="\x1b[2Jn1", error="a\nb\x07"))
    at = status.read(tmp_path)
    assert at is not None
    assert (at.host, at.error) == ("�[2Jn1", "a\nb�")


def test_reading_a_status_needs_no_torch() -> None:
    code = "import sys, redo_lab.runs.status, redo_lab.runs.record; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def recorded(directory: Path) -> tuple[Record, Offsets]:
    """Two rows before the checkpoint, two after it."""
    record = Record.create(directory, "", {})
    offsets = Offsets(0, 0)
    for env_steps in (10, 20, 30, 40):
        record.append([Row(env_steps, 1, {"loss": env_steps / 7})])
        record.throughput(Throughput(1.5, env_steps, 1, 2.0, 3.0, 4.0))
        offsets = record.offsets() if env_steps == 20 else offsets
    return record, offsets


def test_a_resumed_record_is_cut_back_to_exactly_the_checkpoint_and_goes_on_there(tmp_path: Path) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    whole = {name: (tmp_path / name).read_bytes() for name in ("metrics.csv", "throughput.csv")}
    assert offsets[:2] == tuple(content.index(b"\n", content.index(b"20,1,")) + 1 for content in whole.values())
    resumed = Record(tmp_path, offsets)
    for (name, content), offset in zip(whole.items(), offsets[:2], strict=True):
        assert (tmp_path / name).read_bytes() == content[:offset]
    assert resumed.offsets() == offsets
    for env_steps in (30, 40):
        resumed.append([Row(env_steps, 1, {"loss": env_steps / 7})])
        resumed.throughput(Throughput(1.5, env_steps, 1, 2.0, 3.0, 4.0))
    assert resumed.offsets()[:2] == tuple(len(content) for content in whole.values())
    resumed.close()
    assert {name: (tmp_path / name).read_bytes() for name in whole} == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("config.yaml", "metrics.csv", "run.json", "throughput.csv")
    ]


@pytest.mark.parametrize("resume", [True, False])
def test_a_zombie_that_goes_on_appending_reaches_nobody(tmp_path: Path, resume: bool) -> None:
    zombie, offsets = recorded(tmp_path)
    heir = Record(tmp_path, offsets if resume else None)
    zombie.append([Row(50, 1, {"zombie": 1.0})])
    heir.append([Row(30, 1, {"loss": 0.5})])
    zombie.append([Row(60, 1, {"zombie": 1.0})])
    zombie.close()
    heir.close()
    assert [line[0] for line in metrics(tmp_path)] == ["env_steps", *(["10", "20"] if resume else []), "30"]


@pytest.mark.parametrize(
    ("kept_bytes", "message"),
    [
        (60, r"metrics\.csv: the last 26 of the 86 bytes .* what is left ends with: 10,1,loss,1\.4285714285714286"),
        (0, r"metrics\.csv: the last 86 of the 86 bytes .* what is left ends with: nothing"),
        (None, r"metrics\.csv: the last 86 of the 86 bytes .* what is left ends with: nothing"),
    ],
)
def test_lost_metrics_are_an_error_that_says_which_and_changes_nothing(
    tmp_path: Path, kept_bytes: int | None, message: str
) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    path = tmp_path / "metrics.csv"
    left = path.read_bytes()[:kept_bytes]
    path.write_bytes(left) if kept_bytes is not None else path.unlink()
    throughput = (tmp_path / "throughput.csv").read_bytes()
    with pytest.raises(ValueError, match=message):
        Record(tmp_path, offsets)
    assert (path.read_bytes() == left) if kept_bytes is not None else not path.exists()
    assert (tmp_path / "throughput.csv").read_bytes() == throughput


@pytest.mark.parametrize("lost", ["", "wall_seconds,env", "another,header\n1,2\n", None, "fifo"])
def test_lost_throughput_starts_anew_and_stops_nothing(tmp_path: Path, lost: str | None) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    path = tmp_path / "throughput.csv"
    header = path.read_text().splitlines(keepends=True)[0]
    path.unlink()
    if lost == "fifo":
        os.mkfifo(path)
    elif lost is not None:
        path.write_text(lost)
    resumed = Record(tmp_path, offsets)
    resumed.close()
    assert path.read_text() == header
    assert [line[0] for line in metrics(tmp_path)] == ["env_steps", "10", "20"]


def test_throughput_that_is_short_keeps_its_whole_lines(tmp_path: Path) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    path = tmp_path / "throughput.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:5])
    Record(tmp_path, offsets).close()
    assert path.read_bytes() == b"".join(lines[:2])


@pytest.mark.parametrize("resumed", [False, True])
def test_the_digest_is_that_of_the_file_whether_resumed_or_not(tmp_path: Path, resumed: bool) -> None:
    record, offsets = recorded(tmp_path)
    if resumed:
        record.close()
        record = Record(tmp_path, offsets)
        record.append([Row(30, 1, {"loss": 1.0})])
    content = (tmp_path / "metrics.csv").read_bytes()
    assert record.offsets().metrics_sha256 == hashlib.sha256(content).hexdigest()
    record.close()


def test_metrics_changed_before_the_checkpoint_are_refused_and_left(tmp_path: Path) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    path = tmp_path / "metrics.csv"
    path.write_bytes(path.read_bytes().replace(b"10,1,loss,1.", b"10,1,loss,2."))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"metrics\.csv: its first 86 bytes were changed since the checkpoint"):
        Record(tmp_path, offsets)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.tmp"))


def test_metrics_that_are_a_fifo_are_refused_at_once(tmp_path: Path) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    (tmp_path / "metrics.csv").unlink()
    os.mkfifo(tmp_path / "metrics.csv")
    with pytest.raises(ValueError, match=r"metrics\.csv: is not a regular file"):
        Record(tmp_path, offsets)


def test_of_a_sparse_file_of_20_gib_only_what_the_checkpoint_had_is_read(tmp_path: Path) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    with (tmp_path / "metrics.csv").open("r+b") as file:
        file.truncate(20 * 2**30)
    Record(tmp_path, offsets).close()
    assert (tmp_path / "metrics.csv").stat().st_size == offsets.metrics_bytes


def test_an_offset_inside_a_line_is_refused(tmp_path: Path) -> None:
    record, offsets = recorded(tmp_path)
    record.close()
    with pytest.raises(ValueError, match=r"metrics\.csv: no line ends at byte 85"):
        Record(tmp_path, offsets._replace(metrics_bytes=offsets.metrics_bytes - 1))


def test_sync_reaches_both_files_and_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = recorded(tmp_path)
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda at: synced.append(str(Path(f"/proc/self/fd/{at}").readlink())))
    record.sync()
    record.close()
    assert synced == [str(tmp_path / "metrics.csv"), str(tmp_path / "throughput.csv"), str(tmp_path)]


def test_a_disk_that_is_full_when_metrics_are_appended_is_said_and_the_record_closes(tmp_path: Path) -> None:
    record = Record.create(tmp_path, "", {})
    with Path("/dev/full").open("wb", buffering=0) as full:
        os.dup2(full.fileno(), record._metrics.fileno())
        with pytest.raises(DiskFull, match=rf"{tmp_path}: No space left on device: 0\.000 MB were to be written"):
            record.append([Row(1, 1, {"loss": 1.0})])
        record.close()


def test_a_disk_that_says_only_at_the_sync_that_it_is_full_is_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record.create(tmp_path, "", {})
    record.append([Row(1, 1, {"loss": 1.0})])

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(DiskFull, match="MB were to be written"):
            record.sync()
    record.close()
