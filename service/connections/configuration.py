"""From `CONNECTIONS` to backends: everything that can be refused at start-up is refused here."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple, get_type_hints
from urllib.parse import urlsplit

from .backend import Backend, BackendFactory, Settings, backend_for, schemes
from .errors import ConfigurationError

_COMMON = [field.name for field in fields(Settings) if field.name not in ("name", "url")]
_TYPES = get_type_hints(Settings)
_SECRET = re.compile(r"pass|secret|token|key", re.IGNORECASE)


def redacted(url: str) -> str:
    """The URL without what must not be seen: the password, also where the query holds it."""
    url = re.sub(r"(//[^:@/?#]*:).*@", r"\1***@", url)
    return re.sub(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&#]*", r"\1***", url, flags=re.I)


class Configured(NamedTuple):
    """One connection as configured: what every connection has, and its backend."""

    settings: Settings
    backend: Backend[Any, Any]


def configure(connections: object, g_class: type) -> dict[str, Configured]:
    """What is configured, by name; made without I/O.

    Args:
        connections: `CONNECTIONS`: a mapping from names to URLs, or to tables with `url` and
            options.
        g_class: the class of `g`, whose attributes no connection may hide.

    Raises:
        ConfigurationError: names the key, the value (no password) and what is allowed.
    """
    if not isinstance(connections, Mapping):
        raise ConfigurationError(
            f"CONNECTIONS is a {type(connections).__name__}; allowed: a mapping of names to URLs "
            "or to tables with 'url' and options"
        )
    return {name: _configured(name, entry, g_class) for name, entry in connections.items()}


def _configured(name: object, entry: object, g_class: type) -> Configured:
    key = f"CONNECTIONS[{name!r}]"
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigurationError(f"{key}: the name must be an identifier, such as 'a' or 'cache'")
    if name.startswith("_") or hasattr(g_class, name):
        raise ConfigurationError(f"{key}: g has an attribute {name!r} of its own; choose another")
    if isinstance(entry, Mapping):
        options = dict(entry)
        url = options.pop("url", None)
    else:
        url, options = entry, {}
    if not isinstance(url, str) or "://" not in url:
        shown = repr(redacted(url)) if isinstance(url, str) else repr(type(url).__name__)
        raise ConfigurationError(
            f"{key}: {shown} is no URL; allowed: 'scheme://...', or a table with such a 'url'"
        )
    factory = _factory(key, url)
    common = {option: options.pop(option) for option in _COMMON if option in options}
    for option, value in common.items():
        _check(key, option, value)
    _check_known(key, options, factory)
    settings = Settings(name=name, url=url, **common)
    try:
        return Configured(settings, factory(settings, **options))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{key} ({redacted(url)}): {error}") from None


def _factory(key: str, url: str) -> BackendFactory:
    scheme = urlsplit(url).scheme.lower()
    try:
        return backend_for(scheme)
    except KeyError:
        known = ", ".join(f"{known}://" for known in schemes())
        raise ConfigurationError(
            f"{key}: no backend serves {scheme}:// ({redacted(url)}); allowed: {known}"
        ) from None
    except ImportError as error:
        raise ConfigurationError(f"{key}: {scheme}:// needs a package: {error}") from error


def _check_known(key: str, options: Mapping[str, object], factory: BackendFactory) -> None:
    own = [
        parameter.name
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    for option, value in options.items():
        if option not in own:
            raise ConfigurationError(
                f"{key}: no option {option!r} ({_shown(option, value)}); "
                f"allowed: {', '.join(['url', *own, *_COMMON])}"
            )


def _check(key: str, option: str, value: object) -> None:
    kind = _TYPES[option]
    if kind is bool:
        good, allowed = isinstance(value, bool), "true or false"
    elif isinstance(value, bool) or not isinstance(value, int | float):
        good, allowed = False, "a number"
    elif kind is int:
        good, allowed = isinstance(value, int) and value >= 1, "a whole number from 1"
    else:
        good, allowed = 0 < value < float("inf"), "seconds, more than 0"
    if not good:
        raise ConfigurationError(f"{key}: {option} is {value!r}; allowed: {allowed}")


def _shown(option: str, value: object) -> str:
    return "***" if _SECRET.search(option) else redacted(repr(value))
