"""Arguments of SQL that are text: as it is written out, or as a request brings it."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

_REQUEST = m.Name("request") | m.Attribute(attr=m.Name("request"))
_BROUGHT = m.Attribute(
    value=_REQUEST, attr=m.OneOf(*map(m.Name, ("args", "cookies", "form", "headers", "values")))
)
_DEFAULT = m.Arg(m.SimpleString() | m.Name("None"), keyword=None)
_TEXT = (
    m.Subscript(value=_BROUGHT)
    | m.Call(
        func=m.Attribute(value=_BROUGHT, attr=m.Name("get")),
        args=[m.Arg(keyword=None), m.AtMostN(_DEFAULT, n=1)],
    )
    | m.SimpleString(m.MatchRegex(r"""[rRuU]?["'].*"""))
    | m.FormattedString()
)


def is_text(node: cst.CSTNode) -> bool:
    """Whether an argument can be nothing but text, or None."""
    return m.matches(node, _TEXT)


def brings_text(node: cst.CSTNode) -> bool:
    """Whether text of a request is among the arguments, as it came."""
    given = m.Tuple() | m.List()
    rows = m.findall(node, given)
    return any(
        is_text(each.value) and not m.matches(each.value, m.SimpleString())
        for row in rows
        if isinstance(row, cst.Tuple | cst.List)
        for each in row.elements
    )
