"""What a function writes and commits: one transaction of asyncpg, or none for one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst
import libcst.matchers as m

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


@dataclass
class Writes:
    count: int = 0
    commits: list[tuple[Sequence[cst.BaseStatement], int, cst.Call]] = field(default_factory=list)
    calls: list[cst.Call] = field(default_factory=list)
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
            if writes and not self.q.autocommit:
                for call in calls:
                    self.q.refuse(call, "what it writes is committed elsewhere")
            return
        if writes and (reason := self._leaving()):
            for call in calls:
                self.q.refuse(call, reason)
            return
        for suite, index, call in commits:
            if writes < 2 or len(commits) > 1:
                self.plan(suite[index], remove, call)
        if writes < 2:
            looped = m.findall(self.function.node, m.For() | m.While())
            if writes == 0 or not any(
                call in calls for loop in looped for call in m.findall(loop, m.Call())
            ):
                return
            for suite, index, _ in commits:
                self.q.edits = [each for each in self.q.edits if each.node is not suite[index]]
        if len(commits) > 1:
            for call in calls:
                self.q.refuse(call, "it commits more than once")
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
            call for each in suite[:index] for call in m.findall(each, m.Call()) if call in calls
        ]
        if first is None or len(inside) != len(calls):
            for call in calls:
                self.q.refuse(call, "it commits elsewhere than it writes")
            return
        self._wrap(suite, first, index, commit)

    def _leaving(self) -> str:
        """What ends the transaction in another way than by its commit, or by an exception."""
        node = self.function.node
        caught = {
            id(call)
            for handler in m.findall(node, m.ExceptHandler())
            for call in m.findall(handler, m.Call())
        }
        for call in m.findall(node, m.Call(func=m.Attribute(attr=m.Name("rollback")))):
            if self.q.is_sql(call) == "Connection" and id(call) not in caught:
                return "it rolls back without an exception"
        for suite, index, _ in self.writes.commits:
            since = [
                i
                for i, each in enumerate(suite[:index])
                if any(call in self.writes.calls for call in m.findall(each, m.Call()))
            ]
            if not since:
                return "it commits elsewhere than it writes"
            if any(m.findall(each, m.Return()) for each in suite[since[0] : index]):
                return "it returns before it commits"
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
