"""What psycopg adapts for SQL, and asyncpg takes in another way: JSON, and wrapped data."""

from __future__ import annotations

import re

import libcst as cst

from .program import Program
from .sql import NotLiteral
from .values import NOTHING, Instance, Values, items

_AS_JSON = frozenset(
    map(Instance, ("psycopg.types.json.Json", "psycopg.types.json.Jsonb", "psycopg2.extras.Json"))
)
_WRAPPING = _AS_JSON.union(
    map(Instance, ("psycopg.Binary", "psycopg2.Binary", "psycopg2.extensions.Binary"))
)
"""Classes that say how to send what they wrap."""
_MAKING_DATA = re.compile(
    r"psycopg2?\.(sql|rows|conninfo)\..*"
    r"|psycopg\.types\.(json|range|multirange)\..*"
    r"|psycopg2?\.(extensions\.)?"
    r"(Binary|Date|Time|Timestamp|AsIs|adapt|register_adapter|register_type|new_type)"
    r"|psycopg2\.extras\.(Json|register_uuid|Date(Time)?(TZ)?Range|NumericRange)"
)
"""What of psycopg makes data, or says how it is sent, without asking a database."""
_WRITTEN = (cst.Tuple, cst.List, cst.Dict)


def makes_data(path: str) -> bool:
    """Whether calling this of psycopg waits for nothing."""
    return _MAKING_DATA.fullmatch(path) is not None


class Wrapped:
    """What one `execute` is given wrapped, written where it is given.

    Attributes:
        as_json: the wrappers that make JSON.
        bare: those that only say of which type a value is.

    Raises:
        NotLiteral: a wrapper is made elsewhere.
    """

    def __init__(
        self, program: Program, execute: cst.Call, given: cst.BaseExpression | None
    ) -> None:
        self.as_json: list[cst.Call] = []
        self.bare: list[cst.Call] = []
        found: Values = NOTHING
        for element in given.elements if isinstance(given, _WRITTEN) else ():
            part = element.value
            site = program.sites.get((part, "call"))
            made = _WRAPPING & frozenset(map(Instance, site.paths if site is not None else ()))
            if (
                isinstance(part, cst.Call)
                and len(part.args) == 1
                and not part.args[0].star
                and made
            ):
                found |= made
                (self.as_json if made & _AS_JSON else self.bare).append(part)
        for wrapper in (_WRAPPING & items(program.adapted.get(execute, NOTHING))) - found:
            raise NotLiteral(f"asyncpg does not take {wrapper.kind}")
