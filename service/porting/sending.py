"""`send_file` and `send_from_directory` as Flask has them, for ported apps.

Quart's take other arguments, name a file only if it is an attachment, and let everybody keep it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from typing import Any
from weakref import finalize

from quart import Quart, Response, current_app, request
from quart.wrappers.response import FileBody
from werkzeug.exceptions import NotFound
from werkzeug.http import remove_entity_headers
from werkzeug.security import safe_join
from werkzeug.utils import send_file as answer
from werkzeug.wsgi import FileWrapper

_MAX_AGE = "SEND_FILE_MAX_AGE_DEFAULT"
_CONDITIONS = ("Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since")


async def send_file(path_or_file: Any, *args: Any, **kwargs: Any) -> Response:
    """A response with a file, or with the part of it that the request asks for, as Flask's.

    Args:
        path_or_file: a path, from the app's folder if it is relative, or a binary file.
        args: the media type, and whether it is an attachment, as `flask.send_file` takes them.
        kwargs: `download_name`, `conditional`, `etag`, `last_modified`, `max_age`, as there.

    Raises:
        OSError: there is no such file.
        RequestedRangeNotSatisfiable: it has no such part.
    """
    kwargs.setdefault("max_age", _max_age)
    classes = current_app.response_class
    body: Any
    if isinstance(path_or_file, str | os.PathLike):
        path_or_file = os.path.join(current_app.root_path, path_or_file)
        own = classes.file_body_class is not Response.file_body_class
        body = (classes.file_body_class if own else OpenFileBody)(path_or_file)
        kwargs["use_x_sendfile"] = True  # or else this opens it once more
    elif isinstance(path_or_file, BytesIO):
        body = classes.io_body_class(path_or_file)
    else:
        body = _parts(path_or_file)
    sent = answer(path_or_file, _environ(), *args, **kwargs)
    for name in ("X-Sendfile", "Date"):
        sent.headers.pop(name, None)
    if sent.status_code == 206:
        body.begin, body.end = sent.content_range.start, sent.content_range.stop
    response = classes(None if sent.status_code == 304 else body, sent.status_code, sent.headers)
    if sent.status_code == 304:
        remove_entity_headers(response.headers)
    return response


async def send_from_directory(directory: Any, path: Any, **kwargs: Any) -> Response:
    """A response with a file of a directory, and of nowhere else, as Flask's.

    Args:
        directory: from the app's folder, if it is relative.
        path: of the file, from the directory.
        kwargs: as `send_file` takes them.

    Raises:
        NotFound: there is no such file in the directory.
    """
    found = safe_join(os.fspath(directory), os.fspath(path))
    if found is None or not _is_file(os.path.join(current_app.root_path, found)):
        raise NotFound()
    return await send_file(found, **kwargs)


class OpenFileBody(FileBody):
    """A file that is open from when a view returns it: it is sent even if it is removed then."""

    def __init__(self, file_path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(file_path, **options)
        self._opened = open(file_path, "rb")  # noqa: SIM115
        finalize(self, self._opened.close)

    async def __aenter__(self) -> FileBody:
        if self._opened.closed:  # it has been read before
            return await super().__aenter__()
        self._opened.seek(self.begin)
        return self

    async def __anext__(self) -> bytes:
        if self._opened.closed:
            return await super().__anext__()
        size = min(self.buffer_size, self.end - self._opened.tell())
        piece = await asyncio.to_thread(self._opened.read, size) if size > 0 else b""
        if not piece:
            raise StopAsyncIteration
        return piece

    async def __aexit__(self, *error: Any) -> None:
        if self.file_manager is not None:
            await super().__aexit__(*error)
        self._opened.close()


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:  # such as a null byte, on older versions of Python
        return False


def _environ() -> dict[str, str]:
    """What the request asks for, as WSGI has it."""
    asked = {name: request.headers[name] for name in _CONDITIONS if name in request.headers}
    named = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in asked.items()}
    return {"REQUEST_METHOD": request.method, **named}


def _max_age(path: str | None) -> int | None:
    """What the app says of it; Quart has twelve hours where Flask says nothing."""
    app: Quart = current_app._get_current_object()  # type: ignore[attr-defined]
    own = type(app).get_send_file_max_age is not Quart.get_send_file_max_age
    if not own and app.config[_MAX_AGE] is Quart.default_config[_MAX_AGE]:
        return None
    return app.get_send_file_max_age(path)


def _parts(file: Any) -> Iterator[bytes]:
    with closing(file):
        yield from FileWrapper(file)
