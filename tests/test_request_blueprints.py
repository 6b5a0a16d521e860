"""The blueprints of a request are the same as with Quart's own."""

from __future__ import annotations

import pytest
from quart import Blueprint, Quart, Request, request

from service import tuning


def app_with(kind: type[Request], *, tuned: bool) -> Quart:
    """An app that answers with the blueprints of the request."""
    app = Quart(__name__)
    app.request_class = kind
    if tuned:
        tuning.register(app, 0)
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__, url_prefix="/inner")
    outer.register_blueprint(inner)

    async def answer() -> list[str]:
        return request.blueprints

    for where in (app, outer, inner):
        where.add_url_rule("/where", view_func=answer)
    app.register_blueprint(outer, url_prefix="/outer")
    app.errorhandler(404)(lambda error: (request.blueprints, 404))
    return app


class Named(Request):
    """Whose blueprints are said by something else."""

    @property
    def blueprint(self) -> str | None:
        return "named"


@pytest.mark.parametrize("kind", [Request, Named])
@pytest.mark.parametrize("path", ["/where", "/outer/where", "/outer/inner/where", "/nowhere"])
async def test_they_are_the_same(kind: type[Request], path: str) -> None:
    answers = []
    for tuned in (False, True):
        response = await app_with(kind, tuned=tuned).test_client().get(path)
        answers.append((response.status_code, await response.get_json()))
    assert answers[0] == answers[1]
    if kind is Request and path.startswith("/outer/inner"):
        assert answers[0] == (200, ["outer.inner", "outer"])
