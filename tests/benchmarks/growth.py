"""What becomes of it with more connections, more clients, more processes; memory; one client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil

from .contenders import BARE, CONTENDERS, Contender, grown
from .machine import LOADING, SERVING
from .rounds import in_turn, results
from .serving import Serving, serving
from .table import Table

CONFIGURED = (3, 30, 300)
CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
USUAL_CLIENTS = 32
ALONE = ("one", "match", "leader", "three")
"""A route for each database alone, and the one that asks all of them at once."""

Found = dict[str, Any]


@dataclass(frozen=True)
class Growth:
    """How to measure.

    Attributes:
        environment: where the databases are.
        rounds: slices of each contender.
        seconds: the length of a slice.
        progress: is told what is measured now.
    """

    environment: Mapping[str, str]
    rounds: int
    seconds: float
    progress: Callable[[str], None]

    async def measure(self) -> Found:
        """All of it."""
        return {
            "connections": await self.connections(),
            "clients": await self.clients(),
            "one_client": await self.one_client(),
            "processes": await self.processes(),
        }

    async def connections(self) -> Found:
        """CPU for a request that uses one of so many connections; memory before and under load."""
        contenders = [CONTENDERS[BARE], *(grown(count) for count in CONFIGURED)]
        async with AsyncExitStack() as stack:
            servers = await self._all(stack, contenders)
            idle = {server.contender.name: server.memory() for server in servers}
            slices = await self._in_turn(servers, "one", USUAL_CLIENTS)
        found = results(slices, grown(CONFIGURED[0]).name)
        return {
            name: {
                "cpu_us": found[name].cpu_us,
                "cpu_ratio": found[name].cpu_ratio,
                "idle_mib": idle[name] / 2**20,
                "loaded_mib": max(one.memory for one in slices[name]) / 2**20,
            }
            for name in slices
        }

    async def clients(self) -> Found:
        """Requests and latency from one client to hundreds, ours and bare in turn."""
        found: Found = {}
        async with AsyncExitStack() as stack:
            servers = await self._all(stack, [CONTENDERS[BARE], grown(CONFIGURED[0])])
            bare, ours = (server.contender.name for server in servers)
            for count in CLIENTS:
                slices = await self._in_turn(servers, "one", count)
                result = results(slices, bare)
                found[str(count)] = {
                    "bare_rps": result[bare].rps,
                    "rps": result[ours].rps,
                    "bare_p99_ms": result[bare].p99_ms,
                    "p99_ms": result[ours].p99_ms,
                    "p99_ratio": median(
                        own.p99_ms / other.p99_ms
                        for own, other in zip(slices[ours], slices[bare], strict=True)
                    ),
                }
        return found

    async def one_client(self) -> Found:
        """Latency for one client: each database alone, and all at once."""
        latencies: dict[str, list[float]] = {route: [] for route in ALONE}
        async with AsyncExitStack() as stack:
            (server,) = await self._all(stack, [grown(CONFIGURED[0])])
            for number in range(1, self.rounds + 1):
                self.progress(f"one client: round {number} of {self.rounds}")
                for route in ALONE:
                    load = await server.load(route, 1, self.seconds)
                    latencies[route].append(load.p50_ms)
        rounds = zip(*(latencies[route] for route in ALONE), strict=True)
        return {
            **{route: median(own) for route, own in latencies.items()},
            "ratio": median(own[-1] / max(own[:-1]) for own in rounds),
        }

    async def processes(self) -> Found:
        """Requests of one process, and of two that have a core each.

        With two cores the second process shares its own with the load and the databases. `room` is
        how many times as many requests there could be at best: both cores, over what one process
        and its load take of them.
        """
        one: list[float] = []
        two: list[float] = []
        taken: list[float] = []
        async with AsyncExitStack() as stack:
            first = await self._all(stack, [grown(CONFIGURED[0])])
            second = await self._all(stack, [grown(CONFIGURED[0])], core=LOADING)
            for number in range(1, self.rounds + 1):
                self.progress(f"one process and two: round {number} of {self.rounds}")
                psutil.cpu_percent(percpu=True)
                one.append(await self._together(first))
                busy = psutil.cpu_percent(percpu=True)
                taken.append((busy[SERVING] + busy[LOADING]) / 100)
                two.append(await self._together([*first, *second]))
        return {
            "one_rps": median(one),
            "two_rps": median(two),
            "ratio": median(both / single for both, single in zip(two, one, strict=True)),
            "room": 2 / median(taken),
        }

    async def _all(
        self, stack: AsyncExitStack, contenders: list[Contender], core: int = SERVING
    ) -> list[Serving]:
        return [
            await stack.enter_async_context(serving(contender, self.environment, core))
            for contender in contenders
        ]

    async def _in_turn(self, servers: list[Serving], route: str, clients: int) -> Any:
        return await in_turn(
            servers,
            route,
            rounds=self.rounds,
            seconds=self.seconds,
            clients=clients,
            progress=self.progress,
        )

    async def _together(self, servers: list[Serving]) -> float:
        share = USUAL_CLIENTS // len(servers)
        loads = await asyncio.gather(
            *(server.load("one", share, self.seconds) for server in servers)
        )
        return sum(load.requests / load.seconds for load in loads)


def tables(found: Found) -> list[Table]:
    """What `Growth.measure` found, part by part."""
    one_client, processes = found["one_client"], found["processes"]
    return [
        Table(
            "Configured connections, of which a request uses one",
            ["", "CPU µs", "to the fewest", "memory idle, MiB", "under load, MiB"],
            [
                [
                    name,
                    f"{row['cpu_us']:.0f}",
                    f"{row['cpu_ratio']:.2f}",
                    f"{row['idle_mib']:.1f}",
                    f"{row['loaded_mib']:.1f}",
                ]
                for name, row in found["connections"].items()
            ],
        ),
        Table(
            "Clients at once, one row by primary key",
            ["clients", "bare requests/s", "ours", "bare p99, ms", "ours", "to bare"],
            [
                [
                    count,
                    f"{row['bare_rps']:.0f}",
                    f"{row['rps']:.0f}",
                    f"{row['bare_p99_ms']:.1f}",
                    f"{row['p99_ms']:.1f}",
                    f"{row['p99_ratio']:.2f}",
                ]
                for count, row in found["clients"].items()
            ],
        ),
        Table(
            "One client, median latency",
            ["route", "ms"],
            [
                *([f"/{route}", f"{one_client[route]:.2f}"] for route in ALONE),
                ["/three, to the slowest alone", f"{one_client['ratio']:.2f}"],
            ],
        ),
        Table(
            "Processes",
            ["", "requests/s"],
            [
                ["one", f"{processes['one_rps']:.0f}"],
                ["two", f"{processes['two_rps']:.0f}"],
                ["two, to one", f"{processes['ratio']:.2f}"],
                ["what these cores have room for", f"{processes['room']:.2f}"],
            ],
        ),
    ]
