"""Whole Flask applications with their tests: green on Flask, and, ported, green here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.porting.porting import port

APPLICATIONS = Path(__file__).parent / "applications"
TESTS = {"journal": 16, "toolbox": 10, "arcade": 6}
"""How many tests each has."""


@pytest.fixture
def environment(urls: Mapping[str, str]) -> dict[str, str]:
    """Where the applications find their databases."""
    return {
        **os.environ,
        "DATABASE_URL": urls["a"],
        "RETHINKDB_URL": urls["b"],
        "REDIS_URL": urls["client"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": ".",
    }


def run(folder: Path, environment: dict[str, str], *program: str) -> tuple[int, str]:
    """The exit status of a Python program, and what it printed."""
    done = subprocess.run(
        [sys.executable, *program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def suite(folder: Path, environment: dict[str, str], *options: str) -> str:
    """The last line of an application's own tests."""
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", ".", *options)
    status, said = run(folder, environment, "-m", "pytest", *options)
    assert status == 0, said
    return said.splitlines()[-1]


def unclean(folder: Path) -> set[str]:
    """The files whose imports are not in order, or not all used, as ruff has it by itself."""
    rules = ("--isolated", "--no-cache", "--select", "F401,I", "--line-length", "100")
    ruff = (sys.executable, "-m", "ruff", "check", *rules, "--output-format", "concise", ".")
    done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True)
    assert done.returncode in {0, 1}, done.stderr
    return {line.partition(":")[0] for line in done.stdout.splitlines() if ".py:" in line}


@pytest.mark.parametrize("name", TESTS)
def test_it_runs_on_flask_and_ported_here(
    name: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / name
    unwanted = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(APPLICATIONS / name, folder, ignore=unwanted)
    passed = f"{TESTS[name]} passed"
    (folder / "pytest.ini").write_text("[pytest]\n")
    assert suite(folder, environment, "-p", "no:asyncio").startswith(passed)
    (folder / "pytest.ini").unlink()
    found_before = unclean(folder)

    status, said = run(folder, environment, "-m", "service", "port", "--write", ".")
    assert status == 0, said
    assert " 0 left sync, 0 needing a hand" in said
    for path in folder.rglob("*.py"):
        assert "flask" not in path.read_text(), path
    assert suite(folder, environment).startswith(passed)
    assert port(folder).changes == []
    assert unclean(folder) <= found_before
