"""Templates of ported apps: what is left of a list by a filter is a list for the next one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2 import pass_context
from jinja2.async_utils import auto_aiter, auto_await
from jinja2.filters import prepare_select_or_reject
from jinja2.runtime import Context
from quart import Quart
from quart.templating import Environment

_LISTED = ("map", "slice", "unique")
_TESTED = ("reject", "rejectattr", "select", "selectattr")
LAZY = (*_LISTED, *_TESTED)


class PortedEnvironment(Environment):
    """Quart's, where these filters would give asynchronous generators, which few others take.

    And where those that ask a test of the project would not await what it returns.
    """

    def __init__(self, app: Quart, **options: Any) -> None:
        super().__init__(app, **options)
        self.filters.update({name: _listing(self.filters[name]) for name in _LISTED})
        self.filters.update({name: _testing(name) for name in _TESTED})


def _listing(lazy: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(lazy)
    async def listing(*args: Any, **kwargs: Any) -> list[Any]:
        return [item async for item in auto_aiter(await auto_await(lazy(*args, **kwargs)))]

    return listing


def _testing(name: str) -> Callable[..., Any]:
    wanted, by_attribute = name.startswith("select"), name.endswith("attr")

    @pass_context
    async def testing(context: Context, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if not value:
            return []
        test = prepare_select_or_reject(context, args, kwargs, lambda found: found, by_attribute)
        items = [item async for item in auto_aiter(value)]
        return [item for item in items if bool(await auto_await(test(item))) is wanted]

    return testing
