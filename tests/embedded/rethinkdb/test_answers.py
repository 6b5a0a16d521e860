"""What a real RethinkDB 2.4.4 answered to a list of queries, run in that order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from rethinkdb import r
from rethinkdb.errors import ReqlError

from .conftest import Connect

RECORDED = [
    json.loads(line) for line in Path(__file__).with_name("answers.jsonl").read_text().splitlines()
]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def answer(query: str, connection: Any) -> dict[str, Any]:
    """What the server answers now, in the form of the recorded answers."""
    try:
        value = await eval(query, {"r": r}).run(connection)
        if hasattr(value, "__aiter__"):
            return {"kind": "cursor", "value": [row async for row in value]}
    except ReqlError as error:
        message = str(error).partition(" in:\n")[0]
        return {"kind": "error", "error": type(error).__name__, "message": message}
    return {"kind": "value", "value": value}


def without_random_parts(value: Any, server: str) -> Any:
    """The same without UUIDs and the server's name, and with the group null as JSON has it."""
    if isinstance(value, dict):
        return {
            "null" if name is None else name: without_random_parts(item, server)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_random_parts(item, server) for item in value]
    if isinstance(value, str):
        return UUID.sub("<uuid>", value).replace(server, "<server>")
    return value


async def test_answers_what_rethinkdb_answered(connect: Connect) -> None:
    connection = await connect(db="g")
    name = (await connection.server())["name"]
    differing = []
    for recorded in RECORDED:
        query = recorded["q"]
        found = without_random_parts({"q": query, **await answer(query, connection)}, name)
        if found != without_random_parts(recorded, "vm_axq"):
            differing.append((found, recorded))
    assert not differing
    assert len(RECORDED) == 126
