"""What psycopg adapts for SQL, and asyncpg takes in another way: JSON, and wrapped data."""

from __future__ import annotations

import re

import libcst as cst
import libcst.matchers as m

from .flask_types import RETURNED
from .nodes import text_of
from .program import Program
from .values import NOTHING, Instance, Row, Values, items

JSON_TEXT = Instance("json.text")
"""What `json.dumps` returns."""
_WRAPPING = frozenset(
    Instance(path)
    for path in (
        "psycopg.Binary",
        "psycopg.types.json.Json",
        "psycopg.types.json.Jsonb",
        "psycopg2.Binary",
        "psycopg2.extensions.Binary",
        "psycopg2.extras.Json",
    )
)
"""Classes that say how to send what they wrap, which asyncpg sends as the column wants it."""
_MAKING_DATA = re.compile(
    r"psycopg2?\.(sql|rows|conninfo)\..*"
    r"|psycopg\.types\.(json|range|multirange)\..*"
    r"|psycopg2?\.(extensions\.)?"
    r"(Binary|Date|Time|Timestamp|AsIs|adapt|register_adapter|register_type|new_type)"
    r"|psycopg2\.extras\.(Json|register_uuid|Date(Time)?(TZ)?Range|NumericRange)"
)
"""What of psycopg makes data, or says how it is sent, without asking a database."""
_OF_PYDANTIC = m.Call(func=m.Attribute(attr=m.Name("model_dump_json")))
_WRITTEN = (cst.Tuple, cst.List, cst.Dict)
TWICE = "asyncpg would make JSON of json.dumps once more: say what it is for, %s::jsonb or %s::text"


def makes_data(path: str) -> bool:
    """Whether calling this of psycopg waits for nothing."""
    return _MAKING_DATA.fullmatch(path) is not None


class Adapted:
    """What one `execute` is given.

    Attributes:
        given: its arguments, unwrapped.
        unfit: why asyncpg does not take them; empty if it does.
    """

    def __init__(
        self, program: Program, execute: cst.Call, given: cst.BaseExpression | None
    ) -> None:
        self._program = program
        values = program.adapted.get(execute, NOTHING)
        elements = given.elements if isinstance(given, _WRITTEN) else ()
        parts = [each.value for each in elements]
        self._texts = {
            part for number, part in enumerate(parts) if self._makes_json(part, values, number)
        }
        unwrapped = {part: inner for part in parts if (inner := self._within(part)) is not None}
        self.given = given
        if given is not None and unwrapped:
            plain = [
                each.with_changes(value=unwrapped.get(each.value, each.value)) for each in elements
            ]
            self.given = given.with_changes(elements=plain)
        self.unfit = ""
        if JSON_TEXT in items(values) and not self._texts:
            self.unfit = TWICE
        for wrapper in _WRAPPING & items(values):
            if not any(wrapper in self._made(part) for part in unwrapped):
                self.unfit = f"asyncpg does not take {wrapper.kind}"

    def is_json(self, place: int | str) -> bool:
        """Whether one of the arguments, by its place or its name, is the text of JSON."""
        elements = self.given.elements if isinstance(self.given, _WRITTEN) else ()
        return any(
            each.value in self._texts
            for number, each in enumerate(elements)
            if place == (text_of(each.key) if isinstance(each, cst.DictElement) else number)
        )

    def _makes_json(self, part: cst.CSTNode, values: Values, number: int) -> bool:
        rows = [value.places for value in values if isinstance(value, Row)]
        if any(number < len(places) and JSON_TEXT in places[number] for places in rows):
            return True
        made = JSON_TEXT in items(values) and JSON_TEXT in self._made(part)
        return made or m.matches(part, _OF_PYDANTIC)

    def _made(self, part: cst.CSTNode) -> Values:
        """What a call makes, as its name says."""
        site = self._program.sites.get((part, "call"))
        paths = site.paths if site is not None else ()
        return frozenset(Instance(RETURNED.get(path, path)) for path in paths)

    def _within(self, part: cst.BaseExpression) -> cst.BaseExpression | None:
        """What is wrapped there, and in nothing more than that."""
        if not isinstance(part, cst.Call) or self._made(part).isdisjoint(_WRAPPING):
            return None
        plain = len(part.args) == 1 and not part.args[0].star
        return part.args[0].value if plain else None
