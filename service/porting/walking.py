"""Going through trees faster than visitors do: what is only white space or punctuation is left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import libcst as cst
from libcst._nodes.internal import CodegenState
from libcst.metadata.position_provider import NEWLINE_RE

_LEFT = (
    *("colon", "comma", "dot", "equal", "footer", "header", "indent", "lbrace", "lbracket"),
    *("leading_lines", "lines_after", "lpar", "newline", "operator", "rbrace", "rbracket", "rpar"),
    *("semicolon", "trailing_whitespace", "whitespace"),
)
"""How fields begin that hold nothing else."""
_FIELDS: dict[type, tuple[str, ...]] = {}


def below(node: object) -> Iterator[cst.CSTNode]:
    """A node, and those below it, in their order."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, tuple | list):
            stack += reversed(here)
        elif here is not None and type(here) is not str:
            if isinstance(here, cst.CSTNode):
                yield here
            stack += [getattr(here, name) for name in reversed(_fields(type(here)))]


def around(tree: cst.CSTNode, is_wanted: Callable[[cst.CSTNode], bool]) -> set[cst.CSTNode]:
    """The nodes of a tree that are wanted, and all around them."""
    found: set[cst.CSTNode] = set()

    def look(node: Any) -> bool:
        if isinstance(node, tuple | list):
            within = [look(each) for each in node]  # all of them, whatever the first ones are
            return True in within
        within = [look(getattr(node, name)) for name in _fields(type(node))]
        if True in within or is_wanted(node):
            found.add(node)
            return True
        return False

    look(tree)
    return found


def lines_of(tree: cst.Module, wanted: Collection[cst.CSTNode]) -> dict[cst.CSTNode, int]:
    """The lines where these nodes of a module begin; a block, at its colon."""
    state = _Lines(tree.default_indent, tree.default_newline, wanted)
    tree._codegen(state)
    return state.found


class _Lines(CodegenState):
    """Counts the lines of what is written; a node begins after the white space that it owns."""

    def __init__(self, indent: str, newline: str, wanted: Collection[cst.CSTNode]) -> None:
        super().__init__(indent, newline)
        self.found: dict[cst.CSTNode, int] = {}
        self._wanted = wanted
        self._line = 1

    def add_token(self, value: str) -> None:
        self._line += len(NEWLINE_RE.findall(value)) if not value.isprintable() else 0

    def before_codegen(self, node: cst.CSTNode) -> None:
        if node in self._wanted:
            self.found[node] = self._line

    def pop_trailing_newline(self) -> None:
        """Nothing is kept."""

    @contextmanager
    def record_syntactic_position(
        self,
        node: cst.CSTNode,
        *,
        start_node: cst.CSTNode | None = None,
        end_node: cst.CSTNode | None = None,
    ) -> Iterator[None]:
        if node in self._wanted:
            self.found[node] = self._line
        yield


def _fields(kind: type) -> tuple[str, ...]:
    """The fields of nodes of a class; of other classes, none."""
    known = _FIELDS.get(kind)
    if known is None:
        of_node = fields(kind) if issubclass(kind, cst.CSTNode) else ()
        known = tuple(each.name for each in of_node if not each.name.startswith(_LEFT))
        _FIELDS[kind] = known
    return known
