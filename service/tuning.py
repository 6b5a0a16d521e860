"""What makes requests cost less, and changes nothing that clients or routes see."""

from __future__ import annotations

from quart import Quart
from quart.asgi import ASGIHTTPConnection

from . import collector, http1, keep_alive, request_blueprints, response_date
from .asgi import OneTaskConnection


def register(app: Quart, gc_threshold: int = 10_000) -> None:
    """Let this app's requests cost less, and let Hypercorn, in this process, do less for each.

    Args:
        app: one that does not serve yet, whose classes of requests are set.
        gc_threshold: new objects until Python's garbage collector runs; 0 leaves it as it is.
    """
    if app.asgi_http_class is ASGIHTTPConnection:
        app.asgi_http_class = OneTaskConnection
    app.request_class = request_blueprints.quick(app.request_class)
    collector.register(app, gc_threshold)
    keep_alive.register()
    http1.register()
    response_date.register()
