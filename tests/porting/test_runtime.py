"""What ported apps import: streams of plain generators, waiting apart from the app's loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from unittest.mock import Mock

import click
import pytest
from quart import Quart, Response, current_app, request

from service.connections import Connections, run
from service.porting.runtime import (
    await_if_awaitable,
    call_commands,
    copy_current_request_context,
    ensure_async,
    make_conditional,
    run_apart,
    run_if_awaitable,
    stream_with_context,
)
from service.porting.testing import coroutine_function, generator_function, plain_function


def make_app() -> Quart:
    app = Quart("ported")
    Connections(app)
    return app


async def test_a_plain_generator_streams_in_a_thread_with_its_request() -> None:
    app = make_app()
    threads: set[int] = set()

    def parts() -> Iterator[str]:
        for number in range(2):
            threads.add(threading.get_ident())
            yield f"{request.path} {number}\n"

    @app.get("/given")
    async def given() -> Response:
        return Response(stream_with_context(parts()))

    @app.get("/decorated")
    async def decorated() -> Response:
        return Response(stream_with_context(parts)())

    for path in ("/given", "/decorated"):
        response = await app.test_client().get(path)
        assert await response.get_data(as_text=True) == f"{path} 0\n{path} 1\n"
    assert threading.get_ident() not in threads


async def test_a_stream_that_its_client_leaves_is_closed() -> None:
    app = make_app()
    closed: list[str] = []

    def parts() -> Iterator[str]:
        try:
            while True:
                yield "part"
        finally:
            closed.append(request.path)

    async with app.test_request_context("/stream"):
        generator = parts()  # kept: the garbage collector would close it, too
        streaming = stream_with_context(generator)
        assert await anext(streaming) == "part"
        await streaming.aclose()
    assert closed == ["/stream"]


async def test_waiting_apart_has_the_context_and_a_loop_of_its_own() -> None:
    app = make_app()

    async def found() -> tuple[str, asyncio.AbstractEventLoop]:
        return request.path, asyncio.get_running_loop()

    async with app.test_request_context("/here"):
        path, loop = run_apart(found())
    assert path == "/here"
    assert loop is not asyncio.get_running_loop()


async def test_either_kind_is_awaited_within_app_contexts_and_outside() -> None:
    app = make_app()

    def plain(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    async def asynchronous(number: int) -> tuple[int, int]:
        return number, threading.get_ident()

    async def found() -> list[tuple[int, bool]]:
        answers = [await ensure_async(function)(1) for function in (plain, asynchronous)]
        return [(number, thread == threading.get_ident()) for number, thread in answers]

    assert await found() == [(1, False), (1, True)]
    async with app.app_context():
        assert await found() == [(1, False), (1, True)]


async def test_within_an_app_context_the_app_says_how_a_function_is_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = make_app()
    asked: list[object] = []
    monkeypatch.setattr(app, "ensure_async", asked.append)
    async with app.app_context():
        ensure_async(make_app)
    assert asked == [make_app]


async def test_a_plain_function_has_what_either_kind_returns() -> None:
    app = make_app()
    loops: list[asyncio.AbstractEventLoop] = []

    async def asynchronous() -> int:
        loops.append(asyncio.get_running_loop())
        return 2

    def plain() -> list[int]:
        return [run_if_awaitable(run, 1), run_if_awaitable(run, asynchronous())]

    assert await ensure_async(plain)() == [1, 2]
    async with app.app_context():
        assert await ensure_async(plain)() == [1, 2]
    assert [loop is asyncio.get_running_loop() for loop in loops] == [False, True]


async def test_a_plain_function_has_the_context_of_the_command_that_calls_it() -> None:
    app = make_app()

    def name() -> str | None:
        return click.get_current_context().info_name

    with click.Context(click.Command("show"), info_name="show") as command:
        closed: list[str] = []
        command.call_on_close(lambda: closed.append("command"))
        assert await ensure_async(name)() == "show"
        async with app.app_context():
            assert await ensure_async(name)() == "show"
        assert not closed


async def test_threads_that_one_command_starts_at_once_have_its_context_and_end_nothing() -> None:
    together = threading.Barrier(2)

    def name() -> str | None:
        together.wait(10)
        return click.get_current_context().info_name

    with click.Context(click.Command("show"), info_name="show") as command:
        closed: list[str] = []
        command.call_on_close(lambda: closed.append("command"))
        found = [*await asyncio.gather(ensure_async(name)(), ensure_async(name)())]
        assert found == ["show", "show"]
        assert click.get_current_context() is command
        assert not closed


async def test_a_coroutine_function_has_what_is_there_or_comes() -> None:
    assert await await_if_awaitable(1) == 1
    assert await await_if_awaitable(asyncio.sleep(0, 2)) == 2


async def test_a_thread_of_ones_own_has_the_request_that_was_copied() -> None:
    app = make_app()

    @app.post("/")
    def index() -> list[object]:
        found: list[object] = []

        @copy_current_request_context
        def read(word: str) -> None:
            found.append([word, request.path, run(request.get_json())])

        thread = threading.Thread(target=read, args=("given",))
        thread.start()
        thread.join()
        return found

    response = await app.test_client().post("/", json={"number": 3})
    assert await response.get_json() == [["given", "/", {"number": 3}]]


async def test_a_double_of_a_coroutine_function_is_awaited_whatever_it_is() -> None:
    async def asynchronous(number: int) -> int:
        return number + 1

    assert await coroutine_function(lambda number: number + 1)(1) == 2
    assert await coroutine_function(asynchronous)(number=1) == 2


async def test_a_double_of_an_asynchronous_generator_is_gone_through_whatever_it_is() -> None:
    async def asynchronous(text: str) -> AsyncIterator[str]:
        for each in text:
            yield each

    for double in (iter, asynchronous):
        assert [each async for each in generator_function(double)("ab")] == ["a", "b"]


async def test_a_double_of_an_asynchronous_generator_raises_where_it_is_gone_through() -> None:
    made = generator_function(Mock(side_effect=KeyError("gone")))("ab")
    with pytest.raises(KeyError, match="gone"):
        await anext(made)


async def test_a_plain_function_waits_for_a_coroutine_function() -> None:
    async def found(number: int) -> tuple[int, asyncio.AbstractEventLoop]:
        return number, asyncio.get_running_loop()

    number, loop = plain_function(found)(number=1)
    assert number == 1
    assert loop is not asyncio.get_running_loop()


def test_without_a_request_no_context_is_copied() -> None:
    with pytest.raises(RuntimeError, match="no request"):
        copy_current_request_context(make_app)


async def test_what_a_304_does_not_send_can_be_read_after_the_request() -> None:
    app = make_app()

    @app.get("/<how>")
    async def view(how: str) -> Response:
        response = Response(b"whole")
        await response.add_etag()
        return await make_conditional(response, request)

    @app.after_request
    async def measure(response: Response) -> Response:
        response.headers["X-Length"] = str(len(await response.get_data()))
        response.headers["X-Content-Length"] = str(response.content_length)
        if request.path == "/changed":
            response.set_data(b"whole!")
        return response

    client = app.test_client()
    for path, body in (("/read", b"whole"), ("/changed", b"whole!")):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        async with app.test_request_context("/"):  # of a test, which the app's is not
            inside = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        answers = [(each.status_code, await each.get_data()) for each in (first, again, inside)]
        assert answers == [(200, body), (304, b""), (304, b"")]
        for response in (first, again, inside):
            measured = response.headers["X-Length"], response.headers["X-Content-Length"]
            assert measured == ("5", "5")


async def test_commands_called_in_an_app_context_have_its_app_and_their_own_loops() -> None:
    app = make_app()
    app.debug = True
    met: list[object] = []

    @app.cli.command("meet", with_appcontext=True)
    @click.argument("status", type=int)
    def meet(status: int) -> None:
        met.append(current_app._get_current_object())  # type: ignore[attr-defined]
        raise SystemExit(status)

    async with app.app_context():
        with pytest.raises(SystemExit) as ended:
            await call_commands(app.cli, ["meet", "3"])
    assert ended.value.code == 3
    assert met == [app]
    assert app.debug


async def test_commands_called_without_a_context_are_given_nothing() -> None:
    @click.command()
    @click.pass_obj
    def plain(given: object) -> object:
        return given

    assert await call_commands(plain, [], standalone_mode=False) is None
