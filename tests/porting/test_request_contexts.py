"""Contexts of requests that nobody sends: as Flask's, and without what is there for tests."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import flask
import pytest
from quart import Quart, request, url_for

from service.porting.request_contexts import request_context

ASKED: list[dict[str, Any]] = [
    {},
    {"path": "/a?b=c"},
    {"path": "https://shop.example/a?b=c"},
    {"base_url": "https://jobs.example/in/"},
    {"subdomain": "api", "url_scheme": "https"},
    {"path": "/a", "query_string": {"b": "c"}, "method": "PUT", "data": b"text"},
    {"json": {"a": 1}, "headers": {"X-A": "b"}},
]


def seen(of: Any) -> tuple[Any, ...]:
    return (
        of.url,
        of.path,
        of.method,
        of.root_url,
        of.headers.get("X-A"),
        of.content_type,
        of.mimetype,
    )


@pytest.mark.filterwarnings("ignore:Current server name")  # of Quart alone
@pytest.mark.parametrize("config", [{}, {"SERVER_NAME": "a.example", "APPLICATION_ROOT": "/in"}])
@pytest.mark.parametrize("asked", ASKED, ids=str)
async def test_the_request_is_what_flask_makes_of_the_arguments(
    asked: dict[str, Any], config: dict[str, str]
) -> None:
    of_flask, ported = flask.Flask("of_flask"), Quart("ported")
    for app in (of_flask, ported):
        app.config.update(config, PREFERRED_URL_SCHEME="https")
        app.add_url_rule("/known", "known", lambda: "")
    with of_flask.test_request_context(**asked):
        expected = seen(flask.request), flask.request.data, flask.url_for("known", _external=True)
    async with request_context(ported, **asked):
        found = seen(request), await request.get_data(), url_for("known", _external=True)
    assert found == expected


async def test_a_base_url_says_all_of_it() -> None:
    with pytest.raises(TypeError, match="base_url"):
        request_context(Quart("ported"), base_url="https://a.example", subdomain="b")


def test_an_app_that_uses_it_loads_nothing_of_tests() -> None:
    loaded = "import sys, service.porting.request_contexts; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True).stdout
    assert {b"service.porting.testing", b"flask.testing"}.isdisjoint(modules.split())
