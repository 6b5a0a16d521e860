"""The API's description for people: Swagger UI, every byte of it from this service."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from importlib.resources import files
from pathlib import Path

from quart import Blueprint, Response, request, send_from_directory, url_for
from quart_schema import hide
from werkzeug.exceptions import BadRequest, NotFound, PreconditionFailed

blueprint = Blueprint("docs", __name__, url_prefix="/docs")

FILES = Path(str(files("flask_swagger_ui"))) / "dist"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The API</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{style}">
<div id="swagger-ui"></div>
<script src="{bundle}"></script>
<script>{start}</script>
</html>
"""


@blueprint.get("")
@hide
async def page() -> Response:
    """The page. Its policy lets the browser ask nobody but this service."""
    options = {"url": url_for("openapi"), "dom_id": "#swagger-ui", "validatorUrl": None}
    start = f"SwaggerUIBundle({json.dumps(options)})"
    digest = b64encode(hashlib.sha256(start.encode()).digest()).decode()
    html = _PAGE.format(
        icon=url_for("docs.file", name="favicon-32x32.png"),
        style=url_for("docs.file", name="swagger-ui.css"),
        bundle=url_for("docs.file", name="swagger-ui-bundle.js"),
        start=start,
    )
    response = Response(html, content_type="text/html; charset=utf-8")
    response.content_security_policy.default_src = "'self'"
    response.content_security_policy.img_src = "'self' data:"
    response.content_security_policy.style_src = "'self' 'unsafe-inline'"
    response.content_security_policy.script_src = f"'self' 'sha256-{digest}'"
    return response


@blueprint.get("/<path:name>")
@hide
async def file(name: str) -> Response:
    """One of Swagger UI's own files."""
    try:
        response = await send_from_directory(FILES, name, conditional=False)
        # Whole files only: Quart fails at some ranges.
        await response.make_conditional(request)
    except OSError as error:
        raise NotFound from error  # a name that no file can have
    except OverflowError as error:
        raise BadRequest("A date in the headers is out of range.") from error
    if response.status_code == PreconditionFailed.code:
        raise PreconditionFailed
    return response
