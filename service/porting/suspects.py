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
    """What is called, by its own name if that may be a method of something else, too."""
    known = plain(path).replace(_UNKNOWN, "").removesuffix(".__iter__")
    owner, _, name = known.rpartition(".")
    several = site.functions or len({each.rpartition(".")[0] for each in site.paths}) > 1
    func = site.node.func if isinstance(site.node, cst.Call) else None
    if several and isinstance(func, cst.Attribute) and func.attr.value == name:
        called = outline(func)
        return known if called == known else f"{called}, if it is of {owner},"
    return known
