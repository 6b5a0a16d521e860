"""The errors a query can end in, as RethinkDB classifies them."""

from __future__ import annotations

from typing import ClassVar

from rethinkdb.ql2_pb2 import Response

Frame = int | str
"""One step of a backtrace: the place of an argument, or the name of an optional one."""


class ReqlError(Exception):
    """A query failed; `message` goes to the client, `frames` say which term it was."""

    type: ClassVar[int] = Response.ErrorType.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.frames: tuple[Frame, ...] | None = None


class QueryLogicError(ReqlError):
    """The query makes no sense for the values it met."""

    type = Response.ErrorType.QUERY_LOGIC


class NonExistenceError(QueryLogicError):
    """Something is missing; the only error that `default` and `filter` forgive."""

    type = Response.ErrorType.NON_EXISTENCE


class ResourceLimitError(ReqlError):
    """A limit was reached, as the size of an array."""

    type = Response.ErrorType.RESOURCE_LIMIT


class TimeLimitError(ResourceLimitError):
    """The evaluation took too long."""


class OpFailedError(ReqlError):
    """The operation could not be done, as on a table that does not exist."""

    type = Response.ErrorType.OP_FAILED


class OpIndeterminateError(ReqlError):
    """The operation was done or not: nobody can say."""

    type = Response.ErrorType.OP_INDETERMINATE


class UserError(ReqlError):
    """`r.error(message)` was reached."""

    type = Response.ErrorType.USER


class EmptyUserError(UserError):
    """`r.error()` was reached: inside `default` it means "raise what was caught"."""


class PermissionDeniedError(ReqlError):
    """The table cannot be written."""

    type = Response.ErrorType.PERMISSION_ERROR


class CompileError(Exception):
    """The query is refused before any of it ran."""

    def __init__(self, message: str, frames: tuple[Frame, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.frames = frames
