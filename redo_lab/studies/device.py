"""What an agent's settings ask of the device it trains on. An agent of another package may have none of them."""

from __future__ import annotations

from dataclasses import replace

import torch

from redo_lab.config import Part
from redo_lab.networks.compiling import Compile, check_interventions
from redo_lab.networks.precision import Precision
from redo_lab.protocols import Agent
from redo_lab.replay.frames import Placement
from redo_lab.replay.ring import Replay
from redo_lab.studies.aftercare import Care


def check_compiled(agent: Part[Agent], care: Care) -> None:
    """Raises ConfigError where an intervention can't take part in the agent's update as that is compiled."""
    check_interventions(care.interventions(), getattr(agent.config, "compile", Compile.off))


def check_kind(agent: Part[Agent], replay: Replay.Config, device: torch.device) -> None:
    """Raises ConfigError where no device of this kind can train the agent, or hold its replay, as the settings say."""
    getattr(agent.config, "compile", Compile.off).check(device)
    if replay.device is Placement.cuda:
        replay.device.of(device, 0)


def check_precision(agent: Part[Agent], device: torch.device) -> None:
    """Raises ConfigError where `device` lacks the precision of the agent's updates."""
    getattr(agent.config, "precision", Precision.fp32).check(device)


def eager(agent: Part[Agent]) -> Part[Agent]:
    """The same agent for all that isn't training, which any device can do."""
    if not hasattr(agent.config, "compile"):
        return agent
    return Part(agent.path, agent.cls, replace(agent.config, compile=Compile.off))
