"""`setUp` of a test and of what it inherits from: their order holds if all are of one kind."""

from __future__ import annotations

from .program import Program
from .values import NOTHING, routines

_NAMES = ("setUp", "tearDown")


def set_up_together(program: Program) -> None:
    """Note that the methods of a hierarchy of tests become async together."""
    for of in [each for each in program.classes.values() if each.module.is_test]:
        for name in _NAMES:
            own = [routines(each.bindings.get(name, NOTHING)) for each in of.lineage()]
            together = frozenset().union(*own)
            for function in together:
                for other in together - {function}:
                    program.aliases[function].add(other)
