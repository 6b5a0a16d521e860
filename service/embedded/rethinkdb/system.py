"""What the server knows of itself: the tables of the database `rethinkdb`, read-only."""

from __future__ import annotations

import os
import platform
import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, Protocol

from .meters import Meter
from .printer import query_text
from .storage import (
    SYSTEM_DATABASE,
    Catalog,
    Database,
    Document,
    Table,
)
from .values import PSEUDOTYPE, sort_key

VERSION: Final = "2.4.4"


class Job:
    """A query that is running, or whose cursor is open."""

    def __init__(self, term: Any) -> None:
        self.started = time.time()
        self._term = term

    @cached_property
    def id(self) -> str:
        return str(uuid.uuid4())

    @property
    def text(self) -> str:
        return query_text(self._term)


class Client(Protocol):
    """A connection that has logged in."""

    address: str
    port: int
    user: str

    def jobs(self) -> Iterator[Job]: ...

    def active(self) -> int:
        """How many of its requests are being worked on or waited for."""
        ...


def _server_name() -> str:
    host = re.sub(r"[^A-Za-z0-9]", "_", platform.node().partition(".")[0]) or "localhost"
    return f"{host}_{secrets.token_hex(2)[:3]}"


@dataclass(eq=False)
class System:
    """One server: its data, its name, who is connected to it."""

    catalog: Catalog
    name: str = field(default_factory=_server_name)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    clients: set[Client] = field(default_factory=set)
    queries: Meter = field(default_factory=Meter)
    started: float = field(default_factory=time.time)
    port: int = 0
    sync: Callable[[], None] = lambda: None

    def table(self, name: str) -> Table | None:
        """A system table as it is now, or None if there is none of this name."""
        rows = _SYSTEM_TABLES.get(name)
        if rows is None:
            return None
        made = Table(Database(SYSTEM_DATABASE, id=""), name, id="", writable=False)
        for row in rows(self):
            made.documents[sort_key(row["id"])] = row
        return made

    def table_config(self, table: Table) -> Document:
        """What `config()` and the creation of a table say about it."""
        shard = {
            "nonvoting_replicas": [],
            "primary_replica": self.name,
            "replicas": [self.name],
        }
        return {
            "db": table.database.name,
            "durability": table.durability,
            "id": table.id,
            "indexes": sorted(table.indexes),
            "name": table.name,
            "primary_key": table.primary_key,
            "shards": [shard],
            "write_acks": "majority",
            "write_hook": None,
        }

    def table_status(self, table: Table) -> Document:
        replica = {"server": self.name, "state": "ready"}
        return {
            "db": table.database.name,
            "id": table.id,
            "name": table.name,
            "raft_leader": self.name,
            "shards": [{"primary_replicas": [self.name], "replicas": [replica]}],
            "status": {
                "all_replicas_ready": True,
                "ready_for_outdated_reads": True,
                "ready_for_reads": True,
                "ready_for_writes": True,
            },
        }


def database_config(database: Database) -> Document:
    return {"id": database.id, "name": database.name}


def _jobs(system: System) -> Iterator[Document]:
    now = time.time()
    for client in system.clients:
        for job in client.jobs():
            yield {
                "id": ["query", job.id],
                "type": "query",
                "duration_sec": max(0.0, now - job.started),
                "servers": [system.name],
                "info": {
                    "client_address": client.address,
                    "client_port": client.port,
                    "query": job.text,
                    "user": client.user,
                },
            }


def _stats(system: System) -> Iterator[Document]:
    tables = list(system.catalog.tables())
    reads = {
        "read_docs_per_sec": sum(table.read.per_second() for table in tables),
        "written_docs_per_sec": sum(table.written.per_second() for table in tables),
    }
    clients = {
        "client_connections": len(system.clients),
        "clients_active": sum(client.active() for client in system.clients),
        "queries_per_sec": system.queries.per_second(),
    }
    totals = {
        "queries_total": system.queries.total,
        "read_docs_total": sum(table.read.total for table in tables),
        "written_docs_total": sum(table.written.total for table in tables),
    }
    yield {"id": ["cluster"], "query_engine": clients | reads}
    yield {
        "id": ["server", system.id],
        "server": system.name,
        "query_engine": clients | reads | totals,
    }
    for table in tables:
        rates = {
            "read_docs_per_sec": table.read.per_second(),
            "written_docs_per_sec": table.written.per_second(),
        }
        about = {"db": table.database.name, "table": table.name}
        yield {"id": ["table", table.id], **about, "query_engine": rates}
        yield {
            "id": ["table_server", table.id, system.id],
            "server": system.name,
            **about,
            "query_engine": rates
            | {"read_docs_total": table.read.total, "written_docs_total": table.written.total},
        }


def _server_config(system: System) -> Iterator[Document]:
    yield {"id": system.id, "name": system.name, "tags": ["default"], "cache_size_mb": "auto"}


def _server_status(system: System) -> Iterator[Document]:
    started = datetime.fromtimestamp(system.started, UTC).timestamp()
    yield {
        "id": system.id,
        "name": system.name,
        "network": {"hostname": platform.node(), "reql_port": system.port},
        "process": {
            "pid": os.getpid(),
            "time_started": {PSEUDOTYPE: "TIME", "epoch_time": started, "timezone": "+00:00"},
            "version": f"rethinkdb {VERSION} (embedded stand-in)",
        },
    }


def _no_rows(system: System) -> Iterable[Document]:
    return ()


_SYSTEM_TABLES: Final[dict[str, Callable[[System], Iterable[Any]]]] = {
    "current_issues": _no_rows,
    "db_config": lambda system: map(database_config, system.catalog.databases.values()),
    "jobs": _jobs,
    "server_config": _server_config,
    "server_status": _server_status,
    "stats": _stats,
    "table_config": lambda system: map(system.table_config, system.catalog.tables()),
    "table_status": lambda system: map(system.table_status, system.catalog.tables()),
}
SYSTEM_TABLES: Final = tuple(_SYSTEM_TABLES)
