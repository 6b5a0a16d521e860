"""What the tool has to say: one line for each thing that somebody should know, and counts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import libcst as cst

from .program import Module
from .walking import lines_of


class Kind(StrEnum):
    """What a line of the report asks for."""

    HAND = "hand"
    """Does not work as it is: somebody has to write something."""
    THREAD = "thread"
    """Works, in a thread over the bridge; rewriting it would make it asynchronous."""
    CONNECTION = "connection"
    """A `CONNECTIONS` entry, with what could be read of the old connect call."""
    NOTE = "note"
    """Works, in another way than before."""


@dataclass(frozen=True, order=True)
class Line:
    """One line of the report.

    Attributes:
        file: relative to the project.
        line: from 1; 0 for the file as a whole.
        kind: what it asks for.
        reason: what was found, and what to do.
    """

    file: str
    line: int
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}: {self.reason}"


@dataclass
class Routes:
    """How the project's routes came out.

    Attributes:
        ported: asynchronous now.
        left_sync: plain functions as before, which Quart runs in a thread.
        by_hand: those that a line of the kind `hand` is about, whatever else they are.
    """

    ported: int = 0
    left_sync: int = 0
    by_hand: int = 0


@dataclass
class Report:
    """All lines, and the counts."""

    routes: Routes = field(default_factory=Routes)
    changed: list[str] = field(default_factory=list)
    _found: dict[Module, list[tuple[cst.CSTNode, Kind, str]]] = field(default_factory=dict)
    _lines: set[Line] = field(default_factory=set)

    def tell(self, module: Module, node: cst.CSTNode, kind: Kind, reason: str) -> None:
        """Say something of a place in a module."""
        self._found.setdefault(module, []).append((node, kind, reason))

    def no_entry_is_written(self) -> None:
        """Say of what entries were read, as notes, that these were written nowhere."""
        for found in self._found.values():
            for number, (node, kind, reason) in enumerate(found):
                if kind is Kind.CONNECTION:
                    found[number] = node, Kind.NOTE, f"no entry is written of this: {reason}"

    def tell_of_file(self, file: str, kind: Kind, reason: str, line: int = 0) -> None:
        """Say something of a file, or of a line of one that is no module."""
        self._lines.add(Line(file, line, kind.value, reason))

    def lines(self) -> list[Line]:
        """All lines, by file and line."""
        lines = set(self._lines)
        for module, found in self._found.items():
            numbers = lines_of(module.tree, {node for node, _, _ in found})
            for node, kind, reason in found:
                if node in numbers:  # and not in an annotation that is a string
                    path, line = module.path.as_posix(), numbers[node]
                    lines.add(Line(path, line, kind.value, reason))
        return sorted(lines)

    def as_text(self) -> str:
        """The report as it is printed."""
        lines = self.lines()
        kinds = Counter(line.kind for line in lines)
        routes = self.routes
        said = [str(line) for line in lines]
        said.append(
            f"routes: {routes.ported} ported, {routes.left_sync} left sync, "
            f"{routes.by_hand} needing a hand"
        )
        counted = ", ".join(f"{kinds[kind.value]} {kind.value}" for kind in Kind)
        said.append(f"lines: {counted}; files changed: {len(self.changed)}")
        return "\n".join(said)

    def as_json(self) -> str:
        """The report for programs."""
        found = {
            "lines": [asdict(line) for line in self.lines()],
            "routes": asdict(self.routes),
            "changed": self.changed,
        }
        return json.dumps(found, indent=2)
