"""Hostile requests, each refused with the right answer, or taken and returned unchanged."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
import pytest_asyncio

from service.auth import issue_token
from tests.api.apps import PASSWORD, make_app
from tests.api.conftest import World, new_name, world

from .raw_http import request, send
from .serving import Service
from .shipped import shipped

__all__ = ["world"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY_TIMEOUT = 1
KEY = "what nobody can guess 0123456789abcdef"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    urls: Mapping[str, str], world: World, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """One service for the whole file: what one request did to it, the next would notice."""
    log = tmp_path_factory.mktemp("hostile") / "log"
    environment = {"SERVICE_SECRET_KEY": KEY, "SERVICE_BODY_TIMEOUT": str(BODY_TIMEOUT)}
    async with shipped(urls, log, **environment) as service:
        yield service
        assert await service.stopped() == 0
    assert "Traceback" not in service.said()
    assert '" 500' not in service.said()


def player(**members: str) -> bytes:
    return json.dumps({"name": new_name(), "password": PASSWORD, **members}).encode()


def nested(opening: bytes, closing: bytes) -> bytes:
    return b'{"name": ' + opening * 10_000 + b"1" + closing * 10_000 + b"}"


BODIES: Mapping[str, tuple[bytes, str]] = {
    "NUL in a name": (player(name="nul\0"), "name"),
    "a lone surrogate in a name": (player(name="\ud800aa"), "name"),
    "a lone surrogate in a password": (player(password="\ud800" * 8), "password"),
    "a lone surrogate as a member": (b'{"\\ud800": 1}', ""),
    "a password of 64 KB": (player(password="x" * 60_000), "password"),
    "an object for a name": (b'{"name": {"$reql_type$": "TIME"}, "password": "12345678"}', "name"),
    "a member too many": (player(__proto__="x"), "__proto__"),
    "depth 10,000 of arrays": (nested(b"[", b"]"), "nested too deeply"),
    "depth 10,000 of objects": (nested(b'{"":', b"}"), "nested too deeply"),
    "a member twice": (b'{"name": "one", "name": "two"}', "two members 'name'"),
    "a member twice within": (b'{"name": {"x": 1, "x": 2}}', "two members 'x'"),
    "a member in two spellings": (b'{"name": "one", "na\\u006de": "two"}', "two members 'name'"),
    "NaN": (b'{"name": NaN}', "NaN is no number"),
    "Infinity": (b'{"name": -Infinity}', "-Infinity is no number"),
    "a number of 5,000 digits": (b'{"name": ' + b"9" * 5000 + b"}", "4300 digits"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "BOM"),
    "bytes that are no UTF-8": (b'{"name": "\xff"}', "utf-8"),
    "an overlong NUL": (b'{"name": "\xc0\x80aa"}', "utf-8"),
    "a surrogate in UTF-8": (b'{"name": "\xed\xa0\x80"}', "utf-8"),
    "half a string": (b'{"name": "', "not JSON"),
    "nothing": (b"", "not JSON"),
}


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_is_refused_with_a_400_that_says_why(service: Service, case: str) -> None:
    body, why = BODIES[case]
    answer = await send(service.url, request("/api/players", body=body))
    assert answer.status == 400
    told = [answer.problem["detail"], *(e["field"] for e in answer.problem.get("errors", ()))]
    assert any(why in text for text in told), told


NUMBERS = ["0", "-0", "-0.0", "-1", "1.5", "1e19", "1e400", "-1e400", "true", "null", "{}"]


@pytest.mark.parametrize(
    "number", [*NUMBERS, str(2**53), str(2**63), str(2**64 + 1), '"1"', "[1]", "1" * 4000]
)
async def test_an_id_is_a_number_that_can_be_one(
    service: Service, world: World, number: str
) -> None:
    token = b"Authorization: Bearer " + (await token_of(world)).encode()
    body = b'{"opponent_id": %s}' % number.encode()
    answer = await send(service.url, request("/api/matches", token, body=body))
    assert answer.status == 400
    assert [error["field"] for error in answer.problem["errors"]] == ["opponent_id"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-16", "application/json; charset=no-such", "text/json", "\xff"],
)
async def test_another_encoding_than_utf_8_is_refused(service: Service, content_type: str) -> None:
    wrong = content_type.encode("latin1")
    answer = await send(service.url, request("/api/players", body=b"{}", content_type=wrong))
    assert answer.status == 415
    assert "Send JSON" in answer.problem["detail"]


async def test_a_gigabyte_is_refused_when_it_is_announced(service: Service) -> None:
    for header in (b"Content-Length: 1000000000", b"Content-Length: " + b"9" * 19):
        head = request("/api/players", b"Content-Type: application/json", header, method=b"POST")
        answer = await send(service.url, head)
        assert answer.status == 413
        assert answer.closed
        # Not after LINGER: before any of it is read.
        assert answer.seconds < 1


async def test_a_gigabyte_that_was_not_announced_is_refused_when_it_is_too_much(
    service: Service,
) -> None:
    head = request(
        "/api/players",
        b"Content-Type: application/json",
        b"Transfer-Encoding: chunked",
        method=b"POST",
    )
    answer = await send(service.url, head, b"40000000\r\n", b"x" * 70_000)
    assert answer.status == 413


@pytest.mark.parametrize("part", [b"", b"{"])
async def test_a_body_that_never_comes_is_not_waited_for(service: Service, part: bytes) -> None:
    head = request(
        "/api/players",
        b"Content-Type: application/json",
        b"Expect: 100-continue",
        b"Content-Length: 100",
        method=b"POST",
    )
    answer = await send(service.url, head, part, patience=10)
    assert answer.status == 408
    assert answer.closed
    async with httpx.AsyncClient(base_url=service.url) as client:
        assert (await client.get("/readyz")).status_code == 200


def headers(count: int, size: int = 1) -> list[bytes]:
    return [b"X-%d: %s" % (n, b"y" * size) for n in range(count)]


TARGETS: Mapping[str, tuple[str, int]] = {
    "NUL": ("/%00", 404),
    "NUL for an id": ("/api/players/%00", 404),
    "NUL in a file": ("/docs/swagger%00.css", 404),
    "a slash in an id": ("/api/players/1%2fsummary%2f..", 404),
    "the directory above": ("/docs/%2e%2e/%2e%2e/__init__.py", 404),
    "the directory above, all encoded": ("/docs%2f%2e%2e%2f%2e%2e%2fpip.py", 404),
    "no UTF-8": ("/%ff", 404),
    "no UTF-8 in a file": ("/docs/%ff", 404),
    "an overlong slash": ("/docs/..%c0%af..%c0%afx", 404),
    "a surrogate": ("/docs/%ed%a0%80", 404),
    "a line feed": ("/%0aforged", 404),
    "percent signs": ("/%%%25%2", 404),
    "other digits": ("/api/players/%D9%A1", 404),
    "another UUID": ("/api/matches/%7B00000000-0000-4000-8000-000000000000%7D", 404),
    "an id past 64 bits": ("/api/players/18446744073709551617", 404),
    "an id of 4,000 digits": ("/api/players/" + "9" * 4000, 404),
    "a long path": ("/" + "a" * 15_000, 404),
    "no UTF-8 in the query": ("/api/players?limit=%ff", 400),
    "NUL in the query": ("/api/matches?state=%00", 400),
    "twice in the query": ("/api/players?limit=1&limit=2", 400),
    "a whole URL that is none": ("http://[::1", 400),
    "a relative path": ("api/players", 400),
    "an asterisk": ("*", 400),
}


@pytest.mark.parametrize("case", TARGETS)
async def test_an_odd_target_is_refused(service: Service, case: str) -> None:
    target, status = TARGETS[case]
    answer = await send(service.url, request(target))
    assert answer.status == status
    assert answer.problem["status"] == status


async def test_what_is_encoded_without_need_is_the_same_path(service: Service) -> None:
    for target in (f"/{encoded('api/players')}", f"{service.url}/api/players"):
        assert (await send(service.url, request(target))).status == 200


def encoded(text: str) -> str:
    return "".join(f"%{ord(character):02x}" for character in text)


CHUNKED = request("/api/players", b"Transfer-Encoding: chunked", method=b"POST")
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
WEBSOCKET = (*UPGRADE, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def upgraded(target: str, *more: bytes) -> bytes:
    return request(target, *more).replace(b"Connection: close", b"Connection: Upgrade")


MALFORMED: Mapping[str, tuple[bytes, set[int]]] = {
    "1,000 headers": (request("/healthz", *headers(1000)), {431}),
    "one header 1,000 times": (request("/healthz", *[b"X: y"] * 1000), {431}),
    "a header of 100 KB": (request("/healthz", *headers(1, 100_000)), {431}),
    "NUL in a header": (request("/healthz", b"X: a\0b"), {400}),
    "a host that is too long": (request().replace(b"localhost", b"a" * 300), {400}),
    "two hosts": (request("/healthz", b"Host: b"), {400}),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", {400}),
    "an unknown method": (request(method=b"BREW"), {405}),
    "a method that is none": (request(method=b"G@T("), {400}),
    "TRACE": (request(method=b"TRACE"), {405}),
    "CONNECT": (request("localhost:443", method=b"CONNECT"), {400}),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", {400}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), {400}),
    "a chunk that is none": (CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", {400, 415}),
    "a chunk of a negative size": (CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n", {400, 415}),
    "two lengths": (request("/", b"Content-Length: 1", b"Content-Length: 2") + b"xx", {400}),
    "a negative length": (request("/", b"Content-Length: -1"), {400}),
    "a length of 23 digits": (request("/", b"Content-Length: " + b"9" * 23), {400}),
    "a length and chunks": (
        request("/", b"Content-Length: 4", b"Transfer-Encoding: chunked").replace(
            b"Connection: close\r\n", b""
        )
        + b"0\r\n\r\n"
        + SMUGGLED,
        {400},
    ),
    # Not a fault of the service: RFC 9112 wants this very answer.
    "an unknown coding": (request("/", b"Transfer-Encoding: xchunked") + SMUGGLED, {501}),
    "a space before a colon": (request("/healthz", b"Content-Length : 4"), {400}),
    "a WebSocket where there is none": (upgraded("/api/players", *WEBSOCKET), {405, 400}),
    "a WebSocket nowhere": (upgraded("/%00", *WEBSOCKET), {404}),
    "a WebSocket at no URL": (upgraded("http://[", *WEBSOCKET), {400}),
    "a date past all time": (
        request(
            "/docs/swagger-ui.css",
            b"If-Modified-Since: Sun, 06 Nov 99999999994 08:49:37 GMT",
            b"If-Range: Sun, 06 Nov 99999999994 08:49:37 GMT",
            b"Range: bytes=0-1",
        ),
        {400},
    ),
    "a range past the end": (request("/docs/swagger-ui.css", b"Range: bytes=99999999-"), {200}),
    "a range from the end": (request("/docs/swagger-ui.css", b"Range: bytes=-5"), {200}),
    "a file of another version": (request("/docs/swagger-ui.css", b'If-Match: "x"'), {412}),
    "a WebSocket with a protocol in Latin-1": (
        upgraded("/api/players", *WEBSOCKET, b"Sec-WebSocket-Protocol: \xe9"),
        {400},
    ),
    "a WebSocket without a key": (upgraded("/api/players", *UPGRADE), {400}),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_request_is_answered_once_and_cut(service: Service, case: str) -> None:
    sent, statuses = MALFORMED[case]
    answer = await send(service.url, sent)
    assert answer.status in statuses, answer.raw[:300]
    assert answer.raw.count(b"HTTP/1.1 ") == 1
    assert answer.closed


async def test_a_file_of_another_version_is_a_problem_and_not_the_file(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url) as client:
        response = await client.get("/docs/swagger-ui.css", headers={"If-Match": '"x"'})
    assert response.status_code == 412
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "garbage", [b"SM\r\n\r\n" + b"\xff" * 200, b"XX\r\n\r\n", b"SM\r\n\r\n\x00\x00\x01\x09\x09"]
)
async def test_http_2_garbage_gets_no_answer(service: Service, garbage: bytes) -> None:
    answer = await send(service.url, b"PRI * HTTP/2.0\r\n\r\n" + garbage, patience=0.5)
    assert answer.status == 0
    assert (await send(service.url, request("/healthz"))).status == 200


async def test_http_1_0_is_served(service: Service) -> None:
    answer = await send(service.url, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.closed) == (200, True)


async def test_nobody_forges_a_line_of_the_log(service: Service) -> None:
    forged = '127.0.0.1:1 "GET /forged HTTP/1.1" 200'
    await send(service.url, request("/%0a" + encoded(forged)))
    await send(service.url, request("/healthz"))
    assert "/healthz" in service.said()
    assert "forged" not in service.said()


async def token_of(world: World) -> str:
    """A token that the running service takes: signed with its key."""
    async with make_app({}, SECRET_KEY=KEY).app_context():
        return issue_token(world.ann.id)
