"""Row 15 of the contract: all plain functions of a context in one thread, one at a time."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextvars import ContextVar

from quart import Quart, Response, g, request

from service.connections import get_db, run
from tests.eventually import until

from .asking import get
from .ledger import Ledger


async def test_all_plain_functions_of_a_request_run_in_one_thread(ledger_app: Quart) -> None:
    threads: list[tuple[str, int]] = []
    local = threading.local()

    def note(what: str) -> None:
        threads.append((what, threading.get_ident()))
        local.notes = [*getattr(local, "notes", []), what]

    @ledger_app.before_request
    def before() -> None:
        note("before")
        g.database = sqlite3.connect(":memory:")

    @ledger_app.get("/")
    def view() -> Response:
        note("view")
        rows = g.database.execute("VALUES ('one'), ('two')").fetchall()

        def body() -> Iterator[str]:
            try:
                for (row,) in rows:
                    note("body")
                    yield row
            finally:
                note("end of body")

        return Response(body())

    @ledger_app.after_request
    def after(response: Response) -> Response:
        note("after")
        return response

    @ledger_app.errorhandler(404)
    def not_found(error: Exception) -> tuple[str, int]:
        note("handler")
        return "none", 404

    @ledger_app.teardown_request
    def teardown_request(error: BaseException | None) -> None:
        note("teardown_request")

    @ledger_app.teardown_appcontext
    def teardown_appcontext(error: BaseException | None) -> None:
        note("teardown_appcontext")
        g.database.close()

    ends = ["after", "teardown_request", "teardown_appcontext"]
    assert await get(ledger_app) == "onetwo"
    assert [what for what, _ in threads] == [
        *["before", "view", *ends],
        *["body", "body", "end of body"],
    ]
    assert len({thread for _, thread in threads}) == 1
    assert threads[0][1] != threading.get_ident()
    threads.clear()
    await ledger_app.test_client().get("/nothing")
    assert [what for what, _ in threads] == ["before", "handler", *ends]
    assert len({thread for _, thread in threads}) == 1


async def test_requests_at_once_have_threads_to_themselves(ledger_app: Quart) -> None:
    local = threading.local()
    all_here = asyncio.Barrier(10)

    @ledger_app.before_request
    def before() -> None:
        assert not hasattr(local, "path")
        local.path = request.path

    @ledger_app.get("/<name>")
    async def view(name: str) -> str:
        await all_here.wait()
        return str(await ledger_app.ensure_async(lambda: local.path)())

    @ledger_app.teardown_request
    def teardown(error: BaseException | None) -> None:
        assert local.path == request.path
        del local.path

    paths = [f"/{number}" for number in range(10)]
    assert await asyncio.gather(*(get(ledger_app, path) for path in paths)) == paths


async def test_one_at_a_time(ledger_app: Quart) -> None:
    running = 0

    def alone() -> None:
        nonlocal running
        running += 1
        run(asyncio.sleep(0.001))
        assert running == 1
        running -= 1

    @ledger_app.get("/")
    async def view() -> str:
        await asyncio.gather(*(ledger_app.ensure_async(alone)() for _ in range(5)))
        return "done"

    assert await get(ledger_app) == "done"


async def test_what_run_awaits_finds_the_thread_that_waits(ledger_app: Quart) -> None:
    """However deep, and in nested contexts and other tasks, too."""
    threads: set[int] = set()

    def leaf() -> int:
        threads.add(threading.get_ident())
        return run(asyncio.sleep(0, 1))

    async def nested() -> int:
        async with ledger_app.app_context():
            return await ledger_app.ensure_async(leaf)()

    def branch() -> int:
        threads.add(threading.get_ident())
        return sum(run(both()))

    async def both() -> tuple[int, int]:
        return await asyncio.gather(ledger_app.ensure_async(leaf)(), nested())

    @ledger_app.get("/inner")
    def inner() -> str:
        threads.add(threading.get_ident())
        return "2"

    @ledger_app.get("/")
    def view() -> str:
        threads.add(threading.get_ident())
        return f"{run(ledger_app.ensure_async(branch)())} {run(get(ledger_app, '/inner'))}"

    assert await get(ledger_app) == "2 2"
    assert len(threads) == 1


async def test_a_nested_context_of_the_same_task_shares_the_thread(ledger_app: Quart) -> None:
    ident = ledger_app.ensure_async(threading.get_ident)

    async def of_its_own() -> int:
        async with ledger_app.app_context():
            return await ident()

    @ledger_app.get("/")
    async def view() -> str:
        mine = await ident()
        another = asyncio.create_task(of_its_own())
        return str([await of_its_own() == mine, await another == mine, await ident() == mine])

    assert await get(ledger_app) == "[True, False, True]"


async def test_context_variables_set_in_one_function_are_seen_in_the_next(
    ledger_app: Quart,
) -> None:
    """As under Flask, where all run in one thread. Under Quart alone they would be lost."""
    variable: ContextVar[str] = ContextVar("variable", default="nothing")

    @ledger_app.before_request
    def before() -> None:
        variable.set("before")

    @ledger_app.get("/")
    async def view() -> str:
        seen = variable.get()
        variable.set("view")
        return seen

    @ledger_app.after_request
    def after(response: Response) -> Response:
        response.headers["Seen"] = variable.get()
        run(set_in_a_coroutine())
        response.headers["Awaited"] = variable.get()
        return response

    async def set_in_a_coroutine() -> None:
        variable.set("awaited")

    response = await ledger_app.test_client().get("/")
    assert await response.get_data() == b"before"
    assert (response.headers["Seen"], response.headers["Awaited"]) == ("view", "awaited")
    assert variable.get() == "nothing"


async def test_a_body_that_is_never_sent_keeps_no_thread(ledger_app: Quart) -> None:
    threads = ledger_app.extensions["connections"].here().threads

    @ledger_app.get("/")
    def view() -> Response:
        return Response(part for part in ["never", "sent"])

    @ledger_app.after_request
    def after(response: Response) -> Response:
        return Response("another")

    for _ in range(3):
        assert await get(ledger_app) == "another"
        await until(lambda: threads.at_work == 0)
    assert threads.count == 1


async def test_a_body_keeps_its_thread_to_its_end_and_no_longer(ledger_app: Quart) -> None:
    """Who comes meanwhile gets another; who keeps the response does not keep the thread."""
    threads = ledger_app.extensions["connections"].here().threads
    end = asyncio.Event()
    idents: list[int] = []
    kept: list[Response] = []

    @ledger_app.get("/hold")
    def hold() -> str:
        run(end.wait())
        return "held"

    @ledger_app.get("/")
    def view() -> str:
        idents.append(threading.get_ident())
        kept.append(Response(items()))
        return "kept"

    def items() -> Iterator[str]:
        for _ in range(3):
            idents.append(threading.get_ident())
            yield "item "

    assert await get(ledger_app) == "kept"
    assert threads.at_work == 1
    holding = asyncio.create_task(get(ledger_app, "/hold"))
    await until(lambda: threads.at_work == 2)
    assert await kept[0].get_data() == b"item " * 3
    await until(lambda: threads.at_work == 1)
    end.set()
    assert await holding == "held"
    assert len(idents) == 4
    assert len(set(idents)) == 1


async def test_calls_that_come_too_late_for_a_run_find_the_thread_of_the_context(
    ledger_app: Quart,
) -> None:
    order: list[int] = []
    calls: list[asyncio.Future[None]] = []

    def leaf(number: int) -> None:
        threading.Event().wait(0.01)
        order.append(number)

    async def begin_and_leave() -> None:
        calls.extend(asyncio.ensure_future(ledger_app.ensure_async(leaf)(n)) for n in range(3))
        await asyncio.sleep(0)

    @ledger_app.get("/")
    def view() -> str:
        run(begin_and_leave())
        return str(order)

    assert await get(ledger_app) == "[0]"
    async with asyncio.timeout(10):
        await asyncio.gather(*calls)
    assert order == [0, 1, 2]


async def test_a_context_without_plain_functions_has_no_thread(
    ledger_app: Quart, ledger: Ledger
) -> None:
    @ledger_app.get("/")
    async def view() -> str:
        await get_db("x")
        return ""

    await get(ledger_app)
    assert ledger.count("acquired") == 1
    assert ledger_app.extensions["connections"].here().threads.count == 0
