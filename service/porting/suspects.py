"""What a call may be of that holds the thread up, in words."""

from __future__ import annotations

import libcst as cst

from .drivers import plain
from .libraries import may_wait, may_wait_entered
from .nodes import outline
from .sites import Site

_UNKNOWN = ".?"
"""Stands for the class of an object that a library has given."""


def blocking(site: Site) -> str | None:
    """Why a call at this site may block, if one of what it may be does."""
    for path in sorted(site.paths, key=lambda each: (_UNKNOWN in each, each)):
        if site.role == "with" and may_wait_entered(path):
            return f"entering {plain(path)} may block"
        if site.role in {"call", "for"} and may_wait(path):
            return f"{_named(site, path)} may block"
    return None


def _named(site: Site, path: str) -> str:
    """What is called, by its own name if it is known to be that."""
    several = len(site.paths) + len(site.functions) > 1
    if _UNKNOWN in path and several and isinstance(site.node, cst.Call):
        return f"{outline(site.node.func)}, if it is of {path.partition('.')[0]},"
    return plain(path).replace(_UNKNOWN, "").removesuffix(".__iter__")
