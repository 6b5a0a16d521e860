"""Requests that nobody sends: `test_request_context`, with the arguments that Flask's takes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any
from urllib.parse import urlsplit

from quart import Quart
from quart.ctx import RequestContext
from quart.testing.utils import make_test_scope, no_op_push
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from .environ import GIVEN


def request_context(app: Quart, *args: Any, **kwargs: Any) -> RequestContext:
    """`app.test_request_context`, with the arguments that Flask's takes."""
    sent = Sent(app, *args, **kwargs)
    request = app.request_class(
        sent.method,
        sent.scheme,
        sent.path,
        sent.query_string,
        sent.headers,
        sent.root_path,
        "1.1",
        send_push_promise=no_op_push,
        scope=sent.scope(),
    )
    request.body.set_result(sent.body)
    return app.request_context(request)


class Sent:
    """A request as it is sent, from the arguments that Flask's client takes.

    The first may be Werkzeug's `EnvironBuilder`, an environment, or a request, for all of them.
    """

    def __init__(self, app: Quart, *args: Any, **kwargs: Any) -> None:
        given = args[0] if args else None
        if isinstance(given, EnvironBuilder | Mapping | Request | Sent):
            request = _made(given, kwargs.get("environ_base") or {})
            self.body: bytes = given.body if isinstance(given, Sent) else request.get_data()
        else:
            builder = _Environ(app, *args, **kwargs)
            try:
                request = builder.get_request()
                self.body = request.get_data()
            finally:
                builder.close()
        self.headers = Headers(list(request.headers))
        self.environ = request.environ
        parts = (kwargs.get(name) or {} for name in ("environ_base", "environ_overrides"))
        self.given = {key: value for part in parts for key, value in part.items()}
        self.method: str = request.method
        self.scheme: str = request.scheme
        self.root_path: str = request.root_path.rstrip("/")
        self.path: str = request.path
        self.query_string: bytes = request.query_string
        self.remote_addr: str | None = request.remote_addr
        if self.headers.get("Content-Length") == "0" and not self.body:
            del self.headers["Content-Length"]

    def scope(self) -> Any:
        """What an ASGI server would tell of it."""
        base: dict[str, Any] = {GIVEN: self.given}
        if self.remote_addr:
            base["client"] = (self.remote_addr, 0)
        return make_test_scope(
            "http",
            self.root_path + self.path,
            self.method,
            self.headers,
            self.query_string,
            self.scheme,
            self.root_path,
            "1.1",
            base,
        )


def _made(given: EnvironBuilder | Mapping[str, Any] | Request | Sent, base: Any) -> Request:
    """The request that was made already, in another way, with what the client says of all."""
    if isinstance(given, EnvironBuilder):
        builder = copy(given)
        builder.environ_base = {**base, **(given.environ_base or {})}
        return builder.get_request()
    environ = given if isinstance(given, Mapping) else given.environ
    return Request({**base, **environ})


class _Environ(EnvironBuilder):
    """Werkzeug's, with what the app's configuration says of its URL, as Flask has it."""

    def __init__(
        self,
        app: Quart,
        path: str = "/",
        base_url: str | None = None,
        subdomain: str | None = None,
        url_scheme: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if base_url is None:
            url = urlsplit(path)
            host = app.config["SERVER_NAME"] or "localhost"
            host = url.netloc or (f"{subdomain}.{host}" if subdomain else host)
            scheme = url.scheme or url_scheme or app.config["PREFERRED_URL_SCHEME"]
            base_url = f"{scheme}://{host}/{app.config['APPLICATION_ROOT'].lstrip('/')}"
            path = f"{url.path}?{url.query}" if url.query else url.path
        elif subdomain or url_scheme:
            raise TypeError("base_url says the subdomain and the scheme already")
        self.app = app
        super().__init__(path, base_url, *args, **kwargs)

    def json_dumps(self, obj: Any, **kwargs: Any) -> str:
        """The JSON that the app makes of this."""
        return str(self.app.json.dumps(obj, **kwargs))
