"""What runs when, in which order and with which error: the same app on Flask and on ours.

The functions are plain and the app is built by the same lines: what Flask does is expected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import click
import flask
import flask.cli
import pytest
import quart
import quart.cli
from quart import Quart

from service.connections import Connections


@dataclass
class Story:
    """An app and what happens in it.

    Attributes:
        web: `flask` or `quart`.
        app: its app.
        trouble: where something happens, and what: see `at`.
        events: what happened, in order.
    """

    web: ModuleType
    app: Any
    trouble: dict[str, str]
    events: list[Any] = field(default_factory=list)

    def at(self, place: str, error: Any = "") -> Any:
        """Note that this place was reached, with which error; then let the trouble happen."""
        self.events.append(f"{place} {type(error).__name__}" if error != "" else place)
        match self.trouble.get(place):
            case "raise":
                raise ValueError(place)
            case "abort":
                self.web.abort(403)
            case "return":
                return f"from {place}"
        return None


def build(web: ModuleType, app: Any, trouble: dict[str, str]) -> Story:
    """Every hook twice, on the app and on a blueprint, and a view."""
    story = Story(web, app, trouble)
    blueprint = web.Blueprint("blueprint", __name__)
    for number in (1, 2):
        _hooks(story, app, f"app {number}")
        _hooks(story, blueprint, f"blueprint {number}")
        app.teardown_appcontext(_teardown(story, f"teardown_appcontext {number}"))

    def view() -> str:
        web.after_this_request(after_this)
        return story.at("view") or "view"

    def after_this(response: Any) -> Any:
        story.at("after_this_request")
        return response

    def handler(error: ValueError) -> tuple[str, int]:
        story.at("handler", error)
        return "handled", 400

    def handler_500(error: Any) -> tuple[str, int]:
        story.at("500 handler", error.original_exception)
        return "sorry", 500

    blueprint.add_url_rule("/", "view", view)
    if "handler" in trouble:
        app.register_error_handler(ValueError, handler)
    if "500 handler" in trouble:
        app.register_error_handler(500, handler_500)
    app.register_blueprint(blueprint)
    app.config.update({key: True for key in ("DEBUG", "TESTING") if key in trouble})
    return story


def _hooks(story: Story, on: Any, name: str) -> None:
    def after(response: Any) -> Any:
        story.at(f"after_request {name}")
        return response

    on.before_request(lambda: story.at(f"before_request {name}"))
    on.after_request(after)
    on.teardown_request(_teardown(story, f"teardown_request {name}"))


def _teardown(story: Story, place: str) -> Callable[[BaseException | None], None]:
    return lambda error: story.at(place, error)


def on_flask(trouble: dict[str, str]) -> Story:
    return build(flask, flask.Flask("parity"), trouble)


def on_ours(trouble: dict[str, str]) -> Story:
    app = Quart("parity")
    Connections(app)
    return build(quart, app, trouble)


PLACES = [
    *["view", "before_request app 1", "before_request app 2", "before_request blueprint 1"],
    *["after_this_request", "after_request blueprint 2", "after_request app 1"],
    *["teardown_request blueprint 2", "teardown_request app 1"],
    *["teardown_appcontext 2", "teardown_appcontext 1"],
]
CASES: list[dict[str, str]] = [
    {},
    *({place: "raise"} for place in PLACES),
    *({place: "abort"} for place in PLACES if not place.startswith("teardown")),
    *({place: "return"} for place in PLACES if place.startswith("before")),
    {"view": "raise", "handler": ""},
    {"view": "raise", "handler": "raise"},
    {"view": "raise", "handler": "abort"},
    {"view": "raise", "500 handler": ""},
    {"view": "raise", "500 handler": "raise"},
    {"view": "raise", "after_request app 1": "raise"},
    {"view": "raise", "teardown_request app 1": "raise"},
    {"view": "raise", "DEBUG": ""},
    {"view": "raise", "TESTING": ""},
    {"view": "abort", "DEBUG": ""},
    {"after_request app 1": "raise", "DEBUG": ""},
    {"before_request app 1": "raise", "handler": ""},
    {"after_request app 1": "raise", "handler": ""},
]


@pytest.mark.parametrize("path", ["/", "/nothing"])
@pytest.mark.parametrize("trouble", CASES, ids=str)
async def test_a_request(trouble: dict[str, str], path: str) -> None:
    expected = on_flask(trouble)
    # What nobody handles reaches the server, which answers with a 500.
    status = 500
    with suppress(ValueError):
        status = expected.app.test_client().get(path).status_code
    ours = on_ours(trouble)
    found = 500
    with suppress(ValueError):
        found = (await ours.app.test_client().get(path)).status_code
    assert ours.events == expected.events
    assert found == status


def mark(story: Story, name: str) -> None:
    """Note what `g` has, and put something there."""
    story.events.append((name, sorted(story.web.g)))
    setattr(story.web.g, name, True)


async def test_g_across_nested_contexts_and_the_test_client() -> None:
    expected, ours = on_flask({}), on_ours({})
    for story in (expected, ours):
        story.app.before_request(lambda story=story: mark(story, "request"))
        story.app.teardown_appcontext(lambda error, story=story: mark(story, "end"))
    with expected.app.app_context():
        mark(expected, "outer")
        with expected.app.app_context():
            mark(expected, "inner")
            with expected.app.test_request_context("/"):
                mark(expected, "test request")
            expected.app.test_client().get("/")
            mark(expected, "inner again")
        mark(expected, "outer again")
    async with ours.app.app_context():
        mark(ours, "outer")
        async with ours.app.app_context():
            mark(ours, "inner")
            async with ours.app.test_request_context("/"):
                mark(ours, "test request")
            await ours.app.test_client().get("/")
            mark(ours, "inner again")
        mark(ours, "outer again")
    assert ours.events == expected.events


@pytest.mark.parametrize("trouble", [{}, {"command": "raise"}], ids=str)
def test_a_command(trouble: dict[str, str]) -> None:
    expected, ours = on_flask(trouble), on_ours(trouble)
    for story, cli in ((expected, flask.cli), (ours, quart.cli)):

        def work(story: Story = story) -> None:
            mark(story, "command")
            story.at("command")
            click.echo(story.web.current_app.name)

        story.app.cli.command("work")(cli.with_appcontext(work))
        story.app.teardown_appcontext(lambda error, story=story: mark(story, "end"))
        result = story.app.test_cli_runner().invoke(args=["work"])
        story.events.append((result.output, type(result.exception)))
    assert ours.events == expected.events


def test_teardowns_of_a_context_that_ends_with_an_error() -> None:
    expected, ours = on_flask({}), on_ours({})
    with suppress(ZeroDivisionError), expected.app.app_context():
        raise ZeroDivisionError

    async def end() -> None:
        async with ours.app.app_context():
            raise ZeroDivisionError

    with suppress(ZeroDivisionError):
        asyncio.run(end())
    assert ours.events == expected.events
    assert ours.events == [f"teardown_appcontext {number} ZeroDivisionError" for number in (2, 1)]


def test_a_plain_generator() -> None:
    """It runs after the teardowns, outside of any context; its `finally` at its end."""

    def add_stream(story: Story) -> None:
        def stream() -> Iterator[str]:
            try:
                for number in range(2):
                    story.events.append((number, story.web.has_app_context()))
                    yield str(number)
            finally:
                story.events.append("end")

        story.app.add_url_rule("/stream", "stream", stream)

    expected, ours = on_flask({}), on_ours({})
    for story in (expected, ours):
        add_stream(story)
    body = expected.app.test_client().get("/stream").data

    async def ask() -> Any:
        return await (await ours.app.test_client().get("/stream")).get_data()

    assert asyncio.run(ask()) == body
    assert ours.events == expected.events
