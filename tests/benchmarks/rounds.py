"""Contenders in turn, round after round, and what remains when the noise is taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from .serving import Serving

WARM_UP = 1.0
"""Seconds, at most, of load on each contender before the first round."""


@dataclass(frozen=True)
class Slice:
    """One contender under load for a moment."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    memory: int


@dataclass(frozen=True)
class Result:
    """A contender on one route: medians, and medians of each round's ratio to the first one.

    Attributes:
        cpu_us: microseconds of CPU for each request, user and system, of all its processes.
        rps: requests per second.
        p50_ms, p99_ms: latency in milliseconds.
    """

    cpu_us: float
    cpu_ratio: float
    rps: float
    rps_ratio: float
    p50_ms: float
    p99_ms: float


async def in_turn(
    servers: Sequence[Serving],
    route: str,
    *,
    rounds: int,
    seconds: float,
    clients: int,
    progress: Callable[[str], None],
) -> dict[str, list[Slice]]:
    """One slice of each contender, and again, `rounds` times, after a warm-up.

    Raises:
        ContenderFailed: a request failed.
    """
    for server in servers:
        await server.load(route, clients, min(seconds, WARM_UP))
    slices: dict[str, list[Slice]] = {server.contender.name: [] for server in servers}
    for number in range(1, rounds + 1):
        progress(f"/{route}, {clients} clients: round {number} of {rounds}")
        for server in servers:
            slices[server.contender.name].append(
                await one_slice(server, route, seconds=seconds, clients=clients)
            )
    return slices


async def one_slice(server: Serving, route: str, *, seconds: float, clients: int) -> Slice:
    """Load on one contender.

    Raises:
        ContenderFailed: a request failed.
    """
    before = server.cpu()
    found = await server.load(route, clients, seconds)
    used = server.cpu() - before
    return Slice(
        cpu_us=used / found.requests * 1e6,
        rps=found.requests / found.seconds,
        p50_ms=found.p50_ms,
        p99_ms=found.p99_ms,
        memory=server.memory(),
    )


def results(slices: Mapping[str, Sequence[Slice]], reference: str) -> dict[str, Result]:
    """What the slices of each contender come to, compared with the reference's."""
    return {name: _result(own, slices[reference]) for name, own in slices.items()}


def _result(own: Sequence[Slice], reference: Sequence[Slice]) -> Result:
    rounds = list(zip(own, reference, strict=True))
    return Result(
        cpu_us=median(one.cpu_us for one in own),
        cpu_ratio=median(one.cpu_us / other.cpu_us for one, other in rounds),
        rps=median(one.rps for one in own),
        rps_ratio=median(one.rps / other.rps for one, other in rounds),
        p50_ms=median(one.p50_ms for one in own),
        p99_ms=median(one.p99_ms for one in own),
    )
