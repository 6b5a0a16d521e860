"""`with` a cursor, whose block goes, or a connection, whose block is a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst
import libcst.matchers as m

from .nodes import body_of
from .program import Function
from .query_edits import DICTS, entered, unwrapped
from .transactions import ROLLING_BACK, Transactions

if TYPE_CHECKING:
    from .queries import Queries

_NAMED = m.WithItem(asname=None) | m.WithItem(asname=m.AsName(name=m.Name()))


@dataclass
class Cursor:
    """A cursor in a name.

    Attributes:
        of: the connection it was made of.
        made: the call that makes it.
        dicts: whether its rows are dictionaries.
        pending: an `execute` that is not fetched from yet, and its statement.
    """

    of: cst.BaseExpression
    made: cst.Call
    dicts: bool
    pending: tuple[cst.Call, cst.SimpleStatementLine] | None = None


class QueryBlocks(Transactions):
    """What one function enters: at its end, a connection commits, or takes it all back."""

    def __init__(self, queries: Queries, function: Function) -> None:
        super().__init__(queries, function)
        self.cursors: dict[str, Cursor] = {}

    def dicts(self, call: cst.Call) -> bool:
        """Whether the rows are dictionaries of what a connection's method gives."""
        written = cst.Module([]).code_for_node(call)
        return any(word in written for word in DICTS) or self.q.dicts_of(call)

    def is_block(self, block: cst.With) -> bool:
        """Whether it is of cursors, and of one connection at most, and of nothing else."""
        connections = [item for item in block.items if self._is_connection(item)]
        cursors = [call for item in block.items if (call := self._cursor_made(item)) is not None]
        numbers = {self.q.number(each) for each in [*connections, *cursors]}
        known = len(connections) + len(cursors) == len(block.items)
        return known and len(connections) < 2 and len(numbers) == 1

    def enter(self, block: cst.With) -> None:
        """Note what such a block enters, and what becomes of it."""
        for item in block.items:
            self.q.handled(item)
            made = self._cursor_made(item)
            if made is None:
                self.writes.blocks.append((block, item))
            elif isinstance(made.func, cst.Attribute):
                self.q.handled(made)
                if item.asname is not None and isinstance(item.asname.name, cst.Name):
                    of = Cursor(made.func.value, made, self.dicts(made))
                    self.cursors[item.asname.name.value] = of
        if not any(map(self._is_connection, block.items)):
            self.plan(block, unwrapped, block.items[0])

    def _is_connection(self, item: cst.WithItem) -> bool:
        return m.matches(item, _NAMED) and self.q.is_sql(item, "with") == "Connection"

    def _cursor_made(self, item: cst.WithItem) -> cst.Call | None:
        call = item.item
        if not isinstance(call, cst.Call) or not m.matches(item, m.WithItem(asname=m.AsName())):
            return None
        is_cursor = m.matches(call.func, m.Attribute(attr=m.Name("cursor")))
        is_named = is_cursor and m.matches(item, _NAMED)
        return call if is_named and self.q.is_sql(call) == "Connection" else None

    def find_transactions(self) -> None:
        """Where connections are entered, nothing else may end what is written."""
        if not self.writes.blocks:
            super().find_transactions()
            return
        if reason := self._ended_otherwise():
            commits = [call for _, _, call in self.writes.commits]
            for node in (*(item for _, item in self.writes.blocks), *commits, *self.writes.calls):
                self.q.refuse(node, reason)
            return
        for block, item in self.writes.blocks:
            if writes := bool(self._written_in(block, item)):
                self.q.entering.add(item)
            self.plan(block, entered(block.items.index(item), writes), item)
        self.without_commits()

    def _written_in(self, block: cst.With, item: cst.WithItem) -> set[cst.CSTNode]:
        number = self.q.number(item)
        return {
            call
            for call in self.writes.calls
            if self.q.number(call) == number and call in m.findall(block.body, m.Call())
        }

    def _ended_otherwise(self) -> str:
        """What is written, or committed, in another way than by leaving the block it is in."""
        blocks = self.writes.blocks
        ended = (*(item for _, item in blocks), *(call for _, _, call in self.writes.commits))
        if len({*map(self.q.number, (*ended, *self.writes.calls))}) > 1:
            return "it enters one connection, and another one with it"
        within = set().union(*(self._written_in(block, item) for block, item in blocks))
        if any(map(self.q.autocommits, self.writes.calls)):
            return "it enters a connection that commits by itself"
        if not within.issuperset(self.writes.calls):
            return "it writes outside of the `with` that commits"
        calls = [call for block, _ in blocks for call in m.findall(block.body, m.Call())]
        for suite, index, call in self.writes.commits:
            if call in calls and not any(_ends(block, suite[index]) for block, _ in blocks):
                return "it commits in the middle of a `with` that does"
        if any(m.matches(call, ROLLING_BACK) and self.q.is_sql(call) for call in calls):
            return "it rolls back within a `with` that commits"
        return ""


def _ends(block: cst.With, line: cst.BaseStatement) -> bool:
    """Whether this is the last statement of a block, or of one that its last statement is."""
    last = body_of(block.body)[-1]
    return last is line or (isinstance(last, cst.With) and _ends(last, line))
