"""RethinkDB's V1_0 handshake: a magic number, then JSON messages ended by a zero byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from rethinkdb.ql2_pb2 import VersionDummy

from .scram import AuthenticationError, Credentials, Exchange
from .system import VERSION

LONGEST_MESSAGE: Final = 2048
_MAGIC: Final = VersionDummy.Version.V1_0.to_bytes(4, "little")


class HandshakeError(Exception):
    """The connection is refused; `answer` is the last thing to be sent on it."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer.decode(errors="replace"))
        self.answer = answer


def _message(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\0"


def _refusal(code: int, message: str) -> HandshakeError:
    return HandshakeError(_message({"success": False, "error": message, "error_code": code}))


class Handshake:
    """`receive` takes what came and gives what to answer, until `user` says who it is."""

    def __init__(self, users: Mapping[str, Credentials]) -> None:
        self.user: str | None = None
        self._exchange = Exchange(users)
        self._stage = 0

    def receive(self, buffer: bytearray) -> bytes:
        """Take the messages that are complete out of the buffer; raises `HandshakeError`."""
        answer = b""
        try:
            if self._stage == 0 and len(buffer) >= len(_MAGIC):
                answer += self._greeting(bytes(buffer[: len(_MAGIC)]))
                del buffer[: len(_MAGIC)]
            while self._stage in (1, 2) and (end := buffer.find(b"\0")) >= 0:
                message = bytes(buffer[:end])
                del buffer[: end + 1]
                answer += self._step(message)
            if self.user is None and len(buffer) > LONGEST_MESSAGE:
                raise _refusal(1, "Expected a null-terminated message of at most 2048 bytes.")
        except HandshakeError as error:
            raise HandshakeError(answer + error.answer) from None
        return answer

    def _greeting(self, magic: bytes) -> bytes:
        if magic != _MAGIC:
            raise HandshakeError(
                b"ERROR: Received an unsupported protocol version. This port is for RethinkDB "
                b"queries. Does your client driver version not match the server?\n\0"
            )
        self._stage = 1
        return _message(
            {
                "success": True,
                "min_protocol_version": 0,
                "max_protocol_version": 0,
                "server_version": VERSION,
            }
        )

    def _step(self, message: bytes) -> bytes:
        try:
            request = json.loads(message)
        except (ValueError, RecursionError):
            raise _refusal(1, "Expected a JSON object.") from None
        if type(request) is not dict:
            raise _refusal(1, "Expected a JSON object.")
        if self._stage == 1:
            self._check_version(request)
        text = request.get("authentication")
        if type(text) is not str:
            raise _refusal(5, "Expected a string for `authentication`.")
        try:
            if self._stage == 1:
                answer = self._exchange.first(text)
            else:
                answer = self._exchange.final(text)
                self.user = self._exchange.user
        except AuthenticationError as error:
            raise _refusal(error.code, str(error)) from None
        self._stage += 1
        return _message({"success": True, "authentication": answer})

    def _check_version(self, request: dict[str, Any]) -> None:
        version = request.get("protocol_version")
        if type(version) not in (int, float):
            raise _refusal(1, "Expected a number for `protocol_version`.")
        if version != 0:
            raise _refusal(2, "Unsupported `protocol_version`.")
        method = request.get("authentication_method")
        if type(method) is not str:
            raise _refusal(3, "Expected a string for `authentication_method`.")
        if method != "SCRAM-SHA-256":
            raise _refusal(4, "Unsupported `authentication_method`.")
