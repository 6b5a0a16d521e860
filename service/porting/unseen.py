"""Functions that are called where nobody sees it, or by what awaits nothing: they stay plain."""

from __future__ import annotations

from collections.abc import Set

import libcst as cst
import libcst.matchers as m

from .awaitables import AWAITABLE
from .behave import is_hook as is_hook_of_behave
from .encoders import asked_of_others
from .factories import makes_app
from .nodes import outline, text_of
from .program import Function, Program
from .sites import Site
from .stand_ins import is_seen_to_call

_AROUND_TESTS = {
    *(f"{when}{of}" for when in ("setUp", "tearDown") for of in ("Class", "Module")),
    *(
        f"{when}_{of}"
        for when in ("setup", "teardown")
        for of in ("class", "function", "method", "module")
    ),
}
"""What unittest and pytest call before and after tests, and await nothing of."""

SERVES = "app.run has an event loop of its own"


def pin_what_is_called_unseen(program: Program) -> None:
    """Pin who has no caller that is seen, and who may be meant by a call that is not resolved."""
    called = {function for site in program.sites.values() for function in site.functions}
    called |= {*program.aliases, *program.streamed, *program.consumed.values()}
    unnamed = any(_calls_a_value(site) for site in program.sites.values())
    named = {name for site in program.sites.values() for name in _names(site)}
    for function in program.functions.values():
        of_quart = function in program.put_on_apps or is_awaited(function)
        if function.roles or function.module.is_test or of_quart:
            continue
        if function not in called:
            function.pins.setdefault("nobody is seen to call it", function.node)
        elif unnamed and function in program.kept:
            reason = "it is kept, and a call that cannot be resolved may mean it"
            function.pins.setdefault(reason, function.node)
        elif meant := sorted(named & {function.name, *program.kept.get(function, ())}):
            reason = f"a call of {meant[0]} that cannot be resolved may mean it"
            function.pins.setdefault(reason, function.node)


def pin_what_is_called_plainly(program: Program) -> None:
    """Pin who is called by what awaits nothing: a thread, a server, unittest."""
    for site in program.sites.values():
        if "flask.Flask.run" in site.paths and isinstance(site.where, Function):
            site.where.pins.setdefault(SERVES, site.node)
    for function in program.in_threads:
        function.pins.setdefault("it is run in a thread", function.node)
    for function in program.functions.values():
        if makes_app(function):
            function.pins.setdefault("an app factory is called without await", function.node)
        if function.module.is_test and _is_called_around_tests(function):
            function.pins.setdefault(f"{function.name} cannot be async", function.node)


def _is_called_around_tests(function: Function) -> bool:
    is_hook = function.name.startswith("pytest_") and not function.roles
    return function.name in _AROUND_TESTS or is_hook or is_hook_of_behave(function)


def is_awaited(function: Function, among: Set[str] = AWAITABLE) -> bool:
    """Whether it stands in for a method of Quart's that is awaited, of these."""
    bases = function.owner.external_bases() if function.owner is not None else []
    return any(f"{base}.{function.name}" in among for base in bases)


def unresolved(site: Site) -> str | None:
    """Why a call may be of anything; None if something is known of it."""
    if not site.unresolved or is_seen_to_call(site):
        return None
    called = site.node.func if isinstance(site.node, cst.Call) else site.node
    return f"the call of {outline(called)} cannot be resolved"


def _is_unresolved(site: Site) -> bool:
    return unresolved(site) is not None and not site.where.module.is_test


def _calls_a_value(site: Site) -> bool:
    """Whether something is called that has no name, or has got it here, and is not known."""
    node = site.node
    named = isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
    return _is_unresolved(site) and not named and not site.through_parameter


def _names(site: Site) -> list[str]:
    """The names by which a call that is not resolved calls something."""
    node = site.node
    if site.asked and not site.where.module.is_test:
        return sorted(site.asked)
    if asked := asked_of_others(site):
        return asked
    if not _is_unresolved(site) or not isinstance(node, cst.Call):
        return []
    if isinstance(node.func, cst.Attribute):
        return [node.func.attr.value]
    return [text for each in m.findall(node.func, m.SimpleString()) if (text := text_of(each))]
