"""`python -m tests.benchmarks`: the contenders side by side, or one of the parts apart."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from service.embedded.errors import StartupError

from . import comparison, growth, machine
from .backends import backends, rethinkdb_is_a_stand_in
from .contenders import BARE, CONTENDERS, MissingPackages
from .load import LoadFailed, required_wrk
from .serving import ContenderFailed
from .table import Table

T = TypeVar("T")

CLIENTS = 32


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="What a request costs here and elsewhere. Needs wrk and the extra `bench`.",
    )
    parser.add_argument("--routes", nargs="+", choices=comparison.ROUTES, metavar="ROUTE")
    parser.add_argument("--rounds", type=int, default=7, help="slices of each contender (7)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a slice (2)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=CONTENDERS,
        metavar="CONTENDER",
        help=f"measure only these, and {BARE}, which all are compared with",
    )
    parser.add_argument("--markdown", action="store_true", help="print what the README shows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, too")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--accessor", action="store_true", help="the accessor alone, without I/O")
    part.add_argument(
        "--growth", action="store_true", help="more connections, more clients, more processes"
    )
    return parser.parse_args()


def main() -> int:
    """Measure and print; 1 with a line on standard error if that cannot be done."""
    asked = arguments()
    os.sched_setaffinity(0, {machine.LOADING})
    try:
        if asked.accessor:
            return _accessor(asked)
        required_wrk()
        with backends() as environment:
            servers = asyncio.run(machine.servers(environment))
            if asked.growth:
                found = asyncio.run(_until_stopped(_growth(asked, environment)))
                tables = growth.tables(found)
            else:
                results = asyncio.run(_until_stopped(_comparison(asked, environment)))
                tables = comparison.tables(results)
                found = {
                    route: {name: asdict(result) for name, result in route_results.items()}
                    for route, route_results in results.items()
                }
    except (ContenderFailed, LoadFailed, MissingPackages, StartupError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 130
    _report(asked, tables, found, _conditions(asked, servers))
    return 0


async def _comparison(
    asked: argparse.Namespace, environment: Mapping[str, str]
) -> comparison.Results:
    names = [name for name in CONTENDERS if name == BARE or not asked.only or name in asked.only]
    return await comparison.compare(
        names,
        environment,
        routes=asked.routes or list(comparison.ROUTES),
        rounds=asked.rounds,
        seconds=asked.seconds,
        clients=CLIENTS,
        progress=_progress,
    )


async def _growth(asked: argparse.Namespace, environment: Mapping[str, str]) -> dict[str, Any]:
    return await growth.Growth(environment, asked.rounds, asked.seconds, _progress).measure()


def _accessor(asked: argparse.Namespace) -> int:
    os.sched_setaffinity(0, {machine.SERVING})
    try:
        from . import accessor
    except ImportError as error:
        raise MissingPackages(f"{error}: pip install -e '.[bench]'") from None
    costs = accessor.measure(asked.rounds)
    found = {name: asdict(cost) for name, cost in costs.items()}
    _report(asked, [accessor.table(costs)], found, [])
    return 0


async def _until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run it; after SIGTERM, too, what it started is stopped."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _conditions(asked: argparse.Namespace, servers: Mapping[str, str]) -> list[str]:
    """Under which the figures are what they are."""
    rethinkdb = "the stand-in for RethinkDB" if rethinkdb_is_a_stand_in() else "RethinkDB"
    shared = machine.SERVING == machine.LOADING
    return [
        f"Medians of {asked.rounds} interleaved rounds of {asked.seconds:g} s, and of each round's "
        f"ratio to `{BARE}`; wrk {machine.wrk()} with {CLIENTS} keep-alive connections unless said "
        "otherwise.",
        "One process serves, on a core of its own; wrk and the databases (PostgreSQL "
        f"{servers['PostgreSQL']}, Valkey {servers['Valkey']}, {rethinkdb}) share another."
        if not shared
        else "There is only one core: servers, load and databases share it.",
        "CPU is that of the server's processes, user and system, for each request. The stand-in "
        "costs CPU on the load's core, so in `/three` requests/s tell of it more than of anything.",
    ]


def _report(
    asked: argparse.Namespace, tables: Sequence[Table], found: object, conditions: Sequence[str]
) -> None:
    versions = ", ".join(f"{name} {number}" for name, number in machine.installed().items())
    notes = [
        f"{datetime.now(UTC):%Y-%m-%d}, {machine.description()}.",
        *conditions,
        f"{versions}.",
    ]
    if asked.markdown:
        print("\n\n".join([*(table.markdown() for table in tables), *notes, *_taking_part(tables)]))
    else:
        print("\n\n".join([*(table.plain() for table in tables), "\n".join(notes)]))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")


def _taking_part(tables: Sequence[Table]) -> list[str]:
    """What the contenders in the tables are, as a list in Markdown; none if there are none."""
    named = {row[0] for table in tables for row in table.rows}
    told = [
        f"- `{name}`: {contender.what}. {contender.tuned}."
        for name, contender in CONTENDERS.items()
        if name in named
    ]
    return ["\n".join(told)] if told else []


def _progress(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
