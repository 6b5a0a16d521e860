"""Several named connections behind `get_db(conn)`, opened when first asked for: Flask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import psycopg
import redis
from flask import Flask, Response, abort, current_app, g, jsonify, request
from psycopg.rows import dict_row
from rethinkdb import r


def get_db(conn: str) -> Any:
    """Open the connection if there is none yet for the current app context."""
    if conn == "a":
        if not hasattr(g, "a"):
            g.a = psycopg.connect(current_app.config["URLS"]["a"], row_factory=dict_row)
        db = g.a
    elif conn == "b":
        if not hasattr(g, "b"):
            g.b = r.connect(url=current_app.config["URLS"]["b"])
        db = g.b
    elif conn == "client":
        if not hasattr(g, "client"):
            g.client = redis.Redis.from_url(current_app.config["URLS"]["client"])
        db = g.client
    else:
        raise LookupError(f"Unknown connection: {conn}")
    return db


def close_db(error: BaseException | None) -> None:
    if hasattr(g, "a"):
        g.a.close()
    if hasattr(g, "b"):
        g.b.close()
    if hasattr(g, "client"):
        g.client.close()


def requires_auth(view: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Response:
        if request.headers.get("Authorization") != "Bearer let-me-in":
            abort(401)
        return view(*args, **kwargs)

    return checked


def create_app(urls: dict[str, str]) -> Flask:
    app = Flask("named")
    app.config["URLS"] = urls
    app.teardown_appcontext(close_db)

    @app.route("/get_some_data")
    @requires_auth
    def get_some_data() -> Response:
        players = get_db("a").execute("SELECT id, name FROM players ORDER BY id").fetchall()
        matches = r.table("matches").order_by("id").run(get_db("b"))
        points = get_db("client").zrange("points", 0, -1, desc=True)
        return jsonify(players=players, matches=matches, points=[name.decode() for name in points])

    @app.route("/get_some_other_data")
    @requires_auth
    def get_some_other_data() -> Response:
        return jsonify(matches=r.table("matches").count().run(get_db("b")))

    @app.route("/get_what_is_not_there")
    @requires_auth
    def get_what_is_not_there() -> Response:
        return jsonify(get_db("c"))

    return app
