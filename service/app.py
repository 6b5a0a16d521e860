"""The application: configuration in, wired app out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart

from config.loading import load

from . import api, errors, health, server_timing
from .connections import Connections


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
    Connections(app)
    errors.register(app)
    server_timing.register(app)
    app.register_blueprint(health.blueprint)
    api.register(app)
    _trust_proxies(app)
    return app


def _trust_proxies(app: Quart) -> None:
    hops = app.config["TRUSTED_PROXIES"]
    if hops:
        app.asgi_app = ProxyFixMiddleware(app.asgi_app, trusted_hops=hops)  # type: ignore[method-assign]
