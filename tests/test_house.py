"""How the house is laid out: imports go one way, and the heart stands on its own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .command import ROOT

MAY_IMPORT = {
    "connections": {"connections"},
    "embedded": {"embedded"},
    "porting": {"porting"},
    "errors": {"connections"},
    "server_timing": {"connections"},
    "asgi": set(),
    "stopping": {"asgi", "errors", "keep_alive"},
    "malformed": {"errors"},
    "access_log": set(),
    "closed_streams": set(),
    "collector": set(),
    "http1": {"http1", "keep_alive"},
    "keep_alive": set(),
    "protocol_errors": set(),
    "request_blueprints": set(),
    "response_date": set(),
    "sessions": set(),
    "tuning": {
        "asgi",
        "collector",
        "http1",
        "keep_alive",
        "request_blueprints",
        "response_date",
    },
    "health": {"connections", "errors", "server_timing"},
    "auth": {"connections", "errors"},
    "api": {"api", "auth", "errors", "connections", "keep_alive", "stopping"},
    "app": {
        "access_log",
        "api",
        "closed_streams",
        "connections",
        "errors",
        "health",
        "protocol_errors",
        "malformed",
        "server_timing",
        "sessions",
        "stopping",
        "tuning",
    },
}
"""What each part of `service` may import of the rest."""


def imported(path: Path) -> Iterator[str]:
    """The parts of `service` that a module imports."""
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = [*start, *(node.module or "").split(".")] if node.module else start
            names = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "service" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_go_one_way(part: str) -> None:
    place = ROOT / "service" / part
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert modules
    for module in modules:
        assert set(imported(module)) <= MAY_IMPORT[part], module


def test_the_heart_imports_neither_the_rest_nor_drivers_that_are_not_configured() -> None:
    program = """
import sys
import service.connections
loaded = [name for name in sys.modules if name.startswith(("service.", "config"))]
assert all(name.startswith("service.connections") for name in loaded), loaded
assert not {"asyncpg", "rethinkdb", "redis"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
