"""Several named connections behind `get_db(name)`, opened when first asked for: ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from quart import Quart, Response, abort, jsonify, request
from rethinkdb import r

from service.connections import Connections, get_db


def requires_auth(view: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    @wraps(view)
    async def checked(*args: Any, **kwargs: Any) -> Response:
        if request.headers.get("Authorization") != "Bearer let-me-in":
            abort(401)
        return await view(*args, **kwargs)

    return checked


def create_app(urls: dict[str, str]) -> Quart:
    app = Quart("named")
    app.config["CONNECTIONS"] = urls
    Connections(app)

    @app.route("/get_some_data")
    @requires_auth
    async def get_some_data() -> Response:
        players = await (await get_db("a")).fetch("SELECT id, name FROM players ORDER BY id")
        matches = await r.table("matches").order_by("id").run(await get_db("b"))
        points = await (await get_db("client")).zrange("points", 0, -1, desc=True)
        return jsonify(
            players=[dict(player) for player in players],
            matches=matches,
            points=[name.decode() for name in points],
        )

    @app.route("/get_some_other_data")
    @requires_auth
    async def get_some_other_data() -> Response:
        return jsonify(matches=await r.table("matches").count().run(await get_db("b")))

    @app.route("/get_what_is_not_there")
    @requires_auth
    async def get_what_is_not_there() -> Response:
        return jsonify(await get_db("c"))

    return app
