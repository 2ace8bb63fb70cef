"""What a probe or an intervention needs of the learner that it works on, and the refusal where that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from redo_lab.config import ConfigError
from redo_lab.protocols import Learner


def need_of(part: type) -> type:
    """The protocol that `part` names in its base (`class Values(Probe[TDCritic])`); a Learner where it names none."""
    named = [need for base in getattr(part, "__orig_bases__", ()) for need in get_args(base) if isinstance(need, type)]
    return named[0] if named else Learner


def check_needs(parts: Mapping[str, type], learner: type) -> None:
    """Raises ConfigError if one of the `parts`, by path, needs a protocol that `learner` doesn't inherit."""
    for path, part in parts.items():
        need = need_of(part)
        if need not in learner.__mro__:
            article = "an" if need.__name__[0] in "AEIOU" else "a"
            raise ConfigError(f"{path} needs {article} {need.__name__}, and {learner.__name__} is none")
