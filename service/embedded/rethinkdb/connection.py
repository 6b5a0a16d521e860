"""One client: its handshake, its queries, its open cursors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rethinkdb.ql2_pb2 import Query as _Query
from rethinkdb.ql2_pb2 import Response

from . import terms as _terms  # noqa: F401  importing them registers them
from . import wire
from .compiler import Compiler, Query
from .cursors import Cursor
from .errors import (
    CompileError,
    OpIndeterminateError,
    QueryLogicError,
    ReqlError,
    ResourceLimitError,
)
from .evaluation import Evaluation, hold
from .handshake import Handshake, HandshakeError
from .sequences import (
    Grouped,
    Stream,
    TableSlice,
    Value,
    is_datum,
    to_datum,
    to_stream,
)
from .system import Job
from .values import PSEUDOTYPE

if TYPE_CHECKING:
    from .server import StandIn

HANDSHAKE_SECONDS: Final = 10.0
_MOST_UNTAKEN_BYTES: Final = 64 * 1024
_TYPE: Final = Response.ResponseType
_QUERY: Final = _Query.QueryType
_log = logging.getLogger(__name__)

GLOBAL_OPTIONS: Final = frozenset(
    [
        "array_limit",
        "binary_format",
        "changefeed_queue_size",
        "db",
        "durability",
        "first_batch_scaledown_factor",
        "group_format",
        "identifier_format",
        "max_batch_bytes",
        "max_batch_rows",
        "max_batch_seconds",
        "min_batch_rows",
        "noreply",
        "profile",
        "read_mode",
        "time_format",
        "user",
    ]
)


class Connection(asyncio.Protocol):
    """Speaks the protocol on one socket.

    Requests are taken one after the other, and only while the client reads the answers.
    """

    def __init__(self, server: StandIn) -> None:
        self._server = server
        self._system = server.system
        self._buffer = bytearray()
        self._handshake: Handshake | None = Handshake(server.users)
        self._cursors: dict[int, Cursor] = {}
        self._running: Job | None = None
        self._evaluation: Evaluation | None = None
        self._unread = False
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.address = ""
        self.port = 0
        self.user = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.address, self.port = transport.get_extra_info("peername")[:2]
        self._server.connections.add(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(HANDSHAKE_SECONDS, transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._evaluation is not None:
            self._evaluation.stop()
            self._evaluation = self._running = None
        for cursor in self._cursors.values():
            cursor.close()
        self._cursors.clear()
        self._transport = None
        self._system.clients.discard(self)
        self._server.connections.discard(self)

    def pause_writing(self) -> None:
        self._unread = True

    def resume_writing(self) -> None:
        self._unread = False
        asyncio.get_running_loop().call_soon(self._serve)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._handshake is not None and not self._log_in(self._handshake):
            return
        self._serve()

    def _serve(self) -> None:
        """Take requests until one needs another turn or the client is behind with reading."""
        try:
            while not self._busy and (frame := wire.take(self._buffer)) is not None:
                self._receive(*frame)
        except wire.TooLarge as error:
            self._send(wire.client_error(error.token, str(error)))
            self._hang_up()
        if self._transport is None:
            return
        if self._busy and len(self._buffer) > _MOST_UNTAKEN_BYTES:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    @property
    def _busy(self) -> bool:
        return self._unread or self._evaluation is not None

    def _evaluate(self, work: Callable[[], bytes]) -> None:
        self._evaluation = Evaluation(work)
        self._work()

    def _work(self) -> None:
        assert self._evaluation is not None
        answer = self._evaluation.run()
        if answer is None:
            asyncio.get_running_loop().call_soon(self._work_on)
        else:
            self._evaluation = self._running = None
            self._send(answer)

    def _work_on(self) -> None:
        if self._evaluation is not None:
            self._work()
            self._serve()

    def _log_in(self, handshake: Handshake) -> bool:
        try:
            self._send(handshake.receive(self._buffer))
        except HandshakeError as error:
            self._send(error.answer)
            self._hang_up()
            return False
        if handshake.user is None:
            return False
        self.user = handshake.user
        self._handshake = None
        if self._deadline is not None:
            self._deadline.cancel()
        self._system.clients.add(self)
        return True

    def _hang_up(self) -> None:
        self._buffer.clear()
        if self._transport is not None:
            self._transport.close()

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def jobs(self) -> Iterator[Job]:
        if self._running is not None:
            yield self._running
        for cursor in self._cursors.values():
            yield cursor.job

    def active(self) -> int:
        waiting = sum(cursor.waiting for cursor in self._cursors.values())
        return waiting + (self._running is not None)

    def _receive(self, token: int, payload: bytes) -> None:
        try:
            request = wire.decode(payload)
            kind = request[0]
        except (ValueError, LookupError, TypeError, RecursionError):
            message = "Client is buggy (failed to deserialize query)."
            self._send(wire.client_error(token, message))
            return
        self._system.queries.add()
        if kind == _QUERY.START:
            term = request[1] if len(request) > 1 else None
            options = request[2] if len(request) > 2 else {}
            self._start(token, term, options if type(options) is dict else {})
        elif kind == _QUERY.CONTINUE:
            self._continue(token)
        elif kind == _QUERY.STOP:
            self._stop(token)
        elif kind == _QUERY.NOREPLY_WAIT:
            self._send(wire.response(token, _TYPE.WAIT_COMPLETE, []))
        elif kind == _QUERY.SERVER_INFO:
            about = {"id": self._system.id, "name": self._system.name, "proxy": False}
            self._send(wire.response(token, _TYPE.SERVER_INFO, [about]))
        else:
            self._send(wire.client_error(token, f"Unrecognized query type {kind!r}."))

    def _start(self, token: int, term: Any, options: dict[str, Any]) -> None:
        if token in self._cursors:
            self._send(wire.client_error(token, f"ERROR: duplicate token {token}"))
            return
        self._running = job = Job(term)
        answer = self._no_reply if options.get("noreply") is True else self._answer
        self._evaluate(partial(answer, token, options, job, term))

    def _no_reply(self, token: int, options: dict[str, Any], job: Job, term: Any) -> bytes:
        self._answer(token, options, job, term)
        cursor = self._cursors.pop(token, None)
        if cursor is not None:
            cursor.close()
        return b""

    def _answer(self, token: int, options: dict[str, Any], job: Job, term: Any) -> bytes:
        try:
            for name in options:
                if name not in GLOBAL_OPTIONS:
                    raise CompileError(f"Unrecognized global optional argument `{name}`.")
            query = Query(self._system, options)
            node = Compiler(query).node(term, ())
            answer = self._result(token, query, node({}), job)
        except CompileError as error:
            answer = wire.compile_error(token, error)
        except Exception as error:
            answer = wire.runtime_error(token, _as_reql_error(error))
        try:
            self._server.commit()
        except OSError as error:
            message = f"The write may not survive a restart: {error.strerror}."
            return wire.runtime_error(token, OpIndeterminateError(message))
        return answer

    def _result(self, token: int, query: Query, value: Value, job: Job) -> bytes:
        extra = ',"p":[]' if query.option("profile") is True else ""
        if isinstance(value, Grouped):
            groups = [[key, query.datum(item)] for key, item in value.groups]
            value = {PSEUDOTYPE: "GROUPED_DATA", "data": groups}
        elif isinstance(value, (Stream, TableSlice)):
            stream = to_stream(value)
            if not stream.is_array:
                cursor = Cursor(token, query, stream, job)
                self._cursors[token] = cursor
                if cursor.feed is not None:
                    cursor.feed.wake = partial(self._wake, cursor)
                return self._batch(cursor, extra)
            value = query.array(stream)
        elif not is_datum(value) and not hasattr(value, "document"):
            raise QueryLogicError(
                f"Query result must be of type DATUM, GROUPED_DATA, or STREAM (got {value.kind})."
            )
        return wire.response(token, _TYPE.SUCCESS_ATOM, [to_datum(value)], extra)

    def _batch(self, cursor: Cursor, extra: str = "") -> bytes:
        if cursor.atomic:
            hold()
        try:
            answer, last = cursor.batch(extra)
            cursor.waiting = answer is None
        except Exception as error:
            answer, last = wire.runtime_error(cursor.token, _as_reql_error(error)), True
        if last:
            self._cursors.pop(cursor.token, None)
            cursor.close()
        return answer or b""

    def _continue(self, token: int) -> None:
        cursor = self._cursors.get(token)
        if cursor is None:
            self._send(wire.client_error(token, f"Token {token} not in stream cache."))
        elif cursor.ready():
            self._evaluate(partial(self._batch, cursor))
        else:
            cursor.waiting = True

    def _stop(self, token: int) -> None:
        cursor = self._cursors.pop(token, None)
        end = wire.response(token, _TYPE.SUCCESS_SEQUENCE, [])
        if cursor is not None:
            cursor.close()
            if cursor.waiting:
                self._send(end)
        self._send(end)

    def _wake(self, cursor: Cursor) -> None:
        """A feed has something: send it once the query that caused it is done."""
        if cursor.waiting and not cursor.scheduled:
            cursor.scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver, cursor)

    def _deliver(self, cursor: Cursor) -> None:
        cursor.scheduled = False
        if self._cursors.get(cursor.token) is cursor and cursor.waiting and cursor.ready():
            # Never None: what a feed gives is atomic.
            self._send(Evaluation(partial(self._batch, cursor)).run() or b"")


def _as_reql_error(error: Exception) -> ReqlError:
    if isinstance(error, ReqlError):
        return error
    if isinstance(error, RecursionError):
        return ResourceLimitError("The query is nested too deeply.")
    _log.error("a query failed in a way it should not", exc_info=error)
    return ReqlError(f"Unexpected exception: {type(error).__name__}: {error}")
