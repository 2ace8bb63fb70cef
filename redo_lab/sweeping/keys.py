"""Which words of a multirun go to which of its jobs: a key only to those that have the part it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from redo_lab.config import flatten
from redo_lab.launch.sweep_file import key_of
from redo_lab.options import games, groups

Job = list[str]
Compose = Callable[[Sequence[str]], object]
"""The config of a job from its words."""


@dataclass(frozen=True)
class Applied:
    """The jobs, each with the words that apply to it, and no two the same for that reason.

    notes: a line for each key that some job was given and can't have; unknown: for each key that none has, the job that
    comes nearest.
    """

    jobs: list[Job]
    notes: list[str]
    unknown: dict[str, Job]


def applied(jobs: Sequence[Job], compose: Compose) -> Applied:
    """`recycler=none,redo recyclers.redo.threshold=0.1,0.2` as three jobs, the one without ReDo without its threshold.

    A key that no job has stays in all of them. Jobs that choose the same options are composed once.
    """
    keys_of = _KeysOf(compose)
    dotted = {key_of(word) for job in jobs for word in job if is_of_a_part(word)}
    if not dotted:
        return Applied([*jobs], [], {})
    known = [keys_of(job) for job in jobs]
    somewhere = dotted & frozenset().union(*known)
    fitted = [
        [word for word in job if (key := key_of(word)) not in somewhere or key in keys]
        for job, keys in zip(jobs, known, strict=True)
    ]
    pairs = _without_repeats(jobs, fitted)
    return Applied(
        [left for _, left in pairs], _notes(sorted(somewhere), pairs), _nearest(sorted(dotted - somewhere), jobs, known)
    )


class Search:
    """What a sweeper asks for that chooses jobs by the results of others: each is given the words that apply to it.

    A key that no job can have stays in all of them.
    """

    def __init__(self, choices: Sequence[Job], compose: Compose) -> None:
        """choices: of options, every combination that may be asked for."""
        self._keys_of = _KeysOf(compose)
        self._somewhere = frozenset[str]().union(*map(self._keys_of, choices))

    def fitted(self, jobs: Sequence[Sequence[str]]) -> list[Job]:
        """As many jobs as there are, in their order."""
        return [
            [word for word in job if (key := key_of(word)) not in self._somewhere or key in self._keys_of(job)]
            for job in jobs
        ]


class _KeysOf:
    """The keys of a job's config before its own values are set."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose
        self.groups = frozenset(groups())
        self._known: dict[tuple[str, ...], frozenset[str]] = {}

    def __call__(self, job: Sequence[str]) -> frozenset[str]:
        choices = [word for word in job if is_choice(word, self.groups)]
        alike = tuple(map(_without_game, choices))
        if alike not in self._known:
            self._known[alike] = frozenset(flatten(self.compose(choices)))
        return self._known[alike]


def is_choice(word: str, group_names: Collection[str]) -> bool:
    """Whether it decides which keys there are: the option of a group, or a key that is added or removed."""
    key = key_of(word)
    return word.startswith(("+", "~")) or "/" in key or key.partition("@")[0] in group_names


def is_of_a_part(word: str) -> bool:
    """Whether it sets a key below another one, which not every run need have: agent.learning_rate=1, not seed=1."""
    key = key_of(word)
    return "." in key and not key.startswith(("+", "~", "hydra.")) and "/" not in key


def _without_game(word: str) -> str:
    """Every game of an environment has the same keys."""
    key, _, option = word.partition("=")
    environment, _, game = option.partition("/")
    return f"{key}={environment}" if key == "env" and game in games(environment) else word


def _without_repeats(jobs: Sequence[Job], fitted: Sequence[Job]) -> list[tuple[Job, Job]]:
    """Each job and what is left of it, those that differed only in words that didn't apply once.

    Repeats that were asked for stay.
    """
    first: dict[tuple[str, ...], Job] = {}
    return [
        (job, left)
        for job, left in zip(jobs, fitted, strict=True)
        if first.setdefault(tuple(left), job) is job or first[tuple(left)] == job
    ]


def _notes(keys: Sequence[str], pairs: Sequence[tuple[Job, Job]]) -> list[str]:
    notes = []
    for key in keys:
        given = sum(key in map(key_of, job) for job, _ in pairs)
        count = sum(key in map(key_of, left) for _, left in pairs)
        asked = f"{given} jobs" if given == len(pairs) else f"the {given} jobs that are given it"
        if count < given:
            notes.append(f"{key} is set in {count} of {asked}: the others have no such key")
    return notes


def _nearest(keys: Sequence[str], jobs: Sequence[Job], known: Sequence[frozenset[str]]) -> dict[str, Job]:
    """For each key the job that has the most of it: its part, if any job has that."""
    return {
        key: max(zip(jobs, known, strict=True), key=lambda job: sum(part in job[1] for part in _above(key)))[0]
        for key in keys
    }


def _above(key: str) -> list[str]:
    """`a` and `a.b` of `a.b.c`."""
    parts = key.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]
