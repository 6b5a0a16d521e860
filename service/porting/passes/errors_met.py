"""Which connections the errors may come from that a handler is for, or that a test expects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import libcst as cst
import libcst.matchers as m

from service.porting.doubles import CALLING
from service.porting.drivers import SPEAKING_SQL, number_of
from service.porting.plan import Plan
from service.porting.program import Function, Program, Scope
from service.porting.sites import Site

_Met = TypeVar("_Met", str, int, Function)
_ANYTHING = 0
"""The number of what a call may come to that is not understood."""


def opened_in_attempts(plan: Plan) -> Mapping[cst.CSTNode, set[str]]:
    """The kinds of the connections that may be opened within what a handler is for."""
    idiom = plan.idiom
    asked = [(node, site.where, name) for node, (site, name) in idiom.opener_calls.items()]
    asked += [(node, read.where, read.name) for node, read in idiom.reads.items()]
    kinds = [
        (node, where, idiom.kept[name].kind)
        for node, where, name in asked
        if where not in idiom.removed
    ]
    return in_attempts(plan.program, kinds)


def only_of_what_stays(plan: Plan) -> set[cst.CSTNode]:
    """The handlers for what asks only connections for SQL that are not converted."""
    sites = plan.program.sites.values()
    asked = [(site.node, site.where, _ANYTHING) for site in sites if site.unresolved]
    asked += [
        (site.node, site.where, number)
        for site in sites
        for path in site.paths
        if path.startswith(SPEAKING_SQL) and (number := number_of(path)) is not None
    ]
    return {
        handler
        for handler, numbers in in_attempts(plan.program, asked).items()
        if numbers and _ANYTHING not in numbers and not any(map(plan.idiom.converted, numbers))
    }


def expectations(program: Program) -> dict[cst.Call, Site]:
    """The calls by which tests say which errors they expect."""
    return {
        site.node: site
        for site in program.sites.values()
        if isinstance(site.node, cst.Call) and site.node.args
        if site.role == "call" and not CALLING.keys().isdisjoint(site.paths)
    }


def in_attempts(
    program: Program, met: Iterable[tuple[cst.CSTNode, Scope, _Met]]
) -> Mapping[cst.CSTNode, set[_Met]]:
    """What may be met within what a handler is for, by what is met where."""
    at = _by_place(program, met)
    found: dict[cst.CSTNode, set[_Met]] = defaultdict(set)
    expected = expectations(program)
    scopes = [where for where, _ in program.handlers.values()]
    scopes += [site.where for site in expected.values()]
    for module in {where.module for where in scopes}:
        for attempt in m.findall(module.tree, m.Try() | m.TryStar() | m.With()):
            assert isinstance(attempt, cst.Try | cst.TryStar | cst.With)
            within = m.findall(attempt.body, m.Call() | m.Name() | m.Attribute() | m.WithItem())
            all_met = {each for node in within for each in at.get(node, ())}
            found.update((handler, all_met) for handler in _handlers(attempt, expected))
    return found


def _handlers(
    attempt: cst.Try | cst.TryStar | cst.With, expected: Collection[cst.CSTNode]
) -> Sequence[cst.CSTNode]:
    if isinstance(attempt, cst.With):
        return [item.item for item in attempt.items if item.item in expected]
    return attempt.handlers


def _by_place(
    program: Program, met: Iterable[tuple[cst.CSTNode, Scope, _Met]]
) -> Mapping[cst.CSTNode, set[_Met]]:
    """What a place may come to meet, itself or by what it calls."""
    found: dict[cst.CSTNode, set[_Met]] = defaultdict(set)
    within: dict[Scope, set[_Met]] = defaultdict(set)
    for node, where, each in met:
        found[node].add(each)
        within[where].add(each)
    size = -1
    while size != (size := sum(map(len, within.values()))):
        for site in program.sites.values():
            for function in site.functions & within.keys():
                within[site.where] |= within[function]
                found[site.node] |= within[function]
    return found
