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

CELLS = "An editor that knows `# %%` cells (VS Code, PyCharm, Spyder, Jupyter with jupytext) runs it cell by cell."


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
    """`source`, a script of `# %%` cells, as Markdown: those marked [markdown] are its text, the others its code."""
    docstring, _, rest = source.removeprefix('"""').partition('"""')
    title, _, text = docstring.partition("\n")
    blocks = [f"# {title.rstrip('.')}", text.strip(), f"The script is `{path}`; run it with `python {path}`. {CELLS}"]
    for cell in re.split(r"^# %%", rest, flags=re.MULTILINE)[1:]:
        kind, _, body = cell.partition("\n")
        lines = body.strip("\n")
        if kind.strip() == "[markdown]":
            blocks.append(re.sub(r"^# ?", "", lines, flags=re.MULTILINE))
        else:
            blocks.append(f"```python\n{lines}\n```")
    return "\n\n".join(block for block in blocks if block) + "\n"


def _file(path: str, text: str) -> str:
    name = path.partition("/")[2].removesuffix(".yaml")
    return f"### {name} {{#{anchor(path)}}}\n\n```yaml\n{text.rstrip()}\n```\n"


def _natural(name: str) -> tuple[str, int, str]:
    """fig2 before fig10."""
    match = re.match(r"([a-z_]+)(\d*)(.*)", name)
    assert match
    return match[1], int(match[2] or 0), match[3]
