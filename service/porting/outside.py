"""What may run outside of any app context: what tests, scripts and threads call."""

from __future__ import annotations

from .awaitables import AWAITABLE
from .closure import closure
from .commands import has_context
from .program import Function, Program
from .registration import COMMAND
from .sites import Site

_FREE = (
    "flask.Response.",
    "flask.testing.FlaskClient.",
    "werkzeug.datastructures.FileStorage.",
)
"""What Flask needs no context for, of what is awaited."""


def reached_outside(program: Program) -> set[Function]:
    """The functions that are called outside of app contexts, as far as calls are seen."""
    calls: dict[object, set[Function]] = {}
    for site in program.sites.values():
        if site.block is None:
            calls.setdefault(site.where, set()).update(site.functions)
    begin = (where for where in calls if not isinstance(where, Function) or _begins(where))
    called = {function for where in begin for function in calls[where]}
    return closure(called, lambda function: calls.get(function, ()))


def _begins(function: Function) -> bool:
    """Whether it is called from outside of the project, in no context."""
    command = COMMAND in function.roles and not has_context(function)
    return function.module.is_test or command or "a thread calls it" in function.pins


def needs_no_context(site: Site) -> bool:
    """Whether what is awaited there may work without one."""
    of_flask = [path for path in site.paths if path.startswith("flask.") or path in AWAITABLE]
    known = bool(site.functions or of_flask)
    return known and all(path.startswith(_FREE) for path in of_flask)
