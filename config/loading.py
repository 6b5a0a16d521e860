"""Loading the configuration: a class, what the environment changes of it, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from quart import Quart
from werkzeug.utils import import_string

from service.connections import ConfigurationError, Settings
from service.connections.redaction import redacted

from . import PREFIX, Config, Development, Production, Testing

CHOICES: Mapping[str, type[Config]] = {
    choice.__name__: choice for choice in (Development, Testing, Production)
}


def load(app: Quart, choice: str | object | Mapping[str, Any] | None = None) -> None:
    """Fill ``app.config`` from the chosen class, the environment, and ``choice`` if a mapping.

    ``choice`` is one of `CHOICES`, a dotted path, an object with upper-case attributes, or a
    mapping of values that go before all others; without one, or with a mapping,
    ``SERVICE_CONFIG`` chooses. Raises `ConfigurationError`. What `CONNECTIONS` holds is checked
    by `service.connections.Connections`.
    """
    overrides = choice if isinstance(choice, Mapping) else {}
    if choice is None or isinstance(choice, Mapping):
        choice = os.environ.get(f"{PREFIX}_CONFIG", Production.__name__)
    chosen = _named(choice) if isinstance(choice, str) else choice
    config = app.config
    config.from_object(Config)
    config.from_object(chosen)
    # The environment may change a part of one: not of the class's own, which other apps share.
    config.update({key: deepcopy(value) for key, value in config.items() if type(value) is dict})
    config["CONNECTIONS"] = _tables(config["CONNECTIONS"])
    _from_environment(app)
    config.from_mapping(overrides)
    config["CONNECTIONS"] = _tables(config["CONNECTIONS"])
    _check_secret(app.config)
    _check_numbers(config)
    _check_argon2(config["ARGON2"])
    _check_event_streams(config)
    check = getattr(chosen, "check", None)
    if check is not None:
        check(config)
    _hide(config)


class Hidden(str):
    """A text that is not for whoever sees the variables of a failure: a key, a URL's password."""

    def __repr__(self) -> str:
        return repr(redacted(self)) if "://" in self else "'***'"


class ConnectionTables(dict[str, Any]):
    """The tables of ``CONNECTIONS``; setting a name's URL leaves its other options alone.

    What is neither a URL nor a table stays as it is, for `service.connections` to refuse.
    """

    def __init__(self, connections: Mapping[str, Any]) -> None:
        super().__init__()
        for name, value in connections.items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, str):
            before = self.get(name)
            value = {**before, "url": value} if isinstance(before, dict) else {"url": value}
        super().__setitem__(name, dict(value) if isinstance(value, Mapping) else value)


def _tables(connections: Any) -> Any:
    return ConnectionTables(connections) if isinstance(connections, Mapping) else connections


def _hide(config: dict[str, Any]) -> None:
    if isinstance(config["SECRET_KEY"], str):
        config["SECRET_KEY"] = Hidden(config["SECRET_KEY"])
    config["SECRET_KEY_FALLBACKS"] = [Hidden(key) for key in config["SECRET_KEY_FALLBACKS"]]
    tables = config["CONNECTIONS"].values() if isinstance(config["CONNECTIONS"], dict) else ()
    for table in tables:
        if isinstance(table, dict) and isinstance(table.get("url"), str):
            table["url"] = Hidden(table["url"])


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


def _from_environment(app: Quart) -> None:
    config = app.config
    whole = f"{PREFIX}_CONNECTIONS"
    if whole in os.environ and any(name.startswith(f"{whole}__") for name in os.environ):
        raise ConfigurationError(f"Set either {whole}, all connections at once, or {whole}__NAME")
    try:
        config.from_prefixed_env(PREFIX)
    except TypeError as error:
        parts = [name for name in os.environ if name.startswith(f"{PREFIX}_") and "__" in name]
        raise ConfigurationError(
            f"One of {', '.join(sorted(parts))} sets a part of a value that has no parts"
        ) from error
    if f"{PREFIX}_SECRET_KEY" in os.environ:
        # As it was written: a key of digits alone is not a number.
        config["SECRET_KEY"] = os.environ[f"{PREFIX}_SECRET_KEY"]
    if f"{PREFIX}_SECRET_KEY_FALLBACKS" in os.environ:
        fallbacks = config["SECRET_KEY_FALLBACKS"]
        several = fallbacks if isinstance(fallbacks, list) else [fallbacks]
        config["SECRET_KEY_FALLBACKS"] = [str(fallback) for fallback in several]


def _check_secret(config: Mapping[str, Any]) -> None:
    if config["SECRET_KEY"] == "":
        raise ConfigurationError(f"{PREFIX}_SECRET_KEY is empty; allowed: a secret text")


def _check_numbers(config: Mapping[str, Any]) -> None:
    for key, default in vars(Config).items():
        if key.isupper() and type(default) in (int, float):
            value = config[key]
            if isinstance(value, bool) or not isinstance(value, type(default) | int) or value < 0:
                kind = "whole number" if isinstance(default, int) else "number"
                raise ConfigurationError(f"{PREFIX}_{key}={value!r} is no {kind} of 0 or more")


def _check_argon2(parameters: Any) -> None:
    key = f"{PREFIX}_ARGON2"
    if not isinstance(parameters, Mapping) or set(parameters) != set(Config.ARGON2):
        raise ConfigurationError(f"{key} has other parts than {', '.join(Config.ARGON2)}")
    for name, value in parameters.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigurationError(f"{key}__{name}={value!r} is no whole number of 1 or more")
    least = 8 * parameters["parallelism"]
    if parameters["memory_cost"] < least:
        raise ConfigurationError(
            f"{key}__memory_cost={parameters['memory_cost']} is less than {least}: argon2 wants 8"
            " KiB for each of its lanes (parallelism)"
        )


def _check_event_streams(config: Mapping[str, Any]) -> None:
    # "b" by its name: it is the one connection whose feeds the API streams.
    connections = config["CONNECTIONS"]
    table = connections.get("b") if isinstance(connections, Mapping) else None
    most = table.get("max_size", Settings.max_size) if isinstance(table, Mapping) else None
    streams = config["EVENT_STREAMS"]
    if isinstance(most, int) and streams >= most:
        raise ConfigurationError(
            f"{PREFIX}_EVENT_STREAMS={streams} leaves nothing of connection 'b', whose max_size is"
            f" {most}, to other requests"
        )
