"""What an expression may stand for, as far as reading the project tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libcst import CSTNode

    from .program import Class, Function, Module


@dataclass(frozen=True, slots=True)
class External:
    """Something by its dotted path that is not of the project: a module, function, class, method.

    Attributes:
        path: as Flask names it, for what Flask and Quart both have.
    """

    path: str


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class that is not of the project.

    Attributes:
        kind: the path of its class; `library.?` for an object of an unknown class of a library.
    """

    kind: str


@dataclass(frozen=True, slots=True)
class Routine:
    """A function of the project; with `bound`, its first argument is given already."""

    function: Function
    bound: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    """A class of the project."""

    of: Class


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a class of the project."""

    of: Class


@dataclass(frozen=True, slots=True)
class Super:
    """`super()` in a class of the project."""

    of: Class


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A module of the project."""

    module: Module


@dataclass(frozen=True, slots=True)
class Generated:
    """What calling a generator function of the project returns."""

    function: Function


@dataclass(frozen=True, slots=True)
class Proxied:
    """A proxy, as Werkzeug's: using it calls a function of the project."""

    function: Function


@dataclass(frozen=True, slots=True)
class Many:
    """A container, or anything else one iterates over."""

    items: Values


@dataclass(frozen=True, slots=True)
class Row:
    """A tuple whose places are known one by one."""

    places: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A string that is written out in the source."""

    text: str


@dataclass(frozen=True, slots=True)
class Getter:
    """A function that reads attributes of what it is given, or calls a method of it.

    Attributes:
        names: of each attribute, what it may be; nothing if that is not written out.
        made: the call that makes it.
        is_read: whether it is a property, so that reading an attribute calls it.
    """

    names: tuple[Values, ...]
    made: CSTNode
    is_read: bool = False


Value = (
    External
    | Instance
    | Routine
    | Type
    | Object
    | Super
    | ModuleValue
    | Generated
    | Getter
    | Proxied
    | Many
    | Row
    | Text
)
Values = frozenset[Value]
Arguments = list[tuple[str, Values]]
"""What a call passes: how, or by which name, and what that may be."""

NOTHING: Values = frozenset()


def one(value: Value) -> Values:
    """The values of an expression that can only be this."""
    return frozenset((value,))


def something_of(kind: str) -> Instance:
    """An object of an unknown class, of the library that this path is of."""
    return Instance(f"{kind.partition('.')[0]}.?")


DATA: Values = frozenset((Instance("builtins.?"),))
"""Numbers, strings and the like: nothing that could wait."""

OTHERS = "json.?"
"""The class of what encoders are asked about, and is not of the project."""

BYTEARRAY = Instance("builtins.bytearray")


_ROWS = {
    "asyncpg.Record",
    "psycopg2.extras.DictRow",
    "psycopg2.extras.RealDictRow",
    "pyodbc.Row",
    "sqlite3.Row",
}
"""The classes of rows that drivers fetch."""


_INNER = 3
"""How deep that may be which a container holds."""


def instance_of(kind: Value) -> Value | None:
    """An object of this class, if it is one; a row is data that has been fetched."""
    if isinstance(kind, Type):
        return Object(kind.of)
    if isinstance(kind, External) and kind.path in _ROWS:
        return Instance("builtins.?")
    return something_of(kind.path) if isinstance(kind, External) else None


def items(values: Values) -> Values:
    """What iterating over the values gives."""
    found: set[Value] = set()
    for value in values:
        if isinstance(value, Many):
            found |= value.items
        elif isinstance(value, Row):
            for place in value.places:
                found |= place
        elif isinstance(value, Object) and value.of.is_tuple():
            for name in value.of.fields():
                found |= value.of.attribute(name)
        elif isinstance(value, Generated):
            found |= value.function.yields
        elif isinstance(value, Instance):
            found |= DATA if "@" in value.kind else one(something_of(value.kind))
        elif isinstance(value, External) and "@" not in value.path:
            found.add(something_of(value.path))
        elif isinstance(value, Text):
            found |= DATA
    return frozenset(found)


def place(value: Value, number: int) -> Values | None:
    """What is at one place of a value whose places are known; None if they are not."""
    if isinstance(value, Row):
        return value.places[number] if number < len(value.places) else NOTHING
    if isinstance(value, Object) and value.of.is_tuple():
        names = value.of.fields()
        return value.of.attribute(names[number]) if number < len(names) else NOTHING
    return None


def many(values: Values) -> Values:
    """A container of these, only so many levels deep, so that no value grows without end."""
    shallow = {
        Many(_leaves(value)) if isinstance(value, Many | Row) and _depth(value) > _INNER else value
        for value in values
        if not isinstance(value, Text) or len(values) < 40
    }
    return one(Many(merged(frozenset(shallow))))


def merged(values: Values) -> Values:
    """The same with one container for all, so that what grows in a loop stays small."""
    containers = [value for value in values if isinstance(value, Many)]
    rows: dict[int, list[Row]] = {}
    for value in values:
        if isinstance(value, Row):
            rows.setdefault(len(value.places), []).append(value)
    if len(containers) < 2 and all(len(same) < 2 for same in rows.values()):
        return values
    found: set[Value] = {value for value in values if not isinstance(value, Many | Row)}
    if containers:
        found.add(Many(merged(NOTHING.union(*(each.items for each in containers)))))
    for same in rows.values():
        places = zip(*(row.places for row in same), strict=True)
        found.add(Row(tuple(merged(NOTHING.union(*place)) for place in places)))
    return frozenset(found)


def _depth(value: Value) -> int:
    """How many containers are within each other in a value."""
    if not isinstance(value, Many | Row):
        return 0
    return 1 + max(map(_depth, items(one(value))), default=0)


def _leaves(value: Value) -> Values:
    """What is in a container, and in those within, that is none itself."""
    if not isinstance(value, Many | Row):
        return one(value)
    return NOTHING.union(*map(_leaves, items(one(value))))


def routines(values: Values) -> set[Function]:
    """The project's functions among the values, those in containers included."""
    found = {value.function for value in values if isinstance(value, Routine)}
    for value in values:
        if isinstance(value, Many | Row):
            found |= routines(items(one(value)))
    return found


def ordered(values: Values) -> list[Value]:
    """The values in an order that is the same every time."""
    return sorted(values, key=_place) if len(values) > 1 else list(values)


def _place(value: Value) -> tuple[str, str]:
    for name in ("path", "kind", "text"):
        text = getattr(value, name, None)
        if text is not None:
            return type(value).__name__, text
    of = getattr(value, "function", None) or getattr(value, "of", None)
    return type(value).__name__, f"{of.module.name}.{of.name}" if of is not None else ""
