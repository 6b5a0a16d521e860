"""Modules that are imported by a shorter name: a directory above them is put on the path."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from .program import Module

_PUTS = re.compile(r"\bsys\.path\b|\bsyspath_prepend\b|\baddsitedir\b")
_SETTINGS = (
    *("pytest.toml", ".pytest.toml", "pytest.ini"),
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "tox.ini",
    "Makefile",
    "Procfile",
    ".env",
    "Dockerfile*",
    "compose*.y*ml",
    "docker-compose*.y*ml",
)
_SETS = re.compile(r"python_?path|package[_-]?dir|\bwhere\b|\bfrom\b|chdir|\bcd\b|WORKDIR", re.I)


def found_on_the_path(root: Path, modules: dict[str, Module]) -> dict[str, list[Module]]:
    """The modules of a project by shorter names, which are no installed package's."""
    named: dict[str, list[Module]] = defaultdict(list)
    for module in modules.values():
        for name in _shorter(module, modules):
            named[name].append(module)
    above = {(of, name): _directory(of, name) for name, found in named.items() for of in found}
    texts = _texts(root, modules.values()) if named else []
    on_it = {each for each in {*above.values()} if _is_told_of(each, texts)}
    told = {
        name: found
        for name, found in named.items()
        if all(above[of, name] in on_it for of in found)
    }
    installed = {*sys.stdlib_module_names, *(packages_distributions() if told else ())}
    return {name: of for name, of in told.items() if name.partition(".")[0] not in installed}


def _directory(module: Module, name: str) -> str:
    """The last directory above a module that its shorter name leaves out."""
    return module.name.removesuffix(f".{name}").rpartition(".")[2]


def _shorter(module: Module, modules: dict[str, Module]) -> Iterable[str]:
    """The names that it has from directories above it that are no packages."""
    parts = module.name.split(".")
    for start in range(1, len(parts)):
        if ".".join(parts[:start]) not in modules:
            yield ".".join(parts[start:])


def _texts(root: Path, modules: Iterable[Module]) -> list[str]:
    """What may say which directories are on the path."""
    paths = (path for name in _SETTINGS for path in root.glob(name) if path.is_file())
    settings = (path.read_text(errors="replace") for path in paths)
    return [
        *(module.source for module in modules if _PUTS.search(module.source)),
        *(text for text in settings if _SETS.search(text)),
    ]


def _is_told_of(directory: str, texts: list[str]) -> bool:
    name = re.compile(rf"(?<![\w.-]){re.escape(directory)}(?![\w.-])")
    return directory == "src" or any(map(name.search, texts))
