"""The places of a project that the passes ask for: calls, reads of connections, doubles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from .values import NOTHING, Values

if TYPE_CHECKING:
    from .program import Block, Function, Module


@dataclass(eq=False)
class Site:
    """A place where something is called, read, entered or iterated over.

    Attributes:
        node: the expression, or the `with` item or `for` loop.
        where: the function or module it is in.
        role: `call`, `attribute`, `with`, `for`, or `implicit` where Python itself calls.
        functions: what of the project it may call.
        paths: what it may call or read from outside the project.
        escaping: functions of the project that are handed to something unknown.
        through_parameter: whether what is called is an argument of a function, as in a decorator.
        unresolved: whether it was met with nothing known of what is called.
        numbers: the connections that a query is run on.
        gathers: the class of what a built-in function goes through here.
        gathered: which of its arguments that is.
        asked: the names of methods that something unknown is asked for by a function of `operator`.
        first: what makes a test client, or the context of a request, is given first.
        perhaps: functions of the project that it may call as well, for all that their name tells.
        either: whether it is by a name that may be of what is awaited, and of what is not.
    """

    node: cst.CSTNode
    where: Function | Module
    role: str
    functions: set[Function] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    escaping: set[Function] = field(default_factory=set)
    through_parameter: bool = False
    unresolved: bool = False
    numbers: set[int] = field(default_factory=set)
    gathers: str = ""
    gathered: int = 0
    asked: set[str] = field(default_factory=set)
    first: Values = NOTHING
    perhaps: set[Function] = field(default_factory=set)
    either: bool = False
    block: Block | None = None


@dataclass(frozen=True)
class Read:
    """A place where a connection is read from where it is kept.

    Attributes:
        name: of the attribute of `g`, or the variable.
        numbers: the connections it may be.
        of_g: whether it is kept on `g`.
    """

    name: str
    where: Function | Module
    block: Block | None
    numbers: frozenset[int]
    of_g: bool


@dataclass(frozen=True)
class Double:
    """A double that a test puts in the place of something else.

    Attributes:
        site: the call that does it.
        of: what it is a member of that is replaced.
        target: what is replaced.
        node: what takes its place, as written; None if the library makes it up.
        given: what that may stand for.
        called: functions that the double calls, as written, and what they may stand for.
    """

    site: Site
    of: Values
    target: Values
    node: cst.BaseExpression | None = None
    given: Values = NOTHING
    called: tuple[tuple[cst.BaseExpression, Values], ...] = ()


@dataclass(frozen=True)
class Shown:
    """What templates are given at some place.

    Attributes:
        values: it, or what it may be.
        called: the methods of it that they may call.
    """

    where: Function | Module
    values: Values
    called: set[Function]
