"""SQL that is written out in the source: placeholders of psycopg and sqlite3 become asyncpg's."""

from __future__ import annotations

import re

import libcst as cst
import libcst.matchers as m

from .sql_words import READING_ALONE

_PLACEHOLDER = re.compile(r"%s|%%|%\((\w+)\)s|%b|%t")
_QUESTION = re.compile(r"'(?:[^']|'')*'|\?")
_PERCENT = re.compile(r"%s|%\(")
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_IN_TUPLE = re.compile(r"\bIN\s+%(?:s|\(\w+\)s)", re.IGNORECASE)
_OF_NO_TYPE = re.compile(
    r"(?:%s|%\(\w+\)s|\?)\s+IS\s+(?:NOT\s+)?NULL\b"
    r"|[^-+*/\s]\s*(?:%s|%\(\w+\)s|\?)\s*(?:[-+*/]|%%)\s*(?:%s|%\(\w+\)s|\?)(?!::)"
    r"|\b(?:concat|jsonb?_build_(?:array|object))\s*\("
    r"(?:[^()]|\([^()]*\))*?(?:%s|%\(\w+\)s|\?)(?!::)",
    re.IGNORECASE,
)
"""Placeholders that may be anything, which psycopg2 and sqlite3 do not mind."""
_TYPED = re.compile(
    r"\b(?:INTERVAL|DATE|TIME|TIMESTAMP|TIMESTAMPTZ)\s+%(?:s|\(\w+\)s)", re.IGNORECASE
)
"""Literals of a type, as which psycopg2 writes arguments into the statement."""
_IN_ORDER = re.compile(
    r"\b(?:GROUP|ORDER)\s+BY\b"
    r"(?:(?!\b(?:FETCH|FOR|HAVING|LIMIT|OFFSET|RANGE|RETURNING|ROWS|UNION|WHERE|WINDOW)\b)[^;])*?"
    r"(?:%s|%\(\w+\)s|\?)",
    re.IGNORECASE,
)
_TAKING = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*"
    r"(?:DELETE|EXPLAIN|INSERT|MERGE|SELECT|TABLE|UPDATE|VALUES|WITH)\b",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = re.compile(r";\s*\S")
_LOCKING = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+|KEY\s+)?(?:UPDATE|SHARE)\b", re.IGNORECASE)
_CHANGING = re.compile(
    r"\b(?:lo_\w+|pg_notify|pg_(?:try_)?advisory_xact_lock(?:_shared)?|set_config)\s*\(",
    re.IGNORECASE,
)
"""Functions whose effect is a transaction's."""
_READING = re.compile(r"\s*(?:SELECT|VALUES|SHOW|TABLE|EXPLAIN)\b", re.IGNORECASE)

_CALLED = re.compile(r"(?<![\w.])(?:\w+\s*\.\s*)?(\w+)\s*\(")
_COUNTING = re.compile(r"\s*(?:INSERT|UPDATE|DELETE)\b", re.IGNORECASE)


class NotLiteral(Exception):
    """The statement, or its arguments, cannot be rewritten; the text says why."""


class Statement:
    """One statement with asyncpg's placeholders.

    Attributes:
        node: the string, rewritten.
        arguments: what to pass after it.
        is_several: whether it is more than one.
        writes: whether it may change something.
        counts: whether asyncpg says how many rows it was about.
        locks: whether what it does lasts as long as its transaction, whatever comes after it.
    """

    def __init__(self, sql: cst.BaseExpression, given: cst.BaseExpression | None) -> None:
        self._names: list[str] = []
        self._once = _to_be_called_once(given)
        self._count = 0
        text = _text(sql)
        self._question = "?" in _QUESTION.sub(_question_or_text, text) and not _PERCENT.search(text)
        self._has_arguments = given is not None
        self._check(text)
        self.node = self._rewritten(sql)
        self.is_several = bool(_SEVERAL.search(_QUOTED.sub("", text)))
        self.counts = bool(_COUNTING.match(text))
        self.locks = bool(_LOCKING.search(text) or _CHANGING.search(text))
        self.writes = self.locks or not _READING.match(text) or _calls_its_own(text)
        self.arguments = self._arguments(given)

    def _check(self, text: str) -> None:
        if _IN_TUPLE.search(text):
            raise NotLiteral("IN takes a tuple, which asyncpg does not: write = ANY(...)")
        if self._has_arguments and _OF_NO_TYPE.search(text):
            raise NotLiteral("nothing says of which type a placeholder is: write %s::text, or so")
        if self._has_arguments and not _TAKING.match(text):
            raise NotLiteral(
                "PostgreSQL takes no arguments for such a statement: write them into it"
            )
        if self._has_arguments and (_IN_ORDER.search(text) or _TYPED.search(text)):
            raise NotLiteral("an argument is taken for a value there, not for what stands there")
        quoted = "" if self._question else " ".join(_QUOTED.findall(text))
        if self._has_arguments and _PERCENT.search(quoted):
            raise NotLiteral("it has a placeholder within quotes")

    def _rewritten(self, node: cst.BaseExpression) -> cst.BaseExpression:
        if isinstance(node, cst.ConcatenatedString):
            return node.with_changes(
                left=self._rewritten(node.left), right=self._rewritten(node.right)
            )
        if not isinstance(node, cst.SimpleString):
            raise NotLiteral("its SQL is not written out")
        if not self._has_arguments:
            return node
        pattern = _QUESTION if self._question else _PLACEHOLDER
        start, end = len(node.prefix) + len(node.quote), -len(node.quote)
        if self._question and node.quote == "'" and "\\'" in node.value:
            raise NotLiteral("its quotes are escaped")
        inner = pattern.sub(self._placeholder, node.value[start:end])
        return node.with_changes(value=node.value[:start] + inner + node.value[end:])

    def _placeholder(self, match: re.Match[str]) -> str:
        found = match[0]
        if found == "%%":
            return "%"
        if found.startswith("'"):
            return found
        if found in {"%b", "%t"}:
            raise NotLiteral("its placeholders are not %s")
        name = match[1] if not self._question else None
        if name:
            # psycopg2 writes it twice, each time of the type that it has there
            if name not in self._names or name not in self._once:
                self._names.append(name)
                return f"${len(self._names)}"
            return f"${self._names.index(name) + 1}"
        self._count += 1
        return f"${self._count}"

    def _arguments(self, given: cst.BaseExpression | None) -> list[cst.Arg]:
        if given is None:
            return []
        if self._names:
            return self._by_name(given)
        if isinstance(given, cst.Tuple | cst.List):
            if len(given.elements) != self._count:
                raise NotLiteral("its placeholders and arguments differ in number")
            return [
                cst.Arg(element.value.with_changes(), star="*")
                if isinstance(element, cst.StarredElement)
                else cst.Arg(element.value)
                for element in given.elements
            ]
        return [cst.Arg(given, star="*")]

    def _by_name(self, given: cst.BaseExpression) -> list[cst.Arg]:
        if not isinstance(given, cst.Dict):
            index = [
                cst.SubscriptElement(cst.Index(cst.SimpleString(f'"{n}"'))) for n in self._names
            ]
            if not isinstance(given, cst.Name):
                raise NotLiteral("its named arguments are not written out")
            return [cst.Arg(cst.Subscript(given, [element])) for element in index]
        found: dict[str, cst.BaseExpression] = {}
        for element in given.elements:
            if not isinstance(element, cst.DictElement):
                raise NotLiteral("its named arguments are not written out")
            if isinstance(element.key, cst.SimpleString):
                found[str(element.key.evaluated_value)] = element.value
        missing = [name for name in self._names if name not in found]
        if missing:
            raise NotLiteral(f"its argument {missing[0]!r} is not written out")
        return [cst.Arg(found[name]) for name in self._names]


def _calls_its_own(text: str) -> bool:
    """Whether it calls a function that may be the project's own, and write something."""
    called = (name.lower() for name in _CALLED.findall(_QUOTED.sub("", text)))
    return any(not name.startswith("pg_") and name not in READING_ALONE for name in called)


def _to_be_called_once(given: cst.BaseExpression | None) -> set[str]:
    """The names of arguments that are calls, or have one in them."""
    elements = given.elements if isinstance(given, cst.Dict) else ()
    return {
        str(each.key.evaluated_value)
        for each in elements
        if isinstance(each, cst.DictElement) and isinstance(each.key, cst.SimpleString)
        if m.findall(each.value, m.Call() | m.Await() | m.NamedExpr())
    }


def _text(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        value = node.evaluated_value
        if isinstance(value, str):
            return value
    raise NotLiteral("its SQL is not written out")


def _question_or_text(match: re.Match[str]) -> str:
    return "" if match[0].startswith("'") else match[0]
