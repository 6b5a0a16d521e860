"""TCP ports to listen on."""

from __future__ import annotations

import socket

from .errors import PortInUse

HOST = "127.0.0.1"


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to ``port`` on ``host``, not listening yet; port 0 means any free one.

    Raises `PortInUse`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PortInUse(f"cannot listen on {host} port {port}: {reason}") from None
    return bound


def require_free_port(port: int) -> None:
    """Raise `PortInUse` if a local server cannot listen on ``port``."""
    bound_socket(HOST, port).close()


def free_port() -> int:
    """A TCP port that no local server listens on at the moment."""
    with bound_socket(HOST, 0) as bound:
        port: int = bound.getsockname()[1]
        return port
