"""Every error as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import asyncpg
from pydantic import BaseModel, ValidationError
from quart import Quart, Response, current_app, has_request_context, json, request, websocket
from quart_schema import RequestSchemaValidationError
from quart_schema.validation import (
    QUART_SCHEMA_QUERYSTRING_ATTRIBUTE,
    QUART_SCHEMA_REQUEST_ATTRIBUTE,
    QuerystringValidationError,
)
from rethinkdb.errors import ReqlOpFailedError
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
)

from .connections import Connections, ConnectionUnavailable, PoolTimeout
from .connections.redaction import told

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 10
"""Wrong values named in one answer."""
ANSWERS_ATTRIBUTE = "_service_answers"

F = TypeVar("F", bound=Callable[..., Any])


class Problem(HTTPException):
    """An error of this service's own, with a type that a program can tell from others.

    Attributes:
        code: the HTTP status.
        type: a URI reference that names the kind of problem, ``/problems/KIND``.
        title: the kind in a few words, the same each time.
        description: what is wrong this time.
        headers: for the response.
        members: more to say about it, as members of the JSON object.
    """

    def __init__(
        self,
        code: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.type = f"/problems/{kind}"
        self.title = title
        self.headers = dict(headers or {})
        self.members = members


def invalid(errors: Iterable[Mapping[str, str]], *, code: int = 400) -> Problem:
    """The problem of a request with wrong values.

    Each of ``errors`` has ``in`` (``body`` or ``query``), ``field``, ``problem`` and ``allowed``.
    """
    errors = list(errors)
    names = ", ".join(error["field"] or f"the {error['in']}" for error in errors)
    return Problem(code, "invalid-request", "Invalid request", f"Wrong: {names}.", errors=errors)


def unavailable(error: ConnectionUnavailable | PoolTimeout) -> Problem:
    """The problem of a connection that cannot be had now."""
    return Problem(
        503,
        "connection-unavailable",
        "Connection unavailable",
        str(error),
        headers=retry_after(error.retry_after),
        connection=error.name,
    )


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to try again, in whole seconds from 1."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def answers(*statuses: int) -> Callable[[F], F]:
    """Say which problems a route answers with, beyond those that follow from what it is."""

    def decorate(view: F) -> F:
        setattr(view, ANSWERS_ATTRIBUTE, statuses)
        return view

    return decorate


def respond(
    status: int,
    type_: str,
    title: str,
    detail: str | None,
    members: Mapping[str, Any],
    headers: Mapping[str, str],
) -> Response:
    """The response that tells of a problem; also outside of any app context."""
    body = {"type": type_, "title": title, "status": status, "detail": detail, **members}
    response = Response(json.dumps(body), status, content_type=MEDIA_TYPE)
    response.headers.extend(headers)
    return response


def register(app: Quart) -> None:
    """Make ``app`` answer every error with a problem."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(RequestSchemaValidationError, _validation)
    app.register_error_handler(ConnectionUnavailable, _connection)
    app.register_error_handler(PoolTimeout, _connection)
    app.register_error_handler(Exception, _other)


async def _http(error: HTTPException) -> Response:
    code = error.code or 500
    if isinstance(error, Problem):
        return respond(
            code, error.type, error.title, error.description, error.members, error.headers
        )
    detail = error.description
    if isinstance(error, NotFound):
        detail = "Nothing is at this path. The API is described at /docs."
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        allowed = ", ".join(sorted(error.valid_methods))
        detail = f"This method is not allowed at this path; allowed: {allowed}."
    if isinstance(error, RequestEntityTooLarge):
        detail = f"The body may have {current_app.config['MAX_CONTENT_LENGTH']} bytes at most."
    headers = dict(error.get_headers())
    headers.pop("Content-Type", None)
    return respond(code, "about:blank", error.name, detail, {}, headers)


async def _validation(error: RequestSchemaValidationError) -> Response:
    querystring = isinstance(error, QuerystringValidationError)
    view: Any = current_app.view_functions[str(request.endpoint)]
    if querystring:
        model = getattr(view, QUART_SCHEMA_QUERYSTRING_ATTRIBUTE)
    else:
        model, _ = getattr(view, QUART_SCHEMA_REQUEST_ATTRIBUTE)
    place = "query" if querystring else "body"
    return await _http(invalid(_wrong_values(error.validation_error, model, place)))


async def _connection(error: ConnectionUnavailable | PoolTimeout) -> Response:
    return await _http(unavailable(error))


async def _other(error: Exception) -> Response:
    """Answer for the first error of a task group, or for a connection that was lost.

    Any other error is raised again: Quart logs it with its traceback and answers with a 500.
    """
    if isinstance(error, ExceptionGroup):
        first: Exception = next(_leaves(error))
        return cast(Response, await current_app.handle_user_exception(first))
    connections: Connections = current_app.extensions["connections"]
    lost = connections.unavailable(error)
    if lost is None:
        if _lacks_tables(error):
            current_app.logger.error("A table is missing: has 'service init' been run?")
        raise error
    asked = request if has_request_context() else websocket
    # The rule, not the path: whoever adds a route may have secrets in its paths.
    current_app.logger.warning("%s %s: %s (%s)", asked.method, asked.url_rule, lost, told(error))
    return await _connection(lost)


def _lacks_tables(error: Exception) -> bool:
    if isinstance(error, ReqlOpFailedError):
        return "does not exist" in error.message
    return isinstance(error, asyncpg.UndefinedTableError)


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _wrong_values(
    error: Exception, model: type[BaseModel], place: str
) -> Iterator[Mapping[str, str]]:
    """What is wrong in ``place``, without the values: one of them may be a password."""
    fields = model.model_fields
    if not isinstance(error, ValidationError):
        yield {"in": place, "field": "", "problem": str(error), "allowed": ", ".join(fields)}
        return
    details = error.errors(include_url=False, include_context=False, include_input=False)
    for detail in details[:MOST_ERRORS]:
        name = str(detail["loc"][0]) if detail["loc"] else ""
        known = fields.get(name)
        allowed = known.description if known else f"an object with {', '.join(fields)}"
        yield {"in": place, "field": name, "problem": detail["msg"], "allowed": allowed or ""}
