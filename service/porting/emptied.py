"""Blocks without the statements that go, and statements without the blocks that are empty then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst

from .layout import GoneAlone, gone, in_place_of, is_gone
from .nodes import body_of
from .walking import below

_PLAIN = (
    *(cst.Attribute, cst.BaseBooleanOp, cst.BaseCompOp, cst.BooleanOperation, cst.Comparison),
    *(cst.ComparisonTarget, cst.Name, cst.Not, cst.SimpleString, cst.UnaryOperation),
)
"""What an expression is made of that does nothing but ask."""


def without_gone(block: cst.IndentedBlock | cst.Module) -> cst.CSTNode:
    """A block without the statements that go, and without what has lost all it had."""
    statements = [left for each in block.body for left in _left_of(each)]
    if not any(map(is_gone, statements)):
        return block
    kept: list[cst.BaseStatement] = []
    waiting = _Waiting()
    for each in statements:
        lines: Sequence[cst.EmptyLine] = each.leading_lines
        if is_gone(each):
            waiting.add(lines, alone=isinstance(each.body[0], GoneAlone))
        else:
            lines = waiting.above(lines)
            if not kept and isinstance(block, cst.IndentedBlock):
                lines = _without_blanks(lines)
            kept.append(each.with_changes(leading_lines=lines))
            waiting = _Waiting()
    return block.with_changes(body=kept, footer=[*waiting.sure, *block.footer])


class _Waiting:
    """What stood above statements that go, for the one after them.

    Attributes:
        sure: what stays.
        perhaps: what stays if that one is of the same paragraph.
    """

    def __init__(self) -> None:
        self.sure: list[cst.EmptyLine] = []
        self.perhaps: list[cst.EmptyLine] = []

    def add(self, lines: Sequence[cst.EmptyLine], alone: bool) -> None:
        """Add what stood above one more."""
        if lines and not lines[0].comment:
            self.perhaps = []
        end = _end_of_paragraphs(lines) if alone else len(lines)
        if any(each.comment for each in lines[:end]):
            self.sure += [*self.perhaps, *lines[:end]]
            self.perhaps = [*lines[end:]]
        else:
            self.perhaps += lines

    def above(self, lines: Sequence[cst.EmptyLine]) -> list[cst.EmptyLine]:
        """What stands above the next statement."""
        apart = bool(lines) and not lines[0].comment
        return [*self.sure, *(() if apart else self.perhaps), *lines]


def _end_of_paragraphs(lines: Sequence[cst.EmptyLine]) -> int:
    """Where the comments end that stand apart from the statement below."""
    apart = max((number for number, each in enumerate(lines) if not each.comment), default=0)
    said = (number + 1 for number, each in enumerate(lines[:apart]) if each.comment)
    return max(said, default=0)


def _without_blanks(lines: Sequence[cst.EmptyLine]) -> Sequence[cst.EmptyLine]:
    """Lines without the blank ones that they begin with."""
    first = next((number for number, each in enumerate(lines) if each.comment), len(lines))
    return lines[first:]


def _left_of(node: Any) -> list[Any]:
    """What is left of a statement whose blocks may have lost all they had."""
    said: list[cst.EmptyLine] = []
    if isinstance(node, cst.If):
        left = _left_of_if(node, said)
        return [*([left] if left else ()), *([gone(said)] if said or not left else ())]
    emptied = [
        name
        for name in ("orelse", "finalbody")
        if (part := getattr(node, name, None)) is not None and not _has_statements(part.body)
    ]
    for name in emptied:
        said += _said_in(getattr(node, name))
    end = [gone(said)] if said else []
    if isinstance(node, cst.Try | cst.TryStar):
        if not _has_statements(node.body):
            after = [part for part in (node.orelse, node.finalbody) if part is not None]
            bodies = [each for part in after for each in in_place_of(part, body_of(part.body))]
            return [gone(_said_in(node)), *bodies]
        if not node.handlers and "finalbody" in emptied:
            return [*in_place_of(node, body_of(node.body)), *end]
    return [node.with_changes(**dict.fromkeys(emptied)) if emptied else node, *end]


def _left_of_if(node: cst.If, said: list[cst.EmptyLine]) -> cst.If | None:
    """The same of `if`; what is said in its parts that go is added to what is given."""
    orelse = node.orelse
    if isinstance(orelse, cst.If):
        orelse = _left_of_if(orelse, said)
    elif orelse is not None and not _has_statements(orelse.body):
        said += _said_in(orelse)
        orelse = None
    plain = all(isinstance(each, _PLAIN) for each in below(node.test))
    if orelse is None and plain and not _has_statements(node.body):
        said[:] = [*_said_in(node), *said]
        return None
    return node if orelse is node.orelse else node.with_changes(orelse=orelse)


def _said_in(part: Any) -> list[cst.EmptyLine]:
    """What is said above a part of a statement, and left in its block."""
    return [*part.leading_lines, *getattr(part.body, "footer", ())]


def _has_statements(suite: cst.BaseSuite) -> bool:
    return len(body_of(suite)) > 0
