"""`PortedRequest` gives the same parts of the same bodies as Flask's, in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import isawaitable
from io import BytesIO
from pathlib import Path
from typing import Any

import flask
import pytest
import quart
from quart import Quart
from werkzeug.exceptions import BadRequest

from service.connections import Connections
from service.porting.runtime import PortedRequest
from service.porting.testing import PortedClient

SENT: list[dict[str, Any]] = [
    {},
    {"data": {"a": "b"}},
    {
        "data": b'--line\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--line--\r\n',
        "content_type": "multipart/form-data; boundary=line",
    },
    {"data": b"12345678901"},
    {"data": b'{"a": 1}', "content_type": "application/json"},
    {"data": b'{"a": "\xff"}', "content_type": "application/json"},
]
PARTS: list[Sequence[tuple[str, dict[str, Any]]]] = [
    [("form", {}), ("data", {})],
    [("get_data", {"parse_form_data": True})],
    [("get_data", {"as_text": True}), ("form", {}), ("get_data", {})],
    [("get_data", {"cache": False}), ("form", {}), ("data", {})],
    [("values", {}), ("get_data", {}), ("get_data", {})],
    [("json", {}), ("data", {})],
    [("get_json", {"silent": True}), ("get_json", {"force": True})],
    [("max_content_length", {}), ("files", {})],
    [("max_content_length", {}), ("get_data", {})],
    [("form", {}), ("max_content_length", {}), ("form", {})],
    [("stream", {}), ("stream", {}), ("get_data", {}), ("stream", {}), ("form", {})],
    [("stream", {}), ("json", {}), ("form", {})],
    [("get_data", {}), ("stream", {}), ("form", {})],
    [("get_data", {"cache": False}), ("stream", {})],
    [("form", {}), ("stream", {})],
    [("max_content_length", {}), ("stream", {})],
]


def part(request: Any, name: str, options: dict[str, Any]) -> Any:
    if name == "max_content_length":
        request.max_content_length = 10
        return None
    found = getattr(request, name)
    return found(**options) if callable(found) else found


def seen(value: Any) -> Any:
    if hasattr(value, "read"):
        return value.read(5)
    return list(value) if hasattr(value, "getlist") else value


class Lenient(flask.Request):
    def on_json_loading_failed(self, error: ValueError | None) -> Any:
        return super().on_json_loading_failed(error) if error else "no JSON"


class PortedLenient(PortedRequest):
    def on_json_loading_failed(self, error: Exception | None) -> Any:
        return super().on_json_loading_failed(error) if error else "no JSON"


CLASSES = {"Flask's": (flask.Request, PortedRequest), "own": (Lenient, PortedLenient)}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("parts", PARTS, ids=str)
async def test_parts_of_a_body(kind: str, parts: Sequence[tuple[str, dict[str, Any]]]) -> None:
    of_flask, ported = flask.Flask("requests"), Quart("requests")
    Connections(ported)
    of_flask.request_class, ported.request_class = CLASSES[kind]

    @of_flask.post("/")
    def view() -> str:
        return repr([seen(part(flask.request, *each)) for each in parts])

    @ported.post("/")
    async def async_view() -> str:
        found = []
        for each in parts:
            value = part(quart.request, *each)
            found.append(seen(await value if isawaitable(value) else value))
        return repr(found)

    for sent in SENT:
        expected = of_flask.test_client().post("/", **sent)
        response = await PortedClient(ported).post("/", **sent)
        assert response.status_code == expected.status_code, sent
        assert await response.get_data(as_text=True) == expected.text, sent


async def test_a_file_is_saved_to_a_path_and_into_an_open_file(tmp_path: Path) -> None:
    app = Quart("requests")
    app.request_class = PortedRequest

    @app.post("/<where>")
    async def view(where: str) -> bytes:
        file: Any = (await quart.request.files)["file"]
        if where == "path":
            await file.save(tmp_path / "saved")
            return (tmp_path / "saved").read_bytes()
        if where == "text":
            await file.save(str(tmp_path / "named"))
            return (tmp_path / "named").read_bytes()
        opened = BytesIO()
        await file.save(dst=opened)
        return opened.getvalue()

    for where in ("path", "text", "opened"):
        sent = {"file": (BytesIO(b"x" * 100_000), "x.txt")}
        response = await PortedClient(app).post(f"/{where}", data=sent)
        assert await response.get_data(as_text=False) == b"x" * 100_000


async def test_the_limit_of_the_app_holds_whatever_is_read() -> None:
    app = Quart("requests")
    app.config["MAX_CONTENT_LENGTH"] = 10
    app.request_class = PortedRequest

    @app.post("/")
    async def view() -> str:
        return str(len(await quart.request.files))

    response = await PortedClient(app).post("/", data=b"x" * 11)
    assert response.status_code == 413


async def test_an_answer_of_ones_own_to_what_is_no_json() -> None:
    class Strict(PortedRequest):
        def on_json_loading_failed(self, error: Exception | None) -> Any:
            raise BadRequest("JSON, please")

    app = Quart("requests")
    app.request_class = Strict
    async with app.test_request_context("/", method="POST", data=b"x"):
        with pytest.raises(BadRequest, match="JSON, please"):
            await quart.request.get_json()
