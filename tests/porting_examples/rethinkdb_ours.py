"""RethinkDB in the app context: ours, with the function on `g`, and with an attribute instead."""

from __future__ import annotations

from quart import Quart, Response, current_app, g, jsonify, request
from rethinkdb import r

from service.connections import Connections, get_db_sync, run


def teardown_db(error: BaseException | None) -> None:
    if "conn" in current_app.extensions["connections"].opened():
        current_app.logger.info("Disconnecting from database.")


def register_db_to_context() -> None:
    g.get_conn = lambda: get_db_sync("conn")


def init_app_database(app: Quart) -> None:
    Connections(app)
    app.teardown_appcontext(teardown_db)
    app.before_request(register_db_to_context)


def create_app(url: str) -> Quart:
    app = Quart("jukebox")
    app.config["CONNECTIONS"] = {"conn": url}
    init_app_database(app)

    @app.post("/songs")
    def add() -> tuple[Response, int]:
        done = r.table("songs").insert(run(request.get_json())).run(g.get_conn())
        return jsonify(inserted=done["inserted"]), 201

    @app.get("/songs")
    def songs() -> Response:
        return jsonify([song["title"] for song in r.table("songs").run(g.get_conn())])

    @app.get("/songs/count")
    async def count() -> Response:
        return jsonify(await r.table("songs").count().run(await g.conn))

    @app.get("/about")
    async def about() -> Response:
        return jsonify("a jukebox")

    return app
