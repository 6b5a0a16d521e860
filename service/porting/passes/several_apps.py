"""Several apps in one project: modules that have no imports in common are of different ones."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from service.porting.closure import closure
from service.porting.plan import Plan
from service.porting.program import Function, Module
from service.porting.registration import VIEW
from service.porting.values import ModuleValue

from .entries import apps_made

_IMPORTED = re.compile(r"^[ \t]*import[ \t]+([\w.]+)", re.MULTILINE)
"""As in `import package.module`, which gives a name to the package alone."""


def views_beside(plan: Plan, modules: Iterable[Module]) -> set[Function]:
    """The views that may be of the apps which these modules do something to.

    Those of modules that are of no app, as far as is seen, are among them.
    """
    beside = _imports_and_importers(plan)
    made = closure({site.where.module for site in apps_made(plan)}, lambda each: beside[each])
    of_theirs = closure(modules, lambda each: beside[each])
    everywhere = not of_theirs <= made
    return {
        function
        for function in plan.functions()
        if VIEW in function.roles
        if everywhere or function.module in of_theirs or function.module not in made
    }


def _imports_and_importers(plan: Plan) -> dict[Module, set[Module]]:
    found: dict[Module, set[Module]] = defaultdict(set)
    imports = set(plan.program.imports.values())
    for module in plan.program.modules.values():
        for values in module.bindings.values():
            imports |= {(module, each.module) for each in values if isinstance(each, ModuleValue)}
        for name in _IMPORTED.findall(module.source):
            if (imported := plan.program.module_called(name)) is not None:
                imports.add((module, imported))
    for importing, imported in imports:
        if not importing.is_test and not imported.is_test:
            found[importing].add(imported)
            found[imported].add(importing)
    return found
