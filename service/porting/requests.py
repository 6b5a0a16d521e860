"""What ported apps use where Quart's request is less strict than Flask's."""

from __future__ import annotations

from typing import Any

from quart import Request
from werkzeug.exceptions import UnsupportedMediaType

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
