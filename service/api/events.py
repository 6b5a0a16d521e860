"""What happens in a match as it happens: Server-Sent Events from a changefeed of ``b``.

A stream holds a connection of ``b`` for as long as it lasts, so a process serves only
``EVENT_STREAMS`` of them at once: the other routes must find connections too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID
from weakref import WeakSet

from quart import Blueprint, Quart, Response, current_app, request
from rethinkdb.asyncio_net.net_asyncio import Connection
from rethinkdb.errors import ReqlError, ReqlTimeoutError

from service.connections import ConnectionsError, get_db
from service.errors import Problem, retry_after
from service.stopping import stopping

from .description import streams
from .matches import MATCHES, Match, find_match

blueprint = Blueprint("events", __name__, url_prefix="/api/matches")

RETRY_AFTER = 5
"""Seconds until a client that found no place, or lost its stream, should come back."""

_HEARTBEAT = ": still here\n\n"
_COME_BACK = f"retry: {RETRY_AFTER * 1000}\n\n"


class _Place:
    """One of the streams that a process serves at once."""


@blueprint.get("/<uuid:match_id>/events")
@streams("The match, now and after each change: `match` events, and `finished` as the last.")
async def events(match_id: UUID) -> Response:
    """Follow a match.

    The data of each event is the match. A client that comes back with the `Last-Event-ID` of the
    last one gets a 204, upon which browsers stop coming back.
    """
    async with get_db("b", Connection):
        match = await find_match(match_id)
    if match.state == "finished" and request.headers.get("Last-Event-ID") == _event_id(match):
        return Response(status=204)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    response = Response(content_type="text/event-stream; charset=utf-8")
    if request.method == "GET":
        response = Response(follow(app, match_id, _take_place(app)), headers=response.headers)
        response.timeout = None
    response.headers["Cache-Control"] = "no-store"
    return response


async def follow(app: Quart, match_id: UUID, place: _Place) -> AsyncIterator[str]:
    """The events of a match, up to its end.

    The app context is the stream's own. It is entered here, not by ``stream_with_context``, so
    that the changefeed is closed before its connection goes back, whoever ends the stream.
    """
    signal = stopping(app)
    async with app.app_context():
        try:
            async with signal.within(0):
                connection = await get_db("b", Connection)
                changes = MATCHES.get(str(match_id)).changes(include_initial=True)
                feed = await changes.run(connection)
            try:
                while True:
                    try:
                        async with signal.within(0):
                            change = await feed.next(wait=app.config["EVENT_HEARTBEAT"])
                    except ReqlTimeoutError:
                        yield _HEARTBEAT
                        continue
                    if "error" in change:
                        raise ReqlError(change["error"])
                    if change["new_val"] is None:
                        return  # Deleted: a client that comes back gets a 404.
                    match = Match(**change["new_val"])
                    yield _event(match)
                    if match.state == "finished":
                        return
            finally:
                await feed.close()
        except (ConnectionsError, ReqlError) as error:
            # The headers are sent: all that can still be said is when to come back.
            app.logger.warning("The events of match %s end early: %s", match_id, error)
            yield _COME_BACK
        except TimeoutError:
            if signal.since is None:
                raise
            yield _COME_BACK  # Another process will serve it.
        finally:
            _places(app).discard(place)


def _take_place(app: Quart) -> _Place:
    places = _places(app)
    if len(places) >= app.config["EVENT_STREAMS"]:
        raise Problem(
            503,
            "too-many-streams",
            "Too many streams",
            f"This process serves {len(places)} event streams already.",
            headers=retry_after(RETRY_AFTER),
        )
    place = _Place()
    places.add(place)
    return place


def _places(app: Quart) -> WeakSet[_Place]:
    """Those taken. Weakly: the place of a stream whose client left before it began is free."""
    places: WeakSet[_Place] = app.extensions.setdefault("event_streams", WeakSet())
    return places


def _event(match: Match) -> str:
    name = "finished" if match.state == "finished" else "match"
    return f"id: {_event_id(match)}\nevent: {name}\ndata: {match.model_dump_json()}\n\n"


def _event_id(match: Match) -> str:
    """A number that grows with each change of the match."""
    return str(len(match.moves) + (match.state == "finished"))
