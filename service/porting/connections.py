"""Finding the connection idiom: who opens, who keeps, who closes, and whether `get_db` can do it.

A connection is opened onto `g` by a function that returns it, or by a `before_request` function,
or kept in a variable of a module, as it is imported or by a function that opens it once. It is
converted if everything that is done with it has a form in the asynchronous driver; if not, all of
it stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import libcst as cst
import libcst.matchers as m

from . import drivers
from .idiom import (
    ALL_ERRORS,
    KINDS,
    POSTGRESQL,
    Idiom,
    Kept,
    connect_sites,
    errors_caught,
    kept_of,
    kept_where_read,
    numbers_in,
)
from .nodes import dotted
from .program import Function, Module, Program
from .queries import Queries
from .refusals import is_attempt, refuse, refuse_together, wanted
from .registration import HOOK
from .singletons import singleton
from .sites import Site
from .values import Instance, Values


def find_idiom(
    program: Program, names: Mapping[str, str], refused: dict[str, tuple[str, Site]] | None = None
) -> Idiom:
    """Find all connections of a project, and what can be converted.

    Args:
        refused: names that are not converted, with the reason and where it shows.
        names: new names of connections, by their old ones; what sqlite3 opens is only converted
            if it has a new name, since it moves to another database.
    """
    idiom = Idiom(program, names)
    _find_kept(idiom)
    _find_singletons(idiom)
    for name, (reason, site) in (refused or {}).items():
        if name in idiom.kept:
            idiom.kept[name].refusal, idiom.kept[name].refused_at = reason, site
    _find_openers(idiom)
    _find_closers(idiom)
    _find_openings(idiom)
    idiom.queries = Queries(program, idiom.removed)
    refuse(idiom)
    refuse_together(idiom)
    _involve(idiom)
    return idiom


def _find_kept(idiom: Idiom) -> None:
    for (of, name), values in idiom.program.stored.items():
        numbers = numbers_in(values)
        if of == "flask.g" and numbers:
            idiom.kept[name] = Kept(name, numbers, _kind(values), of_g=True)
    homes = {site.where for _, site in connect_sites(idiom)}
    for module in sorted(idiom.program.modules.values(), key=lambda each: each not in homes):
        for name, values in module.bindings.items():
            numbers = numbers_in(values)
            if not numbers or module.is_test:
                continue
            if known := _known_as_another(idiom, name, numbers):
                known.aliases.add(name)
                continue
            if name in idiom.kept and numbers - idiom.kept[name].numbers:
                idiom.kept[name].numbers |= numbers
                continue
            sites = [s for n, s in connect_sites(idiom) if n in numbers]
            if all(isinstance(site.where, Module) for site in sites):
                idiom.kept[name] = Kept(name, numbers, _kind(values), of_g=False)
    for function in idiom.program.functions.values():
        for name in function.imported:
            if known := _known_as_another(idiom, name, numbers_in(function.bindings[name])):
                known.aliases.add(name)


def _kind(values: Values) -> str:
    """What the connections among the values are to."""
    libraries = {value.kind.partition(".")[0] for value in values if isinstance(value, Instance)}
    return KINDS[min(libraries & KINDS.keys())]


def _known_as_another(idiom: Idiom, name: str, numbers: set[int]) -> Kept | None:
    """The variable of a module that a name of another module is for."""
    for kept in idiom.kept.values():
        if numbers and not kept.of_g and numbers <= kept.numbers and kept.name != name:
            return kept
    return None


def _find_singletons(idiom: Idiom) -> None:
    """Functions that open what one client can share, onto a variable of their own."""
    for function in idiom.program.functions.values():
        numbers = numbers_in(function.returns)
        found = singleton(idiom.program, function) if numbers else None
        if found is None or found.name in idiom.kept or function.module.is_test:
            continue
        if any(kept.of_g and kept.numbers & numbers for kept in idiom.kept.values()):
            continue
        kind = _kind(function.returns)
        if kind != POSTGRESQL:
            idiom.kept[found.name] = Kept(found.name, numbers, kind, of_g=False)
            idiom.singletons[function] = found
            idiom.openers[function].add(found.name)


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
        is_hook = HOOK in function.roles and isinstance(function.node, cst.FunctionDef)
        if is_hook and _only_keeps(function, idiom):
            idiom.closers.add(function)
    idiom.removed |= idiom.closers


def _find_openings(idiom: Idiom) -> None:
    """`g.name = connect(...)`, a statement of a function that does more."""
    for number, site in connect_sites(idiom):
        kept = kept_of(idiom, number)
        where = site.where
        if kept is None or not isinstance(where, Function) or where in idiom.removed:
            continue
        for line in where.node.body.body if isinstance(where.node, cst.FunctionDef) else ():
            if isinstance(line, cst.SimpleStatementLine) and _opens(line, kept.name, site.node):
                idiom.openings[site.node] = line
            elif isinstance(line, cst.Try) and _attempts(idiom.program, line, kept, site.node):
                idiom.attempts[site.node] = line


def _attempts(program: Program, node: cst.Try, kept: Kept, call: cst.CSTNode) -> bool:
    """Whether it opens, and handles the driver's errors, or all, in one way."""
    if node.orelse or node.finalbody or len(node.body.body) != 1 or len(node.handlers) != 1:
        return False
    errors = errors_caught(program, node.handlers[0])
    modules = {of for of, kind in KINDS.items() if kind == kept.kind}
    of_driver = bool(errors) and {path.partition(".")[0] for path in errors} <= modules
    handled = of_driver or not errors.isdisjoint(ALL_ERRORS)
    puts_another = _assigns(node.handlers[0], kept.name)
    return handled and not puts_another and _opens(node.body.body[0], kept.name, call)


def _opens(line: cst.CSTNode, name: str, call: cst.CSTNode) -> bool:
    if not isinstance(line, cst.SimpleStatementLine):
        return False
    if len(line.body) != 1 or not isinstance(line.body[0], cst.Assign):
        return False
    assign = line.body[0]
    targets = [dotted(each.target) for each in assign.targets]
    return assign.value is call and targets in ([f"g.{name}"], [f"flask.g.{name}"])


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
            if is_attempt(function, site):
                return False
            touches = True
        elif not all(_is_harmless(path) for path in site.paths):
            return False
    for (of, name), values in idiom.program.stored.items():
        if of == "flask.g" and _assigns(function.node, name):
            from .values import routines

            if not numbers_in(values) and not routines(values) & set(idiom.openers):
                return False
            touches = True
    return touches and not _does_more(function)


def _is_harmless(path: str) -> bool:
    return path.startswith(("flask.g.", "builtins.", "logging.")) or ".logger." in path


def _assigns(node: cst.CSTNode, name: str) -> bool:
    """Whether it puts something into `g` by this name."""
    pattern = m.AssignTarget(target=m.Attribute(value=m.Name("g"), attr=m.Name(name)))
    return bool(m.findall(node, pattern))


def _does_more(function: Function) -> bool:
    """Whether it returns something of its own, as a `before_request` function may."""
    for found in m.findall(function.node, m.Return()):
        assert isinstance(found, cst.Return)
        given = found.value
        if given is not None and not (
            isinstance(given, cst.Name) and given.value in {"None", *function.names}
        ):
            return True
    return bool(m.findall(function.node, m.Raise() | m.Yield()))


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
        opened = idiom.program.connects.get(site.node)
        is_opening = site.node in idiom.openings and idiom.converted(opened) is not None
        if site.where in idiom.removed or is_opening:
            idiom.involved.add(site.node)
            continue
        if site.node in idiom.attempts and (kept := idiom.converted(opened)) is not None:
            _await_opener(idiom, site, kept.name)
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
                name = wanted(function, site.node, idiom.openers[function])
                if name is not None:
                    _await_opener(idiom, site, name)
    for node, read in idiom.program.reads.items():
        kept_here = kept_where_read(idiom, read)
        if kept_here is None or kept_here.refusal or read.where in idiom.removed:
            continue
        idiom.reads[node] = replace(read, name=kept_here.name)
        site = Site(node, read.where, "attribute", block=read.block)
        idiom.program.sites.setdefault((node, "attribute"), site)
        idiom.awaited.add(node)


def _await_opener(idiom: Idiom, site: Site, name: str) -> None:
    idiom.opener_calls[site.node] = (site, name)
    idiom.involved.add(site.node)
    idiom.awaited.add(site.node)


def _closes_converted(idiom: Idiom, function: Function) -> bool:
    for site in idiom.program.sites.values():
        if site.where is function:
            opened = idiom.program.connects.get(site.node)
            if opened is not None and idiom.converted(opened) is None:
                return False
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
            (site.role == "call" and drivers.awaits(path))
            or (site.role == "with" and drivers.entered(path))
            or (site.role == "for" and drivers.iterated(path))
        ):
            idiom.awaited.add(site.node)
