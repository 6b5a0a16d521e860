"""Files that ported apps send: the same status, headers and body as under Flask."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from inspect import isawaitable
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import flask
import pytest
from quart import Quart, Response

from service.connections import Connections
from service.porting import sending

View = Callable[[Any], Any]

VIEWS: dict[str, View] = {
    "path": lambda web: web.send_file("files/a.txt"),
    "attachment": lambda web: web.send_file("files/a.txt", None, True),
    "zipped": lambda web: web.send_file(Path("files") / "b.tar.gz"),
    "age": lambda web: web.send_file("files/a.txt", max_age=lambda path: len(path)),
    "tagged": lambda web: web.send_file("files/a.txt", etag="a", max_age=60, last_modified=1000),
    "whole": lambda web: web.send_file("files/a.txt", conditional=False, etag=False),
    "read": lambda web: web.send_file(BytesIO(b"0123456789"), "text/plain", etag="a"),
    "inline": lambda web: web.send_file(BytesIO(b"x"), "application/pdf", download_name="a.pdf"),
    "not ASCII": lambda web: web.send_file(BytesIO(b"x"), download_name='日本 a"b.txt'),
    "no name": lambda web: web.send_file(BytesIO(b"x")),
    "no bytes": lambda web: web.send_file(StringIO("x"), "text/plain"),
    "no file": lambda web: web.send_file("files/none"),
    "directory": lambda web: web.send_from_directory("files", "a.txt", as_attachment=True),
    "outside": lambda web: web.send_from_directory("files", "../secret.txt"),
    "nowhere": lambda web: web.send_from_directory("files", "none"),
    "null": lambda web: web.send_from_directory("files", "a\0b"),
}
ASKED = [
    {},
    {"Range": "bytes=2-5"},
    {"Range": "bytes=5-"},
    {"Range": "bytes=-4"},
    {"Range": "bytes=99-"},
    {"If-None-Match": '"a"'},
    {"If-Modified-Since": "Wed, 01 Jan 2099 00:00:00 GMT"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_bytes(b"0123456789")
    (tmp_path / "files" / "b.tar.gz").write_bytes(b"x")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return tmp_path


def make(folder: Path, view: View) -> tuple[flask.Flask, Quart]:
    """Flask's app and the ported one, with this view."""
    of_flask, ported = (
        flask.Flask("files", root_path=str(folder)),
        Quart("files", root_path=str(folder)),
    )
    Connections(ported)

    async def ported_view() -> Any:
        return await view(sending)

    of_flask.add_url_rule("/", "view", lambda: view(flask))
    ported.add_url_rule("/", "view", ported_view)
    return of_flask, ported


def told(headers: Any) -> dict[str, str]:
    """What the headers say, but for the time."""
    of_time = {"date", "expires"}
    return {key.lower(): value for key, value in headers if key.lower() not in of_time}


async def answered(app: Quart, asked: dict[str, str]) -> Any:
    """The app's own response; a test client would add headers."""
    return await app.handle_request(app.test_request_context("/", headers=asked).request)


async def assert_same(of_flask: flask.Flask, ported: Quart, asked: dict[str, str]) -> None:
    """The same request has the same answer."""
    expected = of_flask.test_client().get("/", headers=asked)
    answer = await answered(ported, asked)
    assert answer.status_code == expected.status_code
    assert told(answer.headers) == told(expected.headers)
    data = answer.get_data()  # of Werkzeug's, if an error is answered
    assert (await data if isawaitable(data) else data) == expected.data
    expected.close()


@pytest.mark.parametrize("name", VIEWS)
async def test_the_answer_is_flasks(name: str, folder: Path) -> None:
    of_flask, ported = make(folder, VIEWS[name])
    for asked in ASKED:
        await assert_same(of_flask, ported, asked)


async def test_how_long_a_file_may_be_kept_is_what_the_app_says(folder: Path) -> None:
    apps = make(folder, VIEWS["path"])
    for app in apps:
        app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 12 * 60 * 60
    await assert_same(*apps, {})


async def test_a_class_of_apps_may_say_so_by_itself(folder: Path) -> None:
    of_flask, ported = make(folder, VIEWS["path"])
    for app in (of_flask, ported):
        app.__class__ = type("App", (type(app),), {"get_send_file_max_age": lambda self, path: 9})
    await assert_same(of_flask, ported, {})


async def test_an_open_file_is_sent_and_closed(folder: Path) -> None:
    file = (folder / "files" / "a.txt").open("rb")
    _, ported = make(folder, lambda web: web.send_file(file, "text/plain"))
    answer = await ported.test_client().get("/", headers={"Range": "bytes=2-5"})
    assert await answer.get_data(as_text=True) == "0123456789"
    assert file.closed


async def test_a_file_is_sent_that_goes_when_the_view_has_returned(folder: Path) -> None:
    _, ported = make(folder, VIEWS["path"])

    @ported.after_request
    async def remove(response: Response) -> Response:
        (folder / "files" / "a.txt").unlink()
        return response

    answer = await answered(ported, {"Range": "bytes=2-5"})
    assert await answer.get_data() == b"2345"
    assert not _open_files(folder)


async def test_a_file_that_is_not_sent_is_closed(folder: Path) -> None:
    _, ported = make(folder, lambda web: web.send_file("files/a.txt"))
    answer = await answered(ported, {})
    assert len(_open_files(folder)) == 1
    del answer
    gc.collect()
    assert not _open_files(folder)


def _open_files(folder: Path) -> list[str]:
    """The files of a folder that this process has open, as it names them."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # it was the listing's own
            found.append(os.readlink(each))
    return [name for name in found if name.startswith(str(folder))]
