"""What Flask's functions return and its objects are, by path; Quart's names count as Flask's."""

from __future__ import annotations

import inspect
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from io import BufferedRandom, TextIOWrapper
from ipaddress import IPv4Address, IPv6Network
from pathlib import PurePath
from pydoc import locate
from uuid import UUID

from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import HTTPException

from .values import (
    BYTEARRAY,
    DATA,
    NOTHING,
    External,
    Instance,
    Many,
    Row,
    Values,
    one,
    something_of,
)

APP = "flask.Flask"
APPS_TEMPLATES = "flask.templating"
RENDERED = f"{APPS_TEMPLATES}.Template.render"
"""What no event loop may call; in a thread, it works as it is."""
"""Where the environment of an app is, whose templates are rendered asynchronously by Quart."""
CLIENT = "flask.testing.FlaskClient"
_RESPONSE = "flask.Response"
REQUEST = "flask.Request"
REQUEST_CONTEXT = f"{APP}.request_context"
_RUNNER = "flask.testing.FlaskCliRunner"
TESTED = "pytest.Class"
"""A class of tests, and an object of it, as fixtures see it."""
TEMPLATE_EXTENSION = "jinja2.ext.Extension"
PROXY = "werkzeug.local.LocalProxy"
THREAD_LOCAL = "threading.local"
_VIEWS, VIEW = f"{APP}.view_functions", External("flask.async_function")
"""Where an app keeps its views, and what any of them may be."""
_VERBS = ("delete", "get", "head", "open", "options", "patch", "post", "put", "trace")

OBJECTS = {
    "flask.current_app": APP,
    "flask.g": "flask.g",
    "flask.request": REQUEST,
    "flask.session": "flask.session",
}
"""What is there already, without a call."""

RETURNED = {
    **{f"{CLIENT}.{verb}": _RESPONSE for verb in _VERBS},
    f"{CLIENT}.?": _RESPONSE,
    f"{CLIENT}.session_transaction": "flask.testing.SessionTransaction",
    **{f"{of}._get_current_object": of for of in (APP, "flask.g", REQUEST, "flask.session")},
    f"{APP}.config.get": "builtins.?",
    f"{APP}.app_context": "flask.ctx.AppContext",
    f"{APP}.dispatch_request": _RESPONSE,
    f"{APP}.ensure_async": "flask.async_function",
    f"{APP}.finalize_request": _RESPONSE,
    f"{APP}.full_dispatch_request": _RESPONSE,
    f"{APP}.handle_exception": _RESPONSE,
    f"{APP}.handle_user_exception": _RESPONSE,
    f"{APP}.make_default_options_response": _RESPONSE,
    f"{APP}.json.response": _RESPONSE,
    f"{APP}.make_response": _RESPONSE,
    f"{APP}.preprocess_request": _RESPONSE,
    f"{APP}.process_response": _RESPONSE,
    f"{APP}.request_class": REQUEST,
    REQUEST_CONTEXT: "flask.ctx.RequestContext",
    f"{APP}.response_class": _RESPONSE,
    f"{APP}.send_static_file": _RESPONSE,
    f"{APP}.test_cli_runner": _RUNNER,
    f"{APP}.test_client": CLIENT,
    f"{APP}.test_request_context": "flask.ctx.RequestContext",
    f"{APP}.url_for": "builtins.str",
    BYTEARRAY.kind: BYTEARRAY.kind,
    THREAD_LOCAL: THREAD_LOCAL,
    "flask.jsonify": _RESPONSE,
    "flask.make_response": _RESPONSE,
    "flask.redirect": "werkzeug.wrappers.Response",
    "flask.render_template": "builtins.str",
    "flask.render_template_string": "builtins.str",
    "flask.send_file": _RESPONSE,
    "flask.send_from_directory": _RESPONSE,
    "flask.session.get": "builtins.?",
    "flask.session.pop": "builtins.?",
    "flask.url_for": "builtins.str",
    **{
        f"{of}.Environment.{name}": f"{of}.Template"
        for of in (APPS_TEMPLATES, "jinja2")
        for name in ("from_string", "get_or_select_template", "get_template", "select_template")
    },
    "service.porting.testing.PortedClient": CLIENT,
    "service.porting.request_contexts.request_context": "flask.ctx.RequestContext",
    "service.porting.runtime.quart_response": _RESPONSE,
    "service.porting.testing.ported_client": CLIENT,
    "flask.Files.get": "werkzeug.datastructures.FileStorage",
}
"""The class of what a call returns, awaited where Quart has it so."""

_HELD = tuple(
    f"{holder}.{name}"
    for holder in ("flask.g", f"{APP}.extensions")
    for name in ("get", "pop", "setdefault")
)
"""Calls that return whatever somebody has put there."""
PUTTING = {f"{APP}.config.{name}" for name in ("from_mapping", "setdefault", "update")}
"""Calls that put something into an app's configuration, and call nothing of it."""
NAMESPACES = {"builtins.globals", "builtins.locals", "builtins.vars"}
"""Calls that give all names of a module, or of an object."""

ATTRIBUTES = {
    f"{APP}.jinja_env": f"{APPS_TEMPLATES}.Environment",
    f"{APP}.session_interface": "flask.sessions.SecureCookieSessionInterface",
    f"{CLIENT}.application": APP,
    f"{CLIENT}.app": APP,
    f"{REQUEST}.files": "flask.Files",
    f"{REQUEST}.form": "flask.Form",
    "flask.ctx.AppContext.app": APP,
    "flask.ctx.RequestContext.request": REQUEST,
    "flask.testing.FlaskCliRunner.app": APP,
    "pytest.FixtureRequest.cls": TESTED,
    "pytest.FixtureRequest.instance": TESTED,
}
"""The class of what an attribute holds."""

ANY_RESPONSE: Values = frozenset((Instance(_RESPONSE), Instance("werkzeug.wrappers.Response")))
"""What is there after a request: Werkzeug's own, if it is a redirect or a default error page."""

GIVEN_TO_RECEIVERS = {
    "exception": one(Instance("werkzeug.exceptions.HTTPException")),
    "response": ANY_RESPONSE,
    "sender": one(Instance(APP)),
}
"""What Flask's signals pass."""

PYTEST_FIXTURES = {
    "monkeypatch": "pytest.MonkeyPatch",
    "tmp_path": "pathlib.Path",
    "tmpdir": "py.path.local",
    "capsys": "pytest.CaptureFixture",
    "caplog": "pytest.LogCaptureFixture",
    "mocker": "pytest_mock.MockerFixture",
}

_DATA = (
    *(str, bytes, bytearray, memoryview, int, float, complex, list, dict, set, tuple, range, slice),
    *(date, datetime, time, timedelta, Decimal, UUID, IPv4Address, IPv6Network, PurePath),
    *(BufferedRandom, TextIOWrapper, Exception, HTTPException, Headers, MultiDict),
)
OF_DATA = {name for kind in _DATA for name in dir(kind)}
"""What numbers, texts and other plain data have by way of attributes."""

_OVERRIDDEN = {"flask", "itsdangerous", "jinja2", "logging", "werkzeug"}
_PLAIN = {kind.__name__ for kind in (str, bytes, int, float, bool)}

_HOMES = {
    "app": ("Flask",),
    "blueprints": ("Blueprint",),
    "wrappers": ("Request", "Response"),
    "globals": ("current_app", "g", "request", "session"),
    "helpers": (
        "abort",
        "flash",
        "get_flashed_messages",
        "get_template_attribute",
        "make_response",
        "redirect",
        "send_file",
        "send_from_directory",
        "stream_with_context",
        "url_for",
    ),
    "json": ("jsonify",),
    "templating": (
        "render_template",
        "render_template_string",
        "stream_template",
        "stream_template_string",
    ),
    "ctx": (
        "after_this_request",
        "copy_current_request_context",
        "has_app_context",
        "has_request_context",
    ),
    "config": ("Config",),
}
_SAME = {f"flask.{home}.{name}": f"flask.{name}" for home in _HOMES for name in _HOMES[home]} | {
    "flask.Quart": APP,
    "flask.app.Quart": APP,
    "flask.cli.FlaskGroup": "flask.cli.AppGroup",
    "flask.cli.QuartGroup": "flask.cli.AppGroup",
    "flask.testing.QuartClient": CLIENT,
    "flask.testing.QuartCliRunner": _RUNNER,
    "flask.testing.client.QuartClient": CLIENT,
    "flask.typing.TestClientProtocol": CLIENT,
    "flask.signals.Namespace": "blinker.Namespace",
    "flask.wrappers.response.Response": _RESPONSE,
    "collections.namedtuple": "typing.NamedTuple",
    "service.porting.runtime.PortedRequest": REQUEST,
    "service.porting.runtime.copy_current_request_context": "flask.copy_current_request_context",
    "service.porting.runtime.ensure_async": f"{APP}.ensure_async",
    "service.porting.runtime.make_conditional": "flask.Response.make_conditional",
    "service.porting.sending.send_file": "flask.send_file",
    "service.porting.sending.send_from_directory": "flask.send_from_directory",
    "service.porting.runtime.stream_with_context": "flask.stream_with_context",
    "service.porting.views.PortedMethodView": "flask.views.MethodView",
    "service.porting.views.PortedView": "flask.views.View",
    "werkzeug.test.Client": CLIENT,
    "werkzeug.test.TestResponse": _RESPONSE,
    "flask.datastructures.FileStorage": "werkzeug.datastructures.FileStorage",
    "werkzeug.FileStorage": "werkzeug.datastructures.FileStorage",
    "typing_extensions.NamedTuple": "typing.NamedTuple",
    "werkzeug.LocalProxy": PROXY,
}


def canonical(path: str) -> str:
    """A path as Flask has it at the top, if it is one of Flask's or Quart's."""
    if path.startswith("quart.") or path == "quart":
        path = "flask" + path[len("quart") :]
    elif path.startswith("sqlite3.dbapi2."):
        path = path.replace("dbapi2.", "", 1)
    return _SAME.get(path, path)


def external(path: str) -> Values:
    """What a dotted name from outside the project stands for."""
    path = canonical(path)
    if path.startswith("sys.modules."):
        return NOTHING
    kind = OBJECTS.get(path)
    return one(Instance(kind) if kind else External(path))


def returned(path: str) -> Values | None:
    """What calling this returns, or None if nothing is known."""
    kind = RETURNED.get(path)
    if kind:
        return one(Instance(kind))
    if path in _HELD or path in NAMESPACES:
        return NOTHING
    if path in {"flask.Files.getlist", "flask.Files.values"}:
        return one(Many(one(Instance("werkzeug.datastructures.FileStorage"))))
    if path in {f"{_VIEWS}.get", f"{_VIEWS}.pop"}:
        return one(VIEW)
    if path == f"{_VIEWS}.values":
        return one(Many(one(VIEW)))
    if path == f"{_VIEWS}.items":
        return one(Many(one(Row((DATA, one(VIEW))))))
    if path == "flask.Files.items":
        return one(Many(one(Row((DATA, one(Instance("werkzeug.datastructures.FileStorage")))))))
    return None


def subscripted(kind: str) -> Values:
    """What `[...]` on an object of this class gives."""
    if kind in {"sys.modules", f"{APP}.extensions"}:
        return NOTHING
    if kind in {"flask.session", f"{APP}.config"}:
        return DATA
    if kind == "flask.Files":
        return one(Instance("werkzeug.datastructures.FileStorage"))
    if kind == _VIEWS:
        return one(VIEW)
    return one(something_of(kind))


@cache
def passed(base: str, method: str, position: int) -> Values:
    """What a library passes to a method that overrides one of its own, if it says so plainly."""
    if base.partition(".")[0] not in _OVERRIDDEN:
        return NOTHING
    found = getattr(locate(base), method, None)
    if not inspect.isfunction(found):
        return NOTHING
    params = [*inspect.signature(found).parameters.values()]
    written = params[position].annotation if position < len(params) else None
    if base.startswith("logging.") and position < len(params) and params[position].name == "record":
        return one(Instance("logging.LogRecord"))
    if base == TEMPLATE_EXTENSION and method == "parse" and position == 1:
        return one(Instance("jinja2.parser.Parser"))
    return DATA if written in _PLAIN else NOTHING
