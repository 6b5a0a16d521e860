"""Routes that an extension of Flask's calls: methods of its classes, and what it registers."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from service.porting.libraries import extension
from service.porting.plan import Plan
from service.porting.program import Class, Function
from service.porting.registration import VERBS, VIEW, adds_routes
from service.porting.values import routines

_ALL_PUBLIC = "FlaskView"
"""The class whose methods are routes by whichever name, as Flask-Classful's."""
_BY_VERB = ("MethodView", "Resource")
_AROUND = ("_", "after_", "before_")
"""How the names of those of its methods begin that are no routes."""
_EXPOSED = "expose"


def views_of_extensions(plan: Plan) -> set[Function]:
    """The functions of the project that are routes by way of extensions alone."""
    found = {each for of in plan.program.classes.values() for each in _methods(of)}
    found |= {each for each in plan.functions() if _is_registered(plan, each)}
    return {each for each in found if VIEW not in each.roles and not each.module.is_test}


def _methods(of: Class) -> Iterator[Function]:
    """The methods of a class that an extension calls for requests."""
    bases = [base for base in of.external_bases() if extension(base)]
    by_name = any(base.endswith(_ALL_PUBLIC) for base in bases)
    by_verb = any(base.endswith(_BY_VERB) for base in bases)
    for name, values in of.bindings.items():
        if (by_name and not name.startswith(_AROUND)) or (by_verb and name in VERBS):
            yield from routines(values)


def _is_registered(plan: Plan, function: Function) -> bool:
    """Whether it is decorated as a view by an object of an extension's."""
    node = function.node
    decorators = node.decorators if isinstance(node, cst.FunctionDef) else ()
    sites = [plan.program.sites.get((each.decorator, "call")) for each in decorators]
    names = {
        path.rpartition(".")[2] for site in sites if site for path in filter(extension, site.paths)
    }
    return _EXPOSED in names or any(map(adds_routes, names))
