"""What tests let something else stand in for, such as a request that a helper is given."""

from __future__ import annotations

import libcst as cst

from .awaitables import AWAITABLE
from .program import Function, Program
from .sites import Site
from .values import NOTHING, External, Instance, Object, Value


def of_others_too(program: Program, site: Site) -> bool:
    """Whether what Quart has awaited is read there of what may be something else."""
    read = site.node.func if isinstance(site.node, cst.Call) else site.node
    if not isinstance(read, cst.Attribute) or site.where.module.is_test:
        return False
    name, base = read.attr.value, program.values.get(read, NOTHING)
    return bool(site.paths & AWAITABLE) and any(_has_plain(value, name) for value in base)


def given_stand_ins(program: Program) -> set[Function]:
    """The functions that do so, and those that call them."""
    found = {
        site.where
        for site in program.sites.values()
        if isinstance(site.where, Function) and of_others_too(program, site)
    }
    size = 0
    while size < len(found):
        size = len(found)
        for site in program.sites.values():
            if isinstance(site.where, Function) and not site.functions.isdisjoint(found):
                found.add(site.where)
    return found


def _has_plain(value: Value, name: str) -> bool:
    """Whether what is neither Flask's nor data has this by itself."""
    if isinstance(value, Object):
        return bool(value.of.attribute(name)) and not value.of.external_bases()
    path = value.path if isinstance(value, External) else ""
    path = value.kind if isinstance(value, Instance) else path
    library = path.partition(".")[0]
    return library not in {"", "builtins", "flask"} and f"{path}.{name}" not in AWAITABLE
