"""Objects in the place of views, and views that are found by their dotted names."""

from __future__ import annotations

from .program import Function
from .records import Records
from .registration import VIEW
from .sites import Site
from .values import NOTHING, Object, Routine, Text, Values, one, routines, something_of

IMPORTING = {"importlib.import_module", "werkzeug.utils.import_string"}
"""What gives what a dotted name stands for."""


class ViewObjects(Records):
    """The evaluation of what is registered as a view, and imports one only when it is called."""

    def registered(self, values: Values) -> set[Function]:
        """The functions that are called where these are given to be called."""
        objects = [value for value in values if isinstance(value, Object)]
        methods = {method for each in objects for method in self.methods(each.of, "__call__")}
        return routines(values) | methods

    def call_view(self, site: Site, called: Values) -> None:
        """An object that is a view calls another one; of either kind, if that is not known."""
        site.through_parameter = True
        for function in site.functions:
            self.take_role(function, VIEW, site.node)
        if not called or not all(isinstance(value, Routine) for value in called):
            site.paths.add("flask.async_function")

    def imported_by_name(self, names: Values, path: str) -> Values:
        """What is found by names that are written out; and something else, if others are not."""
        texts = {value.text.replace(":", ".") for value in names if isinstance(value, Text)}
        found = NOTHING.union(*map(self.at, sorted(texts)))
        return found if len(texts) == len(names) else found | one(something_of(path))
