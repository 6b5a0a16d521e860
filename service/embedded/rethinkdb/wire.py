"""The frames of the protocol: a token, a length, and JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rethinkdb.ql2_pb2 import Response

from .errors import CompileError, Frame, ReqlError
from .values import Datum, to_wire

LARGEST_QUERY: Final = 64 * 1024 * 1024
_HEADER: Final = struct.Struct("<qL")
_TYPE: Final = Response.ResponseType

encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), default=to_wire
).encode


def decode(payload: bytes) -> Any:
    """The JSON of a query; raises `ValueError` for what is none, or holds half a character."""
    text = payload.decode()
    value = json.loads(text)
    if "\\ud" in text.lower():
        encode(value).encode()
    return value


class TooLarge(Exception):
    """A client announced a query larger than the server takes."""

    def __init__(self, token: int, size: int) -> None:
        super().__init__(f"Payload size ({size}) greater than maximum ({LARGEST_QUERY}).")
        self.token = token


def take(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take the first frame out of the buffer, if it is whole: token, payload. Raises `TooLarge`."""
    if len(buffer) < _HEADER.size:
        return None
    token, size = _HEADER.unpack_from(buffer)
    if size > LARGEST_QUERY:
        raise TooLarge(token, size)
    end = _HEADER.size + size
    if len(buffer) < end:
        return None
    payload = bytes(buffer[_HEADER.size : end])
    del buffer[:end]
    return token, payload


def _frame(token: int, payload: str) -> bytes:
    data = payload.encode("utf-8", "surrogatepass")
    return _HEADER.pack(token, len(data)) + data


def response(token: int, kind: int, results: Sequence[Datum], extra: str = "") -> bytes:
    return _frame(token, f'{{"t":{kind},"r":{encode(results)}{extra}}}')


def batch(
    token: int, items: Iterable[str], notes: Sequence[int], *, last: bool, extra: str = ""
) -> bytes:
    """A part of a sequence, its elements already encoded."""
    kind = _TYPE.SUCCESS_SEQUENCE if last else _TYPE.SUCCESS_PARTIAL
    return _frame(token, f'{{"t":{kind},"r":[{",".join(items)}],"n":{encode(list(notes))}{extra}}}')


def client_error(token: int, message: str) -> bytes:
    return _error(token, _TYPE.CLIENT_ERROR, message, ())


def compile_error(token: int, error: CompileError) -> bytes:
    return _error(token, _TYPE.COMPILE_ERROR, error.message, error.frames)


def runtime_error(token: int, error: ReqlError) -> bytes:
    return _error(token, _TYPE.RUNTIME_ERROR, error.message, error.frames or (), error.type)


def _error(
    token: int, kind: int, message: str, frames: Sequence[Frame], error_type: int | None = None
) -> bytes:
    answer: dict[str, Any] = {"t": kind, "r": [message], "b": list(frames)}
    if error_type is not None:
        answer["e"] = error_type
    return _frame(token, encode(answer))
