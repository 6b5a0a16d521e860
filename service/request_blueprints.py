"""The blueprints of a request, which Quart asks for again and again, in fewer steps."""

from __future__ import annotations

from quart.helpers import _split_blueprint_path
from quart.wrappers import Request

_MAKE_THEM = ("blueprint", "blueprints", "endpoint")


def _blueprints(request: Request) -> list[str]:
    """The names of its blueprints, the innermost first."""
    rule = request.url_rule
    if rule is None or "." not in rule.endpoint:
        return []
    return _split_blueprint_path(rule.endpoint.rpartition(".")[0])


def quick(kind: type[Request]) -> type[Request]:
    """A class of requests that is this one otherwise; this one, if these are of its own making."""
    if any(getattr(kind, name) is not getattr(Request, name) for name in _MAKE_THEM):
        return kind
    own = {"blueprints": property(_blueprints), "__module__": kind.__module__}
    return type(kind.__name__, (kind,), own)
