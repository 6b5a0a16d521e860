"""Tests that pytest calls once for each of some parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

import libcst as cst

from .nodes import text_of
from .values import DATA, NOTHING, Text, Values, items, one, place

PARAMETRIZE = "pytest.mark.parametrize()"
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_ARGUMENTS = ("argnames", "argvalues")


def parameters(
    node: cst.BaseExpression,
    evaluate: Callable[[cst.BaseExpression], Values],
    fixtures: Collection[str] = (),
) -> dict[str, Values]:
    """What each parameter that a decorator names may be, with names of these fixtures."""
    args = node.args if isinstance(node, cst.Call) else ()
    given = {
        arg.keyword.value if arg.keyword else name: arg.value
        for arg, name in zip(args, _ARGUMENTS, strict=False)
    }
    if not given.keys() >= set(_ARGUMENTS):
        return {}
    written = given["argnames"]
    parts = (
        [element.value for element in written.elements]
        if isinstance(written, cst.Tuple | cst.List)
        else [written]
    )
    names = [name.strip() for part in parts for name in (text_of(part) or "").split(",")]
    passed = items(evaluate(given["argvalues"]))
    if len(names) == 1:
        return {names[0]: _known(passed, fixtures)}
    return {name: _known(_at(passed, number), fixtures) for number, name in enumerate(names)}


def _at(passed: Values, number: int) -> Values:
    """What is at one place of each tuple; of `pytest.param`, anything that it is given."""
    found: Values = NOTHING
    for value in passed:
        at = place(value, number)
        found |= one(value) if at is None else at
    return found


def _known(values: Values, fixtures: Collection[str]) -> Values:
    """Without numbers, and texts that name neither a fixture nor, with dots, anything else."""
    return frozenset(
        value
        for value in values - DATA
        if not isinstance(value, Text) or value.text in fixtures or _DOTTED.fullmatch(value.text)
    )
