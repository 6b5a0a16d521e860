"""Settings that tests give an app which is made already: CONNECTIONS has read them before."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import dotted, text_of
from service.porting.plan import Plan
from service.porting.program import Module
from service.porting.values import Type

from .entries import apps_made

_CONFIG = m.Attribute(attr=m.Name("config"))
_TEXT = m.SimpleString()
_ITEM = m.Subscript(value=_CONFIG, slice=[m.SubscriptElement(m.Index(_TEXT))])
_READ = _ITEM | m.Call(func=m.Attribute(value=_CONFIG), args=[m.Arg(_TEXT), m.ZeroOrMore()])
_SETTING = m.Attribute(
    value=_CONFIG,
    attr=m.OneOf(*map(m.Name, ("from_mapping", "from_object", "setdefault", "update"))),
)
_GIVEN_TO = m.Call(func=_SETTING) | m.Call(args=[m.Arg(_CONFIG), m.AtLeastN(n=1)])
"""As in `app.config.update(...)`, or in `monkeypatch.setitem(app.config, ...)`."""
_CONNECTIONS = m.Subscript(
    value=_CONFIG,
    slice=[m.SubscriptElement(m.Index(m.SimpleString(m.MatchRegex(r"\WCONNECTIONS\W"))))],
)
_CONNECTED = m.Assign(
    targets=[m.AssignTarget(_CONNECTIONS)], value=m.SaveMatchedNode(m.Dict(), "entries")
)


def tell_of_settings_of_tests(plan: Plan) -> None:
    """Report where tests set what an entry of CONNECTIONS was read from."""
    read = {key: name for name, entry in entries_of(plan) for key in keys_read(entry, _READ)}
    making = {site.where.module for site in apps_made(plan)}
    for module in plan.program.modules.values():
        if read and module.is_test and module not in making:
            for node, key in _set(module):
                if key in read:
                    plan.hand(
                        module,
                        node,
                        f'CONNECTIONS["{read[key]}"] has read {key} before: set'
                        ' app.config["CONNECTIONS"] before Connections(app)',
                    )


def entries_of(plan: Plan) -> Iterator[tuple[str, cst.CSTNode]]:
    """The entries, and the functions that they call, by the names of the entries."""
    for name, entry in _written(plan):
        yield name, entry
        called = {
            dotted(cst.ensure_type(each, cst.Call).func) for each in m.findall(entry, m.Call())
        }
        for function in plan.program.functions.values() if called else ():
            if function.name in called and function.parent is function.module:
                yield name, function.node


def _written(plan: Plan) -> Iterator[tuple[str, cst.CSTNode]]:
    """The entries by their names: those to be written, and those of a project that is ported."""
    for name, entry in plan.entries.items():
        yield name, cst.parse_expression(entry)
    for module in plan.program.modules.values():
        if module.is_test or "CONNECTIONS" not in module.source:
            continue
        for found in m.extractall(module.tree, _CONNECTED):
            for element in cst.ensure_type(found["entries"], cst.Dict).elements:
                if isinstance(element, cst.DictElement):
                    yield text_of(element.key) or "", element.value


def keys_read(node: cst.CSTNode, reading: m.BaseMatcherNode) -> set[str]:
    """The names, as texts, of what an expression reads so."""
    return {
        key
        for read in m.findall(node, reading)
        for each in m.findall(read, _TEXT)[:1]
        if (key := text_of(each))
    }


def _set(module: Module) -> Iterator[tuple[cst.CSTNode, str]]:
    """Where a module sets something in the configuration of an app, and what."""
    for node in m.findall(module.tree, m.AssignTarget(_ITEM)):
        yield from ((node, key) for key in keys_read(node, _READ))
    for node in m.findall(module.tree, _GIVEN_TO):
        for arg in cst.ensure_type(node, cst.Call).args:
            keys = keys_given(arg)
            for value in module.bindings.get(dotted(arg.value), frozenset()):
                keys |= set(value.of.bindings) if isinstance(value, Type) else set()
            yield from ((node, key) for key in sorted(keys))


def keys_given(arg: cst.Arg) -> set[str]:
    """The names that an argument sets: its own, a text, the keys of a dictionary."""
    given = [arg.value]
    if isinstance(arg.value, cst.Dict):
        pairs = (each for each in arg.value.elements if isinstance(each, cst.DictElement))
        given = [pair.key for pair in pairs]
    named = {arg.keyword.value} if arg.keyword is not None else set()
    return named | {text for each in given if (text := text_of(each))}
