"""What becomes of statements that speak SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libcst as cst

from .layout import gone, in_place_of, moved, without_statement
from .nodes import body_of, called, in_parentheses, in_parentheses_if_awaited
from .program import Function
from .setting_right import set_right
from .sql import Statement

if TYPE_CHECKING:
    from .queries import Queries

Edit = Callable[[Any], Any]
DICTS = ("dict_row", "RealDictCursor")
"""What the old call says for rows that are dictionaries."""
UNDERSTOOD_ROWS = {*DICTS, "tuple_row", "None", "cursor", "ClientCursor", "Cursor"}
"""Row and cursor factories whose rows are dictionaries or tuples."""

COUNTED = "rowcount"
"""What psycopg counts in the cursor, and asyncpg says at the end of what `execute` returns."""


@dataclass(frozen=True)
class Planned:
    """What becomes of a node if the connection with this number is converted."""

    node: cst.CSTNode
    edit: Edit
    function: Function
    number: int | None


class Rewriting:
    """`await db.fetch(...)`, and rows of the kind that the cursor gave."""

    def __init__(
        self,
        queries: Queries,
        of: cst.BaseExpression,
        sql: Statement,
        method: str,
        dicts: bool,
        indexed: bool,
        name: str,
        at: cst.CSTNode,
    ) -> None:
        self.q, self.of, self.sql, self.method, self.at = queries, of, sql, method, at
        self.dicts, self.indexed, self.name = dicts, indexed, name

    def __call__(self, node: cst.BaseExpression) -> cst.BaseExpression:
        rewritten = self.q.rewritten
        arguments = [arg.with_changes(value=rewritten(arg.value)) for arg in self.sql.arguments]
        method = "execute" if self.method == COUNTED else self.method
        call = cst.Call(
            cst.Attribute(in_parentheses_if_awaited(rewritten(self.of)), cst.Name(method)),
            [cst.Arg(self.sql.node), *arguments],
        )
        result: cst.BaseExpression = self.q.waited(self.at, call)
        if self.method == COUNTED:
            words = called(cst.Attribute(in_parentheses_if_awaited(result), cst.Name("split")))
            return called("int", _last_of(words))
        kind = "dict" if self.dicts else "tuple"
        if self.method == "execute" or self.indexed:
            return result
        if self.method == "fetch":
            item = cst.Name(self.name)
            return cst.ListComp(called(kind, item), cst.CompFor(target=item, iter=result))
        if not self.name:
            return called(kind, result)
        named = cst.NamedExpr(cst.Name(self.name), result)
        test = cst.Comparison(
            in_parentheses(named), [cst.ComparisonTarget(cst.IsNot(), cst.Name("None"))]
        )
        chosen = cst.IfExp(test, called(kind, cst.Name(self.name)), cst.Name("None"))
        return in_parentheses(chosen)


def _last_of(words: cst.Call) -> cst.Subscript:
    last = cst.UnaryOperation(cst.Minus(), cst.Integer("1"))
    return cst.Subscript(words, [cst.SubscriptElement(cst.Index(last))])


def remove(node: cst.CSTNode) -> object:
    if isinstance(node, cst.SimpleStatementLine):
        return without_statement(node)
    return cst.RemoveFromParent()


def only_argument(node: cst.Call) -> cst.BaseExpression:
    return node.args[0].value


def unwrapped(node: cst.With) -> object:
    return cst.FlattenSentinel(in_place_of(node, body_of(node.body)))


def entered(index: int, writes: bool) -> Edit:
    """What becomes of `with` a connection, an item of a block, where that writes, or does not."""

    def edit(node: cst.With) -> object:
        connection, named = node.items[index].item, node.items[index].asname
        lines: list[cst.BaseStatement] = []
        if named is not None:
            name = cst.ensure_type(named.name, cst.Name)
            assign = cst.Assign([cst.AssignTarget(name)], connection)
            lines, connection = [cst.SimpleStatementLine([assign])], name
        if not writes:
            return cst.FlattenSentinel(in_place_of(node, [*lines, *body_of(node.body)]))
        item = _transaction(connection)
        block = cst.With([item], node.body, asynchronous=cst.Asynchronous())
        return cst.FlattenSentinel([gone(node.leading_lines), *lines, block])

    return edit


def _transaction(connection: cst.BaseExpression) -> cst.WithItem:
    of = in_parentheses_if_awaited(connection)
    return cst.WithItem(cst.Call(cst.Attribute(of, cst.Name("transaction"))))


def collected(holder: list[cst.BaseStatement]) -> Edit:
    def edit(node: Any) -> object:
        if isinstance(node, cst.FlattenSentinel):
            holder.extend(node)
        elif isinstance(node, cst.BaseStatement):
            holder.append(node)
        return cst.RemoveFromParent()

    return edit


def in_transaction(
    queries: Queries, of: cst.BaseExpression, holder: list[cst.BaseStatement]
) -> Edit:
    def edit(node: Any) -> object:
        item = _transaction(queries.rewritten(of))
        body = set_right(cst.IndentedBlock([*holder, moved(node)]))
        assert isinstance(body, cst.IndentedBlock)
        return cst.With([item], body, asynchronous=cst.Asynchronous())

    return edit
