"""Connections that get_db is asked for, and that nobody configures: their entries are yours."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import dotted, text_of
from service.porting.plan import GET_DB, RUNTIME, Plan
from service.porting.program import Function, Module
from service.porting.sites import Site
from service.porting.values import NOTHING, ModuleValue, Type

from .entries import apps_made

_ASKING = {f"{RUNTIME}.{GET_DB}", f"{RUNTIME}.{GET_DB}_sync"}
_WORD = re.compile(r"\bCONNECTIONS\b")
_KEY = m.Subscript(slice=[m.SubscriptElement(m.Index(m.SimpleString()))])
_FROM_ELSEWHERE = ("from_envvar", "from_file", "from_prefixed_env", "from_pyfile")
_CONFIG = m.Name("config") | m.Attribute(attr=m.Name("config"))
_READ = m.Call(m.Attribute(_CONFIG, m.OneOf(*map(m.Name, _FROM_ELSEWHERE)))) | m.Call(
    m.Attribute(_CONFIG, m.Name("update") | m.Name("from_mapping")),
    [m.ZeroOrMore(), m.Arg(~m.Dict(), keyword=None), m.ZeroOrMore()],
)
"""What configures the app with something that is not written out."""
_FROM_OBJECT = m.Call(m.Attribute(_CONFIG, m.Name("from_object")), [m.AtLeastN(n=1)])

Asked = tuple[Function | Module, cst.CSTNode]


def tell_of_entries(plan: Plan) -> None:
    """Report the names that get_db is asked for, here or after this port, in vain."""
    apps = _of_no_test(apps_made(plan))
    asked = _asked_now(plan) if apps else {}
    configured = _configured(plan) if asked else None
    known = asked.keys() if configured is None else configured
    lacking = {name: places for name, places in asked.items() if name not in known}
    lacking.update(_asked_later(plan))
    _tell(plan, apps, {name: lacking[name] for name in lacking.keys() - plan.entries.keys()})


def tell_of_entries_left(plan: Plan, begun: list[Site]) -> None:
    """Report the entries that are written nowhere, since no app but those of tests has begun."""
    if not plan.entries or _of_no_test(begun):
        return
    apps = _of_no_test(apps_made(plan))
    known = _configured(plan) if apps else None
    asked = _asked_later(plan)
    lacking = plan.entries.keys() - known if known is not None else set()
    _tell(plan, apps, {name: asked[name] for name in lacking})
    plan.report.no_entry_is_written()


def asks_for_connections(plan: Plan) -> bool:
    """Whether get_db is called, here or after this port: an app needs CONNECTIONS for that."""
    return bool(_asked_later(plan)) or any(site.paths & _ASKING for site in plan.sites("call"))


def _of_no_test(apps: Iterable[Site]) -> list[Asked]:
    return [(site.where, site.node) for site in apps if not site.where.module.is_test]


def _tell(plan: Plan, apps: list[Asked], lacking: dict[str, list[Asked]]) -> None:
    for name in sorted(lacking):
        for where, node in lacking[name]:
            plan.by_hand[where.module].add(node)
        reason = f'get_db("{name}") has no entry here: write CONNECTIONS["{name}"]'
        plan.hand(*(apps or lacking[name])[0], reason)


def _asked_later(plan: Plan) -> dict[str, list[Asked]]:
    """The names of what becomes get_db, and has no entry."""
    found: dict[str, list[Asked]] = defaultdict(list)
    for node, (site, kept) in plan.idiom.opener_calls.items():
        found[plan.name_of(kept)].append((site.where, node))
    for node, read in plan.idiom.reads.items():
        found[plan.name_of(read.name)].append((read.where, node))
    return found


def _asked_now(plan: Plan) -> dict[str, list[Asked]]:
    """The names that get_db is asked for already, as they are written out."""
    found: dict[str, list[Asked]] = defaultdict(list)
    for site in plan.sites("call"):
        args = site.node.args if isinstance(site.node, cst.Call) else ()
        name = text_of(args[0].value) if args else None
        if name is not None and site.paths & _ASKING and not site.where.module.is_test:
            found[name].append((site.where, site.node))
    return found


def _configured(plan: Plan) -> set[str] | None:
    """The names in CONNECTIONS; None if it is not written out, or may come from elsewhere."""
    found: set[str] = set()
    for module in plan.program.modules.values():
        if "config" in module.source and _is_from_elsewhere(plan, module):
            return None
        written = list(_written(module)) if "CONNECTIONS" in module.source else []
        if len(written) != len(_WORD.findall(module.source)):
            return None
        for mapping in written:
            keys = [getattr(element, "key", None) for element in mapping.elements]
            names = {text_of(key) for key in keys}
            if None in names:
                return None
            found |= {name for name in names if name is not None}
    return found


def _is_from_elsewhere(plan: Plan, module: Module) -> bool:
    """Whether a module configures the app with what may not be of the project."""
    if m.findall(module.tree, _READ):
        return True
    for call in m.findall(module.tree, _FROM_OBJECT):
        given = cst.ensure_type(call, cst.Call).args[0].value
        values = module.bindings.get(dotted(given), NOTHING)
        of_project = values and all(isinstance(each, Type | ModuleValue) for each in values)
        if not of_project and plan.program.module_called(text_of(given) or "") is None:
            return True
    return False


def _written(module: Module) -> Iterator[cst.Dict]:
    """The dictionaries that CONNECTIONS is set to."""
    for line in m.findall(module.tree, m.Assign(targets=[m.AssignTarget()], value=m.Dict())):
        assert isinstance(line, cst.Assign)
        assert isinstance(line.value, cst.Dict)
        target: cst.BaseExpression = line.targets[0].target
        if isinstance(target, cst.Subscript) and m.matches(target, _KEY):
            target = cst.ensure_type(target.slice[0].slice, cst.Index).value
        if "CONNECTIONS" in {text_of(target), dotted(target)}:
            yield line.value
