"""RethinkDB in the app context, by a function on `g`: Flask."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, g, jsonify, request
from rethinkdb import r


def _connect_to_database() -> Any:
    return r.connect(url=current_app.config["RDB_URL"])


def get_db_conn() -> Any:
    if "_db_conn" not in g:
        g._db_conn = _connect_to_database()
    return g._db_conn


def teardown_db(error: BaseException | None) -> None:
    conn = g.pop("_db_conn", None)
    if conn is not None:
        current_app.logger.info("Disconnecting from database.")
        conn.close()


def register_db_to_context() -> None:
    g.get_conn = get_db_conn


def init_app_database(app: Flask) -> None:
    app.teardown_appcontext(teardown_db)
    app.before_request(register_db_to_context)


def create_app(url: str) -> Flask:
    app = Flask("jukebox")
    app.config["RDB_URL"] = url
    init_app_database(app)

    @app.post("/songs")
    def add() -> tuple[Response, int]:
        done = r.table("songs").insert(request.get_json()).run(g.get_conn())
        return jsonify(inserted=done["inserted"]), 201

    @app.get("/songs")
    def songs() -> Response:
        return jsonify([song["title"] for song in r.table("songs").run(g.get_conn())])

    @app.get("/songs/count")
    def count() -> Response:
        return jsonify(r.table("songs").count().run(g.get_conn()))

    @app.get("/about")
    def about() -> Response:
        return jsonify("a jukebox")

    return app
