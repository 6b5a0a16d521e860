"""The service as it is shipped, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from .serving import Service, serving

SHIPPED = "service.app:create_app()"


def shipped(
    connections: Mapping[str, str],
    log: Path,
    *arguments: str,
    application: str = SHIPPED,
    **environment: str,
) -> AbstractAsyncContextManager[Service]:
    """`serving`, with nothing in the app that the real one has not."""
    return serving(connections, log, *arguments, application=application, workers=0, **environment)
