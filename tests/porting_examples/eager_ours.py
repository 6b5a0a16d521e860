"""A connection for every request, opened before it: ours, with Flask's functions."""

from __future__ import annotations

from quart import Quart, Response, g, jsonify

from service.connections import Connections, get_db_sync


def create_app(url: str, closed_in: str) -> Quart:
    """An app that closes in `after_request` or in `teardown_request`, or leaves that to ours."""
    app = Quart("eager")
    app.config["CONNECTIONS"] = {"db": url}
    Connections(app)

    @app.before_request
    def before_request() -> None:
        g.db = get_db_sync("db")

    if closed_in == "after_request":

        @app.after_request
        def after_request(response: Response) -> Response:
            g.db.close()
            return response

    elif closed_in == "teardown_request":

        @app.teardown_request
        def teardown_request(exception: BaseException | None) -> None:
            g.db.close()

    @app.get("/answer")
    def answer() -> Response:
        return jsonify(g.db.fetchval("SELECT 42"))

    @app.get("/error")
    def error() -> Response:
        raise ValueError("an error nobody handles")

    return app
