"""Files that cannot come out as Python: their functions stay plain; at last, they stay whole."""

from __future__ import annotations

from .program import Function, Module, Program

_PLAIN = "with `await`, its file would not be Python"


def keep_plain(program: Program, plain: set[Module], left: set[Module]) -> None:
    """Keep the functions of some modules as they are.

    Args:
        plain: modules none of whose functions may become async.
        left: those of them that are not changed at all: what they call stays plain, too.
    """
    for function in program.functions.values():
        if function.module in plain:
            function.pins.setdefault(_PLAIN, function.node)
    for site in program.sites.values():
        if site.where.module in left:
            for function in site.functions | site.escaping:
                _pin(function, site.where.module)


def _pin(function: Function, caller: Module) -> None:
    reason = f"{caller.path.as_posix()}, which is left as it is, calls it"
    function.pins.setdefault(reason, function.node)
