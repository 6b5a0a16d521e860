"""Tests that ask for a stream without an end, which the ported client reads to its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.awaitables import AWAITABLE
from service.porting.flask_types import CLIENT
from service.porting.nodes import text_of
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.sites import Site
from service.porting.values import Generated

from .answers import answers

_SETTING = "RESPONSE_TIMEOUT"
_REASON = (
    "this stream has no end, and the ported client reads all of it: give the app, for tests, a "
    f"{_SETTING} of few seconds, which cuts it off"
)
_FOREVER = m.While(test=m.Name("True") | m.Integer("1"))
_LEFT = m.Break() | m.Return() | m.Raise()
_PLACE = re.compile(r"<[^<>]*>")


def tell_of_streams_without_an_end(plan: Plan) -> None:
    """Report the requests for them, if no test says when they are cut off."""
    modules = plan.program.modules.values()
    setting = [module for module in modules if _SETTING in module.source]
    if any(module.is_test for module in setting):
        return
    tell = plan.hand if setting else plan.note
    for site in requests_for(plan, _has_no_end):
        tell(site.where, site.node, _REASON)


def requests_for(plan: Plan, is_wanted: Callable[[Function], bool]) -> Iterator[Site]:
    """Where a test client asks for a stream that such a generator makes."""
    rules = [*map(_pattern, _rules(plan, is_wanted))]
    for site in plan.sites("call") if rules else ():
        asks = any(path.startswith(f"{CLIENT}.") for path in site.paths & AWAITABLE)
        if not asks or not isinstance(site.node, cst.Call) or not site.node.args:
            continue
        path = (text_of(site.node.args[0].value) or "").partition("?")[0]
        if any(rule.fullmatch(path) for rule in rules):
            yield site


def _rules(plan: Plan, is_wanted: Callable[[Function], bool]) -> Iterator[str]:
    """The rules of views that answer with such a stream."""
    for function, (body, *_) in answers(plan):
        if any(isinstance(each, Generated) and is_wanted(each.function) for each in body[1]):
            for _, by in plan.program.registered.get(function, ()):
                call = by.decorator if isinstance(by, cst.Decorator) else by
                given = call.args[:1] if isinstance(call, cst.Call) else ()
                yield from filter(None, (text_of(arg.value) for arg in given))


def _has_no_end(function: Function) -> bool:
    """Whether a generator goes on for ever, if nobody stops it."""
    loops = m.findall(function.node, _FOREVER)
    return function.is_endless or any(not m.findall(loop, _LEFT) for loop in loops)


def _pattern(rule: str) -> re.Pattern[str]:
    """The paths that may be of a rule, whatever a blueprint puts before it."""
    return re.compile(".*" + ".+".join(map(re.escape, _PLACE.split(rule))))
