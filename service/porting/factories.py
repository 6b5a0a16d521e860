"""App factories."""

from __future__ import annotations

from .program import Function
from .registration import CONTEXT_MANAGER, FIXTURE, RECEIVER, TEST
from .values import Instance, Object


def makes_app(function: Function) -> bool:
    """Whether it makes the app: a server, a script or another function calls it as it is."""
    makes_app = Instance("flask.Flask") in function.returns or any(
        isinstance(value, Object) and "flask.Flask" in value.of.external_bases()
        for value in function.returns
    )
    return (
        makes_app
        and not function.roles & {FIXTURE, TEST, CONTEXT_MANAGER, RECEIVER}
        and not function.is_lambda
        and function.owner is None
    )
