"""The replay that a run's checkpoints have kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from redo_lab.config import ConfigError
from redo_lab.plan import stored_run
from redo_lab.runs import provenance
from redo_lab.runs.manifest import Manifest, manifests
from redo_lab.runs.stored import stored_config
from redo_lab.studies.online import Online
from redo_lab.studies.trained import saved_state

if TYPE_CHECKING:
    from redo_lab.replay.ring import Replay


@dataclass(frozen=True)
class KeptReplay:
    """A replay as it was after `env_steps` agent steps in `game`; newest: those of the run's newest checkpoint."""

    replay: Replay
    game: str
    env_steps: int
    newest_env_steps: int


def kept_replay(directory: Path) -> KeptReplay:
    """The replay of the newest checkpoint that has one; ValueError if none has, or it isn't whole."""
    study = stored_run(stored_config(provenance.config_path(directory)), directory).study
    if not isinstance(study, Online):
        raise ConfigError(
            f"{directory} is a run of {type(study).__name__.lower()}, and only one of study=online has a replay"
        )
    folder, cpu = directory / "checkpoint", torch.device("cpu")
    present = {number: one for number, one in manifests(folder).items() if isinstance(one, Manifest)}
    with_replay = [number for number, one in present.items() if one.segments]
    if not with_replay:
        raise ConfigError(
            f"{directory}: {'its checkpoints have no replay' if present else 'it has no checkpoint'}: a run keeps the "
            "one it ends with if it is trained with checkpoint.final_replay=true"
        )
    saved = saved_state(directory, max(with_replay), cpu)
    replay = study.kept_replay(saved.state, folder / "replay", saved.manifest.segments, cpu)
    newest = present[max(present)].facts["env_steps"]
    return KeptReplay(replay, study.env.config.game_id, saved.manifest.facts["env_steps"], newest)
