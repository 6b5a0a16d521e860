"""Bearer tokens: signed, expiring, and checked without opening any backend."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from quart import current_app, g, request
from quart_schema import security_scheme

from .errors import Problem

P = ParamSpec("P")
R = TypeVar("R")

SCHEME = "bearer"
"""The name of the security scheme in the API's description."""


def issue_token(player_id: int) -> str:
    """A token for this player, good for ``TOKEN_LIFETIME`` seconds from now."""
    return str(_serializer().dumps(player_id))


def unauthorized(detail: str, error: str | None = None) -> Problem:
    """The problem of a request that does not say well enough who makes it.

    ``error`` is the code of RFC 6750 if a token was given.
    """
    challenge = 'Bearer realm="service"' + (f', error="{error}"' if error else "")
    return Problem(
        401, "unauthorized", "Unauthorized", detail, headers={"WWW-Authenticate": challenge}
    )


def requires_auth(view: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Let only requests with a good token reach ``view``; ``g.player_id`` says whose it is."""

    @wraps(view)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        g.player_id = _player_of(request.headers.getlist("Authorization"))
        return await view(*args, **kwargs)

    security_scheme([{SCHEME: []}])(wrapper)
    return wrapper


def _player_of(authorizations: list[str]) -> int:
    # Of two, this service might believe one and what stands in front of it the other.
    authorization = authorizations[0] if len(authorizations) == 1 else ""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("Send one token: Authorization: Bearer TOKEN.")
    try:
        player_id = _serializer().loads(token.strip(), current_app.config["TOKEN_LIFETIME"])
    except SignatureExpired as error:
        raise unauthorized("The token has expired.", "invalid_token") from error
    except BadSignature as error:
        raise unauthorized("The token is not one of ours.", "invalid_token") from error
    return int(player_id)


def _serializer() -> URLSafeTimedSerializer:
    config = current_app.config
    return URLSafeTimedSerializer(
        [*config["SECRET_KEY_FALLBACKS"], config["SECRET_KEY"]],
        salt="service.auth",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
