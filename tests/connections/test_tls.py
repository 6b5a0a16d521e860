"""TLS, as the URL asks for it: through a proxy that has the certificate the servers here lack."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import pytest
import trustme
from quart import Quart
from redis.asyncio import Redis
from rethinkdb import r

from service.connections import ConnectionUnavailable, get_db
from tests.proxy import forward

from .conftest import MakeApp

HOST = "127.0.0.1"

# RethinkDB's driver makes its context the old way.
deprecated_ssl = pytest.mark.filterwarnings(r"ignore:ssl\.:DeprecationWarning")


@asynccontextmanager
async def encrypting(url: str, certificate: trustme.LeafCert) -> AsyncIterator[SplitResult]:
    """Forward what comes in over TLS to the server of `url`. Gives the URL of this end."""
    there = urlsplit(url)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        server_reader, server_writer = await asyncio.open_connection(there.hostname, there.port)
        answers = asyncio.create_task(forward(server_reader, writer, None))
        try:
            await forward(reader, server_writer, None)
        finally:
            answers.cancel()
            await asyncio.wait([answers])
            for end in (server_writer, writer):
                end.transport.abort()
            connections.discard(task)

    proxy = await asyncio.start_server(serve, HOST, 0, ssl=context)
    try:
        credentials = there.netloc.rpartition("@")[0]
        yield there._replace(netloc=f"{credentials}@{HOST}:{proxy.sockets[0].getsockname()[1]}")
    finally:
        proxy.close()
        if connections:
            await asyncio.wait(connections)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def another() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
async def redis(redis_url: str, authority: trustme.CA) -> AsyncIterator[str]:
    """The URL of Redis behind TLS, but for its scheme."""
    async with encrypting(redis_url, authority.issue_cert(HOST)) as url:
        yield url.geturl().removeprefix("redis")


@pytest.fixture
async def rethinkdb(rethinkdb_url: str, authority: trustme.CA) -> AsyncIterator[str]:
    """The URL of RethinkDB behind TLS."""
    async with encrypting(rethinkdb_url, authority.issue_cert(HOST)) as url:
        yield url.geturl()


def pem(authority: trustme.CA, directory: Path) -> Path:
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


async def refusal(app: Quart) -> str:
    """What the driver says against the connection `x`."""
    async with app.app_context():
        with pytest.raises(ConnectionUnavailable) as caught:
            await get_db("x")
    await app.extensions["connections"].close()
    return str(caught.value.__cause__)


async def test_redis_over_tls(
    make_app: MakeApp, redis: str, authority: trustme.CA, tmp_path: Path
) -> None:
    app = make_app(x=f"rediss{redis}?ssl_ca_certs={pem(authority, tmp_path)}")
    async with app.app_context():
        client = await get_db("x", Redis)
        await client.set("k", "v")
        assert await client.get("k") == b"v"
    await app.extensions["connections"].close()


async def test_redis_refuses_a_certificate_of_another_authority(
    make_app: MakeApp, redis: str, another: trustme.CA, tmp_path: Path
) -> None:
    app = make_app(x=f"rediss{redis}?ssl_ca_certs={pem(another, tmp_path)}")
    assert "CERTIFICATE_VERIFY_FAILED" in await refusal(app)


async def test_redis_refuses_a_certificate_that_nobody_vouches_for(
    make_app: MakeApp, redis: str
) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in await refusal(make_app(x=f"rediss{redis}"))


async def test_redis_refuses_a_certificate_of_another_host(
    make_app: MakeApp, redis_url: str, authority: trustme.CA, tmp_path: Path
) -> None:
    async with encrypting(redis_url, authority.issue_cert("example.org")) as url:
        app = make_app(x=f"rediss{url.geturl()[5:]}?ssl_ca_certs={pem(authority, tmp_path)}")
        assert "not valid for '127.0.0.1'" in await refusal(app)


async def test_redis_without_tls_does_not_connect_to_tls(make_app: MakeApp, redis: str) -> None:
    assert await refusal(make_app(x={"url": f"redis{redis}", "connect_timeout": 0.2}))


@deprecated_ssl
async def test_rethinkdb_over_tls(
    make_app: MakeApp, rethinkdb: str, authority: trustme.CA, tmp_path: Path
) -> None:
    app = make_app(x=f"{rethinkdb}?tls_ca={pem(authority, tmp_path)}")
    async with app.app_context():
        assert await r.expr(1).add(1).run(await get_db("x")) == 2
    await app.extensions["connections"].close()


@deprecated_ssl
async def test_rethinkdb_refuses_a_certificate_of_another_authority(
    make_app: MakeApp, rethinkdb: str, another: trustme.CA, tmp_path: Path
) -> None:
    app = make_app(x=f"{rethinkdb}?tls_ca={pem(another, tmp_path)}")
    assert "CERTIFICATE_VERIFY_FAILED" in await refusal(app)


async def test_rethinkdb_without_tls_does_not_connect_to_tls(
    make_app: MakeApp, rethinkdb: str
) -> None:
    assert await refusal(make_app(x={"url": rethinkdb, "connect_timeout": 0.2}))
