"""The load: wrk, for so many seconds, from so many clients that each wait for their answer."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import signal
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

_REPORT = Path(__file__).with_name("report.lua")


class LoadFailed(Exception):
    """There is no load, or not every request was answered as it should be."""


class NothingAnswered(LoadFailed):
    """No request was answered in this time, and none has failed."""


@dataclass(frozen=True)
class Load:
    """What one run of wrk found.

    Attributes:
        requests: how many were answered.
        seconds: how long it took.
        p50_ms, p99_ms: latency in milliseconds.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float


def required_wrk() -> str:
    """Where wrk is.

    Raises:
        LoadFailed: nowhere.
    """
    program = shutil.which("wrk")
    if program is None:
        raise LoadFailed("wrk is not installed; Debian and Ubuntu have it: apt-get install wrk")
    return program


async def load(url: str, clients: int, seconds: float) -> Load:
    """Ask for a URL all the time.

    Raises:
        LoadFailed: wrk is not there; or a request failed.
        NothingAnswered: it takes longer than that.
    """
    process = await asyncio.create_subprocess_exec(
        required_wrk(),
        *("-t", "1", "-c", str(clients), "-d", f"{math.ceil(seconds)}s", "--timeout", "10s"),
        *("-s", str(_REPORT), url),
        stdout=PIPE,
        stderr=PIPE,
    )
    # wrk counts in whole seconds; after SIGINT it reports, too.
    stop = asyncio.get_running_loop().call_later(seconds, process.send_signal, signal.SIGINT)
    if seconds == math.ceil(seconds):
        stop.cancel()
    try:
        output, errors = await process.communicate()
    finally:
        stop.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    last = output.decode().splitlines()[-1:]
    if process.returncode != 0 or not last:
        raise LoadFailed(f"wrk {url}: {errors.decode().strip() or output.decode().strip()}")
    found = json.loads(last[0])
    failed = {kind: count for kind, count in found["errors"].items() if count}
    if failed:
        told = ", ".join(f"{count} {kind} errors" for kind, count in failed.items())
        raise LoadFailed(f"wrk {url}: {told}")
    if not found["requests"]:
        raise NothingAnswered(f"wrk {url}: no request was answered")
    return Load(
        requests=found["requests"],
        seconds=found["duration"] / 1e6,
        p50_ms=found["p50"] / 1e3,
        p99_ms=found["p99"] / 1e3,
    )
