"""What the README promises, run as it is written there."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from quart import Quart

import service.connections
from service.auth import issue_token
from service.connections import Connections, get_db
from service.embedded.ports import free_port

from .benchmarks import comparison
from .benchmarks.contenders import CONTENDERS
from .command import ROOT, running_program

README = (ROOT / "README.md").read_text()
UNREACHABLE = re.compile(r"^.*Retry\(total=0.* after connection broken by .*$", re.MULTILINE)
"""What pip says before its last attempt to reach an index that does not answer."""


def blocks(language: str) -> list[str]:
    """The README's code blocks in one language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def filled_in(text: str, examples: dict[str, str]) -> str:
    """The text with each example value replaced by one that is real here."""
    for example, here in examples.items():
        assert example in text
        text = text.replace(example, here)
    return text


async def set_up_by(script: str, environment: dict[str, str]) -> None:
    """Run a script that has pip install; skip the test where pip reaches no package index."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    said = done.stdout + done.stderr
    if done.returncode and (unreachable := UNREACHABLE.search(said)):
        pytest.skip(f"pip reaches no package index: {unreachable[0].strip()}")
    assert done.returncode == 0, said


async def test_the_first_command_serves_in_a_fresh_copy(tmp_path: Path) -> None:
    clone, home = tmp_path / "clone", tmp_path / "home"
    unwanted = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", "__pycache__", "build", "*.egg-info"
    )
    shutil.copytree(ROOT, clone, ignore=unwanted)
    home.mkdir()
    cache = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pip", "cache", "dir"],
        capture_output=True,
        text=True,
    )
    *set_up, serve = blocks("sh")[0].splitlines()
    assert serve == ".venv/bin/service dev"
    environment = {
        "HOME": str(home),
        "PIP_CACHE_DIR": cache.stdout.strip(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    here = f"set -e\ncd {shlex.quote(str(clone))}\n"
    await set_up_by(here + "\n".join(set_up), environment)
    async with running_program(
        *["bash", "-c", f"{here}exec {serve} --port 0"], **environment
    ) as command:
        await command.line_with("/summary")
        urls = [shlex.split(line)[-1] for line in command.lines if line.split()[:1] == ["curl"]]
        async with httpx.AsyncClient() as client:
            answers = [await client.get(url) for url in urls]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].headers["server-timing"].split(";")[0] == "client"
        status, errors = await command.stopped_by(signal.SIGTERM)
    assert (status, "Traceback" in errors) == (0, False), errors


async def test_the_routes_of_the_example(postgresql_url: str, redis_url: str) -> None:
    source = filled_in(
        blocks("python")[0],
        {
            "postgresql://user:password@localhost/game": postgresql_url,
            "redis://localhost:6379/0": redis_url,
        },
    )
    example: dict[str, Any] = {"__name__": "example"}
    exec(source, example)
    app: Quart = example["app"]
    async with app.test_app() as served:
        client = served.test_client()
        assert await (await client.get("/players/7")).get_json() == {"id": 7}
        assert await (await client.get("/visits")).get_json() == {"visits": 1}
        assert await (await client.get("/report")).get_json() == {"numbers": [1, 2, 3]}


async def test_the_example_that_adds_routes_to_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVICE_CONFIG", "Testing")
    example: dict[str, Any] = {"__name__": "example"}
    exec(blocks("python")[1], example)
    app: Quart = example["create_app"]()
    client = app.test_client()
    assert (await client.get("/api/me")).status_code == 401
    async with app.app_context():
        token = issue_token(7)
    response = await client.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert await response.get_json() == {"player_id": 7}


async def test_the_backend_of_the_example() -> None:
    exec(blocks("python")[2], {"__name__": "example"})
    app = Quart("example")
    app.config["CONNECTIONS"] = {"lite": "sqlite://:memory:"}
    connections = Connections(app)
    async with app.app_context():
        assert (await get_db("lite")).execute("SELECT 42").fetchone() == (42,)
    assert (await connections.check())["lite"].ok


async def test_the_plain_functions_of_the_example(postgresql_url: str, rethinkdb_url: str) -> None:
    source = filled_in(
        blocks("python")[4],
        {
            "postgresql://user:password@localhost/game": postgresql_url,
            "rethinkdb://localhost:28015/game": rethinkdb_url,
            "settings.db": ":memory:",
        },
    )
    example: dict[str, Any] = {"__name__": "example"}
    exec(source, example)
    app: Quart = example["app"]
    async with app.test_app() as served:
        client = served.test_client()
        assert await (await client.get("/players")).get_json() == [{"id": 1}]
        assert await (await client.get("/matches")).get_json() == {"matches": 2}
        assert (await (await client.get("/both")).get_json())["slow"] == 42


async def test_the_commands_that_run_it_for_real(
    postgresql_url: str, rethinkdb_url: str, redis_url: str
) -> None:
    port = free_port()
    configure, run = blocks("sh")[2:4]
    script = filled_in(
        f"set -e\n{configure}{run}",
        {
            "postgresql://user:password@db.example/game": postgresql_url,
            "rethinkdb://user:password@rethinkdb.example/game": rethinkdb_url,
            "redis://redis.example/0": redis_url,
            "PORT=8000": f"PORT={port}",
            "hypercorn --config": "exec hypercorn --config",
        },
    )
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    async with running_program("bash", "-c", script, PATH=tools) as command:
        await command.line_with("tables and indexes are there")
        assert [line.split()[:2] for line in command.lines[1:4]] == [
            *[["a", "ok"], ["b", "ok"], ["client", "ok"]]
        ]
        await command.error_with("Running on")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/readyz")).status_code == 200
        status, errors = await command.stopped_by(signal.SIGTERM)
    assert status == 0, errors


def test_the_errors_it_names_exist() -> None:
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)`", README))
    assert named >= {"ConnectionUnavailable", "PoolTimeout"}
    assert named <= {*service.connections.__all__, "RuntimeError"}


def test_the_tests_it_names_exist() -> None:
    table = README.partition("## When things break")[2].partition("\n## ")[0]
    sources = "".join(path.read_text() for path in (ROOT / "tests" / "faults").glob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", table)
    assert len(named) > 12
    assert [name for name in named if f"def {name}(" not in sources] == []


def test_its_table_of_costs_is_as_the_command_prints_it() -> None:
    section = README.partition("\n## What a request costs\n")[2].partition("\n## ")[0]
    for table in comparison.tables({route: {} for route in comparison.ROUTES}):
        rows = section.partition(table.markdown())[2].partition("\n\n")[0].splitlines()[1:]
        assert {row.split(" | ")[0].removeprefix("| ") for row in rows} == set(CONTENDERS)
        assert {row.count("|") for row in rows} == {len(table.headings) + 1}
    assert re.search(r"^20\d\d-\d\d-\d\d, .* cores, Linux ", section, re.MULTILINE)
    assert re.search(r"^Python 3\.\d+\.\d+, quart \d.* asyncpg \d", section, re.MULTILINE)
