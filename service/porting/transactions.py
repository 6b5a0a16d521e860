"""What a function writes and commits: one transaction of asyncpg, or none for one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst
import libcst.matchers as m

from .nodes import body_of, leaves_a_loop
from .program import Function
from .query_edits import (
    Edit,
    Planned,
    collected,
    in_transaction,
    remove,
)

if TYPE_CHECKING:
    from .queries import Queries

_FETCH = m.OneOf(*map(m.Name, ("fetchall", "fetchone")))
_FETCHING = m.Call(func=m.Attribute(value=m.Name(), attr=_FETCH), args=[])
_PLACE = m.SubscriptElement(m.Index(m.Integer() | m.SimpleString()))
_FETCHED = m.SimpleStatementLine(
    [
        m.Pass()
        | m.Expr(m.Call(func=m.Attribute(attr=m.Name("close")), args=[]))
        | m.Assign([m.AssignTarget(m.Name())], _FETCHING | m.Subscript(_FETCHING, [_PLACE]))
    ]
)
"""What cannot fail between what is written and its commit."""
ROLLING_BACK = m.Call(func=m.Attribute(attr=m.Name("rollback")))
_ABORTED = m.Expr(m.Call(func=m.Name("abort")) | m.Call(func=m.Attribute(attr=m.Name("abort"))))
FAILING = m.ExceptHandler(
    body=m.IndentedBlock([m.ZeroOrMore(), m.SimpleStatementLine([m.Raise() | _ABORTED])])
)
"""A handler that ends in an exception."""


@dataclass
class Writes:
    count: int = 0
    commits: list[tuple[Sequence[cst.BaseStatement], int, cst.Call]] = field(default_factory=list)
    calls: list[cst.Call] = field(default_factory=list)
    late: list[cst.Call] = field(default_factory=list)
    """What is fetched from after a commit."""
    blocks: list[tuple[cst.With, cst.WithItem]] = field(default_factory=list)


class Transactions:
    """The writes of one function."""

    def __init__(self, queries: Queries, function: Function) -> None:
        self.q = queries
        self.function = function
        self.writes = Writes()

    def plan(self, node: cst.CSTNode, edit: Edit, of: cst.CSTNode) -> None:
        """Note what becomes of a node if the connection of a call, or an item, is converted."""
        self.q.edits.append(Planned(node, edit, self.function, self.q.number(of)))

    def without_commits(self) -> None:
        """Let the commits go, since nothing is left to them."""
        for suite, index, call in self.writes.commits:
            self.plan(suite[index], remove, call)

    def find_transactions(self) -> None:
        """`commit` makes one transaction of what was written before it, and needs none for one."""
        writes, commits = self.writes.count, self.writes.commits
        calls = [
            call
            for call in m.findall(
                self.function.node, m.Call(func=m.Attribute(attr=m.Name("execute")))
            )
            if self.q.is_sql(call)
        ]
        if not commits:
            if writes and not all(map(self.q.autocommits, self.writes.calls)):
                self._refuse(calls, "what it writes is committed elsewhere, or never")
            return
        if writes and (reason := self._leaving()):
            self._refuse(calls, reason)
            return
        if writes == 0 or (writes == 1 and not self._is_looped() and not self._may_fail()):
            self.without_commits()
            return
        if len(commits) > 1:
            self._refuse(calls, "it commits more than once")
            return
        if self.writes.late:
            self._refuse(calls, "it commits before it fetches")
            return
        suite, index, commit = commits[0]
        first = next(
            (
                i
                for i, each in enumerate(suite[:index])
                if any(c in calls for c in m.findall(each, m.Call()))
            ),
            None,
        )
        inside = [
            call
            for each in suite[:index]
            for call in m.findall(each, m.Call())
            if call in self.writes.calls
        ]
        if first is None or len(inside) != len(self.writes.calls):
            self._refuse(calls, "it commits elsewhere than it writes")
            return
        if self._goes_on(suite[first:index]):
            self._refuse(calls, "it rolls back, and goes on to commit")
            return
        self._wrap(suite, first, index, commit)

    def _refuse(self, calls: Sequence[cst.CSTNode], reason: str) -> None:
        for call in calls:
            self.q.refuse(call, reason)

    def _is_looped(self) -> bool:
        loops = m.findall(self.function.node, m.For() | m.While())
        return any(
            call in self.writes.calls for loop in loops for call in m.findall(loop, m.Call())
        )

    def _may_fail(self) -> bool:
        """Whether there is more between what is written and its commit than to fetch that."""
        return any(
            not m.matches(each, _FETCHED) or not self._is_sql_alone(each)
            for suite, index, _ in self.writes.commits
            for each in self._after_writing(suite[:index])
        )

    def _is_sql_alone(self, statement: cst.BaseStatement) -> bool:
        return all(self.q.is_sql(call) for call in m.findall(statement, m.Call()))

    def _after_writing(self, suite: Sequence[cst.BaseStatement]) -> Iterator[cst.BaseStatement]:
        first = self._first_write(suite)
        if first >= 0:
            yield from suite[first + 1 :]
            for block in suite[first].children:
                if isinstance(block, cst.BaseSuite):
                    yield from self._after_writing(body_of(block))

    def _goes_on(self, statements: Sequence[cst.BaseStatement]) -> bool:
        """Whether a handler among them rolls back, and leaves nobody to notice."""
        handlers = [each for one in statements for each in m.findall(one, m.ExceptHandler())]
        return any(
            any(self.q.is_sql(call) == "Connection" for call in m.findall(each, ROLLING_BACK))
            and not m.matches(each, FAILING)
            for each in handlers
        )

    def _first_write(self, suite: Sequence[cst.BaseStatement]) -> int:
        """The place of the statement that writes first; -1 if none does."""
        writing = (
            i
            for i, each in enumerate(suite)
            if any(call in self.writes.calls for call in m.findall(each, m.Call()))
        )
        return next(writing, -1)

    def _leaving(self) -> str:
        """What ends the transaction in another way than by its commit, or by an exception."""
        node = self.function.node
        caught = {
            id(call)
            for handler in m.findall(node, m.ExceptHandler())
            for call in m.findall(handler, m.Call())
        }
        for call in m.findall(node, ROLLING_BACK):
            if self.q.is_sql(call) == "Connection" and id(call) not in caught:
                return "it rolls back without an exception"
        for suite, index, _ in self.writes.commits:
            first = self._first_write(suite[:index])
            if first < 0:
                return "it commits elsewhere than it writes"
            if any(m.findall(each, m.Return()) for each in suite[first:index]):
                return "it returns before it commits"
            if any(map(leaves_a_loop, suite[first:index])):
                return "it leaves a loop before it commits"
        return ""

    def _wrap(
        self, suite: Sequence[cst.BaseStatement], first: int, last: int, commit: cst.Call
    ) -> None:
        assert isinstance(commit.func, cst.Attribute)
        holder: list[cst.BaseStatement] = []
        for statement in suite[first:last]:
            self.plan(statement, collected(holder), commit)
        self.q.entering.add(commit)
        edit = in_transaction(self.q, commit.func.value, holder)
        self.plan(suite[last], edit, commit)
