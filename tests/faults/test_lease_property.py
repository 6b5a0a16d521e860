"""Any order of what can happen to the leases of one context, against a model of the contract."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from quart import Quart, copy_current_app_context

from service.connections import Connections, ConnectionUnavailable
from tests.connections.ledger import LEDGERS, Entry, Ledger

from .lease_model import CANCELLED, Asker, Model, Outcome
from .lease_users import Holder, Waiter

NAMES = ("x", "y", "z")
STEPS_TO_REST = 30
"""Steps of the loop after which nothing moves any more on its own."""


class Leases(RuleBasedStateMachine):
    """The layer on a backend that counts, and the model, side by side."""

    holders = Bundle[Holder]("holders")
    waiters = Bundle[Waiter]("waiters")

    def __init__(self) -> None:
        super().__init__()
        self.complaints: list[dict[str, Any]] = []
        self.runner = asyncio.Runner()
        self.runner.get_loop().set_exception_handler(
            lambda _, context: self.complaints.append(context)
        )
        self.model = Model(NAMES)
        self.everybody: list[Waiter] = []
        self.contexts: list[Holder] = []
        self.failures: dict[str, list[BaseException]] = {name: [] for name in NAMES}
        self.runner.run(self._make())

    async def _make(self) -> None:
        self.events: list[str] = []
        self.ledgers = {name: Ledger(self.events) for name in NAMES}
        app = Quart("property", static_folder=None)
        app.config["CONNECTIONS"] = {
            name: {"url": f"ledger://property-{name}", "max_size": 100, "fail_after": 10**6}
            for name in NAMES
        }
        for name, ledger in self.ledgers.items():
            LEDGERS[f"ledger://property-{name}"] = ledger
            ledger.gate = asyncio.Event()
        self.connections = Connections(app)
        self.app = app

    def _do(self, step: Callable[[], object]) -> Any:
        """Do something in the loop, and let it come to rest."""

        async def work() -> Any:
            result = step()
            for _ in range(STEPS_TO_REST):
                await asyncio.sleep(0)
            return result

        return self.runner.run(work())

    # What happens

    @initialize(target=holders)
    def the_context(self) -> Holder:
        def begin() -> Holder:
            async def whole() -> None:
                async with self.app.app_context():
                    await holder.hold()

            holder = Holder()
            holder.task = asyncio.create_task(whole())
            return holder

        return self._begun(begin)

    @rule(target=holders, of=holders)
    def a_copy_begins(self, of: Holder) -> Holder:
        def begin() -> Holder:
            assert of.inside is not None
            holder = Holder()
            copy = of.inside.run(copy_current_app_context, holder.hold)
            holder.task = asyncio.create_task(copy())
            return holder

        return self._begun(begin)

    def _begun(self, begin: Callable[[], Holder]) -> Holder:
        holder: Holder = self._do(begin)
        self.contexts.append(holder)
        self.model.context_begins()
        return holder

    @rule(holder=holders, how=st.sampled_from(["return", "raise", "cancel", "cancel twice"]))
    def a_context_ends(self, holder: Holder, how: str) -> None:
        if holder.how.done():
            return
        task = holder.task
        assert task is not None
        if how.startswith("cancel"):
            for _ in how.split():
                self._do(task.cancel)
        else:
            self._do(lambda: holder.how.set_result(how))
        self.model.context_ends()

    @rule()
    def all_is_given_back_early(self) -> None:
        inside = self.contexts[0].inside
        assert inside is not None
        self._do(lambda: asyncio.create_task(self.connections.give_back(), context=inside.copy()))
        self.model.all_goes_back()

    @rule(target=waiters, name=st.sampled_from(NAMES), inside=holders)
    def somebody_asks(self, name: str, inside: Holder) -> Waiter:
        return self._asks(Waiter(Asker((name,))), Waiter.one, inside)

    @rule(
        target=waiters,
        names=st.lists(st.sampled_from(NAMES), min_size=2, max_size=4).map(tuple),
        inside=holders,
    )
    def somebody_gathers(self, names: tuple[str, ...], inside: Holder) -> Waiter:
        return self._asks(Waiter(Asker(names)), Waiter.several, inside)

    @rule(target=waiters, name=st.sampled_from(NAMES), inside=holders)
    def a_block_begins(self, name: str, inside: Holder) -> Waiter:
        return self._asks(Waiter(Asker((name,), block=True)), Waiter.block, inside)

    def _asks(
        self,
        waiter: Waiter,
        how: Callable[[Waiter], Coroutine[Any, Any, list[Any]]],
        inside: Holder,
    ) -> Waiter:
        def begin() -> None:
            assert inside.inside is not None
            waiter.task = asyncio.create_task(how(waiter), context=inside.inside.copy())

        self._do(begin)
        self.everybody.append(waiter)
        self.model.ask(waiter.asker)
        return waiter

    @rule(waiter=waiters)
    def a_block_ends(self, waiter: Waiter) -> None:
        if waiter.got is not None and not self._over(waiter):
            self._do(lambda: waiter.stay.put_nowait(False))
            self.model.block_ends(waiter.asker)

    @rule(waiter=waiters)
    def the_task_of_a_block_asks_again(self, waiter: Waiter) -> None:
        if waiter.got is None or self._over(waiter):
            return
        if self.model.holds(waiter.asker.names[0]) == waiter.got.number:
            self._do(lambda: waiter.stay.put_nowait(True))

    @rule(waiter=waiters)
    def somebody_is_cancelled(self, waiter: Waiter) -> None:
        if not self._over(waiter):
            assert waiter.task is not None
            self._do(waiter.task.cancel)
            self.model.is_cancelled(waiter.asker)

    @precondition(lambda self: self.model.opening())
    @rule(data=st.data(), fails=st.booleans())
    def a_backend_answers(self, data: st.DataObject, fails: bool) -> None:
        name = data.draw(st.sampled_from(self.model.opening()))
        ledger = self.ledgers[name]
        assert ledger.gate is not None
        ledger.failing = OSError("down") if fails else None
        self._do(ledger.gate.set)
        ledger.gate.clear()
        if fails:
            self.model.fails_to_open(name)
        else:
            self.model.opens(name, ledger.numbers("acquired")[-1])

    @rule(held=st.booleans())
    def releases_hang_or_go_on(self, held: bool) -> None:
        for ledger in self.ledgers.values():
            gate = ledger.release_gate
            ledger.release_gate = asyncio.Event() if held and gate is None else gate
            if not held and gate is not None:
                self._do(gate.set)
                ledger.release_gate = None

    @precondition(lambda self: self.model.opened)
    @rule(data=st.data())
    def a_release_will_fail(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.model.opened))
        for ledger in self.ledgers.values():
            ledger.release_failing.add(number)

    def _over(self, waiter: Waiter) -> bool:
        assert waiter.task is not None
        return waiter.task.done()

    # What must hold

    @invariant()
    def everybody_has_what_they_are_due(self) -> None:
        for waiter in self.everybody:
            task, asker = waiter.task, waiter.asker
            assert task is not None
            if asker.waits:
                assert not task.done()
            elif asker.block and not task.done():
                assert waiter.got is not None
                assert waiter.got.number == asker.outcomes[0]
            elif task.done() and not task.cancelled():
                got = [_outcome(one) for one in task.result()]
                assert got == [asker.outcomes[place] for place in range(len(got))]

    @invariant()
    def a_cancelled_task_was_cancelled(self) -> None:
        for waiter in self.everybody:
            assert waiter.task is not None
            if CANCELLED in waiter.asker.outcomes.values():
                assert waiter.task.cancelled()

    @invariant()
    def all_who_waited_for_one_opening_have_the_same(self) -> None:
        entries: dict[int, Entry] = {}
        errors: dict[int, BaseException] = {}
        for waiter in self.everybody:
            assert waiter.task is not None
            if waiter.task.done() and not waiter.task.cancelled():
                for got in waiter.task.result():
                    if isinstance(got, Entry):
                        assert entries.setdefault(got.number, got) is got
                    elif isinstance(got, ConnectionUnavailable):
                        assert errors.setdefault(id(got.__cause__), got) is got

    @invariant()
    def a_backend_is_asked_once_for_each_opening(self) -> None:
        assert self.events.count("acquire") == sum(self.model.asked.values())
        assert self._numbers("acquired") == self.model.opened

    @invariant()
    def what_went_back_went_back_once_and_last_opened_first(self) -> None:
        released = self._numbers("released")
        assert len(released) == len(set(released))
        gone = {number for group in self.model.back for number in group}
        assert set(released) <= gone
        if all(ledger.release_gate is None for ledger in self.ledgers.values()):
            assert set(released) == gone
        for group in self.model.back:
            assert [number for number in released if number in group] == group[
                : len(set(released) & set(group))
            ]

    @invariant()
    def places_are_taken_by_what_is_open_or_opening(self) -> None:
        out = set(self.model.opened) - set(self._numbers("released"))
        stats = self._do(self.connections.stats)
        in_use = sum(one.in_use for one in stats.values())
        assert in_use == len(out) + len(self.model.opening())

    def _numbers(self, event: str) -> list[int]:
        return self.ledgers["x"].numbers(event)

    def teardown(self) -> None:
        """Let everything end: nothing may be left, and nothing may have complained."""
        self.releases_hang_or_go_on(held=False)
        for holder in self.contexts:
            self.a_context_ends(holder, "return")
        for waiter in self.everybody:
            self.somebody_is_cancelled(waiter)
        self._do(lambda: None)
        try:
            assert sorted(self._numbers("released")) == sorted(self._numbers("acquired"))
            self.runner.run(self._nothing_runs())
        finally:
            self.runner.close()
        assert not self.complaints

    async def _nothing_runs(self) -> None:
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await self.connections.close()


def _outcome(got: object) -> Outcome:
    return got.number if isinstance(got, Entry) else type(got).__name__


def test_any_order_of_events_keeps_the_contract(
    full: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "service.connections")
    run_state_machine_as_test(
        Leases,
        settings=settings(
            derandomize=not full,
            max_examples=5000 if full else 200,
            stateful_step_count=50,
            deadline=None,
            database=None,
        ),
    )
