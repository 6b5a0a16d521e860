"""`await` where something is awaitable now; `run(...)` where it cannot be awaited."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import libcst as cst
import libcst.matchers as m

from service.porting.commands import calls_back, calls_commands, invokes_commands
from service.porting.drivers import CLOSED_BY_ACLOSE, plain
from service.porting.either import may_be_either
from service.porting.flask_types import RENDERED
from service.porting.libraries import may_wait
from service.porting.nodes import (
    awaited,
    called,
    dotted,
    handed_to,
    in_parentheses,
    wrapped,
)
from service.porting.outside import needs_no_context
from service.porting.plan import (
    AWAIT_IF_AWAITABLE,
    ENSURE_ASYNC,
    RUN,
    RUN_APART,
    RUN_IF_AWAITABLE,
    RUNNING,
    RUNTIME,
    Plan,
)
from service.porting.program import Block, Function
from service.porting.registration import HOOK, VIEW
from service.porting.sites import Site
from service.porting.values import NOTHING, Object

_MEANWHILE = "what it goes through waits over the bridge, which the event loop cannot"


def await_calls(plan: Plan) -> None:
    """Make out the edits for calls, attributes, `with` and `for`."""
    for site in plan.program.sites.values():
        if site.where in plan.idiom.removed:
            continue
        if site.role in {"call", "attribute"}:
            _call_or_attribute(plan, site)
        elif site.role == "for" and plan.colours.needs(site):
            _loop(plan, site)
        elif plan.colours.is_async(plan.colours.owner(site)) and _waits_meanwhile(plan, site):
            plan.hand(site.where, site.node, _MEANWHILE)
    for node, function in plan.program.consumed.items():
        if plan.colours.is_async(function):
            there = plan.program.sites.get((node, "for"))
            module = there.where.module if there is not None else function.module
            for site in plan.sites("call"):
                if isinstance(site.node, cst.Call) and any(a.value is node for a in site.node.args):
                    module = site.where.module
            plan.edits(module).change(node, _gathered)


def _call_or_attribute(plan: Plan, site: Site) -> None:
    node, colours = site.node, plan.colours
    if node in plan.program.awaited or node in plan.program.given:
        return
    if not isinstance(node, cst.Call | cst.Attribute | cst.Name):
        return
    speaking = plan.idiom.queries.functions if plan.idiom.queries is not None else {}
    if node in speaking and node in plan.idiom.awaited:
        return  # its new form waits inside of it
    edits = plan.edits(site.where.module)
    can_await = colours.is_async(colours.owner(site))
    if isinstance(node, cst.Call) and can_await and calls_commands(site):
        edits.change(node, partial(handed_to, edits.need(RUNNING, "call_commands")))
    elif isinstance(node, cst.Call) and site.gathers and node in plan.idiom.awaited:
        edits.change(node, partial(_taken, site.gathered))
    elif isinstance(node, cst.Attribute) and _hops(plan, site):
        edits.change(node, _read_elsewhere(edits.need(RUNNING, ENSURE_ASYNC), edits.quote_at(node)))
    elif isinstance(node, cst.Call) and _hops(plan, site):
        edits.change(node, _through(plan, site))
    elif isinstance(node, cst.Call) and _takes_both(plan, site) and colours.needs(site):
        edits.change(node, _run_either(plan, site))
    elif node in plan.program.looked_for:
        edits.change(node, _is_listed)
    elif isinstance(node, cst.Call) and (
        colours.keeps_others_waiting(site) or (can_await and invokes_commands(site))
    ):
        edits.need("asyncio")
        edits.change(node, partial(handed_to, "asyncio.to_thread"))
    elif colours.needs(site) and not _is_consuming(plan, site):
        if isinstance(node, cst.Call) and any(map(_is_closed_by_aclose, site.paths)):
            edits.change(node.func, _named_aclose)
        if RENDERED in site.paths:
            if can_await and isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
                edits.rename(node.func.attr, "render_async")
                edits.change(node, awaited)
        elif may_be_either(plan.colours, site):
            edits.change(node, _awaited_if_awaitable(plan, site))
        else:
            edits.change(node, waited_for(plan, site))


def _named_aclose(method: cst.BaseExpression) -> cst.BaseExpression:
    return method.with_changes(attr=cst.Name("aclose"))


def _awaited_if_awaitable(
    plan: Plan, site: Site
) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    edits = plan.edits(site.where.module)
    if plan.colours.is_async(plan.colours.owner(site)):
        name = edits.need(RUNNING, AWAIT_IF_AWAITABLE)
        return lambda node: awaited(wrapped(name, node))
    return _run_either(plan, site)


def _is_closed_by_aclose(path: str) -> bool:
    library, _, method = plain(path).partition(".")
    return library == "redis" and method in CLOSED_BY_ACLOSE


def waited_for(plan: Plan, site: Site) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    """What makes an awaitable expression at this site wait."""
    owner = plan.colours.owner(site)
    if plan.colours.is_async(owner):
        return awaited
    if owner in plan.outside and not site.where.module.is_test and _may_do_without(plan, site):
        return _run_either(plan, site)
    edits = plan.edits(site.where.module)
    apart = site.where.module.is_test and not plan.idiom.asks(site)
    if apart or _brings_its_context(plan, site):
        run = edits.need(RUNNING, RUN_APART)
    elif isinstance(owner, Function) and not site.functions.isdisjoint(plan.meeting_either):
        return _run_either(plan, site)  # a test may call it outside of any context
    elif isinstance(owner, Function):
        run = edits.need(RUNTIME, RUN)
    else:
        edits.need("asyncio")
        run = "asyncio.run"
    return lambda node: wrapped(run, node)


def _brings_its_context(plan: Plan, site: Site) -> bool:
    """Whether what is called waits only in app contexts that it enters: any thread may call it."""
    seen: set[Function] = set()
    queue = set(site.functions)
    while queue:
        function = queue.pop()
        seen.add(function)
        waits = [
            each
            for each in plan.colours.sites(function)
            if plan.colours.needs(each) or each.node in plan.program.awaited
        ]
        outside = [each for each in waits if each.block is None]
        if not waits or not all(each.functions for each in outside):
            return False
        queue |= {called for each in outside for called in each.functions} - seen
    return bool(site.functions)


def _may_do_without(plan: Plan, site: Site) -> bool:
    """Whether what is awaited may need no app context."""
    return site.node not in plan.idiom.awaited and needs_no_context(site)


def _is_consuming(plan: Plan, site: Site) -> bool:
    """`list(generator())`: the generator is gone through before, the call itself stays."""
    return any(function.is_generator for function in site.functions)


def _taken(number: int, node: cst.Call) -> cst.BaseExpression:
    """`list(cursor)`, or `next(cursor)`, where the cursor is asynchronous."""
    function = node.func.value if isinstance(node.func, cst.Name) else "list"
    if function == "next":
        return awaited(node.with_changes(func=cst.Name("anext")))
    gathered = _gathered(node.args[number].value)
    if function == "list":
        return gathered
    args = list(node.args)
    args[number] = args[number].with_changes(value=gathered)
    return node.with_changes(args=args)


def _hops(plan: Plan, site: Site) -> bool:
    """Whether a call has to find out by itself what it calls, and where that may run."""
    owner = plan.colours.owner(site)
    if not plan.colours.is_async(owner):
        return False
    if isinstance(owner, Block) and _is_of_heirs(plan, site):
        return True
    if _takes_both(plan, site):
        return True
    return plan.colours.takes_a_thread(site) or calls_back(site)


def _takes_both(plan: Plan, site: Site) -> bool:
    """Whether a call may reach plain functions and coroutine functions, as a decorator's does."""
    of_routes = site.through_parameter and any(f.roles & {VIEW, HOOK} for f in site.functions)
    return of_routes or "flask.async_function" in site.paths or plan.colours.is_mixed(site)


def _is_of_heirs(plan: Plan, site: Site) -> bool:
    """Whether it is a method that a library's class has, which others override unseen: a task."""
    if not isinstance(site.node, cst.Call) or site.functions:
        return False
    of = plan.program.values.get(site.node.func, NOTHING)
    return any(map(may_wait, site.paths)) and any(isinstance(value, Object) for value in of)


def _through(plan: Plan, site: Site) -> Callable[[cst.Call], cst.BaseExpression]:
    made = site.node.func if isinstance(site.node, cst.Call) else site.node
    if isinstance(made, cst.Call) and dotted(made.func).endswith(("ensure_async", "ensure_sync")):
        return awaited
    ensure = plan.edits(site.where.module).need(RUNNING, ENSURE_ASYNC)
    return lambda node: awaited(node.with_changes(func=called(ensure, node.func)))


def _run_either(plan: Plan, site: Site) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    """The same in a plain function."""
    edits = plan.edits(site.where.module)
    run_either, run = edits.need(RUNNING, RUN_IF_AWAITABLE), edits.need(RUNTIME, RUN)

    def edit(node: cst.BaseExpression) -> cst.BaseExpression:
        call = wrapped(run_either, node)
        return call.with_changes(args=[cst.Arg(cst.Name(run)), *call.args])

    return edit


def _read_elsewhere(ensure: str, quote: str) -> Callable[[cst.Attribute], cst.BaseExpression]:
    """A property that waits over the bridge, read in a thread; `await` and `super()` stay here."""

    def edit(node: cst.Attribute) -> cst.BaseExpression:
        if m.findall(node.value, m.Await() | m.Call(m.Name("super"), [])):
            name = cst.SimpleString(f"{quote}{node.attr.value}{quote}")
            of = node.value.with_changes(lpar=[], rpar=[])
            return awaited(called(called(ensure, cst.Name("getattr")), of, name))
        reading = called(ensure, cst.Lambda(cst.Parameters(), node))
        return awaited(cst.Call(reading))

    return edit


def _is_listed(node: cst.Call) -> cst.Comparison:
    """Whether an object has an attribute, without reading it."""
    of, name = node.args[0].value, node.args[1].value
    listed = cst.ComparisonTarget(cst.In(), called("dir", of))
    return in_parentheses(cst.Comparison(name, [listed]))


def _loop(plan: Plan, site: Site) -> None:
    edits = plan.edits(site.where.module)
    node = site.node
    if not plan.colours.is_async(plan.colours.owner(site)):
        plan.hand(site.where, node, "it goes through an asynchronous generator, and cannot")
        return
    if isinstance(node, cst.For | cst.CompFor) and node.asynchronous is None:
        edits.change(node, _asynchronous)
    elif isinstance(node, cst.SimpleStatementLine):
        edits.change(node, _given_on)


def _given_on(line: cst.SimpleStatementLine) -> cst.For:
    """`async for each in make(): yield each`, which was `yield from make()`."""
    made = cst.ensure_type(m.findall(line, m.From())[0], cst.From).item
    source = "async for each in made:\n    yield each"
    loop = cst.ensure_type(cst.parse_statement(source), cst.For)
    return loop.with_changes(iter=made, leading_lines=line.leading_lines)


def _waits_meanwhile(plan: Plan, site: Site) -> bool:
    """Whether `for` or `with` goes through a generator that waits over the bridge."""
    generators = {function for function in site.functions if function.is_generator}
    return site.role in {"for", "with"} and not generators.isdisjoint(plan.colours.bridged)


def _asynchronous(node: cst.CSTNode) -> cst.CSTNode:
    return node.with_changes(asynchronous=cst.Asynchronous())


def _gathered(node: cst.BaseExpression) -> cst.BaseExpression:
    """A list of what an asynchronous generator gives."""
    item = cst.Name("item")
    return cst.ListComp(item, cst.CompFor(target=item, iter=node, asynchronous=cst.Asynchronous()))
