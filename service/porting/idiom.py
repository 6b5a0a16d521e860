"""What is known of the connections of a project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import libcst as cst

from . import drivers
from .program import Function, Program
from .queries import Queries
from .singletons import Singleton
from .sites import Read, Site
from .values import External, Instance, Values

POSTGRESQL, REDIS, RETHINKDB = "postgresql", "redis", "rethinkdb"
KINDS = {**dict.fromkeys(drivers.SPEAKING_SQL, POSTGRESQL), "redis": REDIS, "rethinkdb": RETHINKDB}
ALL_ERRORS = frozenset(("builtins.Exception", "builtins.BaseException"))


@dataclass(eq=False)
class Kept:
    """One connection that the project keeps under a name.

    Attributes:
        name: of the attribute of `g`, or of the variable.
        numbers: the connect calls it may come from.
        kind: the backend.
        of_g: whether it is kept on `g`, or in a module.
        aliases: what else it is called, where it is imported by another name.
        refusal: why it is not converted; empty if it is.
    """

    name: str
    numbers: set[int]
    kind: str
    of_g: bool
    aliases: set[str] = field(default_factory=set)
    refusal: str = ""
    refused_at: Site | None = None


@dataclass(eq=False)
class Idiom:
    """What was found of the connection idiom in a project.

    Attributes:
        names: new names of connections, by their old ones.
        kept: every connection, by the name it is kept under.
        openers: functions that return a connection, with the names they may give.
        singletons: those of them that open one connection for all, and what keeps it.
        closers: functions that only close.
        openings: the statements, among others of a function, that open onto `g`, by their call.
        attempts: the same, where it is a `try` that handles the driver's errors.
        involved: calls that are converted or go away, so that they cannot block.
        awaited: calls and reads that are awaited.
        queries: the SQL.
    """

    program: Program
    names: Mapping[str, str]
    kept: dict[str, Kept] = field(default_factory=dict)
    openers: dict[Function, set[str]] = field(default_factory=lambda: defaultdict(set))
    singletons: dict[Function, Singleton] = field(default_factory=dict)
    removed: set[Function] = field(default_factory=set)
    closers: set[Function] = field(default_factory=set)
    openings: dict[cst.CSTNode, cst.SimpleStatementLine] = field(default_factory=dict)
    attempts: dict[cst.CSTNode, cst.Try] = field(default_factory=dict)
    involved: set[cst.CSTNode] = field(default_factory=set)
    awaited: set[cst.CSTNode] = field(default_factory=set)
    reads: dict[cst.CSTNode, Read] = field(default_factory=dict)
    opener_calls: dict[cst.CSTNode, tuple[Site, str]] = field(default_factory=dict)
    queries: Queries | None = None

    def name_of(self, kept: str) -> str:
        """The name in CONNECTIONS of what the project keeps under a name."""
        return self.names.get(kept) or self.names.get(kept.lstrip("_")) or kept.lstrip("_")

    def is_mapped(self, kept: str) -> bool:
        """Whether it has been given a new name."""
        return kept in self.names or kept.lstrip("_") in self.names

    def asks(self, site: Site) -> bool:
        """Whether it is there that a connection is got, or asked for something."""
        return any(site.node in known for known in (self.awaited, self.opener_calls, self.reads))

    def converted(self, number: int | None) -> Kept | None:
        """The connection that this number is of, if it is converted."""
        for kept in self.kept.values():
            if number in kept.numbers and not kept.refusal:
                return kept
        return None


def errors_caught(program: Program, handler: cst.ExceptHandler) -> set[str]:
    """The paths of the errors that a handler is for; empty if they are not known."""
    if handler.type is None:
        return set(ALL_ERRORS)
    _, values = program.handlers[handler]
    return {value.path for value in values if isinstance(value, External)}


def numbers_in(values: Values) -> set[int]:
    """The connections among the values."""
    return {
        number
        for value in values
        if isinstance(value, Instance) and value.kind.partition("@")[0] in CONNECTION_KINDS
        if (number := drivers.number_of(value.kind)) is not None
    }


CONNECTION_KINDS = frozenset(drivers.CONNECTING.values())


def connect_sites(idiom: Idiom) -> list[tuple[int, Site]]:
    return [
        (number, idiom.program.sites[node, "call"])
        for node, number in idiom.program.connects.items()
    ]


def kept_where_read(idiom: Idiom, read: Read) -> Kept | None:
    """The connection that is read there, by whichever name."""
    for kept in idiom.kept.values():
        named = read.name == kept.name or read.name in kept.aliases
        if named and kept.of_g == read.of_g and kept.numbers & read.numbers:
            return kept
    return None


def kept_of(idiom: Idiom, number: int | None) -> Kept | None:
    if number is None:
        return None
    return next((kept for kept in idiom.kept.values() if number in kept.numbers), None)
