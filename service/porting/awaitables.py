"""What is a plain call or attribute in Flask and an awaitable in Quart.

`derived` finds it out from the installed packages; a test holds `AWAITABLE` against it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

RENAMED = {
    "Flask": "Quart",
    "FlaskClient": "QuartClient",
    "FlaskCliRunner": "QuartCliRunner",
    "FlaskGroup": "QuartGroup",
}
"""What Quart calls by another name."""

AWAITABLE = {
    "flask.Blueprint.open_resource",
    "flask.Blueprint.send_static_file",
    "flask.Flask.dispatch_request",
    "flask.Flask.do_teardown_appcontext",
    "flask.Flask.do_teardown_request",
    "flask.Flask.finalize_request",
    "flask.Flask.full_dispatch_request",
    "flask.Flask.handle_exception",
    "flask.Flask.handle_http_exception",
    "flask.Flask.handle_user_exception",
    "flask.Flask.make_default_options_response",
    "flask.Flask.make_response",
    "flask.Flask.open_instance_resource",
    "flask.Flask.open_resource",
    "flask.Flask.preprocess_request",
    "flask.Flask.process_response",
    "flask.Flask.send_static_file",
    "flask.Flask.update_template_context",
    "flask.Request.close",
    "flask.Request.data",
    "flask.Request.files",
    "flask.Request.form",
    "flask.Request.get_data",
    "flask.Request.get_json",
    "flask.Request.json",
    "flask.Request.stream",
    "flask.Request.values",
    "flask.Response.add_etag",
    "flask.Response.data",
    "flask.Response.freeze",
    "flask.Response.get_data",
    "flask.Response.get_json",
    "flask.Response.json",
    "flask.Response.make_conditional",
    "flask.Response.make_sequence",
    "flask.ctx.AppContext.pop",
    "flask.ctx.AppContext.push",
    "flask.ctx.RequestContext.pop",
    "flask.ctx.RequestContext.push",
    "flask.flash",
    "flask.make_response",
    "flask.render_template",
    "flask.render_template_string",
    "flask.send_file",
    "flask.send_from_directory",
    "flask.sessions.SecureCookieSessionInterface.make_null_session",
    "flask.sessions.SecureCookieSessionInterface.open_session",
    "flask.sessions.SecureCookieSessionInterface.save_session",
    "flask.sessions.SessionInterface.make_null_session",
    "flask.sessions.SessionInterface.open_session",
    "flask.sessions.SessionInterface.save_session",
    "flask.stream_template",
    "flask.stream_template_string",
    "flask.testing.FlaskClient.delete",
    "flask.testing.FlaskClient.get",
    "flask.testing.FlaskClient.head",
    "flask.testing.FlaskClient.open",
    "flask.testing.FlaskClient.options",
    "flask.testing.FlaskClient.patch",
    "flask.testing.FlaskClient.post",
    "flask.testing.FlaskClient.put",
    "flask.testing.FlaskClient.trace",
    "flask.views.MethodView.dispatch_request",
    "flask.views.View.dispatch_request",
    "werkzeug.datastructures.FileStorage.save",
}
"""Paths as Flask has them. `FileStorage` is Werkzeug's in Flask and a class of Quart's own."""

ENTERED = {
    "flask.ctx.AppContext",
    "flask.ctx.RequestContext",
    "flask.testing.FlaskClient",
}
"""Classes whose objects Flask enters with `with` and Quart with `async with`."""


def derived() -> tuple[set[str], set[str]]:
    """What `AWAITABLE` and `ENTERED` must hold for the installed Flask and Quart."""
    awaitable: set[str] = set()
    entered: set[str] = set()
    for path, of_flask, of_quart in pairs():
        if not inspect.isclass(of_flask):
            if is_awaitable(of_quart) and not is_awaitable(of_flask):
                awaitable.add(path)
            continue
        if not inspect.isclass(of_quart):
            continue
        if hasattr(of_flask, "__enter__") and hasattr(of_quart, "__aenter__"):
            entered.add(path)
        for name in dir(of_flask):
            if name.startswith("_") or not hasattr(of_quart, name):
                continue
            before, after = (inspect.getattr_static(of, name) for of in (of_flask, of_quart))
            if is_awaitable(after) and not is_awaitable(before):
                awaitable.add(f"{path}.{name}")
    return awaitable, entered


def pairs() -> Iterator[tuple[str, Any, Any]]:
    """Everything public that both have: its path in Flask, Flask's, Quart's."""
    import flask
    import quart
    from quart.datastructures import FileStorage
    from werkzeug.datastructures import FileStorage as OfWerkzeug

    top = {id(value) for name, value in vars(flask).items() if not name.startswith("_")}
    yield from _pairs_of("flask", flask, quart, set())
    both = {module.name for module in pkgutil.iter_modules(flask.__path__)} & {
        module.name for module in pkgutil.iter_modules(quart.__path__)
    }
    for name in sorted(name for name in both if not name.startswith("_")):
        of_flask, of_quart = (importlib.import_module(f"{of}.{name}") for of in ("flask", "quart"))
        yield from _pairs_of(f"flask.{name}", of_flask, of_quart, top)
    yield "werkzeug.datastructures.FileStorage", OfWerkzeug, FileStorage


def _pairs_of(
    path: str, of_flask: ModuleType, of_quart: ModuleType, known: set[int]
) -> Iterator[tuple[str, Any, Any]]:
    for name, value in sorted(vars(of_flask).items()):
        home = getattr(type(value) if _is_proxy(value) else value, "__module__", "")
        foreign = id(value) in known or not str(home).startswith(path)
        if name.startswith("_") or (foreign and path != "flask"):
            continue
        if inspect.ismodule(value) or _is_proxy(value):
            continue
        counterpart = getattr(of_quart, RENAMED.get(name, name), None)
        if counterpart is not None and not _is_proxy(counterpart):
            yield f"{path}.{name}", value, counterpart


def _is_proxy(value: object) -> bool:
    return type(value).__name__ == "LocalProxy"


def is_awaitable(value: Any) -> bool:
    """Whether calling, or reading, gives something to be awaited."""
    if isinstance(value, property):
        value = value.fget
    value = getattr(value, "func", value)
    return inspect.iscoroutinefunction(value)
