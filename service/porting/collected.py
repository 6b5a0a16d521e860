"""What pytest collects: by the names that it looks for anyhow, and by those that it is told of."""

from __future__ import annotations

import re
import tomllib
from configparser import Error, RawConfigParser
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

SETTINGS = (
    ("pytest.toml", "pytest"),
    (".pytest.toml", "pytest"),
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", "tool.pytest.ini_options"),
    ("pyproject.toml", "tool.pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)
"""Where pytest is told, in the order that it looks, and in which section."""
_ALL = "*.py"
_RUNS_TESTS = re.compile(r"^\s*(?:import|from)\s+(?:pytest|unittest)\b", re.MULTILINE)
_DEFINED = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Collected:
    """What pytest collects in a project.

    Attributes:
        files: patterns of files' names that have tests, beside the usual ones.
        functions: how the names of tests begin, or patterns of them, beside `test`.
        classes: the same of classes of tests, beside `Test`.
        folders: where it looks for files of these names; anywhere, if there are none.
    """

    files: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def has(self, path: Path, source: str) -> bool:
        """Whether pytest or unittest runs what is in a file, rather than the app."""
        parts, stem = path.parts, path.stem
        return (
            stem.startswith("test_")
            or stem.endswith("_test")
            or stem in {"conftest", "tests", "test"}
            or any(part in {"tests", "test", "testing"} for part in parts[:-1])
            or (self._is_told_of(path, self.files) and self._has_tests(path, source))
        )

    def is_test(self, name: str) -> bool:
        """Whether a function of this name is a test."""
        return _is_any(name, ("test", *self.functions))

    def _is_told_of(self, path: Path, patterns: tuple[str, ...]) -> bool:
        if self.folders and not any(path.is_relative_to(folder) for folder in self.folders):
            return False
        whole = f"/{path.as_posix()}"
        return any(
            fnmatch(whole, f"*/{pattern}") if "/" in pattern else fnmatch(path.name, pattern)
            for pattern in patterns
        )

    def _has_tests(self, path: Path, source: str) -> bool:
        """Whether a file has something to be collected; if all files may, it says so plainly."""
        if _RUNS_TESTS.search(source):
            return True
        tests = (*self.functions, *self.classes, "test", "Test")
        patterns = tuple(pattern for pattern in self.files if pattern != _ALL)
        names = _DEFINED.findall(source) if self._is_told_of(path, patterns) else ()
        return any(_is_any(name, tests) for name in names)


def collected(root: Path) -> Collected:
    """What a project's settings tell pytest to collect."""
    for name, section in SETTINGS:
        path = root / name
        text = path.read_text(errors="replace") if path.is_file() else ""
        settings = (_of_toml if path.suffix == ".toml" else _of_ini)(text, section)
        if settings is not None:
            keys = ("python_files", "python_functions", "python_classes", "testpaths")
            return Collected(*(_words(settings.get(key)) for key in keys))
    return Collected()


def _of_toml(text: str, section: str) -> dict[str, object] | None:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    for name in section.split("."):
        inner = found.get(name)
        found = inner if isinstance(inner, dict) else {}
    return found or None


def _of_ini(text: str, section: str) -> dict[str, object] | None:
    parser = RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except Error:
        return None
    return dict(parser[section]) if parser.has_section(section) else None


def _words(setting: object) -> tuple[str, ...]:
    """A setting that is written as a list, or with spaces between its words."""
    words = setting.split() if isinstance(setting, str) else setting
    return tuple(map(str, words)) if isinstance(words, list) else ()


def _is_any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(name.startswith(each) or fnmatch(name, each) for each in patterns)
