"""What tests call by the name of a method, of an object whose class is not found out."""

from __future__ import annotations

from collections import defaultdict

import libcst as cst

from .program import Function, Program
from .unseen import unresolved


def guess_in_tests(program: Program) -> None:
    """Note the methods that such a call may be of: if one is awaited, it awaits what it gets."""
    methods: dict[str, set[Function]] = defaultdict(set)
    for function in program.functions.values():
        if function.owner is not None and not function.roles and not function.is_generator:
            methods[function.name].add(function)
    for site in program.sites.values():
        called = site.node.func if isinstance(site.node, cst.Call) else None
        if site.where.module.is_test and isinstance(called, cst.Attribute) and unresolved(site):
            site.perhaps = methods.get(called.attr.value, set())
