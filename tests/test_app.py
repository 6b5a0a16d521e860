"""The app as a whole: made from its configuration, and nothing opened by that."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
import pytest
from quart import Quart, Response, jsonify, request

from service.app import create_app
from service.connections import ConfigurationError
from tests.api.apps import make_app, served


def test_making_an_app_opens_nothing() -> None:
    app = create_app("Development")
    assert not any(state.pool for state in app.extensions["connections"].stats().values())


def test_a_wrong_connection_is_refused_when_the_app_is_made() -> None:
    with pytest.raises(ConfigurationError, match="nonsense://"):
        make_app({"a": "nonsense://u:hush-hush@db/x"})
    with pytest.raises(ConfigurationError) as raised:
        make_app({"a": {"url": "postgresql://u:hush-hush@db/x", "max_sise": 3}})
    assert "max_sise" in str(raised.value)
    assert "hush" not in str(raised.value)


def test_importing_the_app_imports_no_local_servers() -> None:
    script = "import service.app, sys, json; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    modules = json.loads(output.stdout)
    assert "service.connections" in modules
    assert not [name for name in modules if name.startswith("service.embedded")]


@pytest.mark.parametrize(("trusted", "address"), [(0, "127.0.0.1"), (1, "203.0.113.9")])
async def test_a_proxy_is_believed_if_it_is_expected(trusted: int, address: str) -> None:
    app = make_app({}, TRUSTED_PROXIES=trusted)

    @app.get("/address")
    async def address_of_client() -> Response:
        return jsonify(request.remote_addr)

    headers = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/address", headers=headers)).json() == address


async def test_server_timing_reaches_the_wire_only_where_something_was_opened() -> None:
    app: Quart = make_app({})
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        assert "Server-Timing" not in (await client.get("/healthz")).headers
