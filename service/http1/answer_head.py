"""The heads of answers that are plain, written as h11 writes them."""

from __future__ import annotations

import re
from typing import Final

_FIELDS: Final = re.compile(rb"(?:[-!#$%&'*+.^_`|~0-9a-zA-Z]++: [\t\x20-\x7e\x80-\xff]*+\r\n)*+")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_FRAMING: Final = frozenset((b"transfer-encoding", b"connection", b"host"))


def write(
    status: int, headers: list[tuple[bytes, bytes]], more: list[tuple[bytes, bytes]]
) -> tuple[bytes, int] | None:
    """A head but for its end, and the bytes of the body that must follow.

    Args:
        headers: the app's, without spaces around them.
        more: the server's, which are right.

    Returns:
        None: it is not plain. It does not say where the answer ends, or is wrong.
    """
    length = None
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"content-length":
            if length is not None or not _LENGTH.fullmatch(value):
                return None
            length = int(value)
        elif lowered in _FRAMING or b":" in name:
            return None
    if status in (204, 304):
        length = 0
    if length is None or not 200 <= status <= 999:
        return None
    headers = headers + more
    fields = b"".join([b"%b: %b\r\n" % field for field in headers])
    # Line by line: a value may not hold the end of one and the beginning of the next.
    if not _FIELDS.fullmatch(fields) or fields.count(b"\n") != len(headers):
        return None
    return b"HTTP/1.1 %d \r\n%b" % (status, fields), length
