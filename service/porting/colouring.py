"""Deciding which functions become asynchronous, and which must stay in a thread.

A function becomes asynchronous because it awaits something, or calls one that does. It stays in a
thread because it may block, or because it would have to await and cannot; then so do its callers,
up to the route, which Quart runs in a thread. The rest stays as it is.
"""

from __future__ import annotations

from collections import defaultdict

import libcst as cst

from .awaitables import AWAITABLE, ENTERED
from .commands import calling_commands, invokes_elsewhere, invoking_commands
from .flask_types import RENDERED, THREAD_LOCAL
from .guessed import guess_in_tests
from .idiom import Idiom
from .implicit import IMPLICIT, reached
from .program import Block, Function, Module, Program
from .registration import COMMAND, HOOK, VIEW
from .sites import Site
from .suspects import blocking
from .together import set_up_together
from .unseen import is_awaited, pin_what_is_called_plainly, pin_what_is_called_unseen, unresolved
from .waiting_for_threads import waiting_in_tests, waits_elsewhere

ENTERED_HERE = ENTERED | {"flask.testing.SessionTransaction"}
OPENED_DIRECTLY = {
    "flask.Blueprint.open_resource",
    "flask.Flask.open_instance_resource",
    "flask.Flask.open_resource",
}
"""Quart opens these asynchronously; a plain `open` of the same path does, too."""

_ASYNCHRONOUS = {
    "flask.async_function", "flask.testing.FlaskClient.?", "flask.Response.text", RENDERED,
}  # fmt: skip
_APART = "service.porting.runtime.run_apart"
_WAITING_OVER_THE_BRIDGE = {
    "service.connections.get_db_sync",
    "service.connections.run",
    "service.porting.runtime.run_if_awaitable",
}
WAITING_PLAINLY = {*_WAITING_OVER_THE_BRIDGE, _APART}
"""What plain functions call to wait for what is asynchronous, once they are ported."""
_OVER_THE_BRIDGE = "it waits over the bridge"

Owner = Function | Module | Block


class Colours:
    """What becomes of each function.

    Attributes:
        asynchronous: those that become `async def`.
        threaded: those that stay `def` and must never run on the event loop.
        bridged: those of the threaded that wait for something asynchronous over the bridge.
        reasons: why a function stays in a thread: where, and what.
    """

    def __init__(self, program: Program, idiom: Idiom) -> None:
        self.program = program
        self.idiom = idiom
        self.asynchronous: set[Function] = set()
        self.threaded: set[Function] = set()
        self.bridged: set[Function] = set()
        self.reasons: dict[Function, tuple[cst.CSTNode, str]] = {}
        self._held: dict[Function, tuple[cst.CSTNode, str]] = {}
        """Those that a port, or somebody, has made wait over the bridge: where, and what."""
        self._with_their_callers = waiting_in_tests(program) | calling_commands(program)
        self._always = {each for each in program.functions.values() if each.was_async}
        self._hopping = invoking_commands(program)
        """Those in tests and commands that call bridged functions, or commands: in a thread."""
        self._sites: dict[Function | Module, list[Site]] = defaultdict(list)
        self._callers: dict[Function, list[Site]] = defaultdict(list)
        for site in program.sites.values():
            self._sites[site.where].append(site)
            for function in site.functions:
                self._callers[function].append(site)
        guess_in_tests(program)
        pin_what_is_called_unseen(program)
        pin_what_is_called_plainly(program)
        set_up_together(program)
        self._decide()

    def owner(self, site: Site) -> Owner:
        """What has to be asynchronous for this site to await."""
        block = site.block
        return block if block is not None and self.is_detached(block) else site.where

    def is_detached(self, block: Block) -> bool:
        """Whether a `with app.app_context():` becomes a coroutine function of its own."""
        function = block.function
        return isinstance(function, Module) or bool(function.pins) or function in self.threaded

    def is_async(self, owner: Owner) -> bool:
        """Whether one can await there."""
        if isinstance(owner, Block):
            return True
        return isinstance(owner, Function) and (owner.was_async or owner in self.asynchronous)

    def needs(self, site: Site) -> bool:
        """Whether Quart, or a converted driver, gives an awaitable here."""
        if site.node in self.program.awaited or site.role == IMPLICIT:
            return False
        if site.node in self.idiom.awaited:
            return site.where not in self.idiom.removed
        if site.node in self.idiom.involved:
            return False
        if site.role == "with":
            return bool(site.paths & ENTERED_HERE) or self._calls_async(site)
        if site.role == "for":
            return self._calls_async(site)
        if site.paths & OPENED_DIRECTLY:
            return False
        if site.paths & AWAITABLE or site.paths & _ASYNCHRONOUS:
            return True
        if any(value.is_generator for value in site.functions):
            return site.role == "call" and not self.asynchronous.isdisjoint(self._consumed(site))
        return self._calls_async(site)

    def _calls_async(self, site: Site) -> bool:
        called = site.functions | site.perhaps
        if site.role == "call" and all(function.was_async for function in called):
            return False  # Whoever wrote the call may have made a task of it.
        return any(
            COMMAND not in each.roles and (each in self.asynchronous or each in self._always)
            for each in called
        )

    def is_mixed(self, site: Site) -> bool:
        """Whether a call may reach coroutine functions and plain ones."""
        awaited = {function for function in site.functions if self.is_async(function)}
        made = any(not function.was_async for function in awaited)  # others were as they are
        told_apart = site.where.module.is_test and not site.through_parameter
        others = awaited < site.functions or unresolved(site) is not None
        return site.role == "call" and made and others and not told_apart

    def waits(self, site: Site) -> str | None:
        """Why a call at this site may block, if it may."""
        if site.node in self.idiom.involved or site.where in self.idiom.removed:
            return None
        if site.paths & _WAITING_OVER_THE_BRIDGE:
            return _OVER_THE_BRIDGE
        if invokes_elsewhere(site):
            return "a command that it invokes has an event loop of its own"
        if site.role == "attribute" and THREAD_LOCAL in site.paths:
            return "what is in a threading.local belongs to one thread"
        if _APART in site.paths:
            return "it waits for an event loop of its own"
        return blocking(site) or unresolved(site)

    def keeps_others_waiting(self, site: Site) -> bool:
        """Whether a coroutine function of a test waits for a thread that may need the loop."""
        return (
            site.where.module.is_test and self.is_async(self.owner(site)) and waits_elsewhere(site)
        )

    def tolerates_blocking(self, owner: Owner) -> bool:
        """Whether nobody else is kept waiting there: in a test, a command, or at start-up."""
        if isinstance(owner, Module | Block):
            return True
        return owner.module.is_test or COMMAND in owner.roles

    def sites(self, function: Function) -> list[Site]:
        """What a function calls and reads."""
        return self._sites[function]

    def is_called(self, function: Function) -> bool:
        """Whether the project calls it."""
        return bool(self._callers[function])

    def _decide(self) -> None:
        for function in self.program.functions.values():
            if not self.tolerates_blocking(function) and not function.was_async:
                for site in self._sites[function]:
                    waits = self.waits(site)
                    if not waits:
                        continue
                    if not site.paths & WAITING_PLAINLY:
                        self._keep(function, site.node, waits)
                        break
                    self._held.setdefault(function, (site.node, waits))
        for block in self.program.blocks.values():
            owner = block.function
            if isinstance(owner, Function) and not self.tolerates_blocking(owner):
                for reason in list(owner.pins)[:1]:
                    self._keep(owner, block.node, reason)
        self._spread()
        for function, (node, waits) in self._held.items():
            self._keep(function, node, next(iter(function.pins), waits))
        self._spread()

    def _spread(self) -> None:
        while True:
            size = len(self.threaded), len(self._hopping)
            self._spread_async()
            self._spread_threads()
            self._find_bridged()
            if (len(self.threaded), len(self._hopping)) == size:
                break

    def _keep(self, function: Function, node: cst.CSTNode, reason: str) -> None:
        if function not in self.threaded and not function.was_async:
            self.threaded.add(function)
            self.reasons[function] = (node, reason)

    def can_be_async(self, function: Function) -> bool:
        """Whether nothing is in the way of `async def`."""
        held = function in self.threaded or function in self._held
        return not function.pins and not held

    def _spread_async(self) -> None:
        self.asynchronous = {
            function
            for function in self.program.functions.values()
            if self.can_be_async(function)
            and (
                self._is_promoted(function)
                or function in self.program.streamed
                or function in self._hopping
            )
        }
        grown = True
        while grown:
            grown = False
            for site in self.program.sites.values():
                if self.needs(site):
                    owner = self.owner(site)
                    if isinstance(owner, Function):
                        grown |= self._join(owner)
                    grown |= self._same_at(site)
                if self.is_async(self.owner(site)):
                    for function in site.functions & self._with_their_callers:
                        grown |= self._join(function)
            for function, others in self.program.aliases.items():
                if any(self.is_async(other) for other in others):
                    grown |= self._join(function)

    def _same_at(self, site: Site) -> bool:
        """All that one call may reach becomes async if one does."""
        together = site.role in {"call", "for"} and not site.through_parameter
        if not together or not self._calls_async(site):
            return False
        return bool([function for function in site.functions if self._join(function)])

    def _join(self, function: Function) -> bool:
        if function in self.asynchronous or not self.can_be_async(function):
            return False
        self.asynchronous.add(function)
        return True

    def _is_promoted(self, function: Function) -> bool:
        """Whether Quart calls it, so that as `async def` it saves a thread, or must be awaited."""
        if function.is_generator or function.was_async or not function.roles & {VIEW, HOOK}:
            return is_awaited(function)
        return all(
            site.through_parameter or site.where.module.is_test or site.role == "with"
            for site in self._callers[function]
        )

    def _spread_threads(self) -> None:
        for function in self.program.functions.values():
            if function.was_async:
                continue
            if not self.can_be_async(function):
                for site in self._sites[function]:
                    if self.owner(site) is function and self._has_to_wait(function, site):
                        reason = next(iter(function.pins), _OVER_THE_BRIDGE)
                        self._keep(function, site.node, reason)
                        for gone_through in self._gone_through(site):
                            reason = f"{function.label}, which stays in a thread, goes through it"
                            self._keep(gone_through, site.node, reason)
        for site in self.program.sites.values():
            if site.role == "for" and not all(map(self.is_async, site.functions)):
                for function in site.functions & self.asynchronous:
                    self._keep(function, site.node, "others are gone through in its place")
        grown = True
        while grown:
            grown = False
            for site in self.program.sites.values():
                owner = self.owner(site)
                if not isinstance(owner, Function) or owner in self.threaded:
                    continue
                if self.tolerates_blocking(owner) or self._may_hop(site):
                    continue
                for function in sorted(site.functions | site.escaping, key=lambda each: each.place):
                    if function in self.threaded and not self.is_lazy(site, function):
                        self._keep(owner, site.node, f"{reached(site, function)} stays in a thread")
                        grown |= owner in self.threaded
                        break

    def _has_to_wait(self, function: Function, site: Site) -> bool:
        """Whether it waits, without `await`: after a port, over the bridge already."""
        given = site.functions if site.through_parameter else self._gone_through(site)
        known = site.paths & _WAITING_OVER_THE_BRIDGE or given & self._held.keys()
        stays = function.pins or function in self.threaded
        return self.needs(site) or bool(stays and known)

    def _gone_through(self, site: Site) -> set[Function]:
        """The generator functions that run while what they are called for does."""
        return site.functions if site.role in {"with", "for"} else self._consumed(site)

    def is_lazy(self, site: Site, function: Function) -> bool:
        """Whether calling a generator function runs nothing of it yet."""
        made = function.is_generator and function not in site.escaping
        return made and site.role == "call" and not self._consumed(site)

    def takes_a_thread(self, site: Site) -> bool:
        """Whether a call there waits over the bridge, which the event loop cannot."""
        taken = self._consumed(site)
        return any(
            taken or not f.is_generator for f in (site.functions | site.perhaps) & self.bridged
        )

    def _consumed(self, site: Site) -> set[Function]:
        """The generator functions whose generators a call is given to go through."""
        args = site.node.args if isinstance(site.node, cst.Call) else ()
        consumed = self.program.consumed
        return {consumed[arg.value] for arg in args if arg.value in consumed}

    def _may_hop(self, site: Site) -> bool:
        """Whether a call can go to a thread by itself: a decorator's call of what it wraps."""
        return site.through_parameter and any(
            function.roles & {VIEW, HOOK} for function in site.functions
        )

    def _find_bridged(self) -> None:
        """Find who waits over the bridge, and who, on an event loop, calls them."""
        grown = True
        while grown:
            grown = False
            for site in self.program.sites.values():
                owner = self.owner(site)
                if not isinstance(owner, Function) or owner in self.bridged:
                    continue
                if owner not in self.threaded and self.can_be_async(owner):
                    if site.role != IMPLICIT and self.takes_a_thread(site):
                        self._hopping.add(owner)
                    continue
                apart = owner.module.is_test and not self.idiom.asks(site)
                bridge = bool(site.paths & _WAITING_OVER_THE_BRIDGE) or (
                    self.needs(site) and not apart
                )
                bridge = bridge or invokes_elsewhere(site)
                if bridge or any(f in self.bridged for f in site.functions):
                    self.bridged.add(owner)
                    grown = True
