"""What ported apps use where Quart's requests and responses are not as Flask's."""

from __future__ import annotations

from typing import Any

from quart import Request, Response, current_app
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.wrappers import Response as WerkzeugResponse

_NOT_JSON = (
    "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
)


class PortedRequest(Request):
    """A request whose JSON is refused with a 415 if it is not said to be JSON, as under Flask."""

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The JSON of the body.

        Raises:
            UnsupportedMediaType: the content type is another. Quart's own returns None then.
        """
        if not (force or silent or self.is_json):
            raise UnsupportedMediaType(_NOT_JSON)
        return await super().get_json(force, silent, cache)


async def quart_response(response: Response | WerkzeugResponse) -> Response:
    """The response as one of Quart's, whose body is awaited.

    Redirects and default error pages are Werkzeug's responses in Quart, too, and come so to
    `after_request` functions.
    """
    if not isinstance(response, WerkzeugResponse):
        return response
    return current_app.response_class(response.get_data(), response.status_code, response.headers)
