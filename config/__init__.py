"""The configuration of the service: one class per place it runs in.

``SERVICE_CONFIG`` names the class: `Development`, `Testing`, `Production` (the default) or the
dotted path of another. Every value can then come from the environment:
``SERVICE_TOKEN_LIFETIME=600``, ``SERVICE_CONNECTIONS__a=postgresql://...``,
``SERVICE_CONNECTIONS__b__max_size=20``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from flask.config import Config as AppConfig
from werkzeug.utils import import_string

from service.connections import ConfigurationError, Settings

PREFIX = "SERVICE"
SHORTEST_SECRET = 32
"""Characters: the length of ``secrets.token_hex(16)``."""


class Config:
    """What every configuration starts from."""

    CONNECTIONS: Mapping[str, Any] = {}
    """The backends by name: a URL, or a table with ``url`` and that backend's options."""

    SECRET_KEY: str | None = None
    """Signs the tokens."""
    SECRET_KEY_FALLBACKS: Sequence[str] = ()
    """Former values of ``SECRET_KEY``, whose tokens are still good."""

    TOKEN_LIFETIME = 3600
    """Seconds a token is good for."""
    TOKEN_ATTEMPTS = 10
    """Requests for a token for one name from one address in each ``TOKEN_ATTEMPTS_WINDOW``."""
    TOKEN_ATTEMPTS_WINDOW = 60
    """Seconds."""
    ARGON2: Mapping[str, int] = {"time_cost": 3, "memory_cost": 65_536, "parallelism": 4}
    """Parameters of the password hash; a player's is renewed at the next log-in after a change."""

    EVENT_STREAMS = 5
    """Event streams one process serves at once; each holds a connection of ``b``."""
    EVENT_HEARTBEAT = 15.0
    """Seconds of silence after which an event stream says that it is still there."""

    MAX_CONTENT_LENGTH = 64 * 1024
    """Bytes of a request's body."""
    BODY_TIMEOUT = 15
    """Seconds for a request's body to arrive."""
    READY_TIMEOUT = 2.0
    """Seconds that ``/readyz`` waits for the backends."""
    TRUSTED_PROXIES = 0
    """Proxies in front of the service whose ``X-Forwarded-For`` is believed."""


class Development(Config):
    """On a developer's machine, with servers on their usual local ports."""

    SECRET_KEY = "development, and nothing that anybody else can reach"
    CONNECTIONS: Mapping[str, Any] = {
        "a": "postgresql://postgres@127.0.0.1:5432/postgres",
        "b": {"url": "rethinkdb://127.0.0.1:28015/service", "max_size": 10},
        "client": "redis://127.0.0.1:6379/0?decode_responses=true",
    }


class Testing(Config):
    """In tests: errors are raised, passwords are hashed in a hurry; the test names the servers."""

    TESTING = True
    SECRET_KEY = "testing, and nothing that anybody else can reach"
    ARGON2: Mapping[str, int] = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}


class Production(Config):
    """Where it counts: what has no safe default must be given."""

    CONNECTIONS: Mapping[str, Any] = {"a": {}, "b": {"max_size": 10}, "client": {}}

    @classmethod
    def check(cls, config: Mapping[str, Any]) -> None:
        """Raise `ConfigurationError` listing everything that ``config`` lacks."""
        connections = config["CONNECTIONS"]
        missing = [
            f"{PREFIX}_CONNECTIONS__{name}: the URL of connection {name!r}"
            for name in sorted({*cls.CONNECTIONS, *connections})
            if not connections.get(name, {}).get("url")
        ]
        keys = [("SECRET_KEY", config["SECRET_KEY"] or "")]
        keys += [("SECRET_KEY_FALLBACKS", key) for key in config["SECRET_KEY_FALLBACKS"]]
        missing += [
            f"{PREFIX}_{name}: {SHORTEST_SECRET} or more random characters, as printed by"
            ' python -c "import secrets; print(secrets.token_hex())"'
            for name, key in keys
            if _weak(key)
        ]
        if missing:
            raise ConfigurationError(
                f"{cls.__name__} does not start without (on a machine of your own, set"
                f" {PREFIX}_CONFIG=Development):\n  " + "\n  ".join(missing)
            )


def _weak(secret: str) -> bool:
    known = (Development.SECRET_KEY, Testing.SECRET_KEY)
    return len(secret) < SHORTEST_SECRET or len(set(secret)) < 8 or secret in known


class Connections(dict[str, dict[str, Any]]):
    """The tables of ``CONNECTIONS``; setting a name's URL leaves its other options alone."""

    def __init__(self, connections: Mapping[str, Any]) -> None:
        super().__init__()
        for name, value in connections.items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        table = {**self.get(name, {}), "url": value} if isinstance(value, str) else dict(value)
        super().__setitem__(name, table)


CHOICES: Mapping[str, type[Config]] = {
    choice.__name__: choice for choice in (Development, Testing, Production)
}


def load(config: AppConfig, choice: str | object | Mapping[str, Any] | None = None) -> None:
    """Fill ``config``: from the chosen class, then the environment, then ``choice`` if a mapping.

    ``choice`` is one of `CHOICES`, a dotted path, an object with upper-case attributes, or a
    mapping of values that go before all others; without one, or with a mapping,
    ``SERVICE_CONFIG`` chooses. Raises `ConfigurationError`.
    """
    overrides = choice if isinstance(choice, Mapping) else {}
    if choice is None or isinstance(choice, Mapping):
        choice = os.environ.get(f"{PREFIX}_CONFIG", Production.__name__)
    chosen = _named(choice) if isinstance(choice, str) else choice
    config.from_object(Config)
    config.from_object(chosen)
    # The environment may change a part of one: not of the class's own, which other apps share.
    config.update({key: deepcopy(value) for key, value in config.items() if type(value) is dict})
    config["CONNECTIONS"] = Connections(config["CONNECTIONS"])
    _from_environment(config)
    config.from_mapping(overrides)
    config["CONNECTIONS"] = Connections(config["CONNECTIONS"])
    _check_numbers(config)
    _check_event_streams(config)
    check = getattr(chosen, "check", None)
    if check is not None:
        check(config)


def _named(choice: str) -> object:
    if choice in CHOICES:
        return CHOICES[choice]
    if "." in choice:
        try:
            return import_string(choice)
        except ImportError as error:
            raise ConfigurationError(f"{PREFIX}_CONFIG={choice!r}: {error}") from error
    raise ConfigurationError(
        f"{PREFIX}_CONFIG={choice!r} is none of {', '.join(CHOICES)}, nor a dotted path"
    )


def _from_environment(config: AppConfig) -> None:
    whole = f"{PREFIX}_CONNECTIONS"
    if whole in os.environ and any(name.startswith(f"{whole}__") for name in os.environ):
        raise ConfigurationError(f"Set either {whole}, all connections at once, or {whole}__NAME")
    config.from_prefixed_env(PREFIX)
    if f"{PREFIX}_SECRET_KEY" in os.environ:
        # As it was written: a key of digits alone is not a number.
        config["SECRET_KEY"] = os.environ[f"{PREFIX}_SECRET_KEY"]
    if f"{PREFIX}_SECRET_KEY_FALLBACKS" in os.environ:
        fallbacks = config["SECRET_KEY_FALLBACKS"]
        several = fallbacks if isinstance(fallbacks, list) else [fallbacks]
        config["SECRET_KEY_FALLBACKS"] = [str(fallback) for fallback in several]


def _check_numbers(config: Mapping[str, Any]) -> None:
    for key, default in vars(Config).items():
        if key.isupper() and isinstance(default, int | float):
            value = config[key]
            if isinstance(value, bool) or not isinstance(value, type(default) | int) or value < 0:
                kind = "whole number" if isinstance(default, int) else "number"
                raise ConfigurationError(f"{PREFIX}_{key}={value!r} is no {kind} of 0 or more")


def _check_event_streams(config: Mapping[str, Any]) -> None:
    streams, table = config["EVENT_STREAMS"], config["CONNECTIONS"].get("b", {})
    most = table.get("max_size", Settings.max_size)
    if isinstance(most, int) and streams >= most:
        raise ConfigurationError(
            f"{PREFIX}_EVENT_STREAMS={streams} leaves nothing of connection 'b', whose max_size is"
            f" {most}, to other requests"
        )
