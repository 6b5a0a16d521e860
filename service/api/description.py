"""The description of the API (OpenAPI), with every answer that a route can give."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from quart import Quart
from quart_schema import HttpSecurityScheme, Info, OpenAPIProvider, QuartSchema
from werkzeug.routing import BaseConverter, IntegerConverter, Rule, UUIDConverter

from service.auth import SCHEME
from service.errors import ANSWERS_ATTRIBUTE, MEDIA_TYPE

F = TypeVar("F", bound=Callable[..., Any])

PROBLEM = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "connection": {"type": "string", "description": "The connection that cannot be had."},
        "errors": {
            "type": "array",
            "description": "The values that are wrong.",
            "items": {
                "type": "object",
                "required": ["in", "field", "problem", "allowed"],
                "properties": {
                    "in": {"enum": ["body", "query"]},
                    "field": {"type": "string"},
                    "problem": {"type": "string"},
                    "allowed": {"type": "string"},
                },
            },
        },
    },
}

EVENT = {
    "title": "Event",
    "description": "One of the events that the stream is made of.",
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "description": "Grows with each change."},
        "event": {"type": "string", "description": "What happened."},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}

HEADERS = {
    201: {"Location": "Where it is from now on."},
    401: {"WWW-Authenticate": "How to say who you are."},
    429: {"Retry-After": "Seconds."},
    503: {"Retry-After": "Seconds."},
}

_STREAMS = "_service_streams"


def streams(description: str) -> Callable[[F], F]:
    """Say that a route answers with a stream of events."""

    def decorate(view: F) -> F:
        setattr(view, _STREAMS, description)
        return view

    return decorate


def register(app: Quart) -> None:
    """Serve the description of ``app`` at ``/openapi.json``."""
    # So that times are written as the description says, and not as HTTP writes dates.
    app.config["QUART_SCHEMA_PYDANTIC_DUMP_OPTIONS"] = {"mode": "json"}
    QuartSchema(
        app,
        openapi_provider_class=Description,
        info=Info(title="A small game's back end", version="1"),
        security_schemes={SCHEME: HttpSecurityScheme(scheme="bearer")},
        conversion_preference="pydantic",
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
    )


class Description(OpenAPIProvider):
    """quart-schema's, and what it does not say: the problems, the bounds of paths, the streams."""

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = super().schema()
        schema["components"]["schemas"]["Problem"] = PROBLEM
        return schema

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        paths, components = super().build_paths(rule)
        view = self._app.view_functions[rule.endpoint]
        for path, operations in paths.items():
            for operation in operations.values():
                _complete(path, operation, view)
        return paths, components

    def build_path_parameter(self, name: str, converter: BaseConverter) -> dict[str, Any]:
        parameter: dict[str, Any] = super().build_path_parameter(name, converter)
        if isinstance(converter, IntegerConverter):
            parameter["schema"] |= {"minimum": converter.min, "maximum": converter.max}
        elif isinstance(converter, UUIDConverter):
            parameter["schema"] |= {"format": "uuid"}
        return parameter

    def build_querystring_parameters(
        self, model: type[Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        parameters, components = super().build_querystring_parameters(model)
        for parameter in parameters:
            schema = parameter["schema"]
            if "anyOf" in schema:
                # A query string has no null: what may be None is left out.
                parameter["schema"] = schema["anyOf"][0]
        return parameters, components

    def operation_id(self, method: str, path: str, func: Callable[..., Any]) -> str:
        return f"{func.__module__.rpartition('.')[2]}_{func.__name__}"


def _complete(path: str, operation: dict[str, Any], view: Callable[..., Any]) -> None:
    responses = operation["responses"]
    if hasattr(view, _STREAMS):
        stream = {"schema": EVENT}
        description = getattr(view, _STREAMS)
        responses[200] = {"description": description, "content": {"text/event-stream": stream}}
        responses[204] = {"description": "The client has seen the last event already."}
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    for status in _problems(path, operation) | set(getattr(view, ANSWERS_ATTRIBUTE, ())):
        problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
        responses[status] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: problem},
        }
    for status, response in responses.items():
        response["headers"] = {
            name: {"description": description, "schema": {"type": "string"}}
            for name, description in HEADERS.get(status, {}).items()
        }


def _problems(path: str, operation: dict[str, Any]) -> set[int]:
    """The problems that follow from what an operation takes and does."""
    places = {parameter["in"] for parameter in operation["parameters"]}
    reasons = {
        400: "requestBody" in operation or "query" in places,
        401: "security" in operation,
        404: "path" in places,
        408: "requestBody" in operation,
        413: "requestBody" in operation,
        415: "requestBody" in operation,
        500: True,
        503: path.startswith("/api/"),
    }
    return {status for status, holds in reasons.items() if holds}
