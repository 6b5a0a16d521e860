"""The heads of requests that are plain: a part of what h11 takes, read as h11 reads it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HEAD: Final = re.compile(
    # h11 frames an answer by the method as it was written, Hypercorn by the same in upper case.
    rb"(?!CONNECT )([-!#$%&'*+.^_`|~0-9A-Z]++) (/[\x21-\x7e]*+) HTTP/(1\.[01])\r\n"
    rb"((?:[-!#$%&'*+.^_`|~0-9a-zA-Z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n"
)
_FIELD: Final = re.compile(rb"([^:]+):[\t ]*([^\r]*)\r\n")
_END: Final = re.compile(rb"\n\r?\n")
"""What h11 takes for the end of a head."""
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_MATTERS: Final = frozenset(
    (b"host", b"connection", b"content-length", b"transfer-encoding", b"upgrade", b"expect")
)


class RequestHead(NamedTuple):
    """The head of a request.

    Attributes:
        text: all of it, as it came.
        headers: their names in lower case.
        length: of the body, in bytes.
        keeps_alive: whether the client may ask again on this connection.
    """

    text: bytes
    method: str
    target: bytes
    http_version: str
    headers: list[tuple[bytes, bytes]]
    length: int
    keeps_alive: bool


def end(data: bytes, start: int) -> int | None:
    """Where the first head of ``data`` ends, or what h11 might take for one; None: not yet.

    Args:
        start: how much of it was searched before.
    """
    found = _END.search(data, max(start - 2, 0))
    return found and found.end()


def read(text: bytes) -> RequestHead | None:
    """Read a head; None: it is not plain, and may be wrong."""
    head = _HEAD.fullmatch(text)
    if head is None:
        return None
    method, target, version, fields = head.groups()
    keeps_alive = version == b"1.1"
    hosts, length, lengths = 0, 0, 0
    headers = []
    for raw_name, value in _FIELD.findall(fields):
        name = raw_name.lower()
        value = value.rstrip(b"\t ")
        headers.append((name, value))
        if name in _MATTERS:
            if name == b"host":
                hosts += 1
            elif name == b"content-length" and _LENGTH.fullmatch(value):
                length = int(value)
                lengths += 1
            elif name == b"connection" and value.lower() in (b"keep-alive", b"close"):
                keeps_alive &= value.lower() == b"keep-alive"
            else:
                return None
    if lengths > 1 or hosts > 1 or (hosts == 0 and version == b"1.1"):
        return None
    return RequestHead(
        text, method.decode(), target, version.decode(), headers, length, keeps_alive
    )
