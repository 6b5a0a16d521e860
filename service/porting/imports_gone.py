"""A module without some of its imports, and without the blocks that had nothing else in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst
import libcst.matchers as m

from .nodes import dotted

TYPE_CHECKING = m.Name("TYPE_CHECKING") | m.Attribute(attr=m.Name("TYPE_CHECKING"))

Line = cst.SimpleStatementLine | cst.BaseCompoundStatement


def without_imports(tree: cst.Module, names: set[str]) -> cst.Module:
    """A module without imports of these names, unless somebody has commented on them."""
    body, _ = _lines(tree.body, names)
    if body and not tree.header and not any(each.comment for each in body[0].leading_lines):
        body[0] = body[0].with_changes(leading_lines=[])
    return tree.with_changes(body=body)


def _lines(lines: Sequence[Any], names: set[str]) -> tuple[list[Any], list[cst.EmptyLine]]:
    """What is left of lines, and what stood above those at the end that go."""
    body: list[Any] = []
    above: list[cst.EmptyLine] = []
    for line in lines:
        left = _left(line, names)
        if left is None:
            above += line.leading_lines
            continue
        if any(each.comment for each in above) or not left.leading_lines:
            left = left.with_changes(leading_lines=[*above, *left.leading_lines])
        body.append(left)
        above = []
    return body, above


def _left(line: Line, names: set[str]) -> Line | None:
    """What is left of a statement; None if nothing is."""
    if isinstance(line, cst.If):
        return _if(line, names)
    if isinstance(line, cst.Try | cst.TryStar):
        return _try(line, names)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return line
    part = line.body[0]
    said = "#" in cst.Module([]).code_for_node(line.with_changes(leading_lines=[]))
    if not isinstance(part, cst.Import | cst.ImportFrom) or said:
        return line
    if (
        isinstance(part.names, cst.ImportStar)
        or dotted(getattr(part, "module", None)) == "__future__"
    ):
        return line
    kept = [
        alias for alias in part.names if _bound(alias, isinstance(part, cst.Import)) not in names
    ]
    if not kept:
        return None
    kept[-1] = kept[-1].with_changes(comma=part.names[-1].comma)
    return line.with_changes(body=[part.with_changes(names=kept)])


def _if(line: cst.If, names: set[str]) -> cst.If | None:
    orelse: Any = line.orelse
    if isinstance(orelse, cst.If):
        orelse = _if(orelse, names)
    elif isinstance(orelse, cst.Else):
        orelse = _else(orelse, names)
    body = _block(line.body, names)
    if body is None and orelse is None and m.matches(line.test, TYPE_CHECKING):
        return None
    return line.with_changes(body=body or _emptied(line.body), orelse=orelse)


def _try(line: cst.Try | cst.TryStar, names: set[str]) -> cst.Try | cst.TryStar | None:
    """If nothing is left to be tried, nothing has to be handled."""
    body = _block(line.body, names)
    orelse = _else(line.orelse, names) if line.orelse is not None else None
    if body is None and orelse is None and line.finalbody is None:
        return None
    handlers: list[Any] = [
        each.with_changes(body=_block(each.body, names) or _emptied(each.body))
        for each in line.handlers
    ]
    return line.with_changes(body=body or _emptied(line.body), handlers=handlers, orelse=orelse)


def _else(part: cst.Else, names: set[str]) -> cst.Else | None:
    body = _block(part.body, names)
    return part.with_changes(body=body) if body is not None else None


def _block(block: cst.BaseSuite, names: set[str]) -> cst.BaseSuite | None:
    """What is left of a block; None if nothing is, not even a comment."""
    if not isinstance(block, cst.IndentedBlock):
        return block
    lines, above = _lines(block.body, names)
    said = [each for each in above if each.comment]
    if not lines and not said:
        return None
    if not lines:
        return _emptied(block, said)
    return block.with_changes(body=lines)


def _emptied(block: cst.BaseSuite, above: Sequence[cst.EmptyLine] = ()) -> cst.BaseSuite:
    return block.with_changes(body=[cst.SimpleStatementLine([cst.Pass()], above)])


def _bound(alias: cst.ImportAlias, whole: bool) -> str:
    if alias.asname is not None:
        return dotted(alias.asname.name)
    return dotted(alias.name).partition(".")[0] if whole else dotted(alias.name)
