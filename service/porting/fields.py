"""The fields of records as they are written: in the body of a class, or in a call."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from .nodes import text_of

_OF_THE_CLASS = m.Name("ClassVar") | m.Attribute(attr=m.Name("ClassVar"))
_NOT_GIVEN = m.Call(args=[m.ZeroOrMore(), m.Arg(m.Name("False"), m.Name("init")), m.ZeroOrMore()])
_PAIR = m.Tuple([m.Element(m.SimpleString()), m.Element()])


def in_body(node: cst.ClassDef) -> Iterator[str]:
    """The names that the body of a class annotates for its objects, in their order."""
    for line in node.body.body:
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if not isinstance(part, cst.AnnAssign) or not isinstance(part.target, cst.Name):
                continue
            kind = part.annotation.annotation
            kind = kind.value if isinstance(kind, cst.Subscript) else kind
            not_given = part.value is not None and m.matches(part.value, _NOT_GIVEN)
            if not m.matches(kind, _OF_THE_CLASS) and not not_given:
                yield part.target.value


def in_call(node: cst.Call) -> list[tuple[str, cst.BaseExpression]] | None:
    """The fields, and their types, that `namedtuple("Name", fields)` gives; None if unknown."""
    given = node.args[1].value if len(node.args) > 1 else None
    written = text_of(given)
    if written is not None:
        return [(name, cst.Name("object")) for name in written.replace(",", " ").split()]
    if not isinstance(given, cst.List | cst.Tuple):
        return None
    found: list[tuple[str, cst.BaseExpression]] = []
    for element in given.elements:
        pair = element.value
        if isinstance(pair, cst.Tuple) and m.matches(pair, _PAIR):
            found.append((text_of(pair.elements[0].value) or "", pair.elements[1].value))
        else:
            found.append((text_of(pair) or "", cst.Name("object")))
    return found if all(name.isidentifier() for name, _ in found) else None
