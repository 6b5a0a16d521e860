"""The shipped service, with a page that tells what the process holds."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter
from dataclasses import asdict
from typing import Any

import psutil
from quart import Quart, current_app

from service.app import create_app as create_service
from service.connections import Connections
from service.connections.scope import Scope

PATH = "/_inventory"


def create_app() -> Quart:
    """The service as configured by the environment; `GET /_inventory` tells what it holds."""
    app = create_service()
    app.add_url_rule(PATH, view_func=inventory)
    return app


async def inventory() -> dict[str, Any]:
    """What this process holds right now; opens nothing."""
    connections: Connections = current_app.extensions["connections"]
    gc.collect()
    process = psutil.Process()
    return {
        "pid": os.getpid(),
        "stats": {name: asdict(stats) for name, stats in connections.stats().items()},
        "leases": sum(len(scope._leases) for scope in _every(Scope)),
        "streams": len(current_app.extensions.get("event_streams", ())),
        "tasks": Counter(_name(task) for task in asyncio.all_tasks()),
        "descriptors": process.num_fds(),
        "resident": process.memory_info().rss,
    }


def _every(kind: type[Any]) -> list[Any]:
    return [found for found in gc.get_objects() if type(found) is kind]


def _name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", None) or type(coroutine).__name__
