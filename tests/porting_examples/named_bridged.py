"""Several named connections behind `get_db(conn)`: Flask's functions, as they are, over the bridge.

What is written for the drivers' plain connections stays but for `get_db`, and for the SQL, which is
asyncpg's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from quart import Quart, Response, abort, jsonify, request
from rethinkdb import r

from service.connections import Connections
from service.connections import get_db as get_db_async
from service.connections import get_db_sync as get_db


def requires_auth(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if request.headers.get("Authorization") != "Bearer let-me-in":
            abort(401)
        return view(*args, **kwargs)

    return checked


def create_app(urls: dict[str, str]) -> Quart:
    app = Quart("named")
    app.config["CONNECTIONS"] = urls
    Connections(app)

    @app.route("/get_some_data")
    @requires_auth
    def get_some_data() -> Response:
        players = get_db("a").fetch("SELECT id, name FROM players ORDER BY id")
        matches = r.table("matches").order_by("id").run(get_db("b"))
        points = get_db("client").zrange("points", 0, -1, desc=True)
        return jsonify(
            players=[dict(player) for player in players],
            matches=matches,
            points=[name.decode() for name in points],
        )

    @app.route("/get_some_other_data")
    @requires_auth
    async def get_some_other_data() -> Response:  # rewritten already
        return jsonify(matches=await r.table("matches").count().run(await get_db_async("b")))

    @app.route("/get_what_is_not_there")
    @requires_auth
    def get_what_is_not_there() -> Response:
        return jsonify(get_db("c"))

    return app
