"""SQL through a cursor, and the one call of asyncpg that does the same.

What is understood, of psycopg and sqlite3: `cursor()`, kept in a name or entered with `with`;
`execute` with its SQL written out, followed at once by `fetchone`, `fetchall` or a loop; both in
one expression; `commit` and `rollback` in the function that writes; `close` of the cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst
import libcst.matchers as m

from . import drivers
from .nodes import (
    body_of,
    called,
    in_parentheses,
    in_parentheses_if_awaited,
    set_right,
    without_statement,
)
from .program import Function, Program, Site
from .sql import NotLiteral, Statement

_FETCHING = {"fetchone": "fetchrow", "fetchall": "fetch"}
_UNDERSTOOD = {
    "cursor",
    "execute",
    "fetchone",
    "fetchall",
    "commit",
    "rollback",
    "close",
    "__iter__",
}
_DICTS = ("dict_row", "RealDictCursor", "DictCursor", "DictRow")

Edit = Callable[[Any], Any]


@dataclass(frozen=True)
class Planned:
    """What becomes of a node if the connection with this number is converted."""

    node: cst.CSTNode
    edit: Edit
    function: Function
    number: int | None


@dataclass
class _Cursor:
    """A cursor in a name.

    Attributes:
        of: the connection it was made of.
        dicts: whether its rows are dictionaries.
        pending: an `execute` that is not fetched from yet, and its statement.
        assigned: whether that statement is what assigns to the name.
    """

    of: cst.BaseExpression
    dicts: bool
    pending: tuple[cst.Call, cst.SimpleStatementLine] | None = None
    assigned: bool = False


@dataclass
class _Writes:
    count: int = 0
    commits: list[tuple[Sequence[cst.BaseStatement], int, cst.Call]] = field(default_factory=list)
    loops: int = 0


class Queries:
    """All SQL of a project that is understood, and what it becomes.

    Attributes:
        edits: what to do with each node; only those of converted connections are used.
        awaited: calls whose new form is awaited.
    """

    def __init__(self, program: Program, removed: set[Function]) -> None:
        self.program = program
        self.edits: list[Planned] = []
        self.awaited: set[cst.CSTNode] = set()
        self.rewritten: Callable[[Any], Any] = lambda node: node
        """Applies the other edits to a node that moves elsewhere; set before writing."""
        self.waited: Callable[[cst.CSTNode, Any], Any] = lambda at, call: call
        """Makes a call wait, as it can be done at a node; set before writing."""
        self.entering: set[cst.CSTNode] = set()
        """Commits that become the end of an `async with`."""
        self.functions: dict[cst.CSTNode, Function] = {}
        self._handled: set[cst.CSTNode] = set()
        self._refusals: dict[cst.CSTNode, str] = {}
        self._dict_connections = {
            number
            for node, number in program.connects.items()
            if any(word in cst.Module([]).code_for_node(node) for word in _DICTS)
        }
        self._autocommit = any(
            m.findall(module.tree, m.Arg(keyword=m.Name("autocommit"), value=m.Name("True")))
            or m.findall(
                module.tree,
                m.Assign(
                    targets=[m.AssignTarget(m.Attribute(attr=m.Name("autocommit")))],
                    value=m.Name("True"),
                ),
            )
            for module in program.modules.values()
            if "autocommit" in module.source
        )
        speaking = {
            site.where
            for site in program.sites.values()
            if any(drivers.number_of(path) for path in site.paths)
        }
        for function in list(program.functions.values()):
            if function in speaking - removed and isinstance(function.node, cst.FunctionDef):
                _FunctionQueries(self, function).run()

    def refusal(self, site: Site) -> str:
        """Why a site cannot be converted; empty if it can."""
        if site.node in self._refusals:
            return self._refusals[site.node]
        if site.node in self._handled:
            return ""
        return "this use of a connection or cursor has no rule"

    def is_sql(self, node: cst.CSTNode, role: str = "call") -> str | None:
        """The class of a driver's object whose method is called here, if it speaks SQL."""
        site = self.program.sites.get((node, role))
        for path in site.paths if site else ():
            kind = drivers.plain(path)
            if kind.startswith(("psycopg.Cursor", "psycopg.Connection")):
                return kind.split(".")[1]
            if kind.startswith(("sqlite3.Cursor", "sqlite3.Connection")):
                return kind.split(".")[1]
        return None

    def number(self, node: cst.CSTNode) -> int | None:
        """The connection that a call is on."""
        site = self.program.sites.get((node, "call"))
        return next(
            (n for path in (site.paths if site else ()) if (n := drivers.number_of(path))), None
        )

    def handled(self, *nodes: cst.CSTNode) -> None:
        """Note that these are understood as parts of something bigger."""
        self._handled.update(nodes)

    def refuse(self, node: cst.CSTNode, reason: str) -> None:
        """Note that a node is not understood."""
        self._refusals.setdefault(node, reason)

    def dicts_of(self, call: cst.Call) -> bool:
        """Whether the rows of this connection are dictionaries."""
        return self.number(call) in self._dict_connections


class _FunctionQueries:
    """The SQL of one function."""

    def __init__(self, queries: Queries, function: Function) -> None:
        self.q = queries
        self.function = function
        self.cursors: dict[str, _Cursor] = {}
        self.writes = _Writes()
        self._calls: list[cst.Call] = []

    def _plan(self, node: cst.CSTNode, edit: Edit, call: cst.Call) -> None:
        self.q.edits.append(Planned(node, edit, self.function, self.q.number(call)))

    def run(self) -> None:
        node = self.function.node
        assert isinstance(node, cst.FunctionDef)
        found = [
            call for call in m.findall(node.body, m.Call(func=m.Attribute())) if self.q.is_sql(call)
        ]
        if not found:
            return
        self._suite(body_of(node.body), top=True)
        self._transactions()

    def _suite(self, statements: Sequence[cst.BaseStatement], top: bool = False) -> None:
        for index, statement in enumerate(statements):
            if isinstance(statement, cst.SimpleStatementLine):
                self._line(statements, index, statement)
            elif isinstance(statement, cst.With) and self._cursor_block(statement):
                self._suite(body_of(statement.body))
            elif isinstance(statement, cst.FunctionDef | cst.ClassDef):
                continue
            else:
                self._compound(statement)
        self._flush()

    def _compound(self, statement: cst.BaseStatement) -> None:
        if isinstance(statement, cst.For):
            self._for(statement)
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

    def _execute(self, cursor: _Cursor) -> None:
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
            if isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute):
                if self._plain_call(suite, index, line, value):
                    return
        self._expressions(line)

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
        cursor = self.cursors[target.value] = _Cursor(call.func.value, self._dicts(call))
        if method == "execute":
            cursor.pending = (call, line)
            cursor.assigned = True
        else:
            self.q.handled(call)
            self._plan(line, _remove, call)
        return True

    def _execute_pending(self, name: str) -> None:
        if name in self.cursors:
            self._execute(self.cursors[name])

    def _dicts(self, call: cst.Call) -> bool:
        written = cst.Module([]).code_for_node(call)
        return any(word in written for word in _DICTS) or self.q.dicts_of(call)

    def _cursor_block(self, block: cst.With) -> bool:
        if len(block.items) != 1:
            return False
        item = block.items[0]
        call = item.item
        if not isinstance(call, cst.Call) or self.q.is_sql(call) != "Connection":
            return False
        assert isinstance(call.func, cst.Attribute)
        name = item.asname.name if item.asname else None
        if call.func.attr.value != "cursor" or not isinstance(name, cst.Name):
            return False
        self.cursors[name.value] = _Cursor(call.func.value, self._dicts(call))
        self.q.handled(call, item)
        self._plan(block, _unwrapped, call)
        return True

    def _plain_call(
        self,
        suite: Sequence[cst.BaseStatement],
        index: int,
        line: cst.SimpleStatementLine,
        call: cst.Call,
    ) -> bool:
        """A statement that is a call: `execute`, `commit`, `rollback` or `close`."""
        kind = self.q.is_sql(call)
        assert isinstance(call.func, cst.Attribute)
        method = call.func.attr.value
        if kind is None:
            return False
        if method in {"commit", "rollback"} and kind == "Connection":
            self._flush()
            self.q.handled(call)
            if method == "commit":
                self.writes.commits.append((suite, index, call))
            else:
                self._plan(line, _remove, call)
            return True
        if kind == "Cursor" and method == "close":
            self._flush()
            self.q.handled(call)
            self._plan(line, _remove, call)
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

    def _cursor_of(self, node: cst.BaseExpression) -> _Cursor | None:
        return self.cursors.get(node.value) if isinstance(node, cst.Name) else None

    def _for(self, loop: cst.For) -> None:
        """`for row in cursor:`, or in what `execute` returns."""
        over = loop.iter
        cursor = self._cursor_of(over)
        if cursor is not None and cursor.pending is not None:
            call, line = cursor.pending
            cursor.pending = None
            self.q.handled(loop, call)
            self._convert(call, cursor.of, "fetch", cursor.dicts, at=over, line=line)
        elif isinstance(over, cst.Call) and self.q.is_sql(over) == "Connection":
            assert isinstance(over.func, cst.Attribute)
            if over.func.attr.value == "execute":
                self.q.handled(loop)
                self._convert(over, over.func.value, "fetch", self._dicts(over))

    def _expressions(self, node: cst.CSTNode) -> None:
        """Fetching, anywhere in a statement."""
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
            if source.func.attr.value == "execute":
                self._calls.append(source)
                self.q.handled(source)
                of = source.func.value
                made = of if self.q.is_sql(source) == "Connection" else None
                inner = self._cursor_of(of)
                made = inner.of if inner is not None else made
                if made is not None:
                    dicts = inner.dicts if inner is not None else self._dicts(source)
                    self._convert(source, made, what, dicts, at=call, indexed=indexed)

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
            sql = Statement(execute.args[0].value, given)
        except NotLiteral as error:
            self.q.refuse(execute, f"SQL is left as it is: {error}")
            return
        self.writes.count += sql.writes
        name = self._fresh_name()
        rewriter = _Rewriting(self.q, of, sql, method, dicts, indexed, name, at)
        self.q.handled(at)
        self._plan(at, rewriter, execute)
        self.q.functions[at] = self.function
        self.q.awaited.add(at)
        if line is not None and at is not execute:
            self._plan(line, _remove, execute)

    def _fresh_name(self) -> str:
        for name in ("row", "record", "found"):
            if name not in self.function.bindings:
                return name
        return "row_"

    def _transactions(self) -> None:
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
            if writes and not self.q._autocommit:
                for call in calls:
                    self.q.refuse(call, "what it writes is committed elsewhere")
            return
        for suite, index, call in commits:
            if writes < 2 or len(commits) > 1:
                self._plan(suite[index], _remove, call)
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

    def _wrap(
        self, suite: Sequence[cst.BaseStatement], first: int, last: int, commit: cst.Call
    ) -> None:
        assert isinstance(commit.func, cst.Attribute)
        holder: list[cst.BaseStatement] = []
        for statement in suite[first:last]:
            self._plan(statement, _collected(holder), commit)
        self.q.entering.add(commit)
        edit = _in_transaction(self.q, commit.func.value, holder)
        self._plan(suite[last], edit, commit)


class _Rewriting:
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
        call = cst.Call(
            cst.Attribute(in_parentheses_if_awaited(rewritten(self.of)), cst.Name(self.method)),
            [cst.Arg(self.sql.node), *arguments],
        )
        result: cst.BaseExpression = self.q.waited(self.at, call)
        kind = "dict" if self.dicts else "tuple"
        if self.method == "execute" or self.indexed:
            return result
        if self.method == "fetch":
            item = cst.Name(self.name)
            return cst.ListComp(called(kind, item), cst.CompFor(target=item, iter=result))
        named = cst.NamedExpr(cst.Name(self.name), result)
        test = cst.Comparison(
            in_parentheses(named), [cst.ComparisonTarget(cst.IsNot(), cst.Name("None"))]
        )
        chosen = cst.IfExp(test, called(kind, cst.Name(self.name)), cst.Name("None"))
        return in_parentheses(chosen)


def _remove(node: cst.CSTNode) -> object:
    if isinstance(node, cst.SimpleStatementLine) and any(
        line.comment for line in node.leading_lines
    ):
        return without_statement(node)
    return cst.RemoveFromParent()


def _unwrapped(node: cst.With) -> object:
    return cst.FlattenSentinel(body_of(node.body))


def _collected(holder: list[cst.BaseStatement]) -> Edit:
    def edit(node: Any) -> object:
        if isinstance(node, cst.FlattenSentinel):
            holder.extend(node)
        elif isinstance(node, cst.BaseStatement):
            holder.append(node)
        return cst.RemoveFromParent()

    return edit


def _in_transaction(
    queries: Queries, of: cst.BaseExpression, holder: list[cst.BaseStatement]
) -> Edit:
    def edit(node: Any) -> object:
        connection = in_parentheses_if_awaited(queries.rewritten(of))
        item = cst.WithItem(cst.Call(cst.Attribute(connection, cst.Name("transaction"))))
        body = set_right(cst.IndentedBlock(holder))
        assert isinstance(body, cst.IndentedBlock)
        return cst.With([item], body, asynchronous=cst.Asynchronous())

    return edit
