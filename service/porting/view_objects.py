"""Objects in the place of views."""

from __future__ import annotations

from .importing import Importing
from .program import Function
from .registration import VIEW
from .sites import Site
from .values import NOTHING, Object, Routine, Values, routines


class ViewObjects(Importing):
    """The evaluation of what is registered as a view, and imports one only when it is called."""

    def registered(self, values: Values) -> set[Function]:
        """The functions that are called where these are given to be called."""
        objects = [value for value in values if isinstance(value, Object)]
        methods = {method for each in objects for method in self.methods(each.of, "__call__")}
        return routines(values) | methods

    def returned_by_views(self) -> Values | None:
        """What a view returns, whichever it is; None if that is not known of any."""
        views = (each for each in self.program.functions.values() if VIEW in each.roles)
        return NOTHING.union(*(view.returns for view in views)) or None

    def call_view(self, site: Site, called: Values) -> None:
        """An object that is a view calls another one; of either kind, if that is not known."""
        site.through_parameter = True
        for function in site.functions:
            self.take_role(function, VIEW, site.node)
        if not called or not all(isinstance(value, Routine) for value in called):
            site.paths.add("flask.async_function")
