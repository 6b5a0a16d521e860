"""A cut at every moment of acquire, use and release, once and twice in a row."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections import Counter
from typing import Any

import pytest

from service.connections import accessor, scope, source, tasks

from .cut_scenarios import (
    SCENARIOS,
    Scenario,
    World,
    a_block,
    a_ping_of_a_backend_that_was_down,
    a_request,
    at_once,
    serving,
)
from .stepping import Cut, Place, SteppedLoop, awaits, others_ended, step_once, step_twice

SOON = 2
"""Moments that the second cut comes after the first at most, where not every pair is tried."""


class Stepping:
    """A scenario that is run again and again, each time with cuts at other moments.

    Args:
        scenario: what is cut.
        cut: "cancel": the task is cancelled; "leave": the client leaves, then the task is
            cancelled; "end": all tasks are cancelled, as at the end of a loop.
        pauses: how often each operation of the backend waits.
    """

    def __init__(self, scenario: Scenario, cut: str = "cancel", pauses: int = 1) -> None:
        self.scenario = scenario
        self.cut = cut
        self.pauses = pauses
        self.reached: set[Place] = set()
        self.inside: Counter[str] = Counter()
        self.complaints: list[dict[str, Any]] = []

    def __call__(self, moments: tuple[int, ...]) -> int:
        with asyncio.Runner(loop_factory=SteppedLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, SteppedLoop)
            loop.set_exception_handler(lambda _, context: self.complaints.append(context))
            try:
                left = runner.run(self._run(loop, moments))
            except BaseException as error:
                error.add_note(f"{self.scenario.__name__}, {self.cut} at {moments}")
                raise
        self.reached |= loop.reached
        self.inside += loop.inside
        return left

    async def _run(self, loop: SteppedLoop, moments: tuple[int, ...]) -> int:
        world = World(self.pauses)
        runner = asyncio.current_task()
        task = asyncio.create_task(self.scenario(world))

        def end() -> None:
            for one in asyncio.all_tasks() - {runner}:
                one.cancel()

        first: dict[str, Cut] = {
            "cancel": task.cancel,
            "leave": world.client_left.set,
            "end": end,
        }
        cuts = (first[self.cut], end if self.cut == "end" else task.cancel)
        left = await loop.cut_in(task, zip(moments, cuts, strict=False))
        world.client_left.set()
        await others_ended()
        error = None if task.cancelled() else task.exception()
        if self.cut == "end":
            await world.connections.close()
        else:
            assert error is None
            if self.cut == "cancel" and left < len(moments) and not _may_lose(self.scenario):
                assert task.cancelled()
            assert not world.ledger.count("dropped")
            world.nothing_is_out()
            await world.still_gives()
            world.nothing_is_out()
            await world.connections.close()
            assert not world.ledger.count("aborted")
        back = world.ledger.numbers("released") + world.ledger.numbers("dropped")
        assert len(back) == len(set(back))
        closed = world.ledger.count("close") + world.ledger.count("aborted")
        assert world.ledger.count("open") == closed
        return left

    def no_complaints(self) -> None:
        """Nothing that was never retrieved, destroyed while pending, or unclosed."""
        gc.collect()
        assert not self.complaints


def _may_lose(scenario: Scenario) -> bool:
    # Quart stops serving with the `asyncio.wait_for` of Python 3.11, which loses cancellations.
    return sys.version_info < (3, 12) and scenario is serving


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of runs that fail on purpose."""
    caplog.set_level(logging.CRITICAL, "service.connections")


def named(scenario: Scenario) -> str:
    return scenario.__name__


@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_a_cancellation_at_every_moment_leaves_nothing(scenario: Scenario) -> None:
    stepping = Stepping(scenario)
    moments = step_once(stepping)
    assert moments >= SCENARIOS[scenario]
    for phase in ("Source._open", "LedgerBackend.acquire", "Entry.query", "LedgerBackend.release"):
        assert stepping.inside[phase]
    stepping.no_complaints()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_a_second_cancellation_at_every_later_moment_leaves_nothing(
    scenario: Scenario, full: bool
) -> None:
    stepping = Stepping(scenario, pauses=3 if full else 1)
    assert step_twice(stepping, within=sys.maxsize if full else SOON) > SCENARIOS[scenario]
    stepping.no_complaints()


def test_a_client_that_leaves_at_every_moment_and_a_cancellation_after_it_leave_nothing(
    full: bool,
) -> None:
    stepping = Stepping(a_request, cut="leave", pauses=3 if full else 1)
    assert step_twice(stepping, within=sys.maxsize if full else SOON) > SCENARIOS[a_request]
    stepping.no_complaints()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=named)
def test_the_end_of_the_loop_at_every_moment_closes_everything(scenario: Scenario) -> None:
    stepping = Stepping(scenario, cut="end")
    assert step_once(stepping) >= SCENARIOS[scenario]
    stepping.no_complaints()


def test_every_await_of_the_layer_is_cut() -> None:
    reached: set[Place] = set()
    for scenario in SCENARIOS:
        stepping = Stepping(scenario)
        step_once(stepping)
        reached |= stepping.reached
    for scenario in (a_block, at_once, a_ping_of_a_backend_that_was_down):
        stepping = Stepping(scenario)
        step_twice(stepping, within=6)
        reached |= stepping.reached
    every = set().union(*map(awaits, (accessor, scope, source, tasks)))
    assert len(every) >= 25
    assert sorted(every - reached) == []
