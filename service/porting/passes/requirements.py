"""What a project says it needs: told where something else takes its place. Nothing is changed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from service.porting.idiom import POSTGRESQL
from service.porting.plan import GET_DB, RUNTIME, Plan
from service.porting.report import Kind

from .deployment import has_tests
from .plugins import PYTEST_FLASK

_OURS = "service"
_SERVER = "service brings Hypercorn, which serves now"
_INSTEAD = {
    "flask": "service brings Quart in its place",
    "gunicorn": _SERVER,
    "uwsgi": _SERVER,
    "waitress": _SERVER,
}
_PSYCOPG = {"psycopg", "psycopg-binary", "psycopg2", "psycopg2-binary"}
_ASYNCPG = "service brings asyncpg in its place: remove the imports that are left"
_NAME = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")

Requirement = tuple[str, int, str]


def tell_of_requirements(plan: Plan) -> None:
    """Note which requirements something else takes the place of, and what is needed beside them."""
    if not plan.program.is_of_flask:
        return
    found = [(*each, _named(each[2])) for each in _requirements(plan.program.root)]
    listed = {name for *_, name in found}
    for file, line, written, name in found:
        if name == "pytest-flask":
            plan.report.tell_of_file(file, Kind.HAND, f"{written}: {PYTEST_FLASK}", line)
        if reason := _instead(plan, name, listed):
            plan.report.tell_of_file(file, Kind.NOTE, f"{written}: {reason}", line)


def _instead(plan: Plan, name: str, listed: Collection[str]) -> str:
    if name == "pytest" and "pytest-asyncio" not in listed and has_tests(plan):
        return "pytest-asyncio is needed beside it"
    if name in _PSYCOPG and _has_left_psycopg(plan):
        return _ASYNCPG
    return "" if name == "flask" and _OURS in listed else _INSTEAD.get(name, "")


def _has_left_psycopg(plan: Plan) -> bool:
    """Whether PostgreSQL is asked through `get_db`, and nothing else of psycopg is called."""
    get_db = f"{RUNTIME}.{GET_DB}"
    sites = plan.program.sites.values()
    kept = plan.idiom.kept.values()
    converted = any(each.kind == POSTGRESQL and not each.refusal for each in kept)
    return (converted or any(get_db in site.paths for site in sites)) and not any(
        path.startswith("psycopg")
        for site in sites
        if site.node not in plan.idiom.involved
        for path in site.paths
    )


def _named(requirement: str) -> str:
    name = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", name[1]).lower() if name else ""


def _requirements(root: Path) -> Iterator[Requirement]:
    """Each requirement: its file, its line, and how it is written there."""
    for path in sorted([*root.glob("*requirements*.txt"), *root.glob("requirements/*.txt")]):
        text = path.read_text(errors="replace") if path.is_file() else ""
        for number, line in enumerate(text.splitlines(), 1):
            written = line.partition("#")[0].strip(" \t\\")
            yield path.relative_to(root).as_posix(), number, written
    project = root / "pyproject.toml"
    text = project.read_text(errors="replace") if project.is_file() else ""
    for written in _of_project(text):
        place = re.search(rf"""(?:^|["'\s]){re.escape(written)}(?![\w.-])""", text)
        yield project.name, text.count("\n", 0, place.end()) + 1 if place else 0, written


def _of_project(text: str) -> Iterator[str]:
    """The requirements in a pyproject.toml."""
    try:
        said: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # pip says so
    project, poetry = said.get("project", {}), said.get("tool", {}).get("poetry", {})
    yield from project.get("dependencies", [])
    for groups in (project.get("optional-dependencies", {}), said.get("dependency-groups", {})):
        for group in groups.values():
            yield from (each for each in group if isinstance(each, str))
    for group in (poetry, *poetry.get("group", {}).values()):
        yield from group.get("dependencies", {})
