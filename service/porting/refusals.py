"""Why a connection cannot be converted."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from . import drivers
from .bound_methods import only_called
from .idiom import KINDS, POSTGRESQL, REDIS, Idiom, Kept, connect_sites, kept_of, numbers_in
from .mentions import mentions
from .narrowing import opened_for
from .nodes import dotted, outline, text_of
from .program import Function, Module
from .query_edits import UNDERSTOOD_ROWS
from .replaced import is_patched
from .shown import of_drivers, read_from_g
from .sites import Site
from .values import DATA, NOTHING, External, Instance, Object, Type, Value

_RAISING = m.IndentedBlock(body=[m.SimpleStatementLine(body=[m.Raise(exc=None)])])


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


def used_in(idiom: Idiom, modules: set[Module]) -> dict[str, tuple[str, Site]]:
    """Connections that are opened or used in some modules, which are left as they are."""
    found = {}
    for kept in idiom.kept.values():
        for site in idiom.program.sites.values():
            paths = {drivers.number_of(path) for path in site.paths} | site.numbers
            opens = idiom.program.connects.get(site.node) in kept.numbers
            if site.where.module in modules and (opens or kept.numbers & paths):
                found[kept.name] = ("a file that is left as it is uses it", site)
    return found


def refuse(idiom: Idiom) -> None:
    """Find a reason against converting each connection."""
    for kept in idiom.kept.values():
        _by_itself(idiom, kept)
        _by_name(idiom, kept)
    for function in idiom.openers:
        _by_mention(idiom, function)
    for site in idiom.program.sites.values():
        _by_handling(idiom, site)
    for site in idiom.program.sites.values():
        if site.where not in idiom.removed:
            _by_use(idiom, site)
            _by_others(idiom, site)
    _by_templates(idiom)
    for node, read in idiom.program.reads.items():
        for kept in idiom.kept.values():
            if kept.numbers & read.numbers and not kept.of_g:
                _by_reading(idiom, kept, Site(node, read.where, "attribute", block=read.block))


def _refuse(kept: Kept, reason: str, site: Site) -> None:
    if not kept.refusal:
        kept.refusal, kept.refused_at = reason, site


def _by_itself(idiom: Idiom, kept: Kept) -> None:
    """How it is opened, who gets it, and whether tests put something else in its place."""
    openers = (f.name for f, names in idiom.openers.items() if kept.name in names)
    patched = {kept.name, *kept.aliases, *openers}
    for of in idiom.program.classes.values():
        if any(kept.numbers & numbers_in(values) for values in of.bindings.values()):
            at = Site(of.node, of.module, "attribute")
            _refuse(kept, "a class keeps it, which may outlive the app context", at)
    for number, site in connect_sites(idiom):
        if number not in kept.numbers:
            continue
        of_sqlite = any(path.startswith("sqlite3.") for path in site.paths)
        if of_sqlite and kept.name not in idiom.names:
            _refuse(kept, "sqlite3 stays; with --map it would move to PostgreSQL", site)
        adjusted = idiom.program.adjusted.get(number)
        if adjusted is not None:
            _refuse(kept, f"its {adjusted} is set", site)
        if reason := _unknown_rows(site.node):
            _refuse(kept, reason, site)
        if kept.of_g and _stays_open(idiom, site):
            _refuse(kept, "it is opened within a function that does more", site)
        for leaked in idiom.program.leaked.get(number, ()):
            if leaked.where not in idiom.removed:
                to = outline(leaked.node.func) if isinstance(leaked.node, cst.Call) else ""
                reason = "it is handed to code outside of the project"
                _refuse(kept, f"{reason}: {to}" if to else reason, leaked)
        if number in idiom.program.attached and not kept.of_g:
            attached = idiom.program.attached[number]
            _refuse(kept, "an object keeps it, which may outlive the app context", attached)
        for name in sorted(patched):
            if is_patched(idiom.program, name):
                _refuse(kept, f"tests put something else in the place of {name}", site)
        if other := _another(idiom, kept):
            _refuse(kept, f"{other} may be in its place", site)
        libraries = {path.partition(".")[0] for path in site.paths}
        for path in sorted(_replaced(idiom)):
            if path.partition(".")[0] in libraries & KINDS.keys():
                _refuse(kept, f"tests put something else in the place of {path}", site)


def _another(idiom: Idiom, kept: Kept) -> str:
    """What may be kept under its name instead, as a fake is where a setting asks for it."""
    bound = [module.bindings for module in idiom.program.modules.values() if not module.is_test]
    places = [names[name] for names in bound for name in {kept.name, *kept.aliases} & names.keys()]
    places += [idiom.program.stored.get(("flask.g", kept.name), NOTHING)]
    places += [function.returns for function, names in idiom.openers.items() if kept.name in names]
    values = {value for values in places if numbers_in(values) & kept.numbers for value in values}
    return min((name for value in values if (name := _name_of_another(value))), default="")


def _name_of_another(value: Value) -> str:
    """What it is, of those that are no connection, nor data, nor only said to be one."""
    if isinstance(value, Object | Type):
        return value.of.name
    path = value.path if isinstance(value, External) else ""
    path = value.kind if isinstance(value, Instance) and value not in DATA else path
    return "" if path.partition(".")[0] in KINDS else path


def _by_mention(idiom: Idiom, function: Function) -> None:
    for module, node in mentions(idiom.program, function, idiom.removed):
        for name in idiom.openers[function]:
            reason = f"{function.label} is not only called, but named here"
            _refuse(idiom.kept[name], reason, Site(node, module, "attribute"))


def _by_handling(idiom: Idiom, site: Site) -> None:
    """What an opener does if it cannot open would be lost with it."""
    where = site.where
    if not isinstance(where, Function) or where not in idiom.openers or site.role != "call":
        return
    opens = site.node in idiom.program.connects or not site.functions.isdisjoint(idiom.openers)
    if opens and is_attempt(where, site):
        for name in idiom.openers[where]:
            _refuse(idiom.kept[name], f"{where.label} handles that it cannot be opened", site)


def is_attempt(function: Function, site: Site) -> bool:
    """Whether the function handles that it cannot be opened there."""
    return any(
        isinstance(each, cst.Try)
        and site.node in m.findall(each.body, m.Call())
        and not all(m.matches(handler.body, _RAISING) for handler in each.handlers)
        for each in m.findall(function.node, m.Try(handlers=[m.AtLeastN(n=1)]))
    )


def _stays_open(idiom: Idiom, site: Site) -> bool:
    """Whether the call that opens would be left, with nobody to close what it opens."""
    where = site.where
    gone = where in idiom.removed or site.node in idiom.openings or site.node in idiom.attempts
    return isinstance(where, Function) and not where.module.is_test and not gone


def _unknown_rows(node: cst.CSTNode) -> str:
    """Why the rows of a connection, or a cursor, are of a kind that asyncpg has not."""
    for arg in node.args if isinstance(node, cst.Call) else ():
        name = arg.keyword.value if arg.keyword is not None else ""
        factory = dotted(arg.value).rpartition(".")[2]
        if name.endswith("_factory") and factory not in UNDERSTOOD_ROWS:
            return f"{factory or 'this'} makes rows that asyncpg does not have"
    return ""


def _by_name(idiom: Idiom, kept: Kept) -> None:
    """Two connections must not become one."""
    sites = [site for number, site in connect_sites(idiom) if number in kept.numbers]
    written = {cst.Module([]).code_for_node(site.node) for site in sites}
    modules = {site.where.module for site in sites}
    if len(written) > 1 or (len(modules) > 1 and not kept.of_g):
        _refuse(kept, "more than one connection has this name", sites[-1])
    name = idiom.name_of(kept.name)
    for other in idiom.kept.values():
        if other is not kept and idiom.name_of(other.name) == name:
            _refuse(kept, f"{other.name!r} would have the name {name!r}, too: use --map", sites[0])


def _replaced(idiom: Idiom) -> set[str]:
    """What tests put something in the place of that is not of the project."""
    targets = (double.target for double in idiom.program.doubles.values())
    return {value.path for target in targets for value in target if isinstance(value, External)}


def _by_use(idiom: Idiom, site: Site) -> None:
    for path in sorted(site.paths):
        kept = kept_of(idiom, drivers.number_of(path))
        if kept is not None and not kept.refusal:
            reason = _refusal(idiom, kept, site, path)
            if reason:
                _refuse(kept, reason, site)
    for function in site.functions & set(idiom.openers):
        _refuse_call(idiom, site, function)
        if function in idiom.singletons:
            _by_reading(idiom, idiom.kept[idiom.singletons[function].name], site)


def _by_reading(idiom: Idiom, kept: Kept, site: Site) -> None:
    """A variable of a module needs no app context; `get_db` does."""
    where = site.where
    if isinstance(where, Module) and site.block is None:
        _refuse(kept, "it is used while a module is imported", site)
    elif where.module.is_test and site.block is None:
        _refuse(kept, "tests use it without an app context", site)
    elif isinstance(where, Function) and _streams(idiom, where):
        _refuse(kept, f"{where.label} may go on after the app context: stream_with_context", site)
    elif isinstance(where, Function) and where.pins and site.block is None:
        _refuse(kept, f"{where.label}, which uses it, may run without an app context", site)


def _by_templates(idiom: Idiom) -> None:
    """A template awaits what it reads and calls; but SQL would have to be written otherwise."""
    for node, shown in idiom.program.shown.items():
        for path in of_drivers(idiom.program, shown.values):
            kept = kept_of(idiom, drivers.number_of(path))
            if kept is not None and kept.kind != REDIS:
                _refuse(kept, "templates are given it", Site(node, shown.where, "call"))
    for number, site in connect_sites(idiom):
        kept = kept_of(idiom, number)
        if kept is not None and read_from_g(idiom.program, kept) and kept.kind != REDIS:
            _refuse(kept, "templates read it from g", site)


def _streams(idiom: Idiom, function: Function) -> bool:
    """Whether it is a generator that nobody in the project goes through."""
    program = idiom.program
    if not function.is_generator or function.roles or function in program.streamed:
        return False
    gone_through = any(
        site.role in {"for", "with"} and function in site.functions
        for site in program.sites.values()
    )
    return not gone_through and function not in program.consumed.values()


def _refusal(idiom: Idiom, kept: Kept, site: Site, path: str) -> str:
    assert idiom.queries is not None
    if isinstance(site.where, Module) and site.block is None:
        return "it is used while a module is imported"
    if kept.kind == POSTGRESQL:
        return _unknown_rows(site.node) or idiom.queries.refusal(site)
    if site.role == "attribute" and path.partition("@")[2].partition(".")[2]:
        known = drivers.awaits(path) and only_called(idiom.program, site)
        return "" if known else f"{drivers.plain(path)} is not called here"
    if site.role == "call" and drivers.awaits(path) is None:
        return f"{drivers.plain(path)} has no asynchronous form here"
    if site.role == "with" and drivers.iterated(path):
        return "its cursors are entered with `with`"
    if site.role == "for" and not isinstance(site.node, cst.For | cst.CompFor):
        return "it is gone through without a loop"
    if kept.kind == REDIS and site.role == "call" and drivers.plain(path) == "redis.Redis.close":
        return "it is closed before its context ends"
    return ""


def _refuse_call(idiom: Idiom, site: Site, function: Function) -> None:
    """A call of an opener must say which connection it wants, and be a plain call."""
    names = idiom.openers[function]
    if site.role != "call" or not isinstance(site.node, cst.Call):
        return
    name = wanted(function, site.node, names)
    if name is None or function in site.escaping:
        for each in names:
            kept = idiom.kept[each]
            if not kept.refusal:
                kept.refusal = f"which connection {function.label} returns here is not written out"
                kept.refused_at = site


def wanted(function: Function, call: cst.Call, names: set[str]) -> str | None:
    given = text_of(call.args[0].value) if call.args else None
    if given is not None:
        names = opened_for(function, given) & names or {given} & names
    return next(iter(names)) if len(names) == 1 else None


def _by_others(idiom: Idiom, site: Site) -> None:
    """One place is for connections of one kind: tests, too, may give it one that stays."""
    numbers = {n for path in site.paths if (n := drivers.number_of(path)) is not None}
    meant = [kept_of(idiom, number) for number in numbers]
    for kept in meant if None in meant else ():
        if kept is not None:
            _refuse(kept, "another connection, which stays, is used there, too", site)


def refuse_together(idiom: Idiom) -> None:
    """What one function opens, or closes, is converted as a whole."""
    groups = [set(names) for names in idiom.openers.values()]
    for function in idiom.closers:
        groups.append(
            {
                kept.name
                for site in idiom.program.sites.values()
                if site.where is function
                for path in site.paths
                if (kept := kept_of(idiom, drivers.number_of(path))) is not None
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
