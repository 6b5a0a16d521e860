"""The URLs of the Redis backends: hosts, path and options, refused at start-up where wrong."""

from __future__ import annotations

import codecs
import inspect
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio.connection import parse_ssl_verify_flags

from .hosts import parse_hosts


class _Kind(NamedTuple):
    """What the value of an option must be; `read` raises for anything else."""

    read: Callable[[str], Any]
    allowed: str


def _one_of(values: Mapping[str, Any]) -> _Kind:
    return _Kind(lambda text: values[text.lower()], ", ".join(values))


def _number(text: str) -> float:
    if not 0 < float(text) < float("inf"):
        raise ValueError
    return float(text)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError
    return int(text)


def _file(text: str) -> str:
    if not Path(text).is_file():
        raise ValueError
    return text


_FLAG = _one_of(
    dict.fromkeys(("true", "yes", "on", "1"), True)
    | dict.fromkeys(("false", "no", "off", "0"), False)
)
_SECONDS = _Kind(_number, "a number of seconds, more than 0")
_WHOLE = _Kind(_whole, "a whole number from 0")
_TEXT = _Kind(str, "text")
_FILE = _Kind(_file, "the path of a PEM file")
_VERIFY_FLAGS = _Kind(parse_ssl_verify_flags, "names of ssl.VerifyFlags")

# What the driver takes, but for what is an object, is ours to decide, or would repeat commands.
_OPTIONS: Final[dict[str, _Kind]] = {
    "db": _WHOLE,
    "username": _TEXT,
    "password": _TEXT,
    "sentinel_username": _TEXT,
    "sentinel_password": _TEXT,
    "client_name": _TEXT,
    "decode_responses": _FLAG,
    "encoding": _Kind(lambda text: codecs.lookup(text).name, "the name of a Python codec"),
    "encoding_errors": _one_of({error: error for error in ("strict", "replace", "ignore")}),
    "protocol": _one_of({"2": 2, "3": 3}),
    "legacy_responses": _FLAG,
    "health_check_interval": _SECONDS,
    "socket_timeout": _SECONDS,
    "socket_connect_timeout": _SECONDS,
    "socket_keepalive": _FLAG,
    "socket_read_size": _WHOLE,
    "ssl_ca_certs": _FILE,
    "ssl_ca_path": _TEXT,
    "ssl_ca_data": _TEXT,
    "ssl_certfile": _FILE,
    "ssl_keyfile": _FILE,
    "ssl_password": _TEXT,
    "ssl_cert_reqs": _one_of({need: need for need in ("none", "optional", "required")}),
    "ssl_check_hostname": _FLAG,
    "ssl_include_verify_flags": _VERIFY_FLAGS,
    "ssl_exclude_verify_flags": _VERIFY_FLAGS,
    "ssl_min_version": _one_of({"771": ssl.TLSVersion.TLSv1_2, "772": ssl.TLSVersion.TLSv1_3}),
    "ssl_ciphers": _TEXT,
}


@dataclass(frozen=True)
class RedisURL:
    """A URL taken apart.

    Attributes:
        hosts: names or addresses with their ports; for a Unix socket, none.
        path: decoded, without its first slash.
        options: those of the query and the credentials, as the driver takes them.
    """

    hosts: list[tuple[str, int]]
    path: str
    options: dict[str, Any] = field(repr=False)


def parse(url: str, accepted: Collection[str], *, default_port: int = 6379) -> RedisURL:
    """Take a URL apart.

    Args:
        url: as configured.
        accepted: the options that this kind of connection can have.
        default_port: of hosts that name none.

    Raises:
        ValueError: says what is wrong and what is allowed, and never shows credentials.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(
            "Invalid IPv6 address, or characters that no host or password has unquoted"
        ) from None
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError(
            "a '/', '?', '#' or '@' that ends no part of the URL must be written as %2F and so on"
        )
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    options = _options(parts.query, accepted)
    options |= {"username": unquote(username)} if username else {}
    options |= {"password": unquote(password)} if password else {}
    found = [] if parts.scheme == "unix" and not hosts else parse_hosts(hosts, default_port)
    return RedisURL(found, unquote(parts.path[1:]), options)


def accepted_by(kind: type) -> set[str]:
    """The names of the parameters of a class of the driver's, inherited ones included."""
    initializers = [vars(cls)["__init__"] for cls in kind.__mro__ if "__init__" in vars(cls)]
    return {
        name for initialize in initializers for name in inspect.signature(initialize).parameters
    }


def _options(query: str, accepted: Collection[str]) -> dict[str, Any]:
    options = {}
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option not in _OPTIONS or option not in accepted:
            allowed = ", ".join(option for option in _OPTIONS if option in accepted)
            raise ValueError(f"no option {option!r} in the URL's query; allowed: {allowed}")
        try:
            options[option] = _OPTIONS[option].read(value)
        except (LookupError, ValueError):
            raise ValueError(
                f"{option} is {value!r}; allowed: {_OPTIONS[option].allowed}"
            ) from None
    return options
