"""`python -m service.embedded.rethinkdb`: the stand-in alone, in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .journal import DataDirectoryError
from .server import HOST, StandIn


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m service.embedded.rethinkdb",
        description=f"Run a stand-in for RethinkDB on {HOST}, until SIGTERM or SIGINT.",
    )
    parser.add_argument("--port", type=int, default=0, help="0, the default, is any free port")
    parser.add_argument("--data", type=Path, help="a directory to keep the data in")
    parser.add_argument(
        "--password-file", type=Path, help="a file with the password of the user `admin`"
    )
    return parser.parse_args()


async def _serve(port: int, data: Path | None, password: str) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    async with StandIn(port, data, password=password) as server:
        print(server.url, flush=True)
        await stopped.wait()


def main() -> int:
    """Run until a signal; 1 with one line on standard error if it cannot start."""
    arguments = _arguments()
    try:
        password = ""
        if arguments.password_file is not None:
            password = arguments.password_file.read_text().rstrip("\r\n")
        asyncio.run(_serve(arguments.port, arguments.data, password))
    except DataDirectoryError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, OverflowError) as error:
        print(f"cannot listen on {HOST}:{arguments.port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
