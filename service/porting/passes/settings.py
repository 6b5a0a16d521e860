"""Settings of Flask's that mean something else to Quart, or that it does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import with_keyword
from service.porting.plan import STREAM, Plan
from service.porting.program import Module, Scope
from service.porting.report import Kind
from service.porting.values import Generated

from .answers import answers

_STREAMS = "Quart cuts a stream off after RESPONSE_TIMEOUT, a minute: set it, None means no end"
_SERVER_NAME = "with SERVER_NAME, Quart answers requests for no other host"
_TRUSTED_HOSTS = (
    "Quart takes no notice of TRUSTED_HOSTS: list each host, with its port, in"
    " Hypercorn's server_names"
)
_HTTP = m.SimpleString(m.MatchRegex(r"""["']http["']"""))
_SCHEME = "outside of requests, Quart's URLs have https only with PREFER_SECURE_URLS = True"
_FROM_ENVIRON = "from_prefixed_env"
_PREFIXED = m.Call(func=m.Attribute(attr=m.Name(_FROM_ENVIRON)))
_FLASK = cst.SimpleString('"FLASK"')
_LESS = "Quart takes no more than MAX_CONTENT_LENGTH of the app; this can only lower it"
_LIMITED = m.AssignTarget(m.Attribute(attr=m.Name("max_content_length")))


def tell_of_settings(plan: Plan) -> None:
    """Report each of them once in a file."""
    modules = [module for module in plan.program.modules.values() if not module.is_test]
    for module in modules:
        for node in _set(module, "SERVER_NAME")[:1]:
            plan.note(module, node, _SERVER_NAME)
        for node in _set(module, "TRUSTED_HOSTS")[:1]:
            plan.hand(module, node, _TRUSTED_HOSTS)
        if "max_content_length" in module.source:
            for target in m.findall(module.tree, _LIMITED)[:1]:
                plan.note(module, target, _LESS)
        for node in _set(module, "PREFERRED_URL_SCHEME")[:1]:
            if not _in_any(modules, "PREFER_SECURE_URLS"):
                plan.report.tell(module, node, Kind.HAND, _SCHEME)  # no route comes to it
    if not _in_any(modules, "RESPONSE_TIMEOUT"):
        _tell_of_streams(plan)


def keep_prefixes(plan: Plan) -> None:
    """Without a prefix, Flask's settings are read from FLASK_..., and Quart's from QUART_...."""
    if plan.program.is_ported:
        return
    for module in plan.program.modules.values():
        for call in m.findall(module.tree, _PREFIXED) if _FROM_ENVIRON in module.source else ():
            assert isinstance(call, cst.Call)
            if not call.args:
                plan.edits(module).change(call, _with_prefix)
            elif all(arg.keyword and arg.keyword.value != "prefix" for arg in call.args):
                plan.edits(module).change(call, _with_keyword)


def _with_prefix(call: cst.Call) -> cst.Call:
    return call.with_changes(args=[cst.Arg(_FLASK)])


def _with_keyword(call: cst.Call) -> cst.Call:
    return with_keyword(call, "prefix", _FLASK)


def _in_any(modules: list[Module], setting: str) -> bool:
    return any(setting in module.source for module in modules)


def _set(module: Module, setting: str) -> Sequence[cst.CSTNode]:
    """Where a module gives a setting its value; what only reads it may be an environment's."""
    if setting not in module.source:
        return ()
    name, value = m.Name(setting), ~m.Name("None") & ~_HTTP
    text = m.SimpleString(m.MatchRegex(rf"""["']{setting}["']"""))
    item = m.Subscript(slice=[m.SubscriptElement(m.Index(text))])
    assigned = m.Assign([m.AssignTarget(name | item)], value) | m.AnnAssign(name, value=value)
    given = m.Arg(value, keyword=name) | m.DictElement(text, value)
    return [*m.findall(module.tree, assigned), *m.findall(module.tree, given)]


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
