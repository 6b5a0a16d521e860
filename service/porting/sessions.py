"""Sessions of ported apps: who looks into one gets `Vary: Cookie`, as under Flask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from quart.sessions import SecureCookieSession, SecureCookieSessionInterface

_LOOKS = (
    *("__contains__", "__eq__", "__getitem__", "__iter__", "__len__", "__repr__"),
    *("copy", "get", "items", "keys", "pop", "setdefault", "values"),
)


class _Session(SecureCookieSession):
    """Knows that it was accessed; that of Flask 3.1.3 leaves it to Flask's own context."""


def _looking(look: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(look)
    def looking(session: _Session, *args: Any, **kwargs: Any) -> Any:
        session.accessed = True
        return look(session, *args, **kwargs)

    return looking


for _name in _LOOKS:
    setattr(_Session, _name, _looking(getattr(SecureCookieSession, _name)))


class PortedSessions(SecureCookieSessionInterface):
    """Quart's, whose sessions tell caches that an answer depends on them."""

    session_class = _Session
