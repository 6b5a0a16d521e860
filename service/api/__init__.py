"""The JSON API: one blueprint per resource."""

from __future__ import annotations

from quart import Quart

from . import (
    body,
    description,
    docs,
    events,
    leaderboard,
    matches,
    players,
    summary,
    tokens,
)


def register(app: Quart) -> None:
    """Give ``app`` the API, and its description."""
    body.register(app)
    for resource in (players, summary, tokens, matches, events, leaderboard, docs):
        app.register_blueprint(resource.blueprint)
    description.register(app)
