"""Settings of Flask's that mean something else to Quart, or that it does not have."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import text_of
from service.porting.plan import STREAM, Plan
from service.porting.program import Module, Scope
from service.porting.values import Generated

from .answers import answers

_STREAMS = "Quart cuts a stream off after RESPONSE_TIMEOUT, a minute: set it, None is for ever"
_SERVER_NAME = "with SERVER_NAME, Quart answers requests for no other host"
_TRUSTED_HOSTS = "Quart takes no notice of TRUSTED_HOSTS: Hypercorn's server_names do the same"


def tell_of_settings(plan: Plan) -> None:
    """Report each of them once in a file."""
    modules = [module for module in plan.program.modules.values() if not module.is_test]
    for module in modules:
        if (node := next(_named(module, "SERVER_NAME"), None)) is not None:
            plan.note(module, node, _SERVER_NAME)
        if (node := next(_named(module, "TRUSTED_HOSTS"), None)) is not None:
            plan.hand(module, node, _TRUSTED_HOSTS)
    if not any("RESPONSE_TIMEOUT" in module.source for module in modules):
        _tell_of_streams(plan)


def _named(module: Module, setting: str) -> Iterator[cst.CSTNode]:
    if setting in module.source:
        for node in m.findall(module.tree, m.Name(setting) | m.SimpleString()):
            if isinstance(node, cst.Name) or text_of(node) == setting:
                yield node


def _tell_of_streams(plan: Plan) -> None:
    told: set[Module] = set()
    for where, node in _streams(plan):
        if where.module not in told and not where.module.is_test:
            told.add(where.module)
            plan.note(where, node, _STREAMS)


def _streams(plan: Plan) -> Iterator[tuple[Scope, cst.CSTNode]]:
    for function, (body, *_) in answers(plan):
        if any(isinstance(value, Generated) for value in body[1]):
            yield function, body[0]
    for site in plan.sites("call"):
        if f"flask.{STREAM}" in site.paths:
            yield site.where, site.node
    for function in plan.program.streamed:
        yield function, function.node
