"""A server that answers wrongly or not at all: a clear 503 for who needs it, nothing for others."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from time import perf_counter

import pytest
import pytest_asyncio

from service.embedded.directory import data_directory
from tests.eventually import until

from .backends import KINDS
from .inventory import holds
from .misbehaviour import MISBEHAVIOURS, TIMEOUT, Place, place
from .traffic import ROUTES, Answer, clients, needing, without

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = 10
PAUSE = 0.05
"""Seconds that a client thinks, on average."""
WAITS = 3
"""Timeouts that one request may meet: for a place, for a connection, for an answer."""
RETURN = 2.0
"""Seconds after which a server that is well again is used again."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="here")
async def _here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    log = tmp_path_factory.mktemp("misbehaving") / "service.log"
    with data_directory(None) as data:
        async with place(data, log) as here:
            yield here


@pytest.mark.parametrize("how", MISBEHAVIOURS)
@pytest.mark.parametrize("name", KINDS)
async def test_who_needs_it_gets_a_clear_503_and_nobody_else_notices(
    here: Place, name: str, how: str, full: bool
) -> None:
    stop = asyncio.Event()
    affected = needing([name])
    seen = {str(route) for route in affected}
    async with clients(here.service.url, here.world, keep_alive=False) as asking:

        def good(since: float) -> set[str]:
            return {
                str(answer.route)
                for answer in asking.answers
                if answer.began >= since and is_good(answer)
            }

        def refused() -> set[str]:
            return {str(answer.route) for answer in asking.answers if not is_good(answer)}

        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(asking.keep_asking(ROUTES, stop, random.Random(number), PAUSE))
            await until(lambda: len(good(0)) == len(ROUTES))
            async with MISBEHAVIOURS[how](here, name):
                began = perf_counter()
                await asyncio.sleep((20 if full else 1.2) * TIMEOUT)
                await until(lambda: refused() >= seen)
                ended = perf_counter()
            back = perf_counter()
            try:
                await until(lambda: good(back) >= seen, RETURN)
            finally:
                stop.set()
            recovered = perf_counter()

    assert not [one for one in asking.answers if one.route in without([name]) and not is_good(one)]
    assert not [
        one
        for one in asking.answers
        if began <= one.began <= one.ended < ended and one.route in affected and is_good(one)
    ]
    for answer in (one for one in asking.answers if not is_good(one)):
        assert answer.status == 503, answer
        problem = json.loads(answer.body)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (problem["status"], problem["connection"]) == (503, name)
        assert int(answer.headers["Retry-After"]) >= 1
        assert not here.tells_too_much(answer.body.decode())
        assert answer.seconds < WAITS * TIMEOUT + 0.5, answer
    assert recovered - back < RETURN
    await holds(here.service, here.urls, here.inventory, answering=())


def is_good(answer: Answer) -> bool:
    return answer.status == answer.route.status
