"""A table, for a terminal or for a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows under headings; the first column is text, the others are numbers.

    Attributes:
        title: what it shows.
        headings: one for each column.
        rows: what is in them, as it is shown.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def plain(self) -> str:
        """Aligned, for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.headings, *self.rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in (self.headings, *self.rows)
        ]
        return "\n".join([self.title, *lines])

    def markdown(self) -> str:
        """With bars, for a README."""
        rule = ["---", *["---:"] * (len(self.headings) - 1)]
        lines = [f"| {' | '.join(row)} |" for row in (self.headings, rule, *self.rows)]
        return "\n".join([f"{self.title}:", "", *lines])
