"""The words after `redo-lab train` in the order that Hydra reads them in; what is no setting is refused."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Collection, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import ListConfig, OmegaConf

from redo_lab.commands.hints import composed_of
from redo_lab.config import COMMON, ConfigError, flatten, require
from redo_lab.options import groups, options
from redo_lab.paths import conf_words
from redo_lab.sweeping.keys import is_of_a_part

ALONE = (
    *("-h", "--help", "--hydra-help", "--version", "--resolve", "-r", "--run"),
    *("-m", "--multirun", "-sc", "--shell-completion"),
)
"""The options of Hydra's command line that take no value."""
WITH_VALUE = (
    *("-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name"),
    *("-cd", "--config-dir", "--experimental-rerun"),
)
INFO = ("-i", "--info")
MODES = ("-r", "--run", "-m", "--multirun", "-c", "--cfg", "-i", "--info", "-sc", "--shell-completion")
"""Of these Hydra takes one."""
MULTIRUN = ("train", "-m")
TAKEN_APART = re.compile(r"""null|(['"])[^\s\\()\[\]{}:=,'"]*\1""")
"""Values that mean another thing, or nothing, in Hydra's choice(…)."""
INFO_VALUES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def arranged(words: Sequence[str], command: Sequence[str] = MULTIRUN) -> list[str]:
    """Hydra's options first, wherever they stood, then the settings; ConfigError for what is neither.

    command: what goes before settings of several runs, `sweep fig1` for words of that sweep.
    """
    flags, settings = _separated(words)
    modes = [flag for flag in flags if flag.partition("=")[0] in MODES]
    if command != MULTIRUN:
        _refuse_for_sweep(modes, settings)
    require(len(set(modes)) < 2, f"{' and '.join(modes)} do not go together: give one of them")
    for place, word in enumerate(settings):
        _check(word, place, settings, command)
    several = _several(flags, settings)
    for word in settings:
        _refuse_empty(word)
        if not several:
            _refuse_several(word, settings)
    if several:
        settings = _left_to_jobs(settings)
    return flags + [quoted(word, groups()) for word in settings]


def _several(flags: Sequence[str], settings: Sequence[str]) -> bool:
    """Whether it is a multirun, by its flag, which counts more, or by Hydra's setting."""
    modes = [word.partition("=")[2] for word in settings if word.startswith("hydra.mode=")]
    return bool({*flags} & {"-m", "--multirun"}) or modes[-1:] == ["MULTIRUN"]


def _left_to_jobs(settings: Sequence[str]) -> list[str]:
    """`settings`, of which Hydra sets those of parts when it knows the jobs: only some of them may have the part.

    To other sweepers than ours that makes a setting a dimension of their search, so only where the part is missing.
    """
    single = [word for word in settings if not _asks_for_several(word)]
    known = frozenset[str]() if _grid(settings) else frozenset(flatten(composed_of(single)))
    left = [word for word in single if is_of_a_part(word) and word.partition("=")[0] not in known]
    return [_swept(word) if word in left else word for word in settings]


def _grid(settings: Sequence[str]) -> bool:
    """Whether our own sweeper makes the jobs; to others every swept word is a dimension of their search."""
    sweepers = [word.partition("=")[2] for word in settings if word.startswith("hydra/sweeper=")]
    return sweepers[-1:] in ([], ["grid"])


def _swept(word: str) -> str:
    """`a.b=1` as `a.b=choice(1)`: Hydra sets what isn't swept before it knows the jobs."""
    key, _, value = word.partition("=")
    (override,) = OverridesParser.create().parse_overrides([word])
    text = override.get_value_element_as_str()
    # A choice takes no null, and takes off the quotes of a string.
    literal = TAKEN_APART.fullmatch(text)
    quote = '"' if text[0] == "'" else "'"
    return f"{key}=choice({quote}{text}{quote})" if literal else f"{key}=choice({value})"


def quoted(word: str, group_names: Collection[str]) -> str:
    """`replay_ratio=0.25,1` as `replay_ratio='0.25','1'`: Hydra takes only strings as options of a group."""
    key, equals, value = word.partition("=")
    if key not in group_names:
        return word
    return key + equals + re.sub(r"(?<![\w./'\"])\d+(\.\d+)?(?![\w./'\"])", r"'\g<0>'", value)


def _separated(words: Sequence[str]) -> tuple[list[str], list[str]]:
    flags: list[str] = []
    settings: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        if name in ALONE and not equals:
            flags.append(word)
        elif name in WITH_VALUE:
            flags.append(word)
            if not equals:
                require(bool(rest), f"{word} needs a value after it")
                flags.append(rest.pop(0))
        elif name in INFO:
            flags += [word, *(rest.pop(0) for _ in rest[:1] if not equals and rest[0] in INFO_VALUES)]
        else:
            _refuse_dashes(word, rest)
            settings.append(word)
    return flags, settings


def _refuse_dashes(word: str, rest: Sequence[str]) -> None:
    """`--seed 3` and `--seed=3` are refused with `seed=3`; a number such as -1 is left for later."""
    if not re.match(r"--?[A-Za-z]", word):
        return
    name, equals, value = word.lstrip("-").partition("=")
    following = rest[0] if rest and not equals and "=" not in rest[0] else ""
    setting = f"{name.replace('-', '_')}={value or following or '…'}"
    options = [option for option in (*ALONE, *WITH_VALUE, *INFO) if option.startswith(word.partition("=")[0])]
    cure = f"did you mean {options[0]}?" if options else f"a setting has no dashes: {setting}"
    raise ConfigError(f"no option '{word}': {cure} (`redo-lab train --help` lists both)")


def _refuse_for_sweep(modes: Sequence[str], settings: Sequence[str]) -> None:
    """ConfigError for what would make a sweep something else."""
    other = next((mode for mode in modes if mode not in ("-m", "--multirun")), "")
    require(not other, f"a sweep has no {other}, which is for one run: redo-lab train {other} …")
    require(_grid(settings), "a sweep makes its jobs itself: other sweepers than grid are for redo-lab train -m")


def _check(word: str, place: int, settings: Sequence[str], command: Sequence[str]) -> None:
    """ConfigError unless `word`, which stands at `place` of `settings`, is of the form key=value or ~key."""
    key, equals, value = word.partition("=")
    if word.startswith("~"):
        return
    if not equals:
        _refuse_bare(word, place, settings, command)
    require(bool(key.strip("+ ")), f"'{word}' names no setting: it is written key=value, such as seed=3")
    require(bool(value.strip()), f"{word} has no value: give {word}…, or leave it out")


def _refuse_bare(word: str, place: int, settings: Sequence[str], command: Sequence[str]) -> None:
    """`word` is a key before its value, one more value of the setting before it, or neither."""
    before = settings[place - 1] if place else ""
    bare = list(itertools.takewhile(lambda one: "=" not in one, settings[place:]))
    is_key = word in (*COMMON, *groups()) or re.fullmatch(r"[A-Za-z]\w*(\.\w+)+", word)
    if not is_key and "=" in before:
        values = ",".join(one.strip(",") for one in (before, *bare))
        joined = _typed([*settings[: place - 1], values, *settings[place + len(bare) :]], command)
        raise ConfigError(f"'{word}' names no setting; several values of one are joined by commas: {joined}")
    of_groups = [] if is_key else [f"{group}={word}" for group in groups() if word in options(group)]
    examples = of_groups or [f"{word}={bare[1] if bare[1:] else '…'}"]
    raise ConfigError(f"'{word}' is no setting, which is written key=value: {' or '.join(examples)}")


def _refuse_several(word: str, settings: Sequence[str]) -> None:
    """ConfigError if `word` has several values: without -m there is one run."""
    if not _asks_for_several(word):
        return
    key, _, value = word.partition("=")
    root = composed_of(settings)
    listed = f"{key}s" in root or isinstance(OmegaConf.select(root, key, throw_on_missing=False), ListConfig)
    one = f"; one run with all of them: {shlex.quote(f'{key}=[{value}]')}" if listed and "(" not in value else ""
    raise ConfigError(f"{word} asks for several runs, which need -m: {_typed(settings)}{one}")


def _asks_for_several(word: str) -> bool:
    (override,) = OverridesParser.create().parse_overrides([quoted(word, groups())])
    return override.is_sweep_override()


def _refuse_empty(word: str) -> None:
    """ConfigError if `word` is a range without a value."""
    (override,) = OverridesParser.create().parse_overrides([quoted(word, groups())])
    if override.is_range_sweep() and not list(override.sweep_string_iterator()):
        raise ConfigError(f"{word} holds no value, so there is nothing to run: range(3) is 0, 1, 2")


def _typed(settings: Sequence[str], command: Sequence[str] = MULTIRUN) -> str:
    return shlex.join(["redo-lab", *conf_words(), *command, *settings])
