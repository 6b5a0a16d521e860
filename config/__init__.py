"""The configuration of the service: one class per place it runs in.

``SERVICE_CONFIG`` names the class: `Development`, `Testing`, `Production` (the default) or the
dotted path of another. Every value can then come from the environment:
``SERVICE_TOKEN_LIFETIME=600``, ``SERVICE_CONNECTIONS__a=postgresql://...``,
``SERVICE_CONNECTIONS__b__max_size=20``. `config.loading` puts it all together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.connections import ConfigurationError

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
    TOKEN_ATTEMPTS_ADDRESS = 100
    """The same from one address for all names: some people share theirs with a whole office."""
    TOKEN_ATTEMPTS_WINDOW = 60
    """Seconds."""
    TOKEN_ATTEMPTS_NAME = 100
    """Requests for a token for one name in each ``TOKEN_ATTEMPTS_NAME_WINDOW``, from all addresses
    that had no token for it lately: whoever uses these up locks no player out from where they
    usually are."""
    TOKEN_ATTEMPTS_NAME_WINDOW = 3600
    """Seconds."""
    ARGON2: Mapping[str, int] = {"time_cost": 3, "memory_cost": 65_536, "parallelism": 1}
    """Parameters of the password hash; a player's is renewed at the next log-in after a change.

    One lane: several would be threads that take cores from the requests of everybody else.
    """
    PASSWORDS_WAITING = 50
    """Passwords that wait in one process for their hash, beyond which others are turned away."""

    EVENT_STREAMS = 5
    """Event streams one process serves at once; each holds a connection of ``b``."""
    EVENT_HEARTBEAT = 15.0
    """Seconds of silence after which an event stream says that it is still there."""

    PROPAGATE_EXCEPTIONS: bool | None = False
    """False: an error is logged. Quart's page for it would show every variable, secrets too."""

    MAX_CONTENT_LENGTH = 64 * 1024
    """Bytes of a request's body."""
    BODY_TIMEOUT = 15
    """Seconds for a request's body to arrive."""
    READY_TIMEOUT = 2.0
    """Seconds that ``/readyz`` waits for the backends."""
    STOP_TIMEOUT = 7.0
    """Seconds after SIGTERM that requests have to end, before they are cut: less than the
    ``graceful_timeout`` of the server, which cuts them without a word."""
    GC_THRESHOLD = 10_000
    """New objects after which Python's garbage collector runs while the service serves; 0: as often
    as Python does by itself."""
    TRUSTED_PROXIES = 0
    """Proxies in front of the service whose ``X-Forwarded-For`` is believed."""


class Development(Config):
    """On a developer's machine, with servers on their usual local ports."""

    SECRET_KEY = "development, and nothing that anybody else can reach"
    CONNECTIONS: Mapping[str, Any] = {
        "a": "postgresql://postgres@127.0.0.1:5432/postgres",
        "b": {"url": "rethinkdb://127.0.0.1:28015/service", "max_size": 10},
        "client": "redis://127.0.0.1:6379/0",
    }


class Testing(Config):
    """In tests: passwords are hashed in a hurry; the test names the servers."""

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
        names = {*cls.CONNECTIONS, *connections} if isinstance(connections, Mapping) else ()
        missing = [
            f"{PREFIX}_CONNECTIONS__{name}: the URL of connection {name!r}"
            for name in sorted(names)
            if not _url(connections.get(name))
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


def _url(connection: object) -> object:
    """Whatever is given as its URL; what that may be is for `service.connections` to say."""
    return connection.get("url") if isinstance(connection, Mapping) else connection


def _weak(secret: str) -> bool:
    known = (Development.SECRET_KEY, Testing.SECRET_KEY)
    return len(secret) < SHORTEST_SECRET or len(set(secret)) < 8 or secret in known
