"""Databases in memory, which libraries open anew for each thread: plain functions have others."""

from __future__ import annotations

import re
from collections.abc import Collection

import libcst as cst
import libcst.matchers as m

from service.porting.flask_types import THREAD_LOCAL
from service.porting.nodes import text_of
from service.porting.plan import Plan, paths
from service.porting.program import Function
from service.porting.sites import Site

_OF_SQLITE = re.compile(r":memory:")
_OF_SQLALCHEMY = re.compile(r"sqlite(\+\w+)?:///:memory:(\?.*)?")
_UNNAMED = re.compile(r"sqlite(\+\w+)?://")
_ENGINES = {"sqlalchemy.create_engine", "sqlalchemy.engine.create_engine", "sqlmodel.create_engine"}
_BY_THREAD = {"threading.current_thread", "threading.get_ident", THREAD_LOCAL}
_OWN = "each thread has a database in memory of its own: use a file"
_POOL = 'create_engine(..., poolclass=StaticPool, connect_args={"check_same_thread": False})'
_PEEWEES = f"with peewee, {_OWN}"
_ENGINES_OWN = f"with SQLAlchemy, {_OWN}, or {_POOL}"


def tell_of_memory(plan: Plan) -> None:
    """Report databases in memory that a route does not see as tests or start-up filled them."""
    if _uses_peewee(plan):
        _tell(plan, _OF_SQLITE, _PEEWEES)
    else:
        _tell_of_sqlite(plan)
    engines = [
        (site, site.node)
        for site in plan.sites("call")
        if site.paths & _ENGINES and isinstance(site.node, cst.Call) and not _has_pool(site.node)
    ]
    if engines:
        _tell(plan, _OF_SQLALCHEMY, _ENGINES_OWN)
    for site, node in engines:
        if node.args and _UNNAMED.fullmatch(text_of(node.args[0].value) or ""):
            plan.hand(site.where, node, _ENGINES_OWN)


def _tell_of_sqlite(plan: Plan) -> None:
    """Report them where the project itself keeps a connection for each thread."""
    opened = [site for site in plan.sites("call") if "sqlite3.connect" in site.paths]
    elsewhere = [site.node for site in opened if not _is_kept_by_thread(plan, site)]
    if len(elsewhere) < len(opened):
        apart = {text for node in elsewhere for text in m.findall(node, m.SimpleString())}
        _tell(plan, _OF_SQLITE, _OWN, apart)


def _is_kept_by_thread(plan: Plan, site: Site) -> bool:
    """Whether it depends on the thread what is done there."""
    there = plan.colours.sites(site.where) if isinstance(site.where, Function) else ()
    return any(_BY_THREAD & each.paths for each in there)


def _uses_peewee(plan: Plan) -> bool:
    """Whether the app has a database by a library that has a connection for each thread."""
    found = (
        path.partition(".")[0]
        for module in plan.program.modules.values()
        for values in module.bindings.values()
        for path in paths(values)
    )
    return any(library in {"peewee", "playhouse"} for library in found)


def _has_pool(node: cst.Call) -> bool:
    """Whether a call says how connections are shared; Flask-SQLAlchemy does so by itself."""
    return any(arg.keyword is not None and arg.keyword.value == "poolclass" for arg in node.args)


def _tell(
    plan: Plan, names: re.Pattern[str], reason: str, apart: Collection[cst.CSTNode] = ()
) -> None:
    for module in plan.program.modules.values():
        if names.search(module.source):
            for node in m.findall(module.tree, m.SimpleString()):
                if names.fullmatch(text_of(node) or "") and node not in apart:
                    plan.hand(module, node, reason)
