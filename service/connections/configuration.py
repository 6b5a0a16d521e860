"""From `CONNECTIONS` to backends: everything that can be refused at start-up is refused here."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args, get_type_hints

from .backend import Backend, BackendFactory, Settings, backend_for, schemes
from .errors import ConfigurationError
from .redaction import redacted, shown

_COMMON = {
    name: kind for name, kind in get_type_hints(Settings).items() if name not in ("name", "url")
}
_PARTS = ("open", "acquire", "release", "close", "ping", "counts", "is_unavailable", "shared")
# user:first-part, then what ends the host for a parser, then the rest of the password, then @
_PASSWORD_CUT_SHORT = re.compile(r"[^:]+://[^:@/?#]*:(?!\d*[/?#])[^@/?#,]*[/?#][^@]*@")


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


def sync_threads(number: object) -> int:
    """`SYNC_THREADS`, checked.

    Raises:
        ConfigurationError: it is not a number from 1.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ConfigurationError(f"SYNC_THREADS is {number!r}; allowed: a whole number from 1")
    return number


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
        # Not shown: it may be nothing but a password.
        raise ConfigurationError(
            f"{key}: a {type(url).__name__} is no URL; allowed: 'scheme://...', or a table "
            "with such a 'url'"
        )
    if _PASSWORD_CUT_SHORT.match(url):
        raise ConfigurationError(
            f"{key}: {redacted(url)} has a '/', '?' or '#' in its password; allowed: written as "
            "%2F, %3F, %23"
        )
    factory = _factory(key, url)
    own = _own_options(factory)
    for option, value in options.items():
        if option in _COMMON:
            _check(key, option, value, _COMMON[option], least=1)
        elif option in own:
            _check(key, option, value, own[option], least=0)
        else:
            raise ConfigurationError(
                f"{key}: no option {option!r} ({shown(option, value)}); "
                f"allowed: {', '.join(['url', *own, *_COMMON])}"
            )
    common = {option: options.pop(option) for option in _COMMON if option in options}
    settings = Settings(name=name, url=url, **common)
    try:
        backend = factory(settings, **options)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{key} ({redacted(url)}): {redacted(str(error))}") from None
    lacking = [part for part in _PARTS if not hasattr(backend, part)]
    if lacking:
        raise ConfigurationError(
            f"{key}: {type(backend).__name__} is no backend: it lacks {', '.join(lacking)}; "
            "let it inherit from service.connections.Backend"
        )
    return Configured(settings, backend)


def _factory(key: str, url: str) -> BackendFactory:
    scheme = url.partition(":")[0].lower()
    try:
        return backend_for(scheme)
    except KeyError:
        known = ", ".join(f"{known}://" for known in schemes())
        raise ConfigurationError(
            f"{key}: no backend serves {scheme}:// ({redacted(url)}); allowed: {known}"
        ) from None
    except ImportError as error:
        raise ConfigurationError(f"{key}: {scheme}:// needs a package: {error}") from error


def _own_options(factory: BackendFactory) -> dict[str, Any]:
    """The options of a backend's own, with their types."""
    initialize: Any = factory.__init__ if isinstance(factory, type) else factory  # type: ignore[misc]
    hints = get_type_hints(initialize)
    return {
        parameter.name: hints.get(parameter.name, Any)
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def _check(key: str, option: str, value: Any, kind: Any, *, least: int) -> None:
    optional = type(None) in get_args(kind)
    if optional and value is None:
        return
    kinds = {kind, *get_args(kind)}
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if bool in kinds:
        good, allowed = isinstance(value, bool), "true or false"
    elif float in kinds:
        above = "from 0" if least == 0 else "more than 0"
        good = number and (value >= 0 if least == 0 else value > 0) and value < float("inf")
        allowed = f"a number of seconds, {above}"
    elif int in kinds:
        good = isinstance(value, int) and number and value >= least
        allowed = f"a whole number from {least}"
    elif str in kinds:
        good, allowed = isinstance(value, str), "text"
    else:
        return
    if not good:
        allowed += ", or null" if optional else ""
        raise ConfigurationError(f"{key}: {option} is {shown(option, value)}; allowed: {allowed}")
