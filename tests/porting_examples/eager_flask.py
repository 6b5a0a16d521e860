"""A connection for every request, opened before it: Flask."""

from __future__ import annotations

from typing import Any

import psycopg
from flask import Flask, Response, g, jsonify


def create_app(url: str, closed_in: str, opened: list[Any]) -> Flask:
    """An app that closes in `after_request` or in `teardown_request`; `opened` gets each."""
    app = Flask("eager")

    @app.before_request
    def before_request() -> None:
        g.db = psycopg.connect(url)
        opened.append(g.db)

    if closed_in == "after_request":

        @app.after_request
        def after_request(response: Response) -> Response:
            g.db.close()
            return response

    else:

        @app.teardown_request
        def teardown_request(exception: BaseException | None) -> None:
            g.db.close()

    @app.get("/answer")
    def answer() -> Response:
        return jsonify(g.db.execute("SELECT 42").fetchone()[0])

    @app.get("/error")
    def error() -> Response:
        raise ValueError("an error nobody handles")

    return app
