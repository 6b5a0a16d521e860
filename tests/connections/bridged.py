"""An app of plain functions as Flask has them, served by a Hypercorn of its own in tests."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

from quart import Quart, Response, g, request

from service.connections import Connections, get_db_sync, run


def create_app() -> Quart:
    """An app whose every hook and route is plain, over PostgreSQL; `/state` tells what it has."""
    app = Quart("bridged")
    url = os.environ["TEST_POSTGRESQL"]
    app.config["CONNECTIONS"] = {"a": {"url": url, "max_size": 5, "acquire_timeout": 60}}
    app.config["SYNC_THREADS"] = 8
    connections = Connections(app)
    wrong: list[str] = []

    @app.before_request
    def before() -> None:
        g.thread = threading.get_ident()
        if request.path != "/state":
            g.db = get_db_sync("a")

    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        if "thread" in g and g.thread != threading.get_ident():
            wrong.append("another thread")
        if error is not None and "db" in g:
            g.db.execute("ROLLBACK")
        if "db" in g and get_db_sync("a").fetchval("SELECT 1") != 1:
            wrong.append("another answer")

    @app.get("/sleep/<float:seconds>")
    def sleep(seconds: float) -> dict[str, Any]:
        g.db.execute("BEGIN")
        return {"slept": g.db.fetchval("SELECT 1 FROM pg_sleep($1)", seconds)}

    @app.get("/stream")
    def stream() -> Response:
        rows = g.db.fetch("SELECT repeat('x', 10000) AS x FROM generate_series(1, 1000)")

        def body() -> Iterator[bytes]:
            mine = threading.get_ident()
            for row in rows:
                if threading.get_ident() != mine:
                    wrong.append("a body in two threads")
                yield row["x"].encode()

        return Response(body())

    @app.get("/state")
    async def state() -> dict[str, Any]:
        threads = connections.here().threads
        return {
            "in_use": connections.stats()["a"].in_use,
            "threads": threads.count,
            # This request has one itself.
            "at_work": threads.at_work - 1,
            "wrong": wrong,
        }

    @app.get("/whole")
    def whole() -> str:
        return str(run(g.a).get_server_pid())

    return app
