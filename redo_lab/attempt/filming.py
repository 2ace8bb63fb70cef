"""Videos of what a run has learned so far, beside its training and without an effect on it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from redo_lab.experience import Footage
from redo_lab.protocols import Study
from redo_lab.runs import video
from redo_lab.runs.lease import LeaseLost

LOG = logging.getLogger("redo_lab")
MOST_SECONDS = 60
"""Of a game at real speed: a good agent may play for hours, and training waits."""


class Filming:
    """A game each `every_env_steps` agent steps, as `videos/step<N>-training-return<R>.mp4` in the run's directory.

    `guard` raises LeaseLost when the directory isn't ours any more.
    """

    def __init__(self, every_env_steps: int, directory: Path, guard: Callable[[], None]) -> None:
        self._every = every_env_steps
        self._folder = directory / video.FOLDER
        self._guard = guard
        self._last = 0
        self._given_up = False

    def tick(self, study: Study) -> None:
        """Films if this step is due and no earlier attempt has filmed it; a film that fails costs a warning alone."""
        env_steps = study.clocks().env_steps
        if env_steps == self._last or env_steps % self._every or self._given_up:
            return
        self._last = env_steps
        if any(self._folder.glob(f"step{env_steps}-training*")):
            return
        try:
            self._film(study.film(), env_steps)
        except LeaseLost:
            raise
        except Exception as error:
            self._given_up = True
            LOG.warning("no videos: %s: %s (training goes on)", type(error).__name__, error)

    def _film(self, footage: Footage, env_steps: int) -> None:
        self._guard()
        path = self._folder / f"step{env_steps}-training.mp4"
        most = max(1, round(MOST_SECONDS * footage.frames_per_second))
        video.write(path, islice(footage.frames(), most), footage.frames_per_second)
        if footage.game_return is not None:
            path.rename(path.with_stem(f"{path.stem}-return{footage.game_return:g}"))
