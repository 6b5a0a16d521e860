"""Tests that close a stream, which the ported client has read to its end by then."""

from __future__ import annotations

import libcst.matchers as m

from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.values import Instance

from .streams_without_an_end import requests_for

_REASON = "the ported client reads this stream to its end: close() does not cut it off"
_AS_IT_COMES = m.Arg(m.Name("False"), keyword=m.Name("buffered"))
_CLEANS_UP = m.Try() | m.With()
_READS = m.Attribute(attr=m.OneOf(*map(m.Name, ("data", "get_data", "get_json", "json", "text"))))


def tell_of_streams_closed(plan: Plan) -> None:
    """Report the requests for streams that see to it how they end, if tests only close them."""
    closing = {
        node for node, base in plan.program.values.items() if Instance("flask.Response") in base
    }
    for site in requests_for(plan, _sees_to_its_end):
        within = site.where.node if isinstance(site.where, Function) else None
        if within is None or not site.where.module.is_test or m.findall(within, _READS):
            continue
        if not closing.isdisjoint(m.findall(within, m.Attribute(attr=m.Name("close")))):
            tell = plan.hand if m.findall(site.node, _AS_IT_COMES) else plan.note
            tell(site.where, site.node, _REASON)


def _sees_to_its_end(function: Function) -> bool:
    """Whether a generator has something to do however it ends."""
    return bool(m.findall(function.node, _CLEANS_UP))
