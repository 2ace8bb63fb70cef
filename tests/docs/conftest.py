"""The parts of docs/own_*.md as modules and as YAML that a user's own folder holds."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from redo_lab.paths import USER_CONF
from tests.docs.pages import example

PRELUDE = """
from __future__ import annotations
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
import numpy as np, torch
from numpy.typing import NDArray
from torch import Tensor
from redo_lab.config import require
from redo_lab.neurons.layers import HiddenLayer
from redo_lab.neurons.surgery import Surgery, reader_columns, recycle
from redo_lab.neurons.layers import Network
from redo_lab.experience import Env
from redo_lab.protocols import Learner, Recycler, Regulariser
from redo_lab.types import Action, Counters, Discrete, EnvSpec, Metrics, Sampler, Step, Transition
"""
PARTS = {
    "A recycling method": ("redo_lab.recyclers.weakest", "recycler/weakest"),
    "A regulariser": ("redo_lab.regularisers.parseval", "regulariser/parseval"),
    "An environment": ("redo_lab.envs.chain", "env/chain"),
}


@pytest.fixture
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for heading, (name, _) in PARTS.items():
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(PRELUDE + example(heading, "python"), module.__dict__)


@pytest.fixture
def _conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The YAML of the docs' parts, as a user's own."""
    for heading, (_, option) in PARTS.items():
        path = tmp_path / "conf" / f"{option}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(example(heading, "yaml"))
    monkeypatch.setenv(USER_CONF, str(tmp_path / "conf"))
