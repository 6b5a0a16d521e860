"""Objects in the place of views: one is registered, and imports its view only when it is called."""

from __future__ import annotations

from .attributes import Attributes
from .handing import Handing
from .program import Function, Program
from .registration import VIEW
from .sites import Site
from .values import NOTHING, Object, Routine, Values, routines


def registered(evaluation: Attributes, values: Values) -> set[Function]:
    """The functions that are called where these are given to be called."""
    objects = [value for value in values if isinstance(value, Object)]
    methods = {method for each in objects for method in evaluation.methods(each.of, "__call__")}
    return routines(values) | methods


def returned_by_views(program: Program) -> Values | None:
    """What a view returns, whichever it is; None if that is not known of any."""
    views = (each for each in program.functions.values() if VIEW in each.roles)
    return NOTHING.union(*(view.returns for view in views)) or None


def call_view(evaluation: Handing, site: Site, called: Values) -> None:
    """An object that is a view calls another one; of either kind, if that is not known."""
    site.through_parameter = True
    for function in site.functions:
        evaluation.take_role(function, VIEW, site.node)
    if not called or not all(isinstance(value, Routine) for value in called):
        site.paths.add("flask.async_function")
