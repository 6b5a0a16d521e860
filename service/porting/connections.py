"""Finding the connection idiom: who opens, who keeps, who closes, and whether `get_db` can do it.

A connection is opened onto `g` by a function that returns it, or by a `before_request` function,
or kept in a variable of a module. It is converted if everything that is done with it has a form
in the asynchronous driver; if not, all of it stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import libcst as cst

from . import drivers
from .narrowing import opened_for
from .nodes import text_of
from .program import Function, Module, Program, Read, Site
from .queries import Queries
from .registration import HOOK
from .values import Instance, Values

POSTGRESQL, REDIS, RETHINKDB = "postgresql", "redis", "rethinkdb"
_KINDS = {"psycopg": POSTGRESQL, "redis": REDIS, "rethinkdb": RETHINKDB, "sqlite3": POSTGRESQL}


@dataclass(eq=False)
class Kept:
    """One connection that the project keeps under a name.

    Attributes:
        name: of the attribute of `g`, or of the variable.
        numbers: the connect calls it may come from.
        kind: the backend.
        of_g: whether it is kept on `g`, or in a module.
        refusal: why it is not converted; empty if it is.
    """

    name: str
    numbers: set[int]
    kind: str
    of_g: bool
    refusal: str = ""
    refused_at: Site | None = None


@dataclass(eq=False)
class Idiom:
    """What was found of the connection idiom in a project.

    Attributes:
        kept: every connection, by the name it is kept under.
        openers: functions that return a connection of `g`, with the names they may give.
        closers: functions that only close.
        involved: calls that are converted or go away, so that they cannot block.
        awaited: calls and reads that are awaited.
        queries: the SQL.
    """

    program: Program
    mapped: set[str]
    kept: dict[str, Kept] = field(default_factory=dict)
    openers: dict[Function, set[str]] = field(default_factory=lambda: defaultdict(set))
    removed: set[Function] = field(default_factory=set)
    closers: set[Function] = field(default_factory=set)
    involved: set[cst.CSTNode] = field(default_factory=set)
    awaited: set[cst.CSTNode] = field(default_factory=set)
    reads: dict[cst.CSTNode, Read] = field(default_factory=dict)
    opener_calls: dict[cst.CSTNode, tuple[Site, str]] = field(default_factory=dict)
    queries: Queries | None = None

    def converted(self, number: int | None) -> Kept | None:
        """The connection that this number is of, if it is converted."""
        for kept in self.kept.values():
            if number in kept.numbers and not kept.refusal:
                return kept
        return None


def find_idiom(
    program: Program, mapped: set[str], refused: dict[str, tuple[str, Site]] | None = None
) -> Idiom:
    """Find all connections of a project, and what can be converted.

    Args:
        refused: names that are not converted, with the reason and where it shows.
        mapped: the names that the user gave another name; what sqlite3 opens is only converted
            if its name is among them, since it moves to another database.
    """
    idiom = Idiom(program, mapped)
    _find_kept(idiom)
    for name, (reason, site) in (refused or {}).items():
        if name in idiom.kept:
            idiom.kept[name].refusal, idiom.kept[name].refused_at = reason, site
    _find_openers(idiom)
    _find_closers(idiom)
    idiom.queries = Queries(program, idiom.removed)
    _refuse(idiom)
    _refuse_together(idiom)
    _involve(idiom)
    return idiom


def stuck(idiom: Idiom, can_await: Callable[[Site], bool]) -> dict[str, tuple[str, Site]]:
    """Connections that are used by `async with` or `async for` where nobody can say so.

    Args:
        can_await: whether one can await at a site.
    """
    assert idiom.queries is not None
    found = {}
    for site in idiom.program.sites.values():
        enters = site.role in {"with", "for"} or bool(site.gathers)
        if site.node in idiom.queries.entering:
            enters = True
        elif site.node not in idiom.awaited or not enters:
            continue
        numbers = {drivers.number_of(path) for path in [*site.paths, site.gathers]}
        if enters and not can_await(site):
            for number in numbers:
                kept = idiom.converted(number)
                if kept is not None:
                    found[kept.name] = ("it is gone through in a function that cannot await", site)
    return found


def numbers_in(values: Values) -> set[int]:
    """The connections among the values."""
    return {
        number
        for value in values
        if isinstance(value, Instance) and value.kind.partition("@")[0] in _CONNECTION_KINDS
        if (number := drivers.number_of(value.kind)) is not None
    }


_CONNECTION_KINDS = frozenset(drivers.CONNECTING.values())


def _find_kept(idiom: Idiom) -> None:
    for (of, name), values in idiom.program.stored.items():
        numbers = numbers_in(values)
        if of == "flask.g" and numbers:
            kinds = {
                value.kind.partition(".")[0] for value in values if isinstance(value, Instance)
            }
            kind = _KINDS[sorted(kinds & set(_KINDS))[0]]
            idiom.kept[name] = Kept(name, numbers, kind, of_g=True)
    for module in idiom.program.modules.values():
        for name, values in module.bindings.items():
            numbers = numbers_in(values)
            if not numbers or module.is_test or name in idiom.kept:
                continue
            sites = [s for n, s in _connect_sites(idiom) if n in numbers]
            if all(isinstance(site.where, Module) for site in sites):
                of = next(value.kind for value in values if isinstance(value, Instance))
                kind = _KINDS[of.partition(".")[0]]
                idiom.kept[name] = Kept(name, numbers, kind, of_g=False)


def _connect_sites(idiom: Idiom) -> list[tuple[int, Site]]:
    return [
        (number, idiom.program.sites[node, "call"])
        for node, number in idiom.program.connects.items()
    ]


def _find_openers(idiom: Idiom) -> None:
    kept_on_g = {name: kept for name, kept in idiom.kept.items() if kept.of_g}
    for function in idiom.program.functions.values():
        if function.module.is_test:
            continue
        for name, kept in kept_on_g.items():
            if numbers_in(function.returns) & kept.numbers:
                idiom.openers[function].add(name)
    idiom.removed |= set(idiom.openers)


def _find_closers(idiom: Idiom) -> None:
    """Functions registered with the app that do nothing but open onto `g`, pop and close."""
    for function in idiom.program.functions.values():
        if HOOK in function.roles and isinstance(function.node, cst.FunctionDef):
            if _only_keeps(function, idiom):
                idiom.closers.add(function)
    idiom.removed |= idiom.closers


def _only_keeps(function: Function, idiom: Idiom) -> bool:
    touches = False
    for site in idiom.program.sites.values():
        if site.where is not function or site.role != "call":
            continue
        numbers = {drivers.number_of(path) for path in site.paths} - {None}
        if numbers:
            if not all(path.endswith((".close", ".disconnect")) for path in site.paths):
                return False
            touches = True
        elif site.functions:
            if not site.functions <= set(idiom.openers):
                return False
            touches = True
        elif site.paths & set(drivers.CONNECTING):
            touches = True
        elif not all(_is_harmless(path) for path in site.paths):
            return False
    for (of, name), values in idiom.program.stored.items():
        if of == "flask.g" and _assigns(function, name):
            from .values import routines

            if not numbers_in(values) and not routines(values) & set(idiom.openers):
                return False
            touches = True
    return touches and not _does_more(function)


def _is_harmless(path: str) -> bool:
    return path.startswith(("flask.g.", "builtins.", "logging.")) or ".logger." in path


def _assigns(function: Function, name: str) -> bool:
    import libcst.matchers as m

    pattern = m.AssignTarget(target=m.Attribute(value=m.Name("g"), attr=m.Name(name)))
    return bool(m.findall(function.node, pattern))


def _does_more(function: Function) -> bool:
    """Whether it returns something of its own, as a `before_request` function may."""
    import libcst.matchers as m

    for found in m.findall(function.node, m.Return()):
        assert isinstance(found, cst.Return)
        given = found.value
        if given is not None and not (
            isinstance(given, cst.Name) and given.value in {"None", *function.names}
        ):
            return True
    return bool(m.findall(function.node, m.Raise() | m.Yield()))


def _refuse(idiom: Idiom) -> None:
    """Find a reason against converting each connection."""
    assert idiom.queries is not None
    for kept in idiom.kept.values():
        for number, site in _connect_sites(idiom):
            if number in kept.numbers:
                kind = next(iter(site.paths & set(drivers.CONNECTING)), "")
                if kind.startswith("sqlite3.") and kept.name not in idiom.mapped:
                    kept.refusal = "sqlite3 stays; with --map it would move to PostgreSQL"
                    kept.refused_at = site
        for number in kept.numbers:
            leaked = idiom.program.leaked.get(number)
            if leaked is not None and leaked.where not in idiom.removed:
                kept.refusal = kept.refusal or "it is handed to code outside of the project"
                kept.refused_at = kept.refused_at or leaked
    for site in idiom.program.sites.values():
        if site.where in idiom.removed:
            continue
        for path in site.paths:
            used = _kept_of(idiom, drivers.number_of(path))
            if used is None or used.refusal:
                continue
            reason = _refusal(idiom, used, site, path)
            if reason:
                used.refusal, used.refused_at = reason, site
        for function in site.functions & set(idiom.openers):
            _refuse_call(idiom, site, function)
    for node, read in idiom.program.reads.items():
        for kept in idiom.kept.values():
            if kept.numbers & read.numbers and not kept.of_g and not kept.refusal:
                in_test = read.where.module.is_test and read.block is None
                if read.where.module.is_test and in_test:
                    kept.refusal = "tests use it without an app context"
                    kept.refused_at = Site(node, read.where, "attribute")


def _kept_of(idiom: Idiom, number: int | None) -> Kept | None:
    if number is None:
        return None
    return next((kept for kept in idiom.kept.values() if number in kept.numbers), None)


def _refusal(idiom: Idiom, kept: Kept, site: Site, path: str) -> str:
    assert idiom.queries is not None
    if isinstance(site.where, Module) and site.block is None:
        return "it is used while a module is imported"
    if kept.kind == POSTGRESQL:
        return idiom.queries.refusal(site)
    if site.role == "attribute" and path.partition("@")[2].partition(".")[2]:
        return f"{drivers.plain(path)} is not called here"
    if site.role == "call" and drivers.awaits(path) is None:
        return f"{drivers.plain(path)} has no asynchronous form here"
    if kept.kind == REDIS and site.role == "call" and path.endswith(".close"):
        return "it is closed before its context ends"
    return ""


def _refuse_call(idiom: Idiom, site: Site, function: Function) -> None:
    """A call of an opener must say which connection it wants, and be a plain call."""
    names = idiom.openers[function]
    if site.role != "call" or not isinstance(site.node, cst.Call):
        return
    name = _wanted(function, site.node, names)
    if name is None or function in site.escaping:
        for each in names:
            kept = idiom.kept[each]
            if not kept.refusal:
                kept.refusal = f"which connection {function.label} returns here is not written out"
                kept.refused_at = site


def _wanted(function: Function, call: cst.Call, names: set[str]) -> str | None:
    given = text_of(call.args[0].value) if call.args else None
    if given is not None:
        names = opened_for(function, given) & names or {given} & names
    return next(iter(names)) if len(names) == 1 else None


def _refuse_together(idiom: Idiom) -> None:
    """What one function opens, or closes, is converted as a whole."""
    groups = [set(names) for names in idiom.openers.values()]
    for function in idiom.closers:
        groups.append(
            {
                kept.name
                for site in idiom.program.sites.values()
                if site.where is function
                for path in site.paths
                if (kept := _kept_of(idiom, drivers.number_of(path))) is not None
            }
        )
    grown = True
    while grown:
        grown = False
        for group in groups:
            refused = [idiom.kept[name] for name in group if idiom.kept[name].refusal]
            for name in group if refused else ():
                if not idiom.kept[name].refusal:
                    idiom.kept[name].refusal = f"{refused[0].name!r} is opened or closed with it"
                    idiom.kept[name].refused_at = refused[0].refused_at
                    grown = True


def _involve(idiom: Idiom) -> None:
    """Note what is converted, for those who decide what may block and what is awaited."""
    assert idiom.queries is not None
    for function in list(idiom.openers):
        idiom.openers[function] = {
            name for name in idiom.openers[function] if not idiom.kept[name].refusal
        }
        if not idiom.openers[function]:
            del idiom.openers[function]
    converted = any(not kept.refusal for kept in idiom.kept.values())
    idiom.closers = {
        function for function in idiom.closers if converted and _closes_converted(idiom, function)
    }
    idiom.removed = set(idiom.openers) | idiom.closers
    for site in idiom.program.sites.values():
        if site.where in idiom.removed:
            idiom.involved.add(site.node)
            continue
        kept = None
        for path in site.paths:
            kept = kept or idiom.converted(drivers.number_of(path))
        for number in site.numbers:
            kept = kept or idiom.converted(number)
        if kept is not None:
            _involve_site(idiom, kept, site)
        if site.gathers and idiom.converted(drivers.number_of(site.gathers)):
            idiom.involved.add(site.node)
            idiom.awaited.add(site.node)
        for function in site.functions & set(idiom.openers):
            if site.role == "call" and isinstance(site.node, cst.Call):
                name = _wanted(function, site.node, idiom.openers[function])
                if name is not None:
                    idiom.opener_calls[site.node] = (site, name)
                    idiom.involved.add(site.node)
                    idiom.awaited.add(site.node)
    for node, read in idiom.program.reads.items():
        kept_here = idiom.kept.get(read.name)
        if kept_here is None or kept_here.refusal or read.where in idiom.removed:
            continue
        if kept_here.of_g == read.of_g and kept_here.numbers & read.numbers:
            idiom.reads[node] = read
            site = Site(node, read.where, "attribute", block=read.block)
            idiom.program.sites.setdefault((node, "attribute"), site)
            idiom.awaited.add(node)


def _closes_converted(idiom: Idiom, function: Function) -> bool:
    for site in idiom.program.sites.values():
        if site.where is function:
            for path in site.paths:
                number = drivers.number_of(path)
                if number is not None and idiom.converted(number) is None:
                    return False
    return True


def _involve_site(idiom: Idiom, kept: Kept, site: Site) -> None:
    assert idiom.queries is not None
    idiom.involved.add(site.node)
    if kept.kind == POSTGRESQL:
        if site.node in idiom.queries.awaited:
            idiom.awaited.add(site.node)
        return
    for path in site.paths:
        if (
            site.role == "call"
            and drivers.awaits(path)
            or site.role == "with"
            and drivers.entered(path)
            or site.role == "for"
            and drivers.iterated(path)
        ):
            idiom.awaited.add(site.node)
