"""The hosts of a URL, several of them between commas."""

from __future__ import annotations

import re
from urllib.parse import unquote

_HOST = re.compile(r"(?P<host>\[[^]]+\]|[^:\[\]]+)(?::(?P<port>\d{1,5}))?")


def parse_hosts(hosts: str, default_port: int) -> list[tuple[str, int]]:
    """Names or addresses with their ports; `localhost` where there is none.

    Raises:
        ValueError: one is wrong. It is not shown: it may be part of a password.
    """
    found = []
    for text in (hosts or "localhost").split(","):
        match = _HOST.fullmatch(text)
        port = int((match and match["port"]) or default_port)
        if match is None or not 0 < port < 65536:
            raise ValueError("a host of the URL is wrong; allowed: host, host:port, [ipv6]:port")
        found.append((unquote(match["host"].strip("[]")), port))
    return found
