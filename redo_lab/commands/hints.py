"""The settings that a name which is none may mean: by its last word, the words of the field, the spelling."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from redo_lab.config import flatten
from redo_lab.options import files, groups
from redo_lab.paths import conf_folders, shipped
from redo_lab.scaling import register_resolvers

SYNONYMS = {
    "gamma": ("discount",),
    "utd": ("replay_ratio",),
    "tau": ("threshold", "target_smoothing"),
    "buffer_size": ("capacity",),
    "size": ("capacity",),
    "steps": ("iterations", "epochs", "updates"),
    "epochs": ("iterations",),
    "total_timesteps": ("iterations",),
    "freq": ("period_updates",),
    "task": ("game",),
    "interval": ("every_seconds", "refresh_seconds", "line_seconds", "period_updates"),
    "frequency": ("every_seconds", "refresh_seconds", "line_seconds", "period_updates"),
    "delay": ("every_seconds", "refresh_seconds", "line_seconds"),
    "log_every": ("log_period_updates",),
    "train_freq": ("update_period_env_steps",),
    "target_update_interval": ("target_period_env_steps",),
    "start": ("initial",),
    "end": ("final",),
    "normalisation": ("norm",),
    "normalization": ("norm",),
    "learning_starts": ("warmup_env_steps",),
    "min_replay": ("warmup_env_steps",),
}
"""Other codebases' words → ends of our keys. Abbreviations, plurals and parts of a name need no line here."""
SHOWN = 3
SAME, TYPO, INITIALS, PART, SIMILAR = range(5)
ALMOST, NEAR = 0.9, 0.7
"""How alike two words are, from 0 to 1, for one to be a typo of the other, or worth a guess."""
PACKAGE = re.compile(r"#\s*@package\s+((\w+)\.\w+)\s*$", re.MULTILINE)


SMALL_WORDS = {"per"}
"""Parts of a name that say nothing of what is meant."""


@dataclass(frozen=True)
class Key:
    """A setting.

    option: what to give with it (recycler=redo), empty if the run has it; follows: the key that its value is of.
    """

    path: str
    option: str = ""
    follows: str = ""

    @property
    def leaf(self) -> str:
        """Its last word."""
        return self.path.rpartition(".")[2]

    def __str__(self) -> str:
        return f"'{self.path}'" + (f" (with {self.option})" if self.option else "")


Ranks = Mapping[Key, tuple[int, float]]
"""How near each key is, as `_rank` says."""


def composed_of(words: Iterable[str]) -> DictConfig:
    """The config of those of `words` that choose options; the default one if they can't be chosen."""
    chosen = [word for word in words if word.partition("=")[0] in groups()]
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        try:
            return compose("config", overrides=chosen)
        except HydraException:
            return compose("config")


def keys_of(composed: DictConfig) -> list[Key]:
    """The settings of the run that is `composed`, then those of the parts it could have."""
    own = [Key(path, follows=_followed(composed, path)) for path in flatten(composed)]
    present = {key.path for key in own}
    others = (key for key in _of_options(set(map(str, composed))) if key.path not in present)
    return [key for key in (*own, *others) if key.leaf != "_target_"]


def suggestion(name: str, keys: Sequence[Key]) -> str:
    """`did you mean …?` for a name that is no key, or how to see all keys."""
    ranks = {key: rank for key in keys if (rank := _rank(name, key)) is not None}
    best = _best(name, _candidates(name, ranks, {key.path for key in keys}))
    if not best:
        return "`redo-lab train --cfg job` prints all there are"
    texts = [str(key) for key in best]
    return "did you mean " + " or ".join(filter(None, [", ".join(texts[:-1]), texts[-1]])) + "?"


def _candidates(name: str, ranks: Ranks, paths: Collection[str]) -> Ranks:
    """Those below the part that `name` is in, if one is surely meant, then all of them.

    What only looks alike is a guess: with a part that there is, only what is below it is one.
    """
    parents = [name.rpartition(".")[0], name.partition(".")[0]] if "." in name else []
    below = [{key: rank for key, rank in ranks.items() if key.path.startswith(f"{parent}.")} for parent in parents]
    sure = [{key: rank for key, rank in some.items() if rank[0] < SIMILAR} for some in (*below, ranks)]
    return next(filter(None, (*sure, *below)), {} if {*parents} & {*paths} else ranks)


def _best(name: str, ranks: Ranks) -> list[Key]:
    """The keys of the lowest rank; what only follows another of them is left out."""
    if not ranks:
        return []
    kind, _ = min(ranks.values())
    chosen = [key for key, (own, _) in ranks.items() if own == kind]
    chosen = [key for key in chosen if key.follows not in {other.path for other in chosen}]
    chosen.sort(key=lambda key: (ranks[key], bool(key.option), -_likeness(name, key.path), len(key.path)))
    return chosen[: 1 if kind in (TYPO, SIMILAR) else SHOWN]


def _rank(name: str, key: Key) -> tuple[int, float] | None:
    """How near `key` is to `name`, the nearest first; None: not near."""
    leaf = name.rpartition(".")[2].replace("-", "_").casefold()
    own = key.leaf.casefold()
    if leaf.rstrip("s") == own.rstrip("s") or own in SYNONYMS.get(leaf, ()):
        return SAME, leaf != own
    alike = _likeness(leaf, own)
    if alike >= ALMOST:
        return TYPO, -alike
    words = own.split("_")
    if len(words) > 1 and leaf == "".join(word[:1] for word in words):
        return INITIALS, 0
    parts = [part for part in leaf.split("_") if part not in SMALL_WORDS]
    if len(leaf) > 2 and all(any(word.startswith(part) for word in words) for part in parts):
        return PART, 0
    return (SIMILAR, -alike) if alike >= NEAR else None


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _followed(composed: DictConfig, path: str) -> str:
    parent, _, leaf = path.rpartition(".")
    node = OmegaConf.select(composed, parent, throw_on_missing=False) if parent else composed
    if not isinstance(node, DictConfig) or not OmegaConf.is_interpolation(node, leaf):
        return ""
    match = re.fullmatch(r"\$\{([\w.]+)\}", str(OmegaConf.to_container(node)[leaf]))  # type: ignore[call-overload,index]
    return match[1] if match else ""


def _of_options(roots: Iterable[str]) -> Iterator[Key]:
    """The keys of each option that adds a part below one of `roots`, as its file's `@package` says."""
    for group in groups():
        for option in files(group):
            for path in (path for conf in conf_folders() if (path := conf / group / f"{option}.yaml").is_file()):
                match = PACKAGE.search(path.read_text(encoding="utf-8"))
                if match and match[2] in roots:
                    loaded = OmegaConf.load(path)
                    yield from (Key(f"{match[1]}.{key}", f"{group}={option}") for key in flatten(loaded))
