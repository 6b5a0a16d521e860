"""Nothing that is written, answered or shown has a secret in it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from quart import Quart

from service.app import create_app
from service.connections import ConfigurationError, Connections, ConnectionsError, get_db
from tests.api.apps import make_app
from tests.command import running

from .raw_http import request, send
from .secret_places import REFUSED, Secrets, connections, requests
from .shipped import shipped

EVERYTHING_LOGGED = """
import logging
from quart import current_app, request
from service.app import create_app as create_service

logging.basicConfig(level=logging.DEBUG)
logging.getLogger("tests").debug("everything is logged")

def create_app():
    app = create_service()
    app.debug = True

    @app.post("/fail")
    async def fail():
        body, headers, config = await request.get_json(), request.headers, current_app.config
        raise RuntimeError("a bug")

    return app
"""


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The certificate of an authority that signed nothing."""
    path = tmp_path / "authority.pem"
    trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.write_to_path(path)
    return path


@pytest.fixture
def hidden() -> Secrets:
    return Secrets()


@pytest.fixture
def failing(
    hidden: Secrets, urls: Mapping[str, str], unused_tcp_port: int, authority: Path
) -> dict[str, str]:
    """Connections that all fail."""
    return connections(hidden, urls, unused_tcp_port, authority)


def environment(hidden: Secrets) -> dict[str, str]:
    return {
        "SERVICE_SECRET_KEY": hidden["secret key"] * 2,
        "SERVICE_SECRET_KEY_FALLBACKS": f'["{hidden["fallback"] * 2}"]',
    }


async def test_no_answer_and_no_line_of_any_log_has_a_secret(
    hidden: Secrets, failing: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "logged.py").write_text(EVERYTHING_LOGGED)
    log = tmp_path / "log"
    options = {
        "PYTHONASYNCIODEBUG": "1",
        "SERVICE_TRUSTED_PROXIES": "1",
        "SERVICE_READY_TIMEOUT": "0.5",
        **environment(hidden),
    }
    logged = f"{tmp_path}/logged.py:create_app()"
    async with shipped(
        failing, log, "--log-level", "DEBUG", application=logged, **options
    ) as service:
        answers = {
            place: (await send(service.url, sent, patience=10)).raw.decode("latin1")
            for place, sent in requests(hidden).items()
        }
        for path in ("/readyz", "/api/players", "/api/matches", "/api/leaderboard"):
            # The later ones fail fast, and tell of the failure before.
            for attempt in range(4):
                answer = await send(service.url, request(path), patience=10)
                answers[f"{path} {attempt}"] = answer.raw.decode("latin1")
        assert await service.stopped() == 0
    assert all(answers.values()), [place for place, answer in answers.items() if not answer]
    assert answers["failing"].startswith("HTTP/1.1 500")
    assert answers["/readyz 3"].startswith("HTTP/1.1 503")
    said = service.said()
    for proof in (
        "everything is logged",
        "RuntimeError: a bug",
        "cannot be opened",
        '"POST /api/tokens HTTP',
    ):
        assert proof in said
    shown = {place: hidden.found_in(answer) for place, answer in answers.items()}
    assert {place: found for place, found in shown.items() if found} == {}
    assert hidden.found_in(said) == []


async def test_nothing_that_can_be_printed_has_a_secret(
    hidden: Secrets,
    failing: dict[str, str],
    urls: Mapping[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    hidden |= {f"{name}, right": urlsplit(url).password or "?" for name, url in urls.items()}
    good = {f"good_{name}": url for name, url in urls.items()}
    app = make_app(
        {name: {"url": url, "connect_timeout": 1.0} for name, url in (failing | good).items()},
        SECRET_KEY=hidden["secret key"],
        SECRET_KEY_FALLBACKS=[hidden["fallback"]],
        EVENT_STREAMS=0,
    )
    layer: Connections = app.extensions["connections"]
    shown: list[object] = [app.config, app.config["CONNECTIONS"], layer, await layer.check(1)]
    shown += [layer.stats(), *(layer.url(name) for name in layer.names)]
    shown += [*layer._configured.values(), *(made.backend for made in layer._configured.values())]
    async with app.app_context():
        shown += [*good, *[await get_db(name) for name in good]]
        shown += [await get_db("good_client"), (await get_db("good_client")).connection_pool]
    for name in failing:
        async with app.app_context():
            with pytest.raises(ConnectionsError) as raised:
                await (await get_db(name)).ping()  # Redis connects when it is first used.
        shown += [raised.value, *traceback.format_exception(raised.value)]
    await layer.close()
    for thing in shown:
        assert hidden.found_in(f"{thing} {thing!r}") == [], type(thing)
    assert hidden.found_in(caplog.text) == []
    assert len(shown) > 3 * len(failing)


def plain_app(connections: Mapping[str, str]) -> None:
    """Any app, which reads its configuration as it likes."""
    app = Quart("tests")
    app.config["CONNECTIONS"] = connections
    Connections(app)


@pytest.mark.parametrize("make", [make_app, plain_app])
@pytest.mark.parametrize("case", REFUSED)
def test_a_url_that_is_refused_is_not_shown(
    hidden: Secrets, make: Callable[..., object], case: str
) -> None:
    url = REFUSED[case].format(hidden[case])
    with pytest.raises(ConfigurationError) as raised:
        make({"a": url})
    assert hidden.found_in("".join(traceback.format_exception(raised.value))) == []
    assert "CONNECTIONS['a']" in str(raised.value)


@pytest.mark.parametrize("option", ["password", "api_key", "auth", "PASSWORD"])
def test_an_option_that_is_refused_is_not_shown(hidden: Secrets, option: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make_app({"a": {"url": "redis://host", option: hidden["option"]}})
    assert hidden.found_in(str(raised.value)) == []


def test_a_key_that_is_refused_is_not_shown(
    hidden: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_SECRET_KEY", hidden["secret key"])
    monkeypatch.setenv("SERVICE_SECRET_KEY_FALLBACKS", hidden["fallback"])
    with pytest.raises(ConfigurationError, match="SERVICE_SECRET_KEY_FALLBACKS") as raised:
        create_app()
    assert hidden.found_in(str(raised.value)) == []


@pytest.mark.parametrize("arguments", [("check", "--timeout", "1"), ("init",)])
async def test_no_command_writes_a_secret(
    hidden: Secrets, failing: Mapping[str, str], arguments: tuple[str, ...]
) -> None:
    given = {f"SERVICE_CONNECTIONS__{name}": url for name, url in failing.items()}
    async with running(*arguments, **given, **environment(hidden)) as command:
        status, errors = await command.ended()
    written = "\n".join(command.lines) + errors
    assert status == 1
    assert written.strip()
    assert "Traceback" not in written
    assert hidden.found_in(written) == []


async def test_what_dev_is_told_to_use_is_not_written(
    hidden: Secrets, failing: Mapping[str, str]
) -> None:
    given = [f"--postgresql={failing['a']}", f"--rethinkdb={failing['b']}"]
    given += [f"--redis={failing['client']}"]
    async with running("dev", "--port=0", *given) as command:
        status, errors = await command.ended()
    written = "\n".join(command.lines) + errors
    assert status == 1
    assert "is there already" in written
    assert hidden.found_in(written) == []
