"""Whether the process serves, and whether its backends answer."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, Field
from quart import Blueprint, current_app
from quart_schema import validate_response

from .connections import Connections
from .errors import Problem, answers, retry_after
from .server_timing import HEADER, header

blueprint = Blueprint("health", __name__)

RETRY_AFTER = 5
"""Seconds."""


class Health(BaseModel):
    """The process serves."""

    ok: Annotated[bool, Field(description="Always true.")] = True


class Connection(BaseModel):
    """How one backend answered."""

    ok: bool
    milliseconds: Annotated[float, Field(description="How long its answer took.")]
    error: Annotated[str | None, Field(description="The kind of error, or null.")]


class Readiness(BaseModel):
    """Every configured connection answers."""

    ok: Annotated[bool, Field(description="Always true.")] = True
    connections: dict[str, Connection]


@blueprint.get("/healthz")
@validate_response(Health)
async def healthz() -> Health:
    """Say that the process serves.

    Opens nothing: a backend that is down is no reason to restart the process.
    """
    return Health()


@blueprint.get("/readyz")
@answers(503)
@validate_response(Readiness)
async def readyz() -> tuple[Readiness, int, dict[str, str]]:
    """Ask every configured backend, all at once, for ``READY_TIMEOUT`` seconds at most."""
    connections: Connections = current_app.extensions["connections"]
    checks = await connections.check(timeout=current_app.config["READY_TIMEOUT"])
    states = {
        name: Connection(
            ok=check.ok, milliseconds=round(check.seconds * 1000, 3), error=_kind(check.error)
        )
        for name, check in checks.items()
    }
    opened = {name: check.seconds for name, check in checks.items() if check.ok}
    headers = {HEADER: header(opened)} if opened else {}
    silent = [name for name, check in checks.items() if not check.ok]
    if silent:
        raise Problem(
            503,
            "not-ready",
            "Not ready",
            f"No answer from: {', '.join(silent)}.",
            headers=headers | retry_after(RETRY_AFTER),
            connections={name: state.model_dump() for name, state in states.items()},
        )
    return Readiness(connections=states), 200, headers


def _kind(error: str | None) -> str | None:
    """What anybody may know of a `Check.error`: a driver's own words name hosts and ports."""
    named = re.match(r"(\w+)(?:: |$)", error or "")
    return named[1] if named else error
