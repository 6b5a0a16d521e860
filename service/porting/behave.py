"""Behave's steps and hooks: plain functions, with a context for what they tell each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from .values import External, Instance, Value

if TYPE_CHECKING:
    from .program import Function

CONTEXT = "behave.runner.Context"
_IMPORTS = re.compile(r"^\s*(?:from|import)\s+behave\b", re.MULTILINE)
_HOOK = re.compile(r"(?:before|after)_(?:all|feature|rule|scenario|step|tag)")


def is_of_behave(path: Path, source: str) -> bool:
    """Whether a module is one that behave runs."""
    return _is_environment(path) or _IMPORTS.search(source) is not None


def is_hook(function: Function) -> bool:
    """Whether behave calls it by its name, and awaits nothing."""
    return _is_environment(function.module.path) and bool(_HOOK.fullmatch(function.name))


def takes_context(function: Function, name: str) -> bool:
    """Whether behave passes its context for a parameter."""
    by = (value for values in function.decorators for value in values)
    is_step = any(_path(each).startswith("behave.") for each in by)
    return function.names[:1] == [name] and (is_step or is_hook(function))


def _path(value: Value) -> str:
    if isinstance(value, Instance):
        return value.kind
    return value.path if isinstance(value, External) else ""


def _is_environment(path: Path) -> bool:
    return path.stem == "environment" and path.parent.name == "features"
