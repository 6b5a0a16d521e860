"""Who calls a function that is handed to Flask, click or pytest, and whether it may be async."""

from __future__ import annotations

import libcst as cst

from .nodes import dotted
from .program import Function
from .values import External

_CALLED = "()"

VIEW = "view"
WRAPPER = "wrapper of views"
HOOK = "hook"
AFTER = "hook that is given the response"
TEMPLATE = "template"
CALLBACK = "callback"
ON_THE_LOOP = "callback on the event loop"
ENCODER = "encoder of JSON"
COMMAND = "command"
APP_COMMAND = "command of the app"
OF_THE_APP = "click.AppGroup"
"""What stands for a group of click's that is added to the commands of the app."""
_GROUPS = {"AppGroup", "FlaskGroup", "QuartGroup"}
FIXTURE = "fixture"
TEST = "test"
CONTEXT_MANAGER = "context manager"
RECEIVER = "signal receiver"

VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "trace", "dispatch_request")
"""The methods of a class-based view that answer requests."""
CALLED_BY_AN_APP = {
    *(VIEW, WRAPPER, HOOK, AFTER, TEMPLATE, CALLBACK, ON_THE_LOOP, ENCODER),
    *(COMMAND, APP_COMMAND, RECEIVER),
}
"""The roles of functions that the app, or its command line, calls by itself."""

_SCAFFOLD = {
    VIEW: "route get post put patch delete add_url_rule endpoint",
    HOOK: "before_request after_request teardown_request teardown_appcontext errorhandler"
    " register_error_handler context_processor before_app_request after_app_request"
    " teardown_app_request app_errorhandler app_context_processor before_serving after_serving"
    " before_websocket after_websocket teardown_websocket websocket add_websocket",
    TEMPLATE: "template_filter template_test template_global add_template_filter"
    " add_template_test add_template_global app_template_filter app_template_test"
    " app_template_global add_app_template_filter add_app_template_test add_app_template_global",
    CALLBACK: "shell_context_processor record record_once before_first_request"
    " before_app_first_request",
    ON_THE_LOOP: "url_value_preprocessor url_defaults app_url_value_preprocessor app_url_defaults",
}
_ROLES = {
    f"flask.{owner}.{name}": role
    for role, names in _SCAFFOLD.items()
    for name in names.split()
    for owner in ("Flask", "Blueprint")
} | {
    "flask.after_this_request": HOOK,
    "flask.cli.with_appcontext": COMMAND,
    "flask.Flask.cli.command": COMMAND,
    "flask.Flask.cli.group": COMMAND,
    "flask.Blueprint.cli.command": COMMAND,
    "flask.Blueprint.cli.group": COMMAND,
    "flask.cli.AppGroup.command": COMMAND,
    "flask.cli.AppGroup.group": COMMAND,
    "click.command": COMMAND,
    "click.group": COMMAND,
    "pytest.fixture": FIXTURE,
    "pytest_asyncio.fixture": FIXTURE,
    "contextlib.contextmanager": CONTEXT_MANAGER,
    "contextlib.asynccontextmanager": CONTEXT_MANAGER,
    "quart.cli.pass_script_info": COMMAND,
    "flask.cli.pass_script_info": COMMAND,
}

_TRANSPARENT = (
    "abc.abstractmethod",
    "builtins.classmethod",
    "builtins.staticmethod",
    "click.argument",
    "click.option",
    "click.pass_context",
    "click.version_option",
    "flask.stream_with_context",
    "freezegun.",
    "functools.update_wrapper",
    "functools.wraps",
    "hypothesis.",
    "mock.",
    "pytest.",
    "service.",
    "typing.",
    "typing_extensions.",
    "unittest.",
)
_SIGNALS = (
    "appcontext_popped",
    "appcontext_pushed",
    "appcontext_tearing_down",
    "before_render_template",
    "got_request_exception",
    "message_flashed",
    "request_finished",
    "request_started",
    "request_tearing_down",
    "template_rendered",
)
ENTERING = (".enter_context", ".enterContext")
"""Methods that enter a context manager, of a stack of them or of a test."""
PROPERTIES = ("builtins.property", "functools.cached_property", "werkzeug.utils.cached_property")


def adds_routes(name: str) -> bool:
    """Whether a method of an app or of a blueprint is called this by which a view is registered."""
    return name in _SCAFFOLD[VIEW].split()


def role_of(path: str) -> str | None:
    """The role a function gets that this path is called with, or that it decorates."""
    path = path.removesuffix(_CALLED)
    known = _ROLES.get(path)
    if known:
        return known
    owner, _, name = path.rpartition(".")
    if name in {"connect", "connect_via", "connected_to"} and owner.rpartition(".")[2] in _SIGNALS:
        return RECEIVER
    if name == "add_command" and owner.endswith(".cli"):
        return COMMAND
    if name in {"command", "group"} and owner.startswith("click."):
        return COMMAND
    return None


def command_of(function: Function, member: str) -> str:
    """The class of the command that its decorators make of it, if that has this to be called."""
    if COMMAND in function.roles and member == "callback":
        return "click.Command"
    known = _group_of(function)
    return known or ("click.Command" if COMMAND in function.roles and member == "main" else "")


def _group_of(function: Function) -> str:
    """The class of the group of commands that its decorators make of it; empty if they do not."""
    for value in [value for by in function.decorators for value in by]:
        path = value.path.removesuffix(_CALLED) if isinstance(value, External) else ""
        if path.endswith(".group"):
            if not path.startswith("click.") or _has_class_of_flask(function):
                return "flask.cli.AppGroup"
            return OF_THE_APP if APP_COMMAND in function.roles else "click.Group"
    return ""


def _has_class_of_flask(function: Function) -> bool:
    """Whether its commands have an app context: `@click.group(cls=FlaskGroup)`."""
    return isinstance(function.node, cst.FunctionDef) and any(
        arg.keyword is not None
        and arg.keyword.value == "cls"
        and dotted(arg.value).rpartition(".")[2] in _GROUPS
        for decorator in function.node.decorators
        if isinstance(decorator.decorator, cst.Call)
        for arg in decorator.decorator.args
    )


def is_of_error_handlers(path: str) -> bool:
    """Whether the first argument says which errors a handler is for."""
    name = path.removesuffix(_CALLED).rpartition(".")[2]
    return name in {"errorhandler", "app_errorhandler", "register_error_handler"}


def is_transparent(path: str) -> bool:
    """Whether a decorator leaves a function what it is."""
    path = path.removesuffix(_CALLED)
    return path.startswith(_TRANSPARENT) or path in PROPERTIES or path.endswith(".setter")


def pin_by_name(function: Function) -> None:
    """Pin what Python itself calls, and therefore cannot be a coroutine function."""
    if function.is_lambda:
        function.pins.setdefault("a lambda cannot await", function.node)
    elif function.is_property():
        function.pins.setdefault("a property cannot be awaited", function.node)
    elif function.name.startswith("__") and function.name.endswith("__"):
        what = "__init__" if function.name == "__init__" else "a special method"
        function.pins.setdefault(f"{what} cannot be async", function.node)
