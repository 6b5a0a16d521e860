"""One set of servers for the whole run, and a database of its own on each for every worker.

POSTGRESQL_URL, RETHINKDB_URL and REDIS_URL name servers to use instead of local ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from service.embedded.directory import data_directory
from service.embedded.process import Server
from service.embedded.servers import START, start_all, stop_all

from . import databases

ENVIRONMENT = {name: f"{name.upper()}_URL" for name in START}


class Servers:
    """The servers of this run: given by the environment, or local ones started when needed."""

    def __init__(self) -> None:
        self._started: dict[str, Server] = {}
        self._cleanup = ExitStack()

    def urls(self, *names: str) -> dict[str, str]:
        """The URLs of the servers called ``names``, once all of them are up."""
        given = {name: os.environ[ENVIRONMENT[name]] for name in names if _given(name)}
        missing = [name for name in names if name not in given and name not in self._started]
        if missing:
            data = self._cleanup.enter_context(data_directory(None))
            self._started |= asyncio.run(start_all(data, missing))
        return given | {name: self._started[name].url for name in names if name not in given}

    def close(self) -> None:
        """Stop what was started and remove its data."""
        with self._cleanup:
            asyncio.run(stop_all(self._started.values()))


def _given(name: str) -> bool:
    return bool(os.environ.get(ENVIRONMENT[name]))


_servers = pytest.StashKey[Servers]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="run the long tests of tests/faults at full length"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_servers] = Servers()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_servers].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Before each xdist worker starts: the controller's servers are the workers' servers."""
    urls = node.config.stash[_servers].urls(*START)
    node.workerinput.update({ENVIRONMENT[name]: url for name, url in urls.items()})


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The URL of a server itself, by name: for fixtures that make a database on it."""
    given: Mapping[str, str] | None = getattr(request.config, "workerinput", None)
    if given is not None:
        return lambda name: given[ENVIRONMENT[name]]
    servers = request.config.stash[_servers]
    return lambda name: servers.urls(name)[name]


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether the long tests run at full length."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def postgresql_url(server_url: Callable[[str], str]) -> Iterator[str]:
    """A PostgreSQL database that only this process uses."""
    with databases.postgresql(server_url("postgresql")) as url:
        yield url


@pytest.fixture(scope="session")
def rethinkdb_url(server_url: Callable[[str], str]) -> Iterator[str]:
    """A RethinkDB database that only this process uses."""
    with databases.rethinkdb(server_url("rethinkdb")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(server_url: Callable[[str], str]) -> Iterator[str]:
    """A Redis database, by number, that only this process uses."""
    with databases.redis(server_url("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def urls(postgresql_url: str, rethinkdb_url: str, redis_url: str) -> Mapping[str, str]:
    """The connections of the shipped configuration, by name."""
    return {"a": postgresql_url, "b": rethinkdb_url, "client": redis_url}


@pytest.fixture
def production(urls: Mapping[str, str]) -> Mapping[str, str]:
    """The environment that a host gives the service in production."""
    connections = {f"SERVICE_CONNECTIONS__{name}": url for name, url in urls.items()}
    return connections | {"SERVICE_SECRET_KEY": "what nobody can guess 0123456789abcdef"}


@pytest.fixture(autouse=True)
def no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's app is configured by the test, not by the shell it is run from."""
    for name in list(os.environ):
        if name.startswith("SERVICE_"):
            monkeypatch.delenv(name)
