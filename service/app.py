"""The application: configuration in, wired app out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart
from werkzeug.routing import IntegerConverter

from config.loading import load

from . import (
    access_log,
    api,
    closed_streams,
    errors,
    health,
    protocol_errors,
    server_timing,
    stopping,
    tuning,
)
from .connections import Connections
from .malformed import refusing_malformed
from .sessions import SeldomSessions


def create_app(config: str | object | Mapping[str, Any] | None = None) -> Quart:
    """Make the app.

    Args:
        config: `Development`, `Testing`, `Production` or a dotted path; an object with upper-case
            attributes; or a mapping of values that go before all others. ``SERVICE_CONFIG``
            chooses if this does not. The environment (``SERVICE_...``) is read in any case.

    Raises:
        ConfigurationError: says what is wrong and how to set it right.
    """
    app = Quart("service", static_folder=None)
    load(app, config)
    app.url_map.merge_slashes = False
    app.url_map.converters["int"] = AsciiIntegerConverter
    app.session_interface = SeldomSessions()
    Connections(app)
    errors.register(app)
    server_timing.register(app)
    stopping.register(app)
    closed_streams.register()
    protocol_errors.register()
    app.register_blueprint(health.blueprint)
    api.register(app)
    _trust_proxies(app)
    app.asgi_app = refusing_malformed(app.asgi_app)  # type: ignore[assignment,method-assign]
    access_log.register(app)
    tuning.register(app, app.config["GC_THRESHOLD"])
    return app


class AsciiIntegerConverter(IntegerConverter):
    """Numbers in paths, written in the digits 0 to 9 only."""

    regex = "[0-9]+"


def _trust_proxies(app: Quart) -> None:
    hops = app.config["TRUSTED_PROXIES"]
    if hops:
        app.asgi_app = ProxyFixMiddleware(app.asgi_app, trusted_hops=hops)  # type: ignore[method-assign]
