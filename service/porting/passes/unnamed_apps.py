"""An app that is made within a statement: `configured(Flask(__name__))`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import dotted, perhaps_met, source_of, statement
from service.porting.plan import GET_DB, RUNTIME, Plan
from service.porting.program import Function, Scope
from service.porting.sites import Site

from .entries import apps_made, names_read

_NAME = "app"
_ANYWHERE = {"os", "urllib"}


def name_before(plan: Plan, site: Site, begun: Callable[[str], list[str]]) -> bool:
    """Make it in a statement of its own, with a name to connect it by; False if that cannot be.

    Args:
        begun: the statements that an app of this name needs after it is made.
    """
    module, node = site.where.module, site.node
    lines = m.findall(module.tree, m.SimpleStatementLine())
    line = next((each for each in lines if node in m.findall(each, m.Call())), None)
    known = module.is_test or _known_at_once(plan)
    if not known or "flask.Flask" not in site.paths or line is None:
        return False
    assert isinstance(line, cst.SimpleStatementLine)
    perhaps = [call for part in perhaps_met(line) for call in m.findall(part, m.Call())]
    several = {each.node for each in apps_made(plan)} & {*m.findall(line, m.Call())} != {node}
    free = _is_free(site.where)
    if several or node in perhaps or not (free or _only_binds(line)):
        return False
    edits = plan.edits(module)
    source = begun(_NAME)
    made: list[cst.CSTNode] = []

    def named(old: cst.CSTNode) -> cst.Name:
        made.append(old)
        return cst.Name(_NAME)

    def after_it(old: cst.SimpleStatementLine) -> object:
        first, *rest = map(statement, [f"{_NAME} = {source_of(made[0])}", *source])
        first = first.with_changes(leading_lines=old.leading_lines)
        return cst.FlattenSentinel([first, *rest, old.with_changes(leading_lines=[])])

    edits.change(node, named)
    edits.change(line, after_it)
    return True


def _is_free(scope: Scope) -> bool:
    """Whether the name can be given there: nobody has it, or only what a function never reads."""
    around: Iterable[Scope] = _seen_from(scope)
    if isinstance(scope, Function) and not m.findall(scope.node.body, m.Name(_NAME)):
        around = [scope]
    return not any(_NAME in each.bindings for each in around)


def _seen_from(scope: Scope | None) -> Iterator[Scope]:
    """The scope, and those around it, whose names it may read."""
    while scope is not None:
        yield scope
        scope = scope.parent


def _known_at_once(plan: Plan) -> bool:
    """Whether the entries of CONNECTIONS depend on nothing that the app is given later."""
    if any(f"{RUNTIME}.{GET_DB}" in site.paths for site in plan.sites("call")):
        return False  # of a port before this one, whose entries somebody is to write
    entries = map(cst.parse_expression, plan.entries.values())
    return not plan.borrowed and all({*names_read(entry)} <= _ANYWHERE for entry in entries)


def _only_binds(line: cst.SimpleStatementLine) -> bool:
    """Whether a statement gives the name to what it makes of the app, and does not read it."""
    part = line.body[0]
    if not isinstance(part, cst.Assign) or len(line.body) > 1:
        return False
    return [dotted(each.target) for each in part.targets] == [_NAME] and (
        _NAME not in names_read(part.value)
    )
