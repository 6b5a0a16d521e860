"""``service dev``: from nothing to a service that answers, and back to nothing."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from service.embedded.directory import data_directory
from service.embedded.ports import bound_socket
from service.embedded.servers import START

from .command import Command, running
from .embedded.running import running as running_server

PORT = ("--port", "0")


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory, gone after the test."""
    with data_directory(None) as path:
        yield path


@asynccontextmanager
async def serving(
    *arguments: str, **environment: str
) -> AsyncIterator[tuple[Command, httpx.AsyncClient]]:
    """``service dev``, once it has printed its ``curl`` lines, and a client of it."""
    async with running("dev", *PORT, *arguments, **environment) as command:
        await command.line_with("/summary")
        base = str(httpx.URL(curl_urls(command)[0]).join("/"))
        async with httpx.AsyncClient(base_url=base) as client:
            yield command, client


def curl_urls(command: Command) -> list[str]:
    lines = [shlex.split(line) for line in command.lines]
    return [words[-1] for words in lines if words[:1] == ["curl"]]


def connected_ports(process: psutil.Process) -> set[int]:
    return {
        connection.raddr.port
        for connection in process.net_connections()
        if connection.status == psutil.CONN_ESTABLISHED
    }


async def test_prints_two_curl_lines_that_work() -> None:
    async with serving() as (command, client):
        leaderboard, summary = [await client.get(url) for url in curl_urls(command)]
        assert leaderboard.status_code == summary.status_code == 200
        assert leaderboard.json()["leaderboard"]
        assert [entry.split(";")[0] for entry in timing(summary)] == ["a", "b", "client"]
        progress = " ".join(command.lines)
        assert all(f"{name} is up" in progress for name in ("postgresql", "rethinkdb", "redis"))
        assert (await command.stopped_by(signal.SIGTERM))[0] == 0


def timing(response: httpx.Response) -> list[str]:
    return sorted(response.headers["Server-Timing"].split(", "))


async def test_a_just_started_service_opens_what_the_leaderboard_needs_and_no_more() -> None:
    async with serving() as (command, client):
        process = psutil.Process(command.process.pid)
        servers = {
            child.name(): {
                connection.laddr.port
                for connection in child.net_connections()
                if connection.status == psutil.CONN_LISTEN
            }
            for child in process.children()
        }
        everywhere = set().union(*servers.values())
        assert len(everywhere) == 3
        assert not connected_ports(process) & everywhere
        response = await client.get("/api/leaderboard")
        assert [entry.split(";")[0] for entry in timing(response)] == ["client"]
        assert connected_ports(process) & everywhere == servers["valkey-server"]


async def test_listens_on_loopback_only() -> None:
    async with serving() as (command, _):
        processes = [psutil.Process(command.process.pid), *command.descendants()]
        listening = {
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_everything_it_started(number: signal.Signals, data: Path) -> None:
    async with serving(TMPDIR=str(data)) as (command, _):
        started = command.descendants()
        assert os.listdir(data)
        async with asyncio.timeout(10):
            status, errors = await command.stopped_by(number)
        assert status == 0
        assert "Traceback" not in errors
        assert not [process for process in started if process.is_running()]
        assert not os.listdir(data)


async def test_a_signal_while_starting_stops_everything_it_started() -> None:
    async with running("dev", *PORT) as command:
        await command.line_with("redis is up")
        started = command.descendants()
        status, errors = await command.stopped_by(signal.SIGTERM)
        assert status == 0
        assert "Traceback" not in errors
        assert not [process for process in started if process.is_running()]


async def test_an_event_stream_does_not_hold_it_up() -> None:
    async with serving() as (command, client):
        matches = (await client.get("/api/matches")).json()["matches"]
        async with client.stream("GET", f"/api/matches/{matches[0]['id']}/events") as stream:
            assert stream.status_code == 200
            async with asyncio.timeout(10):
                status, _ = await command.stopped_by(signal.SIGTERM)
        assert status == 0


async def test_a_second_start_finds_the_data_of_all_three(data: Path) -> None:
    async with serving("--data", str(data)) as (command, client):
        created = await client.post(
            "/api/players", json={"name": "margaret", "password": "correct horse battery"}
        )
        assert created.status_code == 201
        before = await everything(client)
        assert (await command.stopped_by(signal.SIGTERM))[0] == 0
    async with serving("--data", str(data)) as (command, client):
        assert await everything(client) == before
        assert (await command.stopped_by(signal.SIGTERM))[0] == 0


async def everything(client: httpx.AsyncClient) -> list[dict[str, object]]:
    paths = ("/api/players", "/api/matches", "/api/leaderboard")
    return [(await client.get(path)).raise_for_status().json() for path in paths]


async def test_a_port_in_use_is_one_clear_line_before_anything_starts() -> None:
    with bound_socket("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        async with running("dev", "--port", str(port)) as command:
            status, errors = await command.ended()
    assert (status, command.lines) == (1, [])
    assert errors == f"Error: cannot listen on 127.0.0.1 port {port}: address already in use\n"


async def test_data_in_use_is_one_clear_line(data: Path) -> None:
    async with serving("--data", str(data)), running("dev", *PORT, "--data", str(data)) as second:
        status, errors = await second.ended()
    assert status == 1
    assert errors.count("\n") == 1
    assert f"{data}" in errors
    assert "in use" in errors


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("postgresql", "POSTGRESQL_URL"),
        ("postgresql", "SERVICE_CONNECTIONS__a"),
        ("rethinkdb", "RETHINKDB_URL"),
        ("redis", "REDIS_URL"),
    ],
)
async def test_a_server_that_is_there_is_used(name: str, variable: str, data: Path) -> None:
    async with running_server(START[name], data) as server:
        # The URL of a server, not of a database on it.
        url = urlsplit(server.url)._replace(path="")
        async with serving(**{variable: url.geturl()}) as (command, client):
            assert f"{name} is up" not in " ".join(command.lines)
            [said] = [line for line in command.lines if f"{name} is there already" in line]
            assert f"@{url.hostname}:{url.port}" in said
            assert str(url.password) not in said
            players, matches, leaderboard = await everything(client)
            assert players["players"]
            assert matches["matches"]
            assert leaderboard["leaderboard"]
            assert url.port in connected_ports(psutil.Process(command.process.pid))
            assert (await command.stopped_by(signal.SIGTERM))[0] == 0
