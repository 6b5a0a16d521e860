"""Templates of ported apps: what is left of a list by a filter is a list for the next one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2.async_utils import auto_aiter, auto_await
from quart import Quart
from quart.templating import Environment

LAZY = ("map", "reject", "rejectattr", "select", "selectattr", "slice", "unique")


class PortedEnvironment(Environment):
    """Quart's, where these filters would give asynchronous generators, which few others take."""

    def __init__(self, app: Quart, **options: Any) -> None:
        super().__init__(app, **options)
        self.filters.update({name: _listing(self.filters[name]) for name in LAZY})


def _listing(lazy: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(lazy)
    async def listing(*args: Any, **kwargs: Any) -> list[Any]:
        return [item async for item in auto_aiter(await auto_await(lazy(*args, **kwargs)))]

    return listing
