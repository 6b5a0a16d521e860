"""A request to an app, in short."""

from __future__ import annotations

from quart import Quart


async def get(app: Quart, path: str = "/") -> str:
    """The body of the answer, which must be a 200."""
    response = await app.test_client().get(path)
    assert response.status_code == 200
    return str(await response.get_data(as_text=True))
