"""A prepared run directory, carried on to its end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from redo_lab.attempt.filming import Filming
from redo_lab.attempt.log_file import logging_to
from redo_lab.attempt.session import Attempt, failing
from redo_lab.attempt.signals import stopping
from redo_lab.config import ConfigError
from redo_lab.plan import device_of, stored_run
from redo_lab.runs import about, provenance, video
from redo_lab.runs.lease import Lease, acquire
from redo_lab.runs.reading import read_object
from redo_lab.runs.status import State
from redo_lab.runs.stored import stored_config
from redo_lab.seeding import Seeds


def execute(directory: Path) -> State:
    """Trains the run that config.yaml and run.json of `directory` describe, from its newest checkpoint if it has one.

    Returns how it ended, errors included. LeaseHeld: another process works on it; LeaseLost: one took it over;
    ConfigError: this redo_lab can't carry it on.
    """
    tree, first = stored_config(provenance.config_path(directory)), stored_config(directory / provenance.FIRST)
    checked = stored_run(tree, directory)
    config, study = checked.config, checked.study
    try:
        run = read_object(directory / about.FILE_NAME)
        described = about.of(run)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{directory} holds no run that can be carried on: {error}") from error
    set_up_torch(config.threads)
    device = device_of(config.device)
    with stopping() as stop, logging_to(directory / "log.txt"):
        lease = acquire(directory, stale_seconds=config.checkpoint.stale_seconds)
        try:
            with failing(directory, lease, described):
                tracker = checked.logger.build(directory=directory, run=run, config_tree=tree)
                filming = _filming(checked.video_every_env_steps, directory, lease)
                attempt = Attempt(config, directory, lease, stop, tracker, study.total, study.unit, device, filming)
                attempt.note(changed=provenance.differences(tree, first))
            state = attempt.run(partial(study.start, Seeds(config.seed), device))
            tracker.finish(state.value)
        finally:
            lease.release()
    return state


def _filming(every_env_steps: int | None, directory: Path, lease: Lease) -> Filming | None:
    if every_env_steps is None:
        return None
    video.draw_without_a_display()
    return Filming(every_env_steps, directory, lease.check)


def set_up_torch(threads: int | None) -> None:
    """Denormals are flushed (worth some percent on a CPU); `threads` of them, or torch's own choice."""
    torch.set_flush_denormal(True)
    if threads is not None:
        torch.set_num_threads(threads)
