"""The command line: ``service dev``, ``serve``, ``embedded``, ``init``, ``check`` and ``port``."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from keyword import iskeyword
from pathlib import Path
from typing import Any

import asyncpg
import click
from quart import Quart
from redis.exceptions import RedisError
from rethinkdb.errors import ReqlError

from service import serve
from service.connections import Check, Connections, ConnectionsError, ConnectionUnavailable
from service.connections.redaction import told
from service.embedded import foreground
from service.embedded.errors import StartupError
from service.embedded.servers import START

_OPERATIONAL = (
    ConnectionsError,
    StartupError,
    OSError,
    asyncpg.PostgresError,
    ReqlError,
    RedisError,
)


class Commands(click.Group):
    """Commands whose operational errors are a message and exit status 1, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click's affair: whoever reads the output has seen enough
        except _OPERATIONAL as error:
            raise click.ClickException(_message(error)) from error


def _message(error: Exception) -> str:
    lost = isinstance(error, ConnectionUnavailable) and error.__cause__
    return f"{error} ({told(lost)})" if lost else str(error)


def _app() -> Quart:
    """The service. `port` does without: where it is run there may be another module `config`."""
    from service.app import create_app

    return create_app()


def _tell_errors_once() -> None:
    """What the layer logs about a connection, `init` and `check` say themselves."""
    logging.getLogger("service.connections").addHandler(logging.NullHandler())


@click.group(cls=Commands)
def main() -> None:
    """A game's JSON service on PostgreSQL, RethinkDB and Redis."""


_data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the data here; without it, it is gone at the end.",
)


@main.command("dev")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to serve on; 0: any free one.",
)
@_data
@click.option("--postgresql", metavar="URL", envvar="POSTGRESQL_URL", help="Start none, use this.")
@click.option("--rethinkdb", metavar="URL", envvar="RETHINKDB_URL", help="Start none, use this.")
@click.option("--redis", metavar="URL", envvar="REDIS_URL", help="Start none, use this.")
def dev_command(host: str, port: int, data: Path | None, **urls: str | None) -> None:
    """Start local servers, fill them with a few players, and serve.

    The URLs of servers that are there already can also come from POSTGRESQL_URL, RETHINKDB_URL and
    REDIS_URL, or from SERVICE_CONNECTIONS__a, __b and __client.
    """
    from service import dev

    given = {name: url for name, url in urls.items() if url}
    dev.run(host, port, data, given, click.echo)


@main.command("serve")
@click.option(
    "--bind",
    metavar="HOST:PORT",
    multiple=True,
    help="Address to serve on, more than once if need be; without it, 127.0.0.1:8000, or PORT of"
    " the environment on all addresses.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    envvar="WEB_CONCURRENCY",
    help="Processes; WEB_CONCURRENCY of the environment counts, too.",
)
@click.argument("application", default=serve.APPLICATION)
def serve_command(bind: tuple[str, ...], workers: int, application: str) -> None:
    """Serve APPLICATION, the service itself if none is given, with config/hypercorn.toml."""
    port = os.environ.get("PORT")
    default = f"0.0.0.0:{port}" if port else "127.0.0.1:8000"
    serve.run(application, bind or (default,), workers, partial(click.echo, err=True))


@main.command()
@click.argument("name", type=click.Choice(list(START)))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to listen on; without it, any free one.",
)
@_data
def embedded(name: str, port: int | None, data: Path | None) -> None:
    """Run one local server in the foreground and print its URL."""
    foreground.run(name, port, data, click.echo)


@main.command()
def init() -> None:
    """Create what is missing of tables and indexes in the configured databases."""
    asyncio.run(_init())
    click.echo("tables and indexes are there")


async def _init() -> None:
    from service.api import schema

    _tell_errors_once()
    app = _app()
    try:
        async with app.app_context():
            await schema.create()
    finally:
        await app.extensions["connections"].close()


@main.command()
@click.option("--timeout", default=2.0, show_default=True, help="Seconds to wait for answers.")
@click.pass_context
def check(ctx: click.Context, timeout: float) -> None:
    """Ask every configured connection for a sign of life; exit status 1 if one gives none."""
    checks = asyncio.run(_checks(timeout))
    width = max(len(name) for name in ("connection", *checks))
    click.echo(f"{'connection':<{width}}  {'state':<6}  {'ms':>7}")
    for name, result in checks.items():
        state = "ok" if result.ok else "failed"
        problem = " ".join((result.error or "").split())
        row = f"{name:<{width}}  {state:<6}  {result.seconds * 1000:>7.1f}  {problem}"
        click.echo(row.rstrip())
    ctx.exit(0 if all(result.ok for result in checks.values()) else 1)


async def _checks(seconds: float) -> dict[str, Check]:
    _tell_errors_once()
    connections: Connections = _app().extensions["connections"]
    try:
        return await connections.check(seconds)
    finally:
        await connections.close()


@main.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--write", is_flag=True, help="Write the files; without it, show what would change.")
@click.option(
    "--map",
    "names",
    metavar="OLD=NEW",
    multiple=True,
    help="Call the connection OLD of the Flask app NEW in CONNECTIONS; more than once if need be.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and no diff.")
@click.pass_context
def port(
    ctx: click.Context, path: Path, write: bool, names: tuple[str, ...], as_json: bool
) -> None:
    """Rewrite the Flask project at PATH, its tests included, for Quart and get_db.

    Without --write it changes nothing, and exits with 1 if there is anything to do. 2 says that
    it could not be done; nothing is changed then.
    """
    try:
        from service.porting import command
    except ImportError as error:
        missing = f"service port needs {error.name}: pip install 'service[port]'"
        raise NotPorted(missing) from error
    try:
        status = command.run(path, _mapped(names), write, as_json, click.echo)
    except command.NotAProject as error:
        raise NotPorted(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NotPorted(f"nothing was changed: {error.filename}: {error.strerror}") from error
    except RecursionError as error:
        raise NotPorted("nothing was changed: an expression here is nested too deeply") from error
    ctx.exit(status)


class NotPorted(click.ClickException):
    """Nothing was done; a status of 1 says that there is something to do."""

    exit_code = 2


def _mapped(names: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        old, _, new = name.partition("=")
        if not old or not new:
            raise click.BadParameter(f"{name!r}: write OLD=NEW, as in db=a", param_hint="--map")
        if not new.isidentifier() or iskeyword(new):
            raise click.BadParameter(
                f"{new!r} cannot be a connection's name; allowed: a Python identifier",
                param_hint="--map",
            )
        if old in found:
            raise click.BadParameter(f"{old!r} twice: which is meant?", param_hint="--map")
        if new in found.values():
            raise click.BadParameter(f"{new!r} twice: each needs its own name", param_hint="--map")
        found[old] = new
    return found
