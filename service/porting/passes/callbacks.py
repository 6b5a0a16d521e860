"""What is called on the event loop, by Quart or by what it uses, and therefore cannot wait."""

from __future__ import annotations

import re
from pydoc import locate

from service.porting.factories import makes_app
from service.porting.flask_types import PROXY, TEMPLATE_EXTENSION
from service.porting.plan import COPY_CONTEXT, Plan
from service.porting.program import Function
from service.porting.registration import ON_THE_LOOP, TEMPLATE, is_transparent, role_of
from service.porting.signals import is_sent
from service.porting.unseen import is_awaited
from service.porting.values import External, Instance

from .making_json import is_used_beside_the_loop

_LIBRARIES = {"blinker", "flask", "itsdangerous", "jinja2", "json", "logging", "werkzeug"}
"""Libraries that call what they are given, or what inherits from them, wherever they are used."""

CALLER = "caller"
"""What a template passes for what stands between two tags of an extension."""
_HARMLESS = {PROXY, f"flask.{COPY_CONTEXT}"}
"""What does not call by itself: whoever uses what comes of it does."""
_COMMAND_LINE = "flask.cli."
"""What calls an app factory before there is an event loop."""
_SETTING_UP = {
    "add_url_rule", "create_global_jinja_loader", "create_jinja_environment", "make_config",
    "record", "register", "register_blueprint", "run",
}  # fmt: skip
"""Methods of apps and blueprints that are called before there is an event loop."""


def calls_on_the_loop(plan: Plan, function: Function) -> str:
    """Who calls a plain function on the event loop; empty if nobody is known to."""
    if ON_THE_LOOP in function.roles:
        return "Quart"
    if TEMPLATE in function.roles and is_called_by_python(function):
        return "a template"
    if function.roles:
        return ""
    if (of := _inherits(plan, function)) or (of := _decorated(plan, function)):
        return of
    for site in plan.handed(function):
        owner = plan.colours.owner(site)
        of_app = isinstance(owner, Function) and makes_app(owner)
        starts = of_app or plan.colours.tolerates_blocking(owner)
        if starts and not site.where.module.is_test:
            for path in sorted(site.paths):
                known = _is_of_a_library(plan, path)
                if known and not path.startswith(_COMMAND_LINE):
                    return path
    return ""


def is_called_by_python(function: Function) -> bool:
    """Whether it is a property or a special method, which nobody can await."""
    return function.is_property() or function.name.startswith("__")


def _inherits(plan: Plan, function: Function) -> str:
    """The class of a library that has this method, too."""
    if function.owner is None or is_awaited(function) or function.name.startswith("__"):
        return ""
    if function.name in _SETTING_UP:
        return ""
    for base in function.owner.external_bases():
        if base == TEMPLATE_EXTENSION and re.search(_named(function.name), function.module.source):
            return "" if CALLER in function.names else "a template"
        known = base.partition(".")[0] in _LIBRARIES
        if known and hasattr(locate(base), function.name):
            of_a_call = base.startswith("json.") and is_used_beside_the_loop(plan, function.owner)
            return "" if of_a_call else base
    return ""


def _named(name: str) -> str:
    """How an extension of templates says that they call one of its methods."""
    return rf"\bcall_method\(\s*['\"]{re.escape(name)}['\"]"


def _is_of_a_library(plan: Plan, path: str) -> bool:
    """Whether it calls what it is given, and where is not seen."""
    known = path.partition(".")[0] in _LIBRARIES and path not in _HARMLESS
    return known and not is_sent(plan.program, path)


def _decorated(plan: Plan, function: Function) -> str:
    for by in function.decorators:
        for value in by:
            path = value.path if isinstance(value, External) else ""
            path = value.kind if isinstance(value, Instance) else path
            known = _is_of_a_library(plan, path)
            if known and not role_of(path) and not is_transparent(path):
                return path.removesuffix("()").replace(".?", "")
    return ""
