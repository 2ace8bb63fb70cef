"""A table of words as LaTeX and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

LATEX = str.maketrans({
    **{sign: f"\\{sign}" for sign in "_%&#${}"}, "\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", "×": r"$\times$", "−": "$-$", "–": "--", "…": r"\dots{}", "≤": r"$\leq$", "≥": r"$\geq$",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\epsilon$", "λ": r"$\lambda$",
    "τ": r"$\tau$",
})  # fmt: skip
MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
"""Of a negative number; a hyphen or a range of numbers has something before it."""
MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in r"\|*`<"})


@dataclass(frozen=True)
class Content:
    """Words of a table: the corner, the columns, and each row with its name first.

    bold: cells that stand out, as (row, column), the first row of `rows` being 0. notes: sentences about the table.
    """

    header: list[str]
    rows: list[list[str]]
    bold: Collection[tuple[int, int]] = ()
    notes: Sequence[str] = ()

    def latex(self) -> str:
        """A tabular of booktabs; the notes are comments above it."""
        lines = [self._latex_row(at, row) for at, row in enumerate((self.header, *self.rows), start=-1)]
        columns = "l" + "r" * (len(self.header) - 1)
        return "\n".join(
            [*_comments(self.notes), rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule",
             *lines[1:], r"\bottomrule", r"\end{tabular}", ""]
        )  # fmt: skip

    def markdown(self) -> str:
        """A table of GitHub's Markdown; the notes are paragraphs below it."""
        rule = "| " + " | ".join(["---", *["---:"] * (len(self.header) - 1)]) + " |\n"
        head, *lines = [self._markdown_row(at, row) for at, row in enumerate((self.header, *self.rows), start=-1)]
        return "".join([head, rule, *lines, *(f"\n{_one_line(note).translate(MARKDOWN)}\n" for note in self.notes)])

    def _latex_row(self, at: int, row: Sequence[str]) -> str:
        cells = [rf"\textbf{{{latex(word)}}}" if (at, c) in self.bold else latex(word) for c, word in enumerate(row)]
        # After the \\ of the row above, [ or * would be its argument.
        first = "{}" * cells[0].startswith(("[", "*"))
        return first + " & ".join(cells) + r" \\"

    def _markdown_row(self, at: int, row: Sequence[str]) -> str:
        words = [_one_line(word).translate(MARKDOWN) for word in row]
        return f"| {' | '.join(f'**{word}**' if (at, c) in self.bold else word for c, word in enumerate(words))} |\n"


def latex(text: str) -> str:
    """`text` as LaTeX prints it, on one line."""
    return MINUS.sub("−", _one_line(text)).translate(LATEX)


def _comments(notes: Iterable[str]) -> list[str]:
    return [f"% {_one_line(note)}" for note in notes]


def _one_line(text: str) -> str:
    return " ".join(text.split())
