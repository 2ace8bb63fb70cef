"""Videos of games: frames in, one whole file out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from redo_lab.config import ConfigError, require

FOLDER = "videos"
"""In a run's directory."""

FORMATS = (".mp4", ".gif")
LEAST_HEIGHT_PIXELS = 400
GIF_FRAME_SECONDS = 0.02
"""The shortest that browsers show."""


def draw_without_a_display() -> None:
    """MuJoCo and pygame, which read this when they are imported, draw on a machine without a screen."""
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def check_format(path: Path) -> None:
    """Raises ConfigError unless the name ends in one of FORMATS."""
    require(path.suffix.lower() in FORMATS, f"{path}: a video ends in {' or '.join(FORMATS)}")


def write(path: Path, frames: Iterable[NDArray[np.uint8]], frames_per_second: float) -> int:
    """Writes `frames`, uint8 [H, W, 3] and all of one size, to `path` and returns how many; small ones are enlarged.

    The file appears when it is whole: H.264 that browsers play for .mp4, else a GIF that goes round for ever.
    """
    import imageio.v3 as iio

    check_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.stem}.half{path.suffix}")
    count = 0
    try:
        with iio.imopen(half, "w", plugin=_plugin(path)) as file:
            for count, frame in enumerate(frames, start=1):
                _add(file, path, _enlarged(frame), count == 1, frames_per_second)
        if count == 0:
            raise ConfigError(f"{path}: no frame to show")
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return count


def _plugin(path: Path) -> Any:
    return "pyav" if path.suffix.lower() == ".mp4" else "pillow"


def _add(file: Any, path: Path, frame: NDArray[np.uint8], first: bool, frames_per_second: float) -> None:
    if path.suffix.lower() == ".mp4":
        if first:
            file.init_video_stream("libx264", fps=frames_per_second)
        file.write_frame(frame)
    else:
        seconds = max(GIF_FRAME_SECONDS, 1 / frames_per_second)
        file.write(frame, duration=1000 * seconds, loop=0)


def _enlarged(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each pixel as a square, so many times that the height is enough; H.264 wants even sides."""
    times = max(1, -(-LEAST_HEIGHT_PIXELS // frame.shape[0]))
    large = frame.repeat(times, axis=0).repeat(times, axis=1)
    return np.pad(large, [(0, large.shape[0] % 2), (0, large.shape[1] % 2), (0, 0)], mode="edge")
