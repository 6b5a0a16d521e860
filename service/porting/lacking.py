"""What objects of Flask have and those of Quart do not.

`derived` finds it out from the installed packages; a test holds the tables against it.
"""

from __future__ import annotations

import inspect

from .awaitables import pairs
from .flask_attributes import members
from .flask_types import APPS_TEMPLATES
from .testing import PortedClient

_OF_WSGI = "an ASGI request has none"
_ANY_BODY = "Quart has none: `await response.get_data()` works for every response"
_SENDS = "Quart has none: it sends responses by ASGI"
_FOLLOWS = "the ported client has none: it follows redirects by itself"

LACKED = {
    "flask.Flask.async_to_sync": "a plain function uses service.connections.run instead",
    "flask.Request.application": "Quart has none: it is for WSGI",
    "flask.Request.from_values": "Quart has none: use app.test_request_context",
    "flask.Request.input_stream": "read request.body instead, with `async for`",
    "flask.Request.is_multiprocess": _OF_WSGI,
    "flask.Request.is_multithread": _OF_WSGI,
    "flask.Request.is_run_once": _OF_WSGI,
    "flask.Request.remote_user": f"{_OF_WSGI}: see request.authorization",
    "flask.Request.shallow": _OF_WSGI,
    "flask.Request.want_form_data_parsed": "Quart has none: look at request.mimetype",
    "flask.Response.autocorrect_location_header": "Quart has none: it sends the location as it is",
    "flask.Response.calculate_content_length": "Quart has none: see response.content_length",
    "flask.Response.call_on_close": "Quart has none: use after_request or a background task",
    "flask.Response.close": "Quart has none: it closes what it sends",
    "flask.Response.direct_passthrough": _ANY_BODY,
    "flask.Response.force_type": "Quart has none: override app.make_response",
    "flask.Response.from_app": "Quart has none: use app.test_client",
    "flask.Response.get_app_iter": _SENDS,
    "flask.Response.get_wsgi_headers": _SENDS,
    "flask.Response.get_wsgi_response": _SENDS,
    "flask.Response.is_sequence": _ANY_BODY,
    "flask.Response.is_streamed": _ANY_BODY,
    "flask.Response.iter_encoded": "Quart's is iter_encode, to be gone through with `async for`",
    "flask.Response.stream": "give the response an async generator instead",
    "flask.cli.ScriptInfo.load_dotenv_defaults": "Quart has none",
    "flask.templating.Environment.app": "Quart has none: use current_app",
    "flask.testing.FlaskClient.allow_subdomain_redirects": _FOLLOWS,
    "flask.testing.FlaskClient.resolve_redirect": _FOLLOWS,
    "flask.testing.FlaskClient.response_wrapper": "the ported client has none",
    "flask.testing.FlaskClient.run_wsgi_app": "the ported client has none: it speaks ASGI",
}
"""Members that Quart lacks, and what to do about it."""

DEALT_WITH = {"flask.Flask.ensure_sync", "flask.Flask.wsgi_app", "flask.Request.environ"}
"""Those which passes of their own are about."""

_OF_TEMPLATES = {
    "generate": "use generate_async, with `async for`",
    "make_module": "await make_module_async instead",
    "module": "await make_module_async instead, and its macros, too",
    "stream": "use generate_async, with `async for`",
}
_COMPILED = "Quart's environment, which is asynchronous, cannot call what this makes"

OTHERWISE = {
    **{
        f"{APPS_TEMPLATES}.Template.{name}": f"Quart's templates are asynchronous: {reason}"
        for name, reason in _OF_TEMPLATES.items()
    },
    f"{APPS_TEMPLATES}.Environment.compile_expression": _COMPILED,
    **{
        f"flask.ctx.{of}Context.{name}": "await push() and pop() instead, in a coroutine function"
        for of in ("App", "Request")
        for name in ("__enter__", "__exit__")
    },
    "flask.Response.response": "Quart's is a body to be iterated over with `async for`",
}
"""Members that Quart has, and that nothing written for Flask can use."""


IN_ANOTHER_WAY = {
    "flask.Request.stream": "the body is in memory before it is read; see MAX_CONTENT_LENGTH",
}
"""Members that the ported app has, and what is to be known of them."""


def derived() -> set[str]:
    """What `LACKED` and `DEALT_WITH` must hold for the installed Flask and Quart."""
    found: set[str] = set()
    for path, of_flask, of_quart in pairs():
        if inspect.isclass(of_flask) and inspect.isclass(of_quart):
            ported = PortedClient if issubclass(PortedClient, of_quart) else of_quart
            lacked = members(of_flask) - members(ported)
            found |= {f"{path}.{name}" for name in lacked if not name.startswith("_")}
    return found
