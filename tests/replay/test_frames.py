"""Frames in a device's memory: the same samples and the same files as from the host's, and a check that they fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from redo_lab.config import ConfigError
from redo_lab.plan import plan
from redo_lab.replay import frames as replay_frames
from redo_lab.replay import memory
from redo_lab.replay.export import write as export
from redo_lab.replay.frames import ROOM_BYTES, DeviceFrames, Placement
from redo_lab.replay.memory import bytes_needed, check_memory, host_bytes_needed
from redo_lab.replay.recorded import load as load_recorded
from redo_lab.replay.ring import Replay, frame_bytes
from redo_lab.replay.segments import OverwrittenError, capture, load, needed, write
from redo_lab.types import EnvSpec
from tests.helpers.composing import composed
from tests.helpers.replays import ATARI, CPU, Player, make, pixels, vectors

GPU = torch.device("cuda")
LENGTHS = [(9, "terminated"), (4, "truncated"), (2, "both"), (31, "terminated"), (6, "open")]


def on_device(spec: EnvSpec, capacity: int = 30, n_step: int = 1) -> Replay:
    """Its frames are where a GPU's would be, but on a CPU."""
    replay = make(spec, capacity, n_step)
    replay.frames = DeviceFrames(replay.frames.shape, spec.dtype, CPU)
    return replay


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("spec", [pixels(4), pixels(3, channels=2), vectors(), vectors(stack=2)], ids=str)
def test_a_sample_is_the_same_bit_for_bit_wherever_the_frames_lie(spec: EnvSpec, n_step: int) -> None:
    host, device = make(spec, 30, n_step), on_device(spec, 30, n_step)
    player = Player(spec, host, device)
    for length, end in LENGTHS:
        player.episode(length, end)
        starts = host.valid_starts()
        assert np.array_equal(starts, device.valid_starts())
        generators = np.random.default_rng(1), np.random.default_rng(1)
        for batches in [
            (host.transitions(starts), device.transitions(starts)),
            (host.sample(16, generators[0]), device.sample(16, generators[1])),
        ]:
            for ours, theirs in zip(*batches, strict=True):
                assert ours.dtype == theirs.dtype
                assert ours.shape == theirs.shape
                assert ours.numpy().tobytes() == theirs.numpy().tobytes()


def test_a_batch_stays_as_it_is_while_the_replay_goes_on() -> None:
    replay = on_device(pixels(4))
    player = Player(pixels(4), replay)
    player.episode(20, "open")
    batch = replay.transitions(replay.valid_starts())
    before = batch.obs.clone()
    for _ in range(40):
        player.step()
    assert torch.equal(batch.obs, before)


@pytest.mark.parametrize("headroom", [0, 5, 10**6])
def test_checkpoints_write_only_what_is_new_and_load_anywhere(tmp_path: Path, headroom: int) -> None:
    spec = pixels(4)
    host, device = make(spec, 30), on_device(spec)
    player = Player(spec, host, device)
    files, saved = [], 0
    for length, end in LENGTHS:
        player.episode(length, end)
        segments = capture(device, saved, headroom)
        assert all(segment.first >= saved for segment in segments)
        files = needed([*files, *[write(segment, tmp_path) for segment in segments]], device.oldest)
        saved = device.added
        for restored in (make(spec, 30), on_device(spec)):
            load(restored, device.state_dict(), tmp_path, files)
            stored = np.arange(host.oldest, host.added) % 30
            assert np.array_equal(restored.frames[stored], host.frames[stored])
            assert np.array_equal(restored.history[stored], host.history[stored])


def test_what_was_overwritten_before_it_was_written_is_noticed(tmp_path: Path) -> None:
    replay = on_device(pixels(4))
    player = Player(pixels(4), replay)
    player.episode(25, "open")
    (segment,) = capture(replay, 0, headroom=0)
    for _ in range(10):
        player.step()
    with pytest.raises(OverwrittenError, match="was overwritten before"):
        write(segment, tmp_path)


def test_an_exported_replay_is_the_same(tmp_path: Path) -> None:
    spec = EnvSpec((1, 4, 4), 4, np.uint8, pixels(4).actions, 1)
    host, device = make(spec, 30), on_device(spec)
    Player(spec, host, device).episode(25, "terminated")
    parts = [exported(replay, tmp_path / name) for name, replay in (("host", host), ("device", device))]
    assert np.array_equal(parts[0].frames, parts[1].frames)
    assert parts[0].frames.any()


def exported(replay: Replay, folder: Path) -> Replay:
    """`replay` as who learns from its files gets it."""
    export(replay, folder)
    steps = load_recorded(folder, 0, replay.config, spec=replay.spec, clip_rewards=False, device=CPU)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            loaded: Replay = end.value
            return loaded


def test_frames_go_where_they_are_told_and_auto_takes_the_gpu_if_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_frames, "free_bytes", lambda device: ROOM_BYTES + 1000)
    assert [Placement.cpu.of(device, 1).type for device in (CPU, GPU)] == ["cpu", "cpu"]
    assert Placement.cuda.of(GPU, 10**12).type == "cuda"
    assert Placement.auto.of(CPU, 1).type == "cpu"
    assert [Placement.auto.of(GPU, size).type for size in (1000, 1001)] == ["cuda", "cpu"]
    with pytest.raises(ConfigError, match=r"replay\.device=cuda needs device=cuda, and device is cpu"):
        Replay(Replay.Config(100, 1, 0.99, device=Placement.cuda), spec=ATARI, device=CPU)


def test_what_pytorch_holds_back_of_a_gpu_for_reuse_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"mem_get_info": (1000, 9000), "memory_reserved": 500, "memory_allocated": 200}
    for name, value in figures.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert replay_frames.free_bytes(GPU) == 1300


def test_frames_that_exceed_the_gpus_memory_are_refused_with_what_would_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (replay_frames, memory):
        monkeypatch.setattr(module, "free_bytes", lambda device: 6 * 2**30)
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**30)
    config = Replay.Config(1_000_000, 1, 0.99, device=Placement.cuda)
    fits = 4 * 2**30 // (84 * 84)
    with pytest.raises(ConfigError) as refusal:
        check_memory(config, ATARI, GPU)
    assert str(refusal.value) == (
        "a replay of 1000000 observations needs 6.6 GiB of the GPU's memory, 4.0 GiB is free beside 2 GiB for the "
        f"rest: set replay.device=cpu, or replay.capacity={fits} or less"
    )
    check_memory(Replay.Config(fits, 1, 0.99, device=Placement.cuda), ATARI, GPU)
    with pytest.raises(ConfigError, match=r"1\.0 GiB of memory is available"):
        check_memory(Replay.Config(1_000_000, 1, 0.99, device=Placement.auto), ATARI, GPU)
    assert frame_bytes(config, ATARI) == 84 * 84 * 1_000_000
    assert host_bytes_needed(config, ATARI) == bytes_needed(config, ATARI) - 84 * 84 * 1_000_000 == 14 * 1_000_000


def test_a_run_with_its_frames_on_the_gpu_takes_little_of_the_host_and_as_much_of_the_disk() -> None:
    plans = [
        plan(*composed("env=atari/pong", "device=cuda", f"replay.device={place}"), here=False).study
        for place in ("cpu", "auto", "cuda")
    ]
    assert [round(study.memory_bytes() / 2**30, 1) for study in plans] == [6.6, 6.6, 0.0]
    assert len({study.saved_bytes() for study in plans}) == 1
