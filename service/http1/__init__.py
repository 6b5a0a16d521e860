"""HTTP/1 on Hypercorn for less: a short way for what nearly all requests and answers are.

A request whose head is plain goes from the transport to the app, and an answer whose length is
known goes back in one write. Anything else, be it a WebSocket's beginning, a chunked body or an
error, Hypercorn gets byte for byte, and does what it always does.
"""

from __future__ import annotations

from hypercorn import protocol

from .connection import Http1Connection


def register() -> None:
    """Let every HTTP/1 connection of this process go so."""
    protocol.H11Protocol = Http1Connection  # type: ignore[attr-defined]
