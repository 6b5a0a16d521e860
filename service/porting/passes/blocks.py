"""`with app.app_context():` in code that cannot await: its body becomes a coroutine function."""

from __future__ import annotations

import symtable
from collections.abc import Callable, Sequence
from itertools import chain, count
from typing import Any

import libcst as cst
import libcst.matchers as m

from service.porting.commands import has_context
from service.porting.layout import at_end_of, in_place_of, with_statements
from service.porting.nodes import beside, body_of, called, leaves_a_loop, statement
from service.porting.plan import RUN_APART, RUNNING, Plan
from service.porting.program import Block, Function, Module
from service.porting.registration import COMMAND
from service.porting.sites import Site
from service.porting.unseen import SERVES

from .entering import entered

_RUN = "flask.Flask.run"


def detach_blocks(plan: Plan) -> None:
    """Make out the edits for the blocks that become functions of their own."""
    served: set[cst.CSTNode] = set()
    detached = [
        block
        for block in plan.program.blocks.values()
        if plan.colours.is_detached(block) and block.node.asynchronous is None
    ]
    for number, block in enumerate(detached):
        if _leaves(block.node) or (_returns(block.node) and not _ends_all(block)):
            plan.hand(
                block.function, block.node, "`return`, `break` or `yield` out of an app context"
            )
            continue
        edits = plan.edits(block.function.module)
        last = body_of(block.node.body)[-1]
        serving = _serving(plan, last)
        served |= serving
        if serving and len(body_of(block.node.body)) == 1:
            edits.change(block.node, _body_alone)
            continue
        run = edits.need(RUNNING, RUN_APART)
        enter = entered(plan, block.node)
        _say_whose_super(plan, block)
        edits.change(block.node, _detached(run, enter, detached, number, last if serving else None))
    for site in plan.sites("call"):
        if _RUN in site.paths and site.node not in served and _is_on_a_loop(plan, site):
            plan.hand(site.where, site.node, f"{SERVES}: call it where there is no other")


def _is_on_a_loop(plan: Plan, site: Site) -> bool:
    owner = plan.colours.owner(site)
    if isinstance(owner, Function) and COMMAND in owner.roles:
        return has_context(owner)
    return plan.colours.is_async(owner)


def _say_whose_super(plan: Plan, block: Block) -> None:
    """A function within a method has no `super()` of its own."""
    if isinstance(block.function, Function) and block.function.names:
        whole = called("super", cst.Name("__class__"), cst.Name(block.function.names[0]))
        for call in own(block.node, m.Call(m.Name("super"), [])):
            plan.edits(block.function.module).change(call, lambda _: whole)


def _serving(plan: Plan, last: cst.BaseStatement) -> set[cst.CSTNode]:
    """The call in the last line of a block, if that is no more than `app.run()`."""
    if not m.matches(last, m.SimpleStatementLine([m.Expr(m.Call())])):
        return set()
    call = cst.ensure_type(cst.ensure_type(last, cst.SimpleStatementLine).body[0], cst.Expr).value
    site = plan.program.sites.get((call, "call"))
    return {call} if site is not None and _RUN in site.paths else set()


def _body_alone(node: cst.With) -> object:
    return cst.FlattenSentinel(in_place_of(node, body_of(node.body)))


def _leaves(node: cst.With) -> bool:
    """Whether it is left by what a function of its own cannot do for the one around it."""
    return leaves_a_loop(node) or bool(own(node, m.Yield()))


def _returns(node: cst.With) -> bool:
    return bool(own(node, m.Return()))


def own(node: cst.With, wanted: Any) -> list[cst.CSTNode]:
    """What is found in a block, but for the functions that are made there."""
    inner = m.findall(node, m.FunctionDef() | m.Lambda())
    within = {id(found) for each in inner for found in m.findall(each, wanted)}
    return [found for found in m.findall(node, wanted) if id(found) not in within]


def _ends_all(block: Block) -> bool:
    """Whether what it returns, None included, is what the function around it returns."""
    last = body_of(block.node.body)[-1]
    if isinstance(last, cst.SimpleStatementLine) and isinstance(
        last.body[-1], cst.Return | cst.Raise
    ):
        return True
    return not isinstance(block.function, Module) and _body(block.function)[-1] is block.node


def _body(function: Function) -> Sequence[cst.CSTNode]:
    assert isinstance(function.node, cst.FunctionDef)
    return body_of(function.node.body)


def bound_by(body: cst.BaseSuite) -> set[str]:
    """The names that statements bind."""
    function = cst.FunctionDef(cst.Name("f"), cst.Parameters(), cst.IndentedBlock(body_of(body)))
    source = cst.Module([function.with_changes(asynchronous=cst.Asynchronous())]).code
    table = symtable.symtable(source, "", "exec").get_children()[0]
    return {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }


class _Without(cst.CSTTransformer):
    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__()
        self._nodes = {block.node for block in blocks}

    def leave_With(
        self, original_node: cst.With, updated_node: cst.With
    ) -> cst.With | cst.RemovalSentinel:
        return cst.RemoveFromParent() if original_node in self._nodes else updated_node


def _rest(function: cst.FunctionDef, blocks: Sequence[Block]) -> cst.BaseSuite:
    """The body of a function without these blocks."""
    rest = function.body.visit(_Without(blocks))
    assert isinstance(rest, cst.BaseSuite)
    return rest


def _declared(
    blocks: Sequence[Block], number: int, after: cst.BaseStatement | None
) -> tuple[list[str], list[str]]:
    """The line that says whose the names are that a block binds; and what none has bound before."""
    block = blocks[number]
    bound = bound_by(block.node.body)
    function = block.function
    if not isinstance(function, Function):
        return [f"global {', '.join(sorted(bound))}"] if bound else [], []
    assert isinstance(function.node, cst.FunctionDef)
    given = _names(function.node.params)
    outside = _names(_rest(function.node, [block])) | given
    if after is not None:
        outside |= _names(after)
    of_module = bound & function.outer_names
    own = sorted((bound & outside) - of_module)
    lines = [f"global {', '.join(sorted(of_module))}"] if of_module else []
    if own:
        lines.append(f"nonlocal {', '.join(own)}")
    known = bound_by(_rest(function.node, blocks)) | given
    for other in blocks[:number]:
        if other.function is function:
            known |= bound_by(other.node.body)
    return lines, [name for name in own if name not in known]


def _names(node: cst.CSTNode) -> set[str]:
    return {name.value for name in m.findall(node, m.Name()) if isinstance(name, cst.Name)}


def _free_name(module: Module) -> str:
    taken = _names(module.tree)
    names = chain(["in_context"], (f"in_context_{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def _detached(
    run: str,
    enter: Callable[[cst.With], cst.With],
    blocks: Sequence[Block],
    number: int,
    after: cst.BaseStatement | None,
) -> Callable[[cst.With], object]:
    """A function of its own, called where it stood; and what of it comes after that."""
    there, function = blocks[number].node, blocks[number].function
    siblings = beside(function.tree if isinstance(function, Module) else function.node, there)
    at_top = isinstance(function, Module) and siblings is function.tree.body
    lines, unbound = _declared(blocks, number, after)
    name = _free_name(function.module)
    call = f"return {run}({name}())" if _returns(there) else f"{run}({name}())"

    def edit(node: cst.With) -> object:
        before = [statement(f"{' = '.join(unbound)} = None")] if unbound else []
        body = body_of(node.body)
        if after is not None:
            *body, last = body
        block = node.with_changes(body=with_statements(node.body, body), leading_lines=[])
        end = [last, *at_end_of(node.body)] if after is not None else []
        if end:
            block = block.with_deep_changes(block.body, footer=[])
        blank = [cst.EmptyLine(indent=False)] * (2 if at_top else 1)
        above = [] if siblings[0] is there and not before else blank
        define = statement(f"async def {name}():\n    pass\n").with_changes(
            body=cst.IndentedBlock([*(statement(line) for line in lines), enter(block)]),
            leading_lines=[*above, *(line for line in node.leading_lines if line.comment)],
        )
        finish = statement(call).with_changes(leading_lines=blank)
        return cst.FlattenSentinel([*before, define, finish, *end])

    return edit
