"""What pytest collects, by a project's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.porting.collected import Collected, collected

CHECK = "def check_it():\n    pass\n"
TEST = "def test_it():\n    pass\n"
UNITTEST = "from unittest import TestCase\n"
OTHER = "def other():\n    pass\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pytest.ini",
            "[pytest]\npython_files = check_*.py examples/*.py\npython_functions = check",
        ),
        (
            "tox.ini",
            "[pytest]\npython_files =\n    check_*.py\n    examples/*.py\npython_functions = check",
        ),
        (
            "setup.cfg",
            "[tool:pytest]\npython_files=check_*.py examples/*.py\npython_functions=check",
        ),
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\npython_files = ["check_*.py", "examples/*.py"]\n'
            'python_functions = "check"',
        ),
        (
            "pyproject.toml",
            '[tool.pytest]\npython_files = ["check_*.py", "examples/*.py"]\n'
            'python_functions = ["check"]',
        ),
        (
            "pytest.toml",
            '[pytest]\npython_files = ["check_*.py", "examples/*.py"]\n'
            'python_functions = ["check"]',
        ),
        (
            ".pytest.toml",
            '[pytest]\npython_files = ["check_*.py", "examples/*.py"]\n'
            'python_functions = ["check"]',
        ),
    ],
)
def test_settings(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert collected(tmp_path) == Collected(("check_*.py", "examples/*.py"), ("check",))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest"),
        ("pyproject.toml", "[tool.pytest"),
        ("setup.cfg", "[metadata]\npython_files = check_*.py"),
        ("pyproject.toml", "[tool.pytest]\nini_options = 3"),
    ],
)
def test_settings_of_something_else(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert collected(tmp_path) == Collected()


@pytest.mark.parametrize(
    ("settings", "path", "source", "is_test"),
    [
        (Collected(), "tests/other.py", OTHER, True),
        (Collected(), "shop/check_it.py", TEST, False),
        (Collected(("check_*.py",), ("check",)), "shop/check_it.py", CHECK, True),
        (Collected(("check_*.py",), ("check",)), "shop/check_it.py", OTHER, False),
        (Collected(("check_*.py",), (), ("Check",)), "check_it.py", "class CheckIt:\n", True),
        (Collected(("check_*.py",), (), (), ("checks",)), "checks/check_it.py", TEST, True),
        (Collected(("check_*.py",), (), (), ("checks",)), "shop/check_it.py", TEST, False),
        (Collected(("examples/*.py",)), "shop/examples/asked.py", TEST, True),
        (Collected(("examples/*.py",)), "shop/asked.py", TEST, False),
        (Collected(("*.py",)), "app.py", TEST, False),
        (Collected(("*.py",)), "app.py", UNITTEST, True),
    ],
)
def test_files(settings: Collected, path: str, source: str, is_test: bool) -> None:
    assert settings.has(Path(path), source) is is_test


@pytest.mark.parametrize(
    ("functions", "name", "is_test"),
    [
        ((), "test_it", True),
        ((), "check_it", False),
        (("check",), "check_it", True),
        (("*_works",), "it_works", True),
        (("*_works",), "it_fails", False),
    ],
)
def test_functions(functions: tuple[str, ...], name: str, is_test: bool) -> None:
    assert Collected(functions=functions).is_test(name) is is_test
