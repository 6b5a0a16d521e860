"""`with app.app_context():` in code that cannot await: its body becomes a coroutine function."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import body_of, statement
from service.porting.plan import Plan
from service.porting.program import Block, Module

_RUN = "thread.submit(asyncio.run, in_context()).result()"


def detach_blocks(plan: Plan) -> None:
    """Make out the edits for the blocks that become functions of their own."""
    for block in plan.program.blocks.values():
        if not plan.colours.is_detached(block) or block.node.asynchronous is not None:
            continue
        if _leaves(block.node):
            plan.hand(
                block.function, block.node, "`return`, `break` or `yield` out of an app context"
            )
            continue
        edits = plan.edits(block.function.module)
        edits.need("asyncio")
        edits.need("concurrent.futures", "ThreadPoolExecutor")
        edits.change(block.node, _detached(_assigned(block), isinstance(block.function, Module)))


def _leaves(node: cst.With) -> bool:
    outside = m.Return() | m.Break() | m.Continue() | m.Yield()
    inner = m.findall(node, m.FunctionDef() | m.Lambda())
    within = {id(found) for each in inner for found in m.findall(each, outside)}
    loops = m.findall(node, m.For() | m.While())
    within |= {id(found) for loop in loops for found in m.findall(loop, m.Break() | m.Continue())}
    return any(id(found) not in within for found in m.findall(node, outside))


def _assigned(block: Block) -> list[str]:
    """The names it assigns to that the code around it knows, too."""
    found: set[str] = set()
    for target in m.findall(block.node.body, m.AssignTarget(target=m.Name())):
        assert isinstance(target, cst.AssignTarget)
        assert isinstance(target.target, cst.Name)
        found.add(target.target.value)
    for defined in m.findall(block.node.body, m.FunctionDef() | m.ClassDef()):
        assert isinstance(defined, cst.FunctionDef | cst.ClassDef)
        found.add(defined.name.value)
    return sorted(found)


def _detached(names: list[str], of_module: bool) -> Callable[[cst.With], object]:
    def edit(node: cst.With) -> object:
        declared: list[cst.BaseStatement] = []
        before: list[cst.BaseStatement] = []
        if names:
            declared = [statement(f"{'global' if of_module else 'nonlocal'} {', '.join(names)}")]
        if names and not of_module:
            before = [statement(f"{' = '.join(names)} = None")]
        entered = node.with_changes(
            asynchronous=cst.Asynchronous(),
            body=cst.IndentedBlock(body_of(node.body)),
            leading_lines=[],
        )
        blank = [cst.EmptyLine(indent=False)] * (2 if of_module else 1)
        define = statement("async def in_context():\n    pass\n").with_changes(
            body=cst.IndentedBlock([*declared, entered]),
            leading_lines=[*blank, *(line for line in node.leading_lines if line.comment)],
        )
        run = statement(f"with ThreadPoolExecutor(1) as thread:\n    {_RUN}\n").with_changes(
            leading_lines=blank
        )
        return cst.FlattenSentinel([*before, define, run])

    return edit
