"""Class-based views whose objects may not be made on the event loop: their class is ours."""

from __future__ import annotations

from service.porting.nodes import dotted
from service.porting.plan import VIEWS, Plan, meant
from service.porting.program import Class, Function
from service.porting.values import routines

_OURS = {"flask.views.View": "PortedView", "flask.views.MethodView": "PortedMethodView"}
_MAKING = ("__init__", "__new__", "__post_init__")


def rewrite_class_based_views(plan: Plan) -> None:
    """Make out the edits for what such classes inherit from."""
    concerned: set[Class] = set()
    for of in plan.program.classes.values():
        if not plan.colours.threaded.isdisjoint(_making(of)):
            concerned.update(of.lineage())
    for of in concerned:
        edits = plan.edits(of.module)
        for arg in of.node.bases:
            for path in meant(of.module, dotted(arg.value)) & _OURS.keys():
                edits.rename(arg.value, edits.need(VIEWS, _OURS[path]))


def _making(of: Class) -> set[Function]:
    """The functions that run while its objects are made."""
    methods = {function for name in _MAKING for function in routines(of.attribute(name))}
    return methods.union(*(each.factories for each in of.lineage()))
