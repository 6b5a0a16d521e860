"""The machine that measures: its cores, which of them serve, and what is installed on it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import asyncpg
from redis import Redis

CORES = sorted(os.sched_getaffinity(0))
SERVING = CORES[0]
"""The core of the contenders."""
LOADING = CORES[-1]
"""The core of the load, of the databases and of this process."""

PACKAGES = (
    "quart",
    "hypercorn",
    "uvloop",
    "asyncpg",
    "redis",
    "rethinkdb",
    "quart-db",
    "fastapi",
    "pydantic",
    "uvicorn",
    "httptools",
    "granian",
    "flask",
    "gunicorn",
    "psycopg",
    "psycopg-pool",
    "svcs",
    "dishka",
)


@contextmanager
def on(core: int) -> Iterator[None]:
    """What is started in here runs on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def description() -> str:
    """The machine in one line."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = model[1].strip() if model else platform.machine()
    return f"{processor}, {len(CORES)} cores, Linux {platform.release()}"


def installed() -> dict[str, str]:
    """The versions of what takes part and is installed."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


async def servers(environment: Mapping[str, str]) -> dict[str, str]:
    """The versions of the servers that take part."""
    connection = await asyncpg.connect(environment["BENCHMARK_POSTGRESQL"])
    try:
        postgresql = str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()
    with Redis.from_url(environment["BENCHMARK_REDIS"], decode_responses=True) as redis:
        info = redis.info("server")
    return {"PostgreSQL": postgresql.split()[0], "Valkey": info.get("valkey_version", "")}


def wrk() -> str:
    """The version of wrk."""
    program = shutil.which("wrk") or "wrk"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    return said.stdout.split(" [")[0].split(" ", 1)[-1]
