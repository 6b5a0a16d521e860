"""Whether a piece of SQL may leave something behind in its PostgreSQL session.

It errs on one side: what is not known to be harmless counts as a change. What SQL does not show,
it cannot see: a function, trigger or rule on the server that calls `set_config`, say, nor SQL in a
parameter that such a function runs, nor what the sequence of an INSERT does to `lastval()`.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache


class Trace(IntEnum):
    """What may be left behind."""

    NONE = 0
    SESSION = 1
    """Settings, roles, locks, listens, temporary tables, cursors."""
    STATEMENTS = 2
    """Also prepared statements, whose names asyncpg does not know."""
    CONNECTION = 3
    """What only the end of the connection takes away: a loaded library, the seed of `random()`."""


# PostgreSQL's comments nest; one that does is not skipped, and so not found harmless.
_SKIPPED = re.compile(r"(?:\s|\(|--[^\r\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)*")
_WORD = re.compile(r"[a-z]+")
_HARMLESS = frozenset(
    [
        "select",
        "insert",
        "update",
        "delete",
        "merge",
        "with",
        "values",
        "table",
        "explain",
        "copy",
        "begin",
        "start",
        "commit",
        "end",
        "rollback",
        "abort",
        "savepoint",
        "release",
    ]
)
# Anywhere in the text, literals, names and comments included: a false alarm costs a round trip,
# for what follows below a connection.
_SUSPECT = re.compile(
    r"""set_config|pg_settings|(?:next|set|last|curr)val|set_limit|advisory|"""
    r"""ts_stat|ts_rewrite|_to_xml|crosstab|connectby|xpath_table|"""
    r"""setseed|dblink|replication_slot\b|origin_session|backup_start|start_backup|"""
    r"""\btemp(?:orary)?\b|pg_temp|\binto\b|u&["']|;(?!\s*$)"""
)
_TABLE_INTO = re.compile(r"\b(?:insert|merge)\s+into\b")
_SETS_STATEMENTS = re.compile(r"\b(?:prepare|deallocate|do|call|execute|discard)\b")
_SETS_CONNECTION = re.compile(
    r"""\bload\b|\bseed\b|setseed|dblink|replication_slot\b|origin_session|"""
    r"""backup_start|start_backup|u&["]"""
)


@lru_cache(maxsize=2048)
def trace_of(query: str) -> Trace:
    """What this SQL, one or several statements, may leave behind in the session."""
    text = query.lower()
    skipped = _SKIPPED.match(text)
    word = _WORD.match(text, skipped.end() if skipped else 0)
    if word is not None and word[0] in _HARMLESS and not _SUSPECT.search(_TABLE_INTO.sub("", text)):
        return Trace.NONE
    if _SETS_CONNECTION.search(text):
        return Trace.CONNECTION
    return Trace.STATEMENTS if _SETS_STATEMENTS.search(text) else Trace.SESSION
