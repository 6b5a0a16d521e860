"""Who takes part: every contender's app, its server, and why it is set up as it is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_CONTENDERS = "tests.benchmarks.contenders"

Serve = Callable[[str, int], list[str]]
"""The arguments after `python -m` that serve an app on a port of 127.0.0.1, in one process."""


class MissingPackages(Exception):
    """A contender cannot run here."""


@dataclass(frozen=True)
class Contender:
    """One way to write and serve the three routes.

    Attributes:
        name: as on the command line and in the results.
        app: the application, `module:name` within this package.
        serve: the server's command line.
        what: what it is, for the table.
        tuned: how it is set up, and by whose documentation.
        packages: what it imports that the extra `test` does not install.
        environment: variables of its own.
    """

    name: str
    app: str
    serve: Serve
    what: str
    tuned: str
    packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, port: int) -> list[str]:
        """The program that serves it on this port.

        Raises:
            MissingPackages: it needs packages that are not installed.
        """
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing:
            raise MissingPackages(
                f"{self.name} needs {', '.join(missing)}: pip install -e '.[bench]'"
            )
        return [sys.executable, "-m", *self.serve(f"{_CONTENDERS}.{self.app}", port)]


def hypercorn(app: str, port: int) -> list[str]:
    """With the service's own settings, so that only the apps differ; uvloop is one of them."""
    settings = ["--config", "config/hypercorn.toml", "--access-logfile", "", "--log-level", "WARN"]
    return ["hypercorn", *settings, "--bind", f"127.0.0.1:{port}", app]


def uvicorn(app: str, port: int) -> list[str]:
    """With the faster of its event loops and parsers."""
    faster = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    return ["uvicorn", *faster, "--log-level", "warning", "--port", str(port), app]


def granian(app: str, port: int) -> list[str]:
    """With one worker and uvloop; the rest as it comes."""
    one = ["--interface", "asgi", "--workers", "1", "--loop", "uvloop", "--no-access-log"]
    return ["granian", *one, "--log-level", "warning", "--port", str(port), app]


def gunicorn(app: str, port: int) -> list[str]:
    """One worker with four threads."""
    threads = ["--workers", "1", "--worker-class", "gthread", "--threads", "4"]
    quiet = ["--log-level", "warning", "--no-control-socket"]
    return ["gunicorn", *threads, *quiet, "--bind", f"127.0.0.1:{port}", app]


_HYPERCORN = "Hypercorn's guide: the worker class uvloop; no access log"
_UVICORN = "uvicorn's guide: uvloop and httptools; no access log"
_POOL = "asyncpg's guide: one pool for the app's life, its defaults (10 connections)"
_FASTAPI = "FastAPI's guide: lifespan state, dependencies with yield, response models (Pydantic)"
_OURS = "this repository's README"

CONTENDERS: Mapping[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender(
            "bare",
            "bare:app",
            hypercorn,
            "an ASGI function and asyncpg's pool, on Hypercorn",
            f"{_POOL}; {_HYPERCORN}",
        ),
        Contender(
            "ours",
            "ours:create_app()",
            hypercorn,
            "Quart with `service.connections`, on Hypercorn",
            f"{_OURS}; {_HYPERCORN}",
        ),
        Contender(
            "quart",
            "by_hand:app",
            hypercorn,
            "Quart with the pool used by hand, on Hypercorn",
            f"Quart's guide: `while_serving`; {_POOL}; {_HYPERCORN}",
        ),
        Contender(
            "per-request",
            "per_request:app",
            hypercorn,
            "Quart with a new connection on `g` for each request, on Hypercorn",
            f"Flask's pattern `if name not in g`, closed at the teardown; {_HYPERCORN}",
        ),
        Contender(
            "eager",
            "eager:app",
            hypercorn,
            "Quart with all connections taken in `before_request`, on Hypercorn",
            f"{_POOL}; {_HYPERCORN}",
        ),
        Contender(
            "quart-db",
            "with_quart_db:app",
            hypercorn,
            "Quart with Quart-DB, on Hypercorn",
            f"Quart-DB's guide: a connection on `g` for each request; {_HYPERCORN}",
            ("quart_db",),
        ),
        Contender(
            "fastapi",
            "with_fastapi:app",
            hypercorn,
            "FastAPI with asyncpg's pool as a dependency, on Hypercorn",
            f"{_FASTAPI}; {_POOL}; {_HYPERCORN}",
            ("fastapi",),
        ),
        Contender(
            "fastapi-uvicorn",
            "with_fastapi:app",
            uvicorn,
            "the same on uvicorn",
            f"{_FASTAPI}; {_POOL}; {_UVICORN}",
            ("fastapi", "uvicorn", "httptools"),
        ),
        Contender(
            "flask-gunicorn",
            "with_flask:app",
            gunicorn,
            "Flask with psycopg's pool, on gunicorn's threads",
            "Flask's guide: gunicorn; gunicorn's guide: gthread, 4 threads for one core; "
            "psycopg's guide: one pool for the app's life (4 connections), autocommit, "
            "the implementation in C",
            ("psycopg_pool", "gunicorn"),
        ),
        Contender(
            "ours-uvicorn",
            "ours:create_app",
            lambda app, port: [*uvicorn(app, port), "--factory"],
            "Quart with `service.connections`, on uvicorn",
            f"{_OURS}; {_UVICORN}",
            ("uvicorn", "httptools"),
        ),
        Contender(
            "ours-granian",
            "ours:create_app",
            lambda app, port: [*granian(app, port), "--factory"],
            "Quart with `service.connections`, on granian",
            f"{_OURS}; granian's guide: one worker, uvloop; no access log",
            ("granian",),
        ),
    )
}
"""In the order of the table; the ratios are to the first."""

BARE = "bare"


def grown(connections: int) -> Contender:
    """`ours`, with this many connections configured, of which its routes use three."""
    return Contender(
        f"ours-{connections}",
        "grown:app",
        hypercorn,
        f"ours with {connections} configured connections",
        f"{_OURS}; {_HYPERCORN}",
        environment={"BENCHMARK_CONNECTIONS": str(connections)},
    )
