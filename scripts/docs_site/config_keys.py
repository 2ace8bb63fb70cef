"""The generated page of all config keys: values and comments from conf/, types and meanings from the schemas."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from itertools import takewhile
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import yaml

from redo_lab.config import RunConfig, target_of

CONF = Path(__file__).parent.parent.parent / "conf"
PACKAGE = "# @package "
HEAD = """# Config keys

This page is generated from the YAML files in `conf/` and the schemas of the classes that they name, each time the site
is built. Any key can be set on the command line: `redo-lab train agent.learning_rate=1e-4`. `redo-lab train --cfg job`
prints the whole config of a run.

- A **group** is a folder of `conf/`, an **option** a file in it: `recycler=redo` takes `conf/recycler/redo.yaml`. One
  file serves all games of a suite: `env=atari/<game>` takes `conf/env/atari.yaml`.
- `${scaled:1000}` is 1000 at `scale=paper` and less at a smaller scale. `${capped:27_000}` is 27 000 unless the scale
  has a lower limit. `${planned_updates:}` is the number of updates of the whole run.
- `${shared.…}` follows a number that several parts share. A part that has a number of its own follows none of these.
- `???` has no default: an option of another group, or the command line, gives it.

"""


@dataclass(frozen=True)
class Key:
    """One key of a file: its full name, its value as written, its type and what the comment beside it says."""

    name: str
    value: str
    kind: str
    comment: str


def page() -> str:
    """The whole page: the keys of every run first, then the options of each group."""
    blocks = [HEAD, "## Every run\n", _option(CONF / "config.yaml", "")]
    for folder in sorted({path.parent for path in CONF.rglob("*.yaml")} - {CONF}):
        group = folder.relative_to(CONF).as_posix()
        blocks.append(f"## {group}\n")
        for path in sorted(folder.glob("*.yaml")):
            blocks += [f"### {group}={path.stem}\n", _option(path, group.replace("/", "."))]
    return "\n".join(blocks)


def _option(path: Path, group: str) -> str:
    text = path.read_text(encoding="utf-8")
    keys, classes = keys_of(text, group)
    opening = [line for line in _opening(text) if not line.startswith(PACKAGE)]
    blocks = [_text(_words(opening))]
    blocks += [_about(cls) for cls in classes]
    if keys:
        rows = [f"| `{key.name}` | `{key.value}` | {key.kind} | {key.comment} |" for key in map(_escaped, keys)]
        blocks.append("\n".join(["| key | value | type | meaning |", "| --- | --- | --- | --- |", *rows]))
    return "\n\n".join(block for block in blocks if block) + "\n"


def keys_of(text: str, group: str) -> tuple[list[Key], list[type[Any]]]:
    """The keys of one YAML file of `group`, in its order, and the classes that it names."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        return [], []
    package = next((line.removeprefix(PACKAGE) for line in _opening(text) if line.startswith(PACKAGE)), group)
    prefix = "" if package == "_global_" else package
    classes: list[type[Any]] = []
    schema = RunConfig if not prefix else None
    return list(_walk(root, text, prefix, schema, classes)), classes


def _walk(
    node: yaml.MappingNode, text: str, prefix: str, schema: type[Any] | None, classes: list[type[Any]]
) -> Iterator[Key]:
    plain = {key.value: value for key, value in node.value}
    if "_target_" in plain and (cls := _class_of(plain["_target_"].value)) is not None:
        classes.append(cls)
        schema = cls.Config
    kinds = _kinds(schema) | (_kinds(_study_schema(plain)) if not prefix else {})
    for key, value in node.value:
        name = f"{prefix}.{key.value}" if prefix else key.value
        if name in ("defaults", "hydra") or key.value in ("defaults", "_target_"):
            continue
        kind = _without_none(kinds.get(key.value))
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            yield from _walk(value, text, name, kind if is_dataclass(kind) else None, classes)
        else:
            written = text[value.start_mark.index : value.end_mark.index].strip()
            yield Key(name, written, _kind(kinds.get(key.value)), _comment(text, key, value))


def _study_schema(plain: Mapping[str, Any]) -> type[Any] | None:
    """The schema of the root nodes, where the file has a `study` that names a class."""
    study = plain.get("study")
    if not isinstance(study, yaml.MappingNode):
        return None
    cls = _class_of({key.value: value.value for key, value in study.value}["_target_"])
    return cls.Config if cls else None


def _class_of(target: str) -> type[Any] | None:
    """The class that a `_target_` names, if it is a part of a run."""
    return None if target.startswith("hydra_plugins.") else target_of({"_target_": target}, "")


def _kinds(schema: type[Any] | None) -> dict[str, Any]:
    if schema is None:
        return {}
    hints = get_type_hints(schema)
    return {field.name: hints[field.name] for field in fields(schema)}


def _without_none(kind: Any) -> Any:
    others = [choice for choice in get_args(kind) if choice is not NoneType]
    return others[0] if len(others) == 1 and NoneType in get_args(kind) else kind


def _kind(kind: Any) -> str:
    """A type in words: int, float or null, one of huber and mse."""
    if kind is None:
        return ""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{member.name}`" for member in kind)
    if NoneType in get_args(kind):
        return f"{_kind(_without_none(kind))} or null"
    return re.sub(r"\btyping\.", "", kind.__name__ if inspect.isclass(kind) and not get_args(kind) else str(kind))


def _comment(text: str, key: yaml.Node, value: yaml.Node) -> str:
    """What stands behind a value on its line, else the lines of comment directly above its key."""
    rest = text[value.end_mark.index :].partition("\n")[0] if value.end_mark.column else ""
    if rest.strip().startswith("#"):
        return _words([rest])
    lines = text.splitlines()[len(_opening(text)) : key.start_mark.line]
    above = takewhile(lambda line: line.strip().startswith("#"), reversed(lines))
    return _words(reversed(list(above)))


def _words(lines: Iterable[str]) -> str:
    return " ".join(line.strip().removeprefix("#").strip() for line in lines)


def _opening(text: str) -> list[str]:
    lines = text.splitlines()
    return lines[: next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))]


def _about(cls: type[Any]) -> str:
    """The class, what it does and what its settings mean, from the docstrings."""
    texts = [
        inspect.cleandoc(doc) for doc in (cls.__doc__, cls.Config.__doc__) if doc and not doc.startswith("Config(")
    ]
    return f"`{cls.__module__}.{cls.__qualname__}`: " + _text("\n\n".join(dict.fromkeys(texts)))


def _text(words: str) -> str:
    """`words` as Markdown, where `<game>` is no HTML; what stands between backticks stays as it is."""
    return "`".join(
        part if n % 2 else part.replace("<", "&lt;").replace("*", "\\*") for n, part in enumerate(words.split("`"))
    )


def _escaped(key: Key) -> Key:
    value, kind, comment = (cell.replace("|", "\\|") for cell in (key.value, key.kind, _text(key.comment)))
    return Key(key.name, value, kind, comment)
