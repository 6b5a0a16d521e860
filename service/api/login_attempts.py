"""How often one may try to log in: for one name, from one address, and for one name from one.

An address that changes does not help against a name's limit, nor a name that changes against an
address's. A limit for a name alone would let anybody lock its player out: an address at which the
player got a token lately is bounded by the limit for one name from one address, and not by that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from redis.asyncio import Redis

from service.errors import Problem, retry_after

from .rate_limit import count_attempt

KNOWN_FOR = 30 * 24 * 3600
"""Seconds that an address counts as one from which a player got a token."""

_IPV6_PREFIX = 64
"""Bits: what follows these, a host chooses for itself."""
_WITH_PORT = re.compile(r"\[([^]]+)\](?::\d+)?|([^:]+):\d+")


class Attempt:
    """One request for a token.

    Args:
        name: the player's, in any case.
        address: where it comes from.
        config: the service's, with the limits.
    """

    def __init__(self, name: str, address: str | None, config: Mapping[str, Any]) -> None:
        self._name = name.lower()
        self._address = source_of(address or "")
        self._config = config

    async def count(self, client: Redis) -> None:
        """Count it. Raises a 429 that says when there may be another."""
        config, name, address = self._config, self._name, self._address
        window = config["TOKEN_ATTEMPTS_WINDOW"]
        # First what one address can do alone: it shall not use up what is left for the others.
        await _count(
            client,
            f"tokens:{name}:{address}",
            (config["TOKEN_ATTEMPTS"], window),
            "one name from one address",
        )
        await _count(
            client,
            f"tokens-from:{address}",
            (config["TOKEN_ATTEMPTS_ADDRESS"], window),
            "one address",
        )
        if not await client.exists(self._known):
            await _count(
                client,
                f"tokens-for:{name}",
                (config["TOKEN_ATTEMPTS_NAME"], config["TOKEN_ATTEMPTS_NAME_WINDOW"]),
                "one name from addresses that it had no token at",
            )

    async def succeeded(self, client: Redis) -> None:
        """Remember that the player is at home at this address."""
        await client.set(self._known, 1, ex=KNOWN_FOR)

    @property
    def _known(self) -> str:
        return f"known:{self._name}:{self._address}"


def source_of(address: str) -> str:
    """Whom an address stands for: of IPv6 the network, since one host has all of its addresses.

    Some proxies write a port behind it. What is no address stands for itself.
    """
    with_port = _WITH_PORT.fullmatch(address)
    try:
        known = ip_address((with_port[1] or with_port[2]) if with_port else address)
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        if known.ipv4_mapped:
            return str(known.ipv4_mapped)
        return str(ip_network((known.packed, _IPV6_PREFIX), strict=False))
    return str(known)


async def _count(client: Redis, key: str, limit: tuple[int, float], whose: str) -> None:
    most, window = limit
    attempts, seconds = await count_attempt(client, key, window)
    if attempts > most:
        raise Problem(
            429,
            "too-many-attempts",
            "Too many attempts",
            f"{most} attempts in {window} s are allowed for {whose}.",
            headers=retry_after(seconds),
        )
