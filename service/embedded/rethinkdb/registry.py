"""The table of terms: which function does which term of a query, and what it takes.

A term's Python signature is its ReQL signature: positional parameters after `query` are its
arguments, keyword-only parameters its optional arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rethinkdb.ql2_pb2 import Term as _Term

F = TypeVar("F", bound=Callable[..., Any])

NUMBERS: Final[dict[str, int]] = {
    name: number for name, number in vars(_Term.TermType).items() if not name.startswith("_")
}
NAMES: Final[dict[int, str]] = {number: name for name, number in NUMBERS.items()}
INTERNAL_OPTIONS: Final = frozenset(["deterministic"])


@dataclass(frozen=True, slots=True)
class Term:
    """One kind of term.

    `datums`: its arguments are wanted as data. `lazy`: its arguments are wanted as functions
    without parameters; `lazy_options` the same for optional arguments. `grouped`: on groups it is
    done for each of them. `literals`: `r.literal` may stand in its arguments after the first.
    """

    name: str
    function: Callable[..., Any]
    least: int
    most: int | None
    options: frozenset[str]
    datums: bool = False
    lazy: bool = False
    lazy_options: frozenset[str] = frozenset()
    grouped: bool = True
    literals: bool = False
    wants_determinism: bool = False

    def arity(self) -> str:
        """What it takes, in RethinkDB's words."""
        if self.most is None:
            return f"{self.least} or more arguments"
        if self.least == self.most:
            return f"{self.least} argument{'' if self.least == 1 else 's'}"
        return f"between {self.least} and {self.most} arguments"

    def accepts(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)


TERMS: Final[dict[int, Term]] = {}


def term(
    *names: str,
    datums: bool = False,
    lazy: bool = False,
    lazy_options: frozenset[str] = frozenset(),
    grouped: bool = True,
    literals: bool = False,
) -> Callable[[F], F]:
    """Register a function as what does the terms of these names."""

    def register(function: F) -> F:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        unlimited = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        options = frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        for name in names:
            TERMS[NUMBERS[name]] = Term(
                name,
                function,
                sum(p.default is p.empty for p in positional),
                None if unlimited else len(positional),
                options - INTERNAL_OPTIONS,
                datums,
                lazy,
                lazy_options,
                grouped,
                literals,
                "deterministic" in options,
            )
        return function

    return register
