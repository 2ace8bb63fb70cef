"""The generated pages of the site that show a file of the repository: README, log, sweeps and figures, examples."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from scripts.docs_site.links import anchor, at_the_root

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = tuple(sorted(path.stem for path in (ROOT / "examples").glob("*.py")))
SWEEPS = """# Sweeps and figures

A sweep (`redo-lab sweep NAME`) is a file that lists runs. A figure (`redo-lab figure NAME`) is a file that says what to
draw of them. Both are shown here as they are in the repository. [A sweep](../sweeps.md) and
[a figure](../own_figure.md) of your own have the same form. [Every figure and table](../paper.md) says how many runs
each of them takes.
"""


def start() -> str:
    """README.md as the first page."""
    return at_the_root((ROOT / "README.md").read_text(encoding="utf-8"))


def log() -> str:
    """LOG.md."""
    return at_the_root((ROOT / "LOG.md").read_text(encoding="utf-8"))


def sweeps() -> str:
    """Every file of sweeps/ and figures/, with what its first line says."""
    blocks = [SWEEPS]
    for folder, title in (("sweeps", "Sweeps"), ("figures", "Figures")):
        blocks.append(f"## {title}\n")
        paths = sorted((ROOT / folder).rglob("*.yaml"), key=lambda path: (len(path.parts), _natural(path.name)))
        blocks += [_file(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
    return "\n".join(blocks)


def example(name: str) -> Callable[[], str]:
    """Of one script in examples/: its cells, explanations as text and code as code."""

    def page() -> str:
        return script((ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8"), f"examples/{name}.py")

    return page


def script(source: str, path: str) -> str:
    """`source`, a script of cells that begin with `# %%`, as Markdown: the comments that open a cell are its text."""
    docstring, _, rest = source.removeprefix('"""').partition('"""')
    title, _, text = docstring.partition("\n")
    blocks = [f"# {title.rstrip('.')}\n", text.strip(), f"The whole script: `{path}`. Run it with `python {path}`.\n"]
    for cell in re.split(r"^# %%", rest, flags=re.MULTILINE)[1:]:
        lines = cell.strip("\n").splitlines()
        opening = 1
        while opening < len(lines) and lines[opening].startswith("# "):
            opening += 1
        heading, *words = [line.removeprefix("# ").strip() for line in lines[:opening]]
        code = "\n".join(lines[opening:]).strip("\n")
        blocks += [f"## {heading}\n", "\n".join(words), f"\n```python\n{code}\n```\n"]
    return "\n".join(blocks)


def _file(path: str, text: str) -> str:
    name = path.partition("/")[2].removesuffix(".yaml")
    return f"### {name} {{#{anchor(path)}}}\n\n```yaml\n{text.rstrip()}\n```\n"


def _natural(name: str) -> tuple[str, int, str]:
    """fig2 before fig10."""
    match = re.match(r"([a-z_]+)(\d*)(.*)", name)
    assert match
    return match[1], int(match[2] or 0), match[3]
