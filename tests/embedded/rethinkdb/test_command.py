"""`python -m service.embedded.rethinkdb`, and data that outlive it."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from rethinkdb import r
from rethinkdb.errors import ReqlAuthError

from service.embedded.rethinkdb import DataDirectoryError, StandIn

from .conftest import open_connection, rows

Run = Callable[..., Awaitable[tuple[Process, str]]]


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Starts the command and waits for its first line, or its end."""
    started: list[Process] = []

    async def run(*arguments: Any) -> tuple[Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service.embedded.rethinkdb", *map(str, arguments),
            stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        started.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        return process, line.decode().strip()

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def port_of(url: str) -> int:
    assert url.startswith("rethinkdb://127.0.0.1:")
    return int(url.rpartition(":")[2])


async def stop(process: Process, signum: signal.Signals = signal.SIGTERM) -> None:
    """End it; clients that are connected do not hold it up."""
    process.send_signal(signum)
    await asyncio.wait_for(process.wait(), 10)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_it_prints_its_url_and_ends_on_a_signal(run: Run, signum: signal.Signals) -> None:
    process, url = await run()
    connection = await open_connection(port_of(url))
    await r.table_create("t").run(connection)
    await r.table("t").changes().run(connection)
    await stop(process, signum)
    assert process.returncode == 0
    await connection.close(noreply_wait=False)


async def test_a_port_in_use_is_one_line(run: Run, server: StandIn) -> None:
    process, line = await run("--port", server.port)
    _, said = await process.communicate()
    assert (process.returncode, line) == (1, "")
    assert said.decode().count("\n") == 1
    assert f"127.0.0.1:{server.port}" in said.decode()


async def test_the_password_comes_from_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    _, url = await run("--password-file", file)
    assert "secret" not in url
    with pytest.raises(ReqlAuthError):
        await open_connection(port_of(url))
    connection = await open_connection(port_of(url), password="secret")
    assert await r.expr(1).run(connection) == 1
    await connection.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
async def test_data_survive(run: Run, tmp_path: Path, signum: signal.Signals) -> None:
    process, url = await run("--data", tmp_path)
    connection = await open_connection(port_of(url))
    await r.db_create("kept").run(connection)
    await r.db_drop("test").run(connection)
    connection.use("kept")
    await r.table_create("t", primary_key="code").run(connection)
    await r.table_create("gone").run(connection)
    table = r.table("t")
    await table.index_create("tags", multi=True).run(connection)
    await r.expr(["n"]).for_each(
        lambda name: table.index_create("by", lambda row: [row[name], name])
    ).run(connection)  # fmt: skip
    await table.index_create("old").run(connection)
    await table.index_drop("old").run(connection)
    when = r.epoch_time(1.5)
    await table.insert(
        [{"code": n, "n": n, "tags": ["all", n], "raw": b"\0\xff", "at": when} for n in range(9)]
    ).run(connection)  # fmt: skip
    await table.get(3).delete().run(connection)
    await table.get(4).update({"n": 40}).run(connection)
    await r.table_drop("gone").run(connection)
    before = await rows(table.order_by(index="code"), connection)
    config = await table.config().run(connection)
    await stop(process, signum)
    await connection.close(noreply_wait=False)

    _, url = await run("--data", tmp_path)
    connection = await open_connection(port_of(url), db="kept")
    assert await rows(table.order_by(index="code"), connection) == before
    assert bytes(before[0]["raw"]) == b"\0\xff"
    assert await r.db_list().run(connection) == ["kept", "rethinkdb"]
    assert await r.table_list().run(connection) == ["t"]
    found = await table.config().run(connection)
    assert (found["id"], found["indexes"]) == (config["id"], ["by", "tags"])
    assert await table.get_all("all", index="tags").count().run(connection) == 8
    assert await table.get_all([40, "n"], index="by")["code"].coerce_to("array").run(
        connection
    ) == [4]
    await connection.close()


async def insert_one(data: Path, document: dict[str, Any]) -> list[Any]:
    """What the table `t` holds after a start, an insertion and an end."""
    async with StandIn(data=data) as server:
        connection = await open_connection(server.port)
        if "t" not in await r.table_list().run(connection):
            await r.table_create("t").run(connection)
        await r.table("t").insert(document).run(connection)
        found = await rows(r.table("t").order_by("id"), connection)
        await connection.close()
        return found


async def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    await insert_one(tmp_path, {"id": 1})
    journal = tmp_path / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(journal.read_bytes().splitlines()[-1][:-3])
    assert await insert_one(tmp_path, {"id": 2}) == [{"id": 1}, {"id": 2}]
    assert await insert_one(tmp_path, {"id": 3}) == [{"id": 1}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize(
    ("line", "message"),
    [(b"?\n", "damaged in line 1"), (b'["put","?",{}]\n', "tells what cannot be")],
)
async def test_a_damaged_journal_is_refused_and_left_alone(
    tmp_path: Path, line: bytes, message: str
) -> None:
    await insert_one(tmp_path, {"id": 1})
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(line + journal.read_bytes())
    damaged = journal.read_bytes()
    with pytest.raises(DataDirectoryError, match=message):
        await insert_one(tmp_path, {"id": 2})
    assert journal.read_bytes() == damaged


async def test_starting_compacts_the_journal(tmp_path: Path) -> None:
    async with StandIn(data=tmp_path) as server:
        connection = await open_connection(server.port)
        await r.table_create("t").run(connection)
        for turn in range(100):
            await r.table("t").insert({"id": 1, "n": turn}, conflict="replace").run(connection)
        await connection.close()
    journal = tmp_path / "journal.jsonl"
    assert len(journal.read_bytes().splitlines()) == 103 - 1
    async with StandIn(data=tmp_path):
        assert len(journal.read_bytes().splitlines()) == 3


async def test_a_directory_that_is_none_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    process, _ = await run("--data", tmp_path / "file")
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().startswith(f"data directory {tmp_path}/file cannot be used: ")


async def test_two_servers_do_not_share_data(run: Run, tmp_path: Path) -> None:
    await run("--data", tmp_path)
    process, line = await run("--data", tmp_path)
    _, said = await process.communicate()
    assert (process.returncode, line) == (1, "")
    assert said.decode() == f"data directory {tmp_path} is in use by another process\n"


async def test_without_a_directory_nothing_is_kept() -> None:
    async with StandIn() as server:
        connection = await open_connection(server.port)
        await r.table_create("t").run(connection)
        await connection.close()
    async with StandIn() as server:
        connection = await open_connection(server.port)
        assert await r.table_list().run(connection) == []
        await connection.close()
