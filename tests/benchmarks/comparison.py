"""The contenders side by side, route by route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from .contenders import CONTENDERS
from .machine import SERVING
from .rounds import Result, in_turn, results
from .serving import same_answers, serving
from .table import Table

ROUTES: Mapping[str, str] = {
    "plain": "no database",
    "one": "a row by primary key from PostgreSQL",
    "three": "one read from each of PostgreSQL, RethinkDB and Redis",
}

Results = dict[str, dict[str, Result]]
"""By route and contender."""


async def compare(
    names: Sequence[str],
    environment: Mapping[str, str],
    *,
    routes: Sequence[str],
    rounds: int,
    seconds: float,
    clients: int,
    progress: Callable[[str], None],
) -> Results:
    """Measure these contenders, of which the first is what the others are compared with.

    Raises:
        ContenderFailed: one does not start, answers something else, or fails under load.
        MissingPackages: one needs packages that are not installed.
    """
    found: Results = {}
    async with AsyncExitStack() as stack:
        servers = []
        for name in names:
            progress(f"starting {name}")
            server = serving(CONTENDERS[name], environment, SERVING)
            servers.append(await stack.enter_async_context(server))
        for route in routes:
            await same_answers(servers, route)
            slices = await in_turn(
                servers, route, rounds=rounds, seconds=seconds, clients=clients, progress=progress
            )
            found[route] = results(slices, names[0])
    return found


def tables(found: Results) -> list[Table]:
    """A table for each route, the cheapest request first."""
    return [
        Table(
            f"`/{route}`, {ROUTES[route]}",
            ["", "CPU µs", "to bare", "requests/s", "to bare", "p50 ms", "p99 ms"],
            [
                [
                    name,
                    f"{result.cpu_us:.0f}",
                    f"{result.cpu_ratio:.2f}",
                    f"{result.rps:.0f}",
                    f"{result.rps_ratio:.2f}",
                    f"{result.p50_ms:.1f}",
                    f"{result.p99_ms:.1f}",
                ]
                for name, result in sorted(route_results.items(), key=lambda item: item[1].cpu_us)
            ],
        )
        for route, route_results in found.items()
    ]
