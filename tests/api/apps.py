"""The service's app as tests make it, on servers of theirs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from config import PREFIX, Testing
from service.app import create_app

PASSWORD = "correct horse battery staple"


def make_app(connections: Mapping[str, Any], **values: Any) -> Quart:
    """The app in its `Testing` configuration with these values, whatever the environment says."""
    configuration = type("Given", (Testing,), {"CONNECTIONS": connections, **values})
    ours = {name: value for name, value in os.environ.items() if not name.startswith(f"{PREFIX}_")}
    with patch.dict(os.environ, ours, clear=True):
        return create_app(configuration)


async def close(app: Quart) -> None:
    """Close every pool of the app."""
    await app.extensions["connections"].close()


@asynccontextmanager
async def served(app: Quart) -> AsyncIterator[str]:
    """The app under Hypercorn on a port of its own; the URL to reach it."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 1.0
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await serving
