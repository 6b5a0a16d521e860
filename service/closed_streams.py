"""A request that is over waits for nobody to take the rest of it.

Hypercorn keeps a few messages for an app that has not asked for them yet. If the app has ended
without, the next of them waits for ever, and the connection's reader, socket and tasks with it.
"""

from __future__ import annotations

from asyncio import Queue
from typing import Any

from hypercorn.protocol.events import Event, StreamClosed
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import WSStream


def _with_room(stream: type[Any]) -> None:
    handle_event = stream.handle

    async def handle(self: Any, event: Event) -> None:
        if isinstance(event, StreamClosed):
            messages: Queue[Any] | None = getattr(getattr(self, "app_put", None), "__self__", None)
            if messages is not None and messages.full():
                while not messages.empty():
                    messages.get_nowait()
        await handle_event(self, event)

    stream.handle = handle


def register() -> None:
    """Let every request of this process end so."""
    for stream in (HTTPStream, WSStream):
        if stream.handle.__module__ != __name__:
            _with_room(stream)
