"""The measuring itself, on a very short run: real servers, real load, no judgement of figures."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load import LoadFailed, load
from tests.benchmarks.serving import Serving
from tests.command import running_program

NAMES = ["bare", "ours", "quart"]
ROUTES = ["plain", "one", "three"]
FIGURES = {"cpu_us", "cpu_ratio", "rps", "rps_ratio", "p50_ms", "p99_ms"}

pytestmark = pytest.mark.skipif(
    shutil.which("wrk") is None, reason="wrk is not installed: apt-get install wrk"
)


async def benchmarks(*arguments: str) -> tuple[int, str, str]:
    """The exit status of a short run, and what it wrote to standard output and error."""
    short = ["--rounds", "1", "--seconds", "0.3"]
    program = [sys.executable, "-m", "tests.benchmarks", *short, *arguments]
    async with running_program(*program) as command:
        status, errors = await command.ended()
        return status, "\n".join(command.lines), errors


async def test_every_contender_is_measured_on_every_route(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    status, output, errors = await benchmarks("--only", "ours", "quart", "--json", str(file))
    assert status == 0, errors
    found = json.loads(file.read_text())
    assert list(found) == ROUTES
    for route in ROUTES:
        assert list(found[route]) == NAMES
        for figures in found[route].values():
            assert set(figures) == FIGURES
            assert all(value > 0 for value in figures.values())
            assert figures["p50_ms"] <= figures["p99_ms"]
        assert found[route]["bare"]["cpu_ratio"] == found[route]["bare"]["rps_ratio"] == 1
    for name in NAMES:
        rows = [line for line in output.splitlines() if line.split()[:1] == [name]]
        assert len(rows) == len(ROUTES), output


async def test_the_readme_gets_a_table_with_the_date_and_the_versions() -> None:
    status, output, errors = await benchmarks("--only", "bare", "--routes", "plain", "--markdown")
    assert status == 0, errors
    lines = output.splitlines()
    assert any(line.startswith("| bare |") for line in lines)
    assert not any(line.startswith("| ours |") for line in lines)
    assert any(line.startswith("Python 3.") and "asyncpg" in line for line in lines)
    assert any(line.startswith("- `bare`: ") for line in lines)


async def test_answers_that_are_errors_are_no_figures() -> None:
    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(busy, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LoadFailed, match="status errors"):
            await load(f"http://127.0.0.1:{port}/", 2, 0.2)


async def test_who_answers_nothing_in_a_slice_has_more_time() -> None:
    asked = 0

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                if asked > 1:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(late, "127.0.0.1", 0)
    async with server, running_program(sys.executable, "-c", "") as command:
        serving = Serving(CONTENDERS["bare"], server.sockets[0].getsockname()[1], command)
        assert (await serving.load("plain", 1, 0.2)).requests
