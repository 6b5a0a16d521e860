"""The environ of a request that came by ASGI, for code that was written for WSGI (PEP 3333)."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from quart import Request

GIVEN = "service.porting.environ"
"""The key of a scope for what a test gives by hand, such as `REMOTE_USER`."""
_NO_HTTP = {"CONTENT_LENGTH", "CONTENT_TYPE"}


def environ(request: Request) -> dict[str, Any]:
    """What a WSGI server would have passed with this request; without `wsgi.input`, its body."""
    server, port = (*(request.scope.get("server") or ()), None, None)[:2]
    client, client_port = (*(request.scope.get("client") or ()), None, None)[:2]
    asked = urlsplit(request.host_url)
    port = port or asked.port or (443 if request.scheme == "https" else 80)
    found: dict[str, Any] = {
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "QUERY_STRING": request.query_string.decode("latin-1"),
        "REMOTE_ADDR": request.remote_addr or client or "",
        "REMOTE_PORT": str(client_port or ""),
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": request.root_path.encode().decode("latin-1"),
        "SERVER_NAME": server or asked.hostname or "",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": True,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": request.scheme,
        "wsgi.version": (1, 0),
        "werkzeug.request": request,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        if key == "REMOTE_ADDR":
            continue  # which Quart puts there
        key = key if key in _NO_HTTP else f"HTTP_{key}"
        found[key] = f"{found[key]},{value}" if key in found else value
    given: dict[str, Any] = request.scope.get(GIVEN, {})  # type: ignore[assignment]
    return {**given, **found}
