"""An answer that depends on the session says so, whatever way it was looked into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
import quart
from quart import Quart

from service.porting.sessions import PortedSessions
from service.porting.testing import PortedClient

LOOKS: dict[str, Callable[[Any], Any]] = {
    "in": lambda session: "user" in session,
    "[]": lambda session: session["kept"] if session else None,
    "get": lambda session: session.get("user"),
    "bool": lambda session: bool(session),
    "list": lambda session: list(session),
    "pop": lambda session: session.pop("user", None),
    "items": lambda session: [*session.items()],
    "permanent": lambda session: session.permanent,
    "nothing": lambda session: None,
}


@pytest.mark.parametrize("look", LOOKS)
async def test_the_answer_varies_with_the_cookie(look: str) -> None:
    of_flask, ported = flask.Flask("sessions"), Quart("sessions")
    ported.session_interface = PortedSessions()
    of_flask.secret_key = ported.secret_key = "only-for-this-test"
    of_flask.add_url_rule("/", "view", lambda: [_look(look, flask)])
    ported.add_url_rule("/", "view", lambda: [_look(look, quart)])
    expected = of_flask.test_client().get("/")
    response = await PortedClient(ported).get("/")
    assert response.headers.get("Vary") == expected.headers.get("Vary")
    assert (response.headers.get("Vary") == "Cookie") == (look != "nothing")


def _look(look: str, web: Any) -> Any:
    return LOOKS[look](web.session) if look != "nothing" else None
