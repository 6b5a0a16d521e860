"""The SQL of one function: which `execute` belongs to which fetch, and what commits it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from typing import TYPE_CHECKING

import libcst as cst
import libcst.matchers as m

from .adapted import Wrapped
from .layout import moved
from .nodes import body_of, perhaps_called, perhaps_met
from .program import Function
from .query_blocks import Cursor, QueryBlocks
from .query_edits import COUNTED, Rewriting, only_argument, remove
from .sql import NotLiteral, Statement
from .walking import below

if TYPE_CHECKING:
    from .queries import Queries


_FETCHING = {"fetchone": "fetchrow", "fetchall": "fetch"}
_TO_THE_END = m.Call(
    m.OneOf(*map(m.Name, ("dict", "frozenset", "list", "set", "sorted", "tuple"))),
    [m.Arg(keyword=None, star=""), m.ZeroOrMore()],
)
"""What goes through its first argument at once, as `list(cursor)`."""
_COUNT = m.Attribute(attr=m.Name(COUNTED))
_LIST = m.Call(m.Name("list"), [m.Arg()])
_KEEPING = (m.Arg, m.Assign, m.AnnAssign, m.DictElement, m.Element, m.NamedExpr, m.Return, m.Yield)
_HANDED_ON = m.OneOf(*(kind(value=m.Name()) for kind in _KEEPING))
"""Where a name is read, and what it stands for goes elsewhere."""


class FunctionQueries(QueryBlocks):
    """The SQL of one function."""

    def __init__(self, queries: Queries, function: Function) -> None:
        super().__init__(queries, function)
        self._calls: list[cst.Call] = []
        self._taken: set[cst.CSTNode] = set()
        self._committed: set[cst.Call] = set()

    def run(self) -> None:
        node = self.function.node
        assert isinstance(node, cst.FunctionDef)
        found = [
            call for call in m.findall(node.body, m.Call(func=m.Attribute())) if self.q.is_sql(call)
        ]
        if not found:
            return
        self._suite(body_of(node.body), top=True)
        self._refuse_handed_on(node.body)
        self.find_transactions()

    def _refuse_handed_on(self, body: cst.CSTNode) -> None:
        """A cursor in a name goes, so that nothing else may be done with it."""
        for found in m.findall(body, _HANDED_ON) if self.cursors else ():
            name = getattr(found, "value", None)
            cursor = self._cursor_of(name) if name not in self._taken else None
            if name is not None and cursor is not None and not self._is_rebound(body, name):
                reason = "its cursor is not fetched from where it executes, but handed on"
                self.q.refuse(cursor.made, f"SQL is left as it is: {reason}")

    def _is_rebound(self, body: cst.CSTNode, name: cst.CSTNode) -> bool:
        """Whether the name is given to something else, too, as in `rows = rows.fetchall()`."""
        named = m.AssignTarget(m.MatchIfTrue(lambda target: target.deep_equals(name)))
        return any(
            isinstance(found, cst.Assign)
            and not m.matches(found.value, m.Name("None"))
            and self.q.is_sql(found.value) != "Connection"
            for found in m.findall(body, m.Assign([named]))
        )

    def _suite(self, statements: Sequence[cst.BaseStatement], top: bool = False) -> None:
        for index, statement in enumerate(statements):
            if isinstance(statement, cst.SimpleStatementLine):
                self._line(statements, index, statement)
            elif isinstance(statement, cst.With) and self.is_block(statement):
                self._flush()
                self.enter(statement)
                self._suite(body_of(statement.body))
            elif isinstance(statement, cst.FunctionDef | cst.ClassDef):
                continue
            else:
                self._compound(statement)
        self._flush()

    def _compound(self, statement: cst.BaseStatement) -> None:
        if isinstance(statement, cst.For):
            self._for(statement, statement.iter)
        if isinstance(statement, cst.If):
            self._expressions(statement.test)
        if not isinstance(statement, cst.With):
            self._flush()  # what is fetched within may be fetched never, or more than once
        for child in statement.children:
            if isinstance(child, cst.BaseSuite):
                self._suite(body_of(child))
            elif isinstance(child, cst.Else | cst.Finally | cst.ExceptHandler | cst.If):
                self._compound(child)  # type: ignore[arg-type]
            else:
                self._expressions(child)

    def _flush(self) -> None:
        """What was executed and not fetched from is executed."""
        for cursor in self.cursors.values():
            self._execute(cursor)

    def _execute(self, cursor: Cursor) -> None:
        if cursor.pending is not None:
            call, _ = cursor.pending
            cursor.pending = None
            self._convert(call, cursor.of, "execute", cursor.dicts)

    def _line(
        self, suite: Sequence[cst.BaseStatement], index: int, line: cst.SimpleStatementLine
    ) -> None:
        part = line.body[0]
        if len(line.body) == 1:
            if isinstance(part, cst.Assign) and self._makes_cursor(part, line):
                return
            value = part.value if isinstance(part, cst.Expr) else None
            if isinstance(value, cst.Call) and self._plain_call(suite, index, line, value):
                return
        self._expressions(line)
        self._flush()  # what is not fetched at once is not understood

    def _makes_cursor(self, part: cst.Assign, line: cst.SimpleStatementLine) -> bool:
        """`cursor = connection.cursor()`, or what `connection.execute()` returns."""
        call, target = part.value, part.targets[0].target
        if not isinstance(call, cst.Call) or not isinstance(target, cst.Name):
            return False
        if self.q.is_sql(call) != "Connection" or not isinstance(call.func, cst.Attribute):
            return False
        method = call.func.attr.value
        if method not in {"cursor", "execute"}:
            return False
        self._execute_pending(target.value)
        cursor = self.cursors[target.value] = Cursor(call.func.value, call, self.dicts(call))
        if method == "execute":
            cursor.pending = (call, line)
        else:
            self.q.handled(call)
            self.plan(line, remove, call)
        return True

    def _execute_pending(self, name: str) -> None:
        if name in self.cursors:
            self._execute(self.cursors[name])

    def _plain_call(
        self,
        suite: Sequence[cst.BaseStatement],
        index: int,
        line: cst.SimpleStatementLine,
        call: cst.Call,
    ) -> bool:
        """A statement that is a call: `execute`, `commit`, `rollback` or `close`."""
        kind = self.q.is_sql(call)
        if kind is None or not isinstance(call.func, cst.Attribute):
            return False
        method = call.func.attr.value
        if method == "commit" and kind == "Connection":
            self.q.handled(call)
            self.writes.commits.append((suite, index, call))
            pending = [each.pending for each in self.cursors.values() if each.pending is not None]
            self._committed.update(execute for execute, _ in pending)
            return True
        if method == "rollback" and kind == "Connection":
            self._flush()
            self.q.handled(call)
            self.plan(line, remove, call)
            return True
        if kind == "Cursor" and method == "close":
            self._flush()
            self.q.handled(call)
            self.plan(line, remove, call)
            return True
        if method == "execute":
            cursor = self._cursor_of(call.func.value)
            if cursor is not None:
                self._execute(cursor)
                cursor.pending = (call, line)
                return True
            if kind == "Connection":
                self._convert(call, call.func.value, "execute", False)
                return True
        return False

    def _cursor_of(self, node: cst.CSTNode | None) -> Cursor | None:
        return self.cursors.get(node.value) if isinstance(node, cst.Name) else None

    def _for(self, loop: cst.CSTNode, over: cst.BaseExpression) -> None:
        """`for row in cursor`, or in what `execute` returns; so, too, `list(cursor)`."""
        at = loop if m.matches(loop, _LIST) else over
        cursor = self._cursor_of(over)
        if cursor is not None and cursor.pending is not None:
            call, line = cursor.pending
            cursor.pending = None
            self.q.handled(loop, call)
            self._convert(call, cursor.of, "fetch", cursor.dicts, at=at, line=line)
            self._taken.add(over)
        elif isinstance(over, cst.Call) and self.q.is_sql(over) == "Connection":
            assert isinstance(over.func, cst.Attribute)
            if over.func.attr.value == "execute":
                self.q.handled(loop, over)
                self._convert(over, over.func.value, "fetch", self.dicts(over), at=at)

    def _expressions(self, node: cst.CSTNode) -> None:
        """Fetching, anywhere in a statement."""
        if any(self.q.is_sql(call) == "Cursor" for call in perhaps_called(node)):
            self._flush()
        perhaps = {each for part in perhaps_met(node) for each in m.findall(part, m.CompFor())}
        for loop in m.findall(node, m.CompFor()):
            if isinstance(loop, cst.CompFor) and loop not in perhaps:
                self._for(loop, loop.iter)
        for made in m.findall(node, _TO_THE_END):
            if isinstance(made, cst.Call) and made not in perhaps_called(node):
                self._for(made, made.args[0].value)
        for found in m.findall(node, m.Subscript(value=m.Call()) | m.Call(func=m.Attribute())):
            call = found.value if isinstance(found, cst.Subscript) else found
            if not isinstance(call, cst.Call) or call in self._calls:
                continue
            if not isinstance(call.func, cst.Attribute) or self.q.is_sql(call) != "Cursor":
                continue
            if call.func.attr.value not in _FETCHING:
                continue
            indexed = isinstance(found, cst.Subscript) and call.func.attr.value == "fetchone"
            self._fetch(call, indexed)
        for read in m.findall(node, _COUNT):
            if not any(read in m.findall(part, _COUNT) for part in perhaps_met(node)):
                self._count(cst.ensure_type(read, cst.Attribute))

    def _count(self, read: cst.Attribute) -> None:
        """`cursor.rowcount` of what was executed just before."""
        cursor = self._cursor_of(read.value)
        if cursor is not None and cursor.pending is not None:
            execute, line = cursor.pending
            cursor.pending = None
            self.q.handled(execute)
            self._convert(execute, cursor.of, COUNTED, cursor.dicts, at=read, line=line)

    def _fetch(self, call: cst.Call, indexed: bool) -> None:
        assert isinstance(call.func, cst.Attribute)
        self._calls.append(call)
        what = _FETCHING[call.func.attr.value]
        source = call.func.value
        cursor = self._cursor_of(source)
        if cursor is not None and cursor.pending is not None:
            execute, line = cursor.pending
            cursor.pending = None
            self.q.handled(execute)
            self._convert(
                execute, cursor.of, what, cursor.dicts, at=call, line=line, indexed=indexed
            )
        elif isinstance(source, cst.Call) and isinstance(source.func, cst.Attribute):
            self._fetch_at_once(call, source, source.func, what, indexed)

    def _fetch_at_once(
        self, call: cst.Call, execute: cst.Call, method: cst.Attribute, what: str, indexed: bool
    ) -> None:
        """`execute(...).fetchone()`, of a connection or a cursor."""
        if method.attr.value != "execute":
            return
        self._calls.append(execute)
        self.q.handled(execute)
        cursor = self._cursor_of(method.value)
        if cursor is not None:
            self._convert(execute, cursor.of, what, cursor.dicts, at=call, indexed=indexed)
        elif self.q.is_sql(execute) == "Connection":
            dicts = self.dicts(execute)
            self._convert(execute, method.value, what, dicts, at=call, indexed=indexed)

    def _convert(
        self,
        execute: cst.Call,
        of: cst.BaseExpression,
        method: str,
        dicts: bool,
        at: cst.CSTNode | None = None,
        line: cst.SimpleStatementLine | None = None,
        indexed: bool = False,
    ) -> None:
        """Replace `execute` and what fetches from it, at the node `at`, by one call."""
        at = at or execute
        try:
            given = execute.args[1].value if len(execute.args) > 1 else None
            if not execute.args or any(arg.keyword or arg.star for arg in execute.args):
                raise NotLiteral("its arguments are given in another way")
            wrapped = Wrapped(self.q.program, execute, given)
            sql = Statement(execute.args[0].value, given)
            if sql.is_several and (sql.arguments or method != "execute"):
                raise NotLiteral("asyncpg takes one statement at a time")
            if method == COUNTED and not sql.counts:
                raise NotLiteral("asyncpg counts the rows of INSERT, UPDATE and DELETE alone")
            around = self._comprehensions(at) if method == "fetchrow" and not indexed else []
            name = "" if any(loop.iter is at for loop in around) else self._fresh_name(around)
        except NotLiteral as error:
            self.q.refuse(execute, f"SQL is left as it is: {error}")
            return
        for part in wrapped.as_json:
            self.q.encoded.append((part, self.function, self.q.number(execute)))
        for part in wrapped.bare:
            self.plan(part, only_argument, execute)
        self.writes.count += 2 if sql.locks else sql.writes
        if sql.writes:
            self.writes.calls.append(execute)
        rewriter = Rewriting(self.q, of, sql, method, dicts, indexed, name, at)
        self.q.handled(at)
        self.plan(at, rewriter, execute)
        self.q.functions[at] = self.function
        self.q.awaited.add(at)
        if line is not None and at is not execute:
            self.plan(line, moved, execute)
            if execute in self._committed:
                self.writes.late.append(execute)

    def _comprehensions(self, at: cst.CSTNode) -> list[cst.CompFor]:
        """The loops within expressions that a row is fetched in.

        Raises:
            NotLiteral: one goes through what is made of the row, which nothing can have a name in.
        """
        kinds = m.ListComp() | m.SetComp() | m.DictComp() | m.GeneratorExp()
        around = [each for each in m.findall(self.function.node, kinds) if at in below(each)]
        loops = [node for each in around for node in below(each) if isinstance(node, cst.CompFor)]
        if any(at in below(loop.iter) and at is not loop.iter for loop in loops):
            raise NotLiteral("a comprehension goes through what is made of its row")
        return loops

    def _fresh_name(self, around: list[cst.CompFor]) -> str:
        """A name for a row that nothing has here, nor in these loops."""
        taken = self.function.bindings.keys() | self.function.outer_names
        for loop in around:
            taken |= {node.value for node in below(loop.target) if isinstance(node, cst.Name)}
        names = chain(("row", "record", "found"), map("row_{}".format, count(1)))
        return next(name for name in names if name not in taken)
