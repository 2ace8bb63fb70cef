"""What methods, games and figures are called, in which order methods stand and in which colours: a style sheet.

`figures/looks.yaml` is the one that comes with redo_lab, the user's own conf folders lay theirs over it, `--looks FILE`
another one over these, and `--names redo=ReDo` names over all. Names are for readers: no number depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from redo_lab.config import nearest
from redo_lab.paths import folders

LOOKS = "looks"
"""The file beside the figures that is the style sheet of all of them."""
KEYS = ("names", "order", "colours", "titles", "games")
COLOUR = re.compile("#[0-9A-Fa-f]{6}")
BETWEEN = ", "
"""Between the parts of a method's name: "redo, RR 2"."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """names: of methods ("redo, RR 2"), of their parts ("redo") and of games. order: methods or parts, the first first.

    colours, places: of a method or of its first part, its own colour, or its place in the palette (colour, line and
    marker). titles: of figures by their name, of panels and axes by what stands there else. games: of games alone,
    where `names` has none.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[str] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    games: Mapping[str, str] = field(default_factory=dict)

    def over(self, below: Sheet) -> Sheet:
        """Both together: what this one says holds, `below` for the rest."""
        return Sheet(
            {**below.names, **self.names},
            self.order or below.order,
            {**{word: colour for word, colour in below.colours.items() if word not in self.places}, **self.colours},
            {**below.places, **self.places},
            {**below.titles, **self.titles},
            {**below.games, **self.games},
        )

    def method(self, label: str) -> str:
        """What the method `label` is called: by its whole name, or part by part."""
        whole = self.names.get(label)
        return whole if whole is not None else BETWEEN.join(self.names.get(p, p) for p in label.split(BETWEEN))

    def plain(self, name: str) -> str:
        """The method that `method` calls so; a name that it gives to none stays itself."""
        originals = {name: original for original, name in self.names.items()}
        if name in originals:
            return originals[name]
        parts, rest = [], name
        while rest:
            part = max((n for n in originals if f"{rest}{BETWEEN}".startswith(f"{n}{BETWEEN}")), key=len, default=None)
            part = rest.partition(BETWEEN)[0] if part is None else part
            parts.append(originals.get(part, part))
            rest = rest[len(part) + len(BETWEEN) :]
        return BETWEEN.join(parts)

    def game(self, game: str) -> str:
        """`demon_attack` → Demon Attack, unless the sheet names it; what is no such id (`HalfCheetah-v4`) stays."""
        own = self.names.get(game) or self.games.get(game)
        return own or (game.replace("_", " ").title() if game == game.lower() and " " not in game else game)

    def title(self, text: str) -> str:
        """What stands in place of `text` on a panel or an axis."""
        return self.titles.get(" ".join(text.split()), text)

    def rank(self, label: str) -> int:
        """The place of a method among those in `order`; one that is not there comes after them."""
        ranks = [self.order.index(word) for word in (label, *label.split(BETWEEN)) if word in self.order]
        return ranks[0] if ranks else len(self.order)

    def check_names(self, names: Iterable[str], methods: Iterable[str], games: Iterable[str]) -> None:
        """ValueError for one of `names` that is no method (as the sheet calls it), no part of one and no game."""
        known = {word for method in methods for word in words_of(self.plain(method))} | set(games)
        for name in names:
            if name not in known:
                raise ValueError(f"--names {name}=…: no such method or game, {nearest(name, sorted(known))}")


def words_of(label: str) -> list[str]:
    """The whole name of a method, then its parts: what a sheet may name."""
    return list(dict.fromkeys([label, *label.split(BETWEEN)]))


def read(path: Path) -> Sheet:
    """The sheet at `path`; ValueError says what is wrong in it."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    if not path.is_file():
        raise ValueError(f"{path}: no such file; a file of looks has the keys {', '.join(KEYS)}")
    try:
        content = OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a file of looks has the keys {', '.join(KEYS)}")
    for key in map(str, content):
        if key not in KEYS:
            raise ValueError(f"{path}: no such key '{key}': {nearest(key, KEYS)} (there are {', '.join(KEYS)})")
    texts = {key: _texts(path, key, content.get(key) or {}) for key in ("names", "titles", "games")}
    colours = _colours(path, content)
    own = {name: colour for name, colour in colours.items() if isinstance(colour, str)}
    places = {name: place for name, place in colours.items() if isinstance(place, int)}
    return Sheet(order=_order(path, content), colours=own, places=places, **texts)


@contextmanager
def applied(sheet: Sheet) -> Iterator[None]:
    """All that is named and drawn inside is so by `sheet`, as by a style of matplotlib."""
    token = _CURRENT.set(sheet)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> Sheet:
    """The sheet that is applied; else the one of the `figures` folders, the user's own included."""
    return _CURRENT.get() or _of_folders(folders("figures"))


def named(words: Sequence[str]) -> dict[str, str]:
    """`none=DQN` … as a mapping; ValueError for a word without a name on both sides, or one that is named twice."""
    pairs: dict[str, str] = {}
    for word in words:
        original, _, name = word.partition("=")
        if not original or not name:
            raise ValueError(f"--names takes NAME=TEXT …, got '{word}' (RUNS stand before it)")
        if original in pairs:
            raise ValueError(f"--names gives '{original}' two names, {pairs[original]} and {name}")
        pairs[original] = name
    return pairs


def of_words(looks: Path | None, names: Sequence[str]) -> Sheet:
    """The current sheet with that of the file `looks` and these `names` over it."""
    sheet = current() if looks is None else read(looks).over(current())
    return replace(sheet, names={**sheet.names, **named(names)})


@cache
def _of_folders(places: tuple[Path, ...]) -> Sheet:
    sheet = Sheet()
    for path in (folder / f"{LOOKS}.yaml" for folder in places):
        sheet = read(path).over(sheet) if path.is_file() else sheet
    return sheet


def _texts(path: Path, key: str, content: Any) -> dict[str, str]:
    if not isinstance(content, dict) or not all(isinstance(text, (str, int, float)) for text in content.values()):
        raise ValueError(f"{path}: {key} must be a mapping of names to texts, got {content!r:.60}")
    return {str(name): str(text) for name, text in content.items()}


def _order(path: Path, content: Mapping[Any, Any]) -> tuple[str, ...]:
    order = content.get("order") or []
    if not isinstance(order, list):
        raise ValueError(f"{path}: order must be a list of methods, got {order!r:.60}")
    return tuple(map(str, order))


def _colours(path: Path, content: Mapping[Any, Any]) -> dict[str, int | str]:
    colours = content.get("colours") or {}
    if not isinstance(colours, dict):
        raise ValueError(f"{path}: colours must be a mapping of methods to colours, got {colours!r:.60}")
    for name, colour in colours.items():
        place = type(colour) is int and colour >= 0
        if not place and not (isinstance(colour, str) and COLOUR.fullmatch(colour)):
            raise ValueError(
                f"{path}: the colour of {name!s} must be '#RRGGBB' or its place in the palette, a whole number ≥ 0, "
                f"got {colour!r}"
            )
    return {str(name): colour for name, colour in colours.items()}


_CURRENT: ContextVar[Sheet | None] = ContextVar("sheet", default=None)
