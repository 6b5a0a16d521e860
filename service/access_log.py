"""Hypercorn's access log, without what its clients may put into a path: secrets, forged lines."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import cached_property
from http import HTTPMethod
from typing import Any

from quart import Quart

HIDDEN = "***"
METHODS = frozenset(HTTPMethod)

_ID = re.compile(r"\d+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def register(app: Quart) -> None:
    """Let the access log of this process show only what is known of ``app``."""
    log = logging.getLogger("hypercorn.access")
    # A process has one such log, and may have made other apps before the one that serves.
    for earlier in [known for known in log.filters if isinstance(known, KnownPaths)]:
        log.removeFilter(earlier)
    log.addFilter(KnownPaths(app))


class KnownPaths(logging.Filter):
    """Shows of a path the words that are in the routes of ``app``, numbers and UUIDs."""

    def __init__(self, app: Quart) -> None:
        super().__init__()
        self._app = app

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the atoms that Hypercorn formats; let every record pass."""
        if isinstance(record.args, Mapping) and "U" in record.args:
            atoms: Any = record.args
            path, query = atoms["U"], atoms["q"]
            shown = self.shown(path)
            secret = f"?{HIDDEN}" if query else ""
            method = atoms["m"] if atoms["m"] in METHODS else HIDDEN
            start, end = f"{method} ", f" {atoms['H']}"
            atoms |= {
                "m": method,
                "U": shown,
                "q": secret,
                "Uq": shown + secret,
                "f": HIDDEN if atoms["f"] != "-" else "-",
                "r": start + shown + end,
                "R": start + shown + secret + end,
            }
        return True

    def shown(self, path: str) -> str:
        """The path with ``***`` for every part that nothing here is called."""
        return "/".join(
            part if part in self._words or _ID.fullmatch(part) else HIDDEN
            for part in path.split("/")
        )

    @cached_property
    def _words(self) -> set[str]:
        # Cached when something is logged: a Quart that has served takes no more routes.
        return {part for rule in self._app.url_map.iter_rules() for part in rule.rule.split("/")}
