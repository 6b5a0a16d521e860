"""The class of an app's requests: ours, or one of the project that inherits from ours."""

from __future__ import annotations

from service.porting.flask_types import APP, REQUEST
from service.porting.nodes import dotted
from service.porting.plan import PORTED_REQUEST, RUNNING, Plan, meant
from service.porting.values import NOTHING, Object, Type

from .environs import keeps_environ

_CLASS = "request_class"
_BODIES = {
    f"{REQUEST}.{name}" for name in ("data", "files", "form", "get_data", "stream", "values")
}
_JSON = {f"{REQUEST}.{name}" for name in ("get_json", "json")}


def rewrite_request_classes(plan: Plan) -> None:
    """Make out the edits for classes that inherit from Flask's."""
    for of in plan.program.classes.values():
        for base in of.node.bases:
            name = dotted(base.value)
            if REQUEST in meant(of.module, name) and not name.endswith(PORTED_REQUEST):
                edits = plan.edits(of.module)
                edits.rename(base.value, edits.need(RUNNING, PORTED_REQUEST))


def needs_ported_request(plan: Plan) -> bool:
    """Whether the app reads what requests send, or the environ that WSGI gave them."""
    return keeps_environ(plan) or any(
        site.paths & (_BODIES | _JSON) and not site.where.module.is_test
        for site in plan.program.sites.values()
    )


def has_request_class(plan: Plan) -> bool:
    """Whether the project gives the app a class of its own for requests."""
    return bool(given_to_apps(plan, _CLASS))


def inherits_from_another(plan: Plan) -> bool:
    """Whether such a class is none of Flask's."""
    return any(REQUEST not in each.of.external_bases() for each in given_to_apps(plan, _CLASS))


def given_to_apps(plan: Plan, attribute: str) -> list[Type | Object]:
    """The classes of the project that this attribute of an app is, or is an object of."""
    apps = [each for each in plan.program.classes.values() if APP in each.external_bases()]
    set_on_it = plan.program.stored.get((APP, attribute), NOTHING)
    return [
        value
        for values in (set_on_it, *(each.attribute(attribute) for each in apps))
        for value in values
        if isinstance(value, Type | Object)
    ]
