"""SQL through a cursor, and the one call of asyncpg that does the same.

What is understood, of psycopg and sqlite3: `cursor()`, kept in a name or entered with `with`; a
connection entered with `with`; `execute` with its SQL written out, followed at once by `fetchone`,
`fetchall`, `rowcount` or a loop; both in one expression; `commit` and `rollback` in the function
that writes; `close` of the cursor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst
import libcst.matchers as m

from . import drivers
from .cursors import FunctionQueries
from .nodes import outline
from .program import Function, Program
from .query_edits import DICTS, Planned
from .reach import with_called
from .sites import Site


class Queries:
    """All SQL of a project that is understood, and what it becomes.

    Attributes:
        edits: what to do with each node; only those of converted connections are used.
        awaited: calls whose new form is awaited.
        committing: the functions that commit.
        encoded: what psycopg makes JSON of, in which function, for which connection.
    """

    def __init__(self, program: Program, removed: set[Function]) -> None:
        self.program = program
        self.edits: list[Planned] = []
        self.awaited: set[cst.CSTNode] = set()
        self.encoded: list[tuple[cst.Call, Function, int | None]] = []
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
            if any(word in cst.Module([]).code_for_node(node) for word in DICTS)
        }
        self._autocommits = _autocommitting(program)
        speaking = {
            site.where
            for site in program.sites.values()
            if any(drivers.number_of(path) for path in site.paths)
        }
        found = [
            FunctionQueries(self, function)
            for function in list(program.functions.values())
            if function in speaking - removed and isinstance(function.node, cst.FunctionDef)
        ]
        for queries in found:
            queries.run()
        self.committing = {
            each.function for each in found if each.writes.commits or each.writes.blocks
        }
        self._refuse_committed_within(found)

    def _refuse_committed_within(self, found: list[FunctionQueries]) -> None:
        """What a block calls commits what it has written: asyncpg would wait for its end."""
        sites = self.program.sites
        for block, item in [each for queries in found for each in queries.writes.blocks]:
            calls = m.findall(block.body, m.Call()) if item in self.entering else []
            known = [site for call in calls if (site := sites.get((call, "call"))) is not None]
            called = with_called({f for site in known for f in site.functions}, sites.values())
            if not called.isdisjoint(self.committing):
                self.refuse(item, "what its block calls commits")

    def refusal(self, site: Site) -> str:
        """Why a site cannot be converted; empty if it can."""
        if site.node in self._refusals:
            return self._refusals[site.node]
        if site.node in self._handled:
            return ""
        return f"this use of a connection or cursor has no rule: {_shown(site)}"

    def is_sql(self, node: cst.CSTNode, role: str = "call") -> str | None:
        """The class of a driver's object whose method is called here, if it speaks SQL."""
        site = self.program.sites.get((node, role))
        for path in site.paths if site else ():
            library, _, rest = drivers.plain(path).partition(".")
            kind = rest.partition(".")[0]
            if library in drivers.SPEAKING_SQL and kind in {"Connection", "Cursor"}:
                return kind
        return None

    def number(self, node: cst.CSTNode) -> int | None:
        """The connection that a call is on, or that an item of a `with` enters."""
        item = isinstance(node, cst.WithItem)
        site = self.program.sites.get((node, "with" if item else "call"))
        return next(
            (n for path in (site.paths if site else ()) if (n := drivers.number_of(path))), None
        )

    def autocommits(self, node: cst.CSTNode) -> bool:
        """Whether each statement of a connection is committed by itself."""
        return self.number(node) in self._autocommits

    def handled(self, *nodes: cst.CSTNode) -> None:
        """Note that these are understood as parts of something bigger."""
        self._handled.update(nodes)

    def refuse(self, node: cst.CSTNode, reason: str) -> None:
        """Note that a node is not understood."""
        self._refusals.setdefault(node, reason)

    def dicts_of(self, call: cst.Call) -> bool:
        """Whether the rows of this connection are dictionaries."""
        return self.number(call) in self._dict_connections


def _autocommitting(program: Program) -> set[int]:
    """The connections that are told to be so, where they are opened or later."""
    told = m.Arg(keyword=m.Name("autocommit"), value=m.Name("True"))
    opened = {n for call, n in program.connects.items() if m.findall(call, told)}
    modules = (each.tree for each in program.modules.values() if "autocommit" in each.source)
    is_set = m.Assign(targets=[m.AssignTarget(m.Attribute(attr=m.Name("autocommit")))])
    lines = [
        cst.ensure_type(each, cst.Assign) for tree in modules for each in m.findall(tree, is_set)
    ]
    always = all(m.matches(each.value, m.Name("True")) for each in lines)
    return opened | (program.autocommitting if always else set())


def _shown(site: Site) -> str:
    """How a connection or cursor is used, for readers."""
    node = site.node
    if isinstance(node, cst.WithItem):
        return f"with {outline(node.item)}"
    if isinstance(node, cst.For | cst.CompFor):
        return f"for ... in {outline(node.iter)}"
    return outline(node.func if isinstance(node, cst.Call) else node)
