"""Logging in, and what is no RethinkDB client at all."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rethinkdb import r
from rethinkdb.errors import ReqlAuthError, ReqlDriverError
from rethinkdb.net import DefaultConnection, make_connection

from service.embedded.rethinkdb import StandIn
from service.embedded.rethinkdb.scram import AuthenticationError, Credentials, Exchange

from .conftest import Connect, open_connection

V1_0 = struct.pack("<L", 0x34C2BDC3)


@asynccontextmanager
async def raw(server: StandIn) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def refused(server: StandIn, *messages: bytes) -> dict[str, Any]:
    """The last answer to the messages, after which the server hangs up."""
    async with raw(server) as (reader, writer):
        for message in messages:
            writer.write(message)
        answers = (await asyncio.wait_for(reader.read(), 5)).split(b"\0")
        refusal: dict[str, Any] = json.loads(answers[-2])
        return refusal


def first_message(**changes: Any) -> bytes:
    message = {
        "protocol_version": 0,
        "authentication_method": "SCRAM-SHA-256",
        "authentication": "n,,n=admin,r=abc",
    }
    return json.dumps(message | changes).encode() + b"\0"


async def test_admin_has_an_empty_password(connect: Connect) -> None:
    connection = await connect(user="admin", password="")
    assert await r.expr(1).run(connection) == 1


async def test_a_wrong_password_is_an_authentication_error(connect: Connect) -> None:
    with pytest.raises(ReqlAuthError, match="Wrong password"):
        await connect(password="wrong")


async def test_an_unknown_user_is_an_authentication_error(connect: Connect) -> None:
    with pytest.raises(ReqlAuthError, match="Unknown user"):
        await connect(user="nobody,=", password="")


async def test_a_password_can_be_set() -> None:
    async with StandIn(password="pässword") as server:
        with pytest.raises(ReqlAuthError):
            await open_connection(server.port)
        with pytest.raises(ReqlAuthError):
            await open_connection(server.port, password="password")
    async with StandIn(password="secret") as server:
        connection = await open_connection(server.port, password="secret")
        assert await r.expr(1).run(connection) == 1
        await connection.close()


async def test_the_blocking_driver_logs_in_too(server: StandIn) -> None:
    def work() -> int:
        with make_connection(
            DefaultConnection, host="127.0.0.1", port=server.port, user="admin"
        ) as connection:
            found: int = sum(r.range(10).run(connection))
            connection.noreply_wait()
            return found

    assert await asyncio.to_thread(work) == 45


def test_the_salt_of_a_user_stays_the_same() -> None:
    users = {"admin": Credentials("secret")}
    answers = [Exchange(users).first("n,,n=admin,r=abc").split(",") for _ in range(2)]
    assert answers[0][1:] == answers[1][1:]
    assert answers[0][0] != answers[1][0]


@pytest.mark.parametrize("message", ["", "p=x,,n=admin,r=a", "n,,", "n,,n=admin", "n,,r=a"])
def test_a_malformed_login_is_refused(message: str) -> None:
    with pytest.raises(AuthenticationError):
        Exchange({"admin": Credentials("")}).first(message)


async def test_another_protocol_is_told_what_this_is(server: StandIn) -> None:
    async with raw(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"ERROR: Received an unsupported protocol version.")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"garbage\0", 1),
        (b"[]\0", 1),
        (first_message(protocol_version="0"), 1),
        (first_message(protocol_version=1), 2),
        (first_message(authentication_method=1), 3),
        (first_message(authentication_method="PLAIN"), 4),
        (first_message(authentication=None), 5),
        (first_message(authentication="x"), 10),
        (b"x" * 4096, 1),
    ],
)
async def test_a_malformed_handshake_is_refused(server: StandIn, message: bytes, code: int) -> None:
    refusal = await refused(server, V1_0, message)
    assert refusal["success"] is False
    assert refusal["error_code"] == code


async def test_a_forged_proof_is_refused(server: StandIn) -> None:
    async with raw(server) as (reader, writer):
        writer.write(V1_0 + first_message())
        await reader.readuntil(b"\0")
        answer = json.loads((await reader.readuntil(b"\0"))[:-1])
        nonce = answer["authentication"].partition(",")[0]
        proof = json.dumps({"authentication": f"c=biws,{nonce},p=AAAA"}).encode()
        writer.write(proof + b"\0")
        refusal = json.loads((await asyncio.wait_for(reader.read(), 5))[:-1])
    assert refusal == {"success": False, "error": "Wrong password", "error_code": 12}


async def test_who_has_not_logged_in_runs_nothing(server: StandIn) -> None:
    async with raw(server) as (reader, writer):
        query = b'[1,[57,["x"]]]'
        writer.write(V1_0 + struct.pack("<QL", 1, len(query)) + query)
        await asyncio.wait_for(reader.read(), 5)
    assert "x" not in server.system.catalog.databases


async def test_a_port_that_nobody_listens_on(server: StandIn) -> None:
    port = server.port
    await server.close()
    with pytest.raises(ReqlDriverError, match="Could not connect"):
        await open_connection(port)
