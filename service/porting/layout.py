"""Statements that go, or whose blocks do: what is said above them, beside and below them stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import libcst as cst
import libcst.matchers as m

_FOR_TOOLS = re.compile(r"#\s*(noqa|nosec|type|fmt|isort|mypy|pragma|pylint|pyright|ruff)\b")
"""Comments that say something of their own line alone."""


class Gone(cst.Pass):
    """A statement that goes, as soon as the one after it has the comments above it."""


class GoneAlone(Gone):
    """One whose comment goes, too, unless another statement stands right below."""


def without_statement(line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    """What is left of a line that goes: its comments, for the statement after it."""
    return gone(line.leading_lines)


def moved(line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    """What is left of a line that is written elsewhere: its comments, those within it, too."""
    strings = comments_in(m.findall(line, m.ConcatenatedString()))
    left = {each.comment for each in strings}
    said = comments_in([*line.body, line.trailing_whitespace])
    return gone([*line.leading_lines, *(each for each in said if each.comment not in left)])


def gone(lines: Sequence[cst.EmptyLine]) -> cst.SimpleStatementLine:
    """Lines for the statement after them."""
    return cst.SimpleStatementLine([Gone()], lines)


def removed(node: cst.BaseStatement) -> cst.SimpleStatementLine:
    """What is left of a statement that goes: its comment only if that may speak of others."""
    return cst.SimpleStatementLine([GoneAlone()], node.leading_lines)  # type: ignore[attr-defined]


def is_removed(node: object) -> bool:
    """Whether there is nothing left that could be changed."""
    return isinstance(node, cst.SimpleStatementLine) and isinstance(node.body[0], GoneAlone)


def in_place_of(node: Any, statements: Sequence[cst.BaseStatement]) -> list[cst.BaseStatement]:
    """Statements in the place of one with a block, with what is said of it and at its end."""
    beside = [*(node.items if isinstance(node, cst.With) else ())]
    above = [*node.leading_lines, *comments_in([*beside, getattr(node.body, "header", None)])]
    return [gone(above), *statements, *at_end_of(node.body)]


def at_end_of(suite: cst.BaseSuite) -> list[cst.SimpleStatementLine]:
    """What is said at the end of a block."""
    return [gone(suite.footer)] if isinstance(suite, cst.IndentedBlock) else []


def with_statements(
    suite: cst.BaseSuite, statements: Sequence[cst.BaseStatement]
) -> cst.IndentedBlock:
    """A block of other statements, with what is said beside it and at its end."""
    if isinstance(suite, cst.IndentedBlock):
        return suite.with_changes(body=statements)
    return cst.IndentedBlock(statements)


def with_comments_of(before: cst.SimpleStatementLine, after: Any) -> Any:
    """What has come in the place of a line, with the comments that were in it."""
    lines = list(after) if isinstance(after, cst.FlattenSentinel) else [after]
    if not lines or not isinstance(lines[0], cst.BaseStatement) or is_gone(lines[0]):
        return after
    if "#" not in cst.Module([before]).code:
        return after
    left = {each.comment.value for each in comments_in(lines) if each.comment}
    lost = [
        each for each in comments_in([before]) if each.comment and each.comment.value not in left
    ]
    if not lost:
        return after
    above = [*lines[0].leading_lines, *lost]  # type: ignore[attr-defined]
    lines[0] = lines[0].with_changes(leading_lines=above)
    return cst.FlattenSentinel(lines) if len(lines) > 1 else lines[0]


def comments_in(nodes: Iterable[cst.CSTNode | None]) -> list[cst.EmptyLine]:
    """The comments in nodes, each on a line of its own."""
    found = (each for node in nodes if node is not None for each in m.findall(node, m.Comment()))
    comments = (cst.ensure_type(each, cst.Comment) for each in found)
    return [cst.EmptyLine(comment=each) for each in comments if not _FOR_TOOLS.match(each.value)]


def is_gone(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and any(
        isinstance(part, Gone) for part in statement.body
    )
