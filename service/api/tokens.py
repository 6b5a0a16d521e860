"""Tokens: a name and a password for a while of not having to send them."""

from __future__ import annotations

from typing import Annotated, Literal

import asyncpg
from pydantic import BaseModel, Field
from quart import Blueprint, current_app, request
from quart_schema import validate_request, validate_response
from redis.asyncio import Redis

from service.auth import issue_token, unauthorized
from service.connections import get_db
from service.errors import answers

from .fields import Body
from .login_attempts import Attempt
from .passwords import TooManyPasswords, hash_password, is_outdated, verify_password
from .players import Name

blueprint = Blueprint("tokens", __name__, url_prefix="/api/tokens")


class Credentials(Body):
    """Who somebody says they are."""

    name: Name
    password: Annotated[
        str, Field(min_length=1, max_length=128, description="1 to 128 characters.")
    ]


class Token(BaseModel):
    """What to send as ``Authorization: Bearer TOKEN``."""

    token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: Annotated[int, Field(description="Seconds.")]


@blueprint.post("")
@answers(401, 429)
@validate_request(Credentials)
@validate_response(Token)
async def create(data: Credentials) -> Token:
    """Get a token.

    The answer to an unknown name and to a wrong password is the same. When too many passwords
    wait to be checked, a 503 (`too-many-passwords`) says when to come back. Attempts are counted
    for each name and for each address; a 429 says when there may be another.
    """
    attempt = Attempt(data.name, request.remote_addr, current_app.config)
    client = await get_db("client", Redis)
    await attempt.count(client)
    # No connection is held while a password is hashed: that takes longer than all queries.
    async with get_db("a", asyncpg.Connection) as connection:
        row = await connection.fetchrow(
            "SELECT id, password_hash FROM players WHERE lower(name) = lower($1)", data.name
        )
    verified = await verify_password(row and row["password_hash"], data.password)
    if row is None or not verified:
        raise unauthorized("No player has this name and this password.")
    await attempt.succeeded(client)
    if is_outdated(row["password_hash"]):
        await _renew_hash(row["id"], row["password_hash"], data.password)
    return Token(token=issue_token(row["id"]), expires_in=current_app.config["TOKEN_LIFETIME"])


async def _renew_hash(player_id: int, stored: str, password: str) -> None:
    try:
        renewed = await hash_password(password)
    except TooManyPasswords:
        return  # The next log-in is soon enough.
    async with get_db("a", asyncpg.Connection) as connection:
        # Only the hash that was verified: the password may have been changed since.
        await connection.execute(
            "UPDATE players SET password_hash = $1 WHERE id = $2 AND password_hash = $3",
            renewed,
            player_id,
            stored,
        )
