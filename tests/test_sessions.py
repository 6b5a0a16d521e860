"""A session as a client sees it: the same with Quart's own interface and with ours."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart, session
from quart.sessions import SecureCookieSessionInterface

from service.sessions import SeldomSessions


class Counting(SeldomSessions):
    """Counts how often something is to be signed."""

    def __init__(self) -> None:
        self.signers = 0

    def get_signing_serializer(self, app: Quart) -> Any:
        self.signers += 1
        return super().get_signing_serializer(app)


def app_with(interface: SecureCookieSessionInterface) -> Quart:
    app = Quart(__name__)
    app.secret_key = "for the tests"
    app.session_interface = interface

    @app.get("/none")
    async def none() -> str:
        return "here"

    @app.get("/set")
    async def set_() -> str:
        session["name"] = "ada"
        return "here"

    @app.get("/permanent")
    async def permanent() -> str:
        session.permanent = True
        return "here"

    @app.get("/get")
    async def get() -> dict[str, Any]:
        return {"name": session.get("name")}

    @app.get("/clear")
    async def clear() -> str:
        session.clear()
        return "here"

    return app


async def seen(interface: SecureCookieSessionInterface, *paths: str) -> list[Any]:
    """What a client sees that asks for these in turn; of a cookie, what is no signature."""
    client = app_with(interface).test_client()
    answers = []
    for path in paths:
        answer = await client.get(path)
        cookie = answer.headers.get("Set-Cookie", "")
        name, _, attributes = cookie.partition(";")
        answers.append(
            (
                await answer.get_data(),
                answer.headers.get("Vary"),
                name.split(".")[0],
                sorted(one.split("=")[0] for one in attributes.split(";")),
            )
        )
    return answers


@pytest.mark.parametrize(
    "paths",
    [
        ["/none"],
        ["/get"],
        ["/clear"],
        ["/set", "/none", "/get", "/clear", "/get"],
        ["/set", "/permanent", "/none", "/get"],
    ],
    ids="".join,
)
async def test_every_session_is_seen_as_with_quart_s_own(paths: list[str]) -> None:
    assert await seen(SeldomSessions(), *paths) == await seen(
        SecureCookieSessionInterface(), *paths
    )


async def test_a_cookie_that_was_not_signed_here_is_no_session() -> None:
    client = app_with(SeldomSessions()).test_client()
    client.set_cookie("localhost", "session", "eyJuYW1lIjoiYWRhIn0.none.none")
    assert await (await client.get("/get")).get_json() == {"name": None}


async def test_a_request_without_one_has_nothing_signed() -> None:
    counting = Counting()
    assert (await seen(counting, "/none", "/get"))[1][0] == b'{"name":null}\n'
    assert not counting.signers
