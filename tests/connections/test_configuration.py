"""What `CONNECTIONS` may say, and how what it may not is refused."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from service.connections import (
    Backend,
    ConfigurationError,
    Connections,
    Settings,
    register_backend,
)
from service.connections.redaction import redacted

from .conftest import MakeApp


@pytest.mark.parametrize(
    "entry",
    [
        "postgresql://user:password@one:5432,two:5433/db?target_session_attrs=primary",
        "postgres:///db?host=/run/postgresql",
        "postgresql://h:5432/db?application_name=me@here",
        {"url": "postgresql://h/db", "reset": "always", "max_size": 3, "eager": True},
        {"url": "postgresql://h/db", "statement_cache_size": 0, "reset": "never"},
        f"rethinkdb://user:password@one:28015,two,[::1]:28016/db?tls_ca={__file__}",
        {"url": "rethinkdb://h/db", "max_size": 10, "acquire_timeout": 5.0},
        "redis://user:password@h:6379/1?decode_responses=true",
        {"url": "rediss://h", "decode_responses": True, "socket_timeout": 1.5},
        "unix:///run/redis.sock?db=2",
        "redis+sentinel://user:password@one:26379,two/main/1?sentinel_password=x",
        "redis+cluster://user:password@one:7000,two:7001",
    ],
)
def test_urls_as_their_worlds_write_them(make_app: MakeApp, entry: Any) -> None:
    app = make_app(name=entry)
    assert app.extensions["connections"].names == ["name"]
    assert "password@" not in repr(app.extensions["connections"])
    assert "password@" not in app.extensions["connections"].url("name")


@pytest.mark.parametrize(
    ("connections", "message"),
    [
        (["a"], "CONNECTIONS is a list; allowed: a mapping"),
        ({"not a name": "redis://h"}, r"\['not a name'\]: the name must be an identifier"),
        ({"class": "redis://h"}, "must be an identifier"),
        ({"a": "nothing"}, r"\['a'\]: a str is no URL"),
        ({"a": 5}, "a int is no URL"),
        ({"a": {"max_size": 5}}, "a NoneType is no URL"),
        ({"a": "mysql://u:pw@h/db"}, r"no backend serves mysql:// \(mysql://u:\*\*\*@h/db\); .*re"),
        ({"a": {"url": "redis://h", "maxsize": 5}}, r"no option 'maxsize' \(5\); allowed: url, de"),
        ({"a": {"url": "redis://h", "password": "pw"}}, r"no option 'password' \(\*\*\*\)"),
        ({"a": {"url": "redis://h", "max_size": 0}}, "max_size is 0; allowed: a whole number"),
        ({"a": {"url": "redis://h", "max_size": "5"}}, "max_size is '5'; allowed: a whole"),
        ({"a": {"url": "redis://h", "eager": 1}}, "eager is 1; allowed: true or false"),
        ({"a": {"url": "redis://h", "acquire_timeout": -1}}, "acquire_timeout is -1; allowed: a n"),
        (
            {"a": {"url": "redis://h", "decode_responses": "yes"}},
            "is 'yes'; allowed: true",
        ),
        (
            {"a": {"url": "redis://h", "socket_timeout": "soon"}},
            "'soon'; .* from 0, or null",
        ),
        ({"a": "redis://[::1/0"}, r"CONNECTIONS\['a'\] .*Invalid IPv6"),
        ({"a": "postgresql://h:port/db"}, "'port'"),
        ({"a": "postgresql://h/db?target_session_attrs=any1"}, "target_session_attrs"),
        ({"a": "postgresql://u:pw@h/db?sslmode=bogus"}, "sslmode"),
        (
            {"a": {"url": "postgresql://h", "max_idle_time": True}},
            "max_idle_time is True",
        ),
        ({"a": {"url": "postgresql://h", "statement_cache_size": 1.5}}, "a whole number from 0"),
        ({"a": "rethinkdb://h/db?tls_ca=/no/such/file"}, "'/no/such/file', which is no file"),
        ({"a": {"url": "postgresql://h", "reset": "no"}}, "reset is 'no'; allowed: auto, always"),
        ({"a": {"url": "postgresql://h", "command_timeout": "1"}}, "command_timeout is '1'"),
        (
            {"a": "postgresql://u:pw#x@h/db"},
            r"://u:\*\*\*@h/db has a '/', '\?' or '#' in its password",
        ),
        ({"a": "redis://:pw/x@h:1/0"}, "or '#' in its password"),
        ({"a": "rethinkdb://h:port/db"}, "a host of the URL is wrong; allowed: host, host:port"),
        ({"a": "rethinkdb://h:99999"}, "a host of the URL is wrong"),
        ({"a": "rethinkdb://h/db?ssl=1"}, "no option 'ssl' in the URL's query; allowed: tls_ca"),
        ({"a": "redis://u:pw@h?decode_responses=maybe"}, "decode_responses is 'maybe'"),
        ({"a": "redis://h:port"}, "[Pp]ort"),
        ({"a": "redis://h?socket_timeout=soon"}, "socket_timeout is 'soon'"),
        ({"a": "redis+sentinel://h"}, "must be /master-name"),
        ({"a": "redis+cluster://h/3"}, "no database but 0"),
        ({"a": {"url": "ledger://x", "color": "green"}}, "color is 'green'; allowed: blue, red"),
    ],
)
def test_what_cannot_work_is_refused_with_key_value_and_what_is_allowed(
    connections: Any, message: str
) -> None:
    app = Quart("tests")
    app.config["CONNECTIONS"] = connections
    with pytest.raises(ConfigurationError, match=message) as raised:
        Connections(app)
    assert "pw" not in str(raised.value)


def test_an_app_takes_connections_once_and_one_object_serves_several_apps() -> None:
    one, two = Quart("one"), Quart("two")
    one.config["CONNECTIONS"] = {"a": "redis://h"}
    connections = Connections()
    connections.init_app(one)
    connections.init_app(two)
    assert one.extensions["connections"] is connections
    assert one.extensions["connections"].names == ["a"]
    assert two.extensions["connections"].names == []
    with pytest.raises(RuntimeError, match="'one' has connections already"):
        Connections(one)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h/0", "redis://h/0"),
        ("redis://u:p@h", "redis://u:***@h"),
        ("redis://:p/?#@x@h/0?a=b", "redis://:***@h/0?a=b"),
        ("unix:///s?password=p&db=1", "unix:///s?password=***&db=1"),
        ("postgresql:///db?user=u&password=p", "postgresql:///db?user=u&password=***"),
    ],
)
def test_a_shown_url_has_no_password(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_a_class_that_lacks_part_of_a_backend_is_refused() -> None:
    @register_backend("half")
    class Half(Backend[None, None]):
        async def open(self) -> None: ...

    @register_backend("alien")
    class Alien:  # type: ignore[type-var]
        def __init__(self, settings: Settings) -> None: ...

    for scheme, message in (("half", "abstract.*acquire"), ("alien", "Alien is no backend: it la")):
        app = Quart("tests")
        app.config["CONNECTIONS"] = {"a": f"{scheme}://"}
        with pytest.raises(ConfigurationError, match=message):
            Connections(app)
