"""The connection idiom becomes `get_db`: openers and closers go, their callers get it there."""

from __future__ import annotations

import re
from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from service.porting.idiom import ALL_ERRORS, Kept, errors_caught, numbers_in
from service.porting.layout import removed, without_statement
from service.porting.nodes import as_dotted, called, dotted, text_of
from service.porting.plan import GET_DB, RUNTIME, Plan
from service.porting.program import Function, Module, Scope
from service.porting.registration import role_of
from service.porting.report import Kind
from service.porting.sites import Site
from service.porting.values import External, Routine, Values, routines

from .awaiting import waited_for
from .entries import NotPortable, entry
from .names_passed_on import LISTING


def replace_openers(plan: Plan) -> None:
    """Make out the edits for whoever opens, keeps and closes connections."""
    _free_names(plan)
    for node, (site, name) in plan.idiom.opener_calls.items():
        if site.where not in plan.idiom.removed:
            _get(plan, site.where, node, name)
    for node, read in plan.idiom.reads.items():
        _get(plan, read.where, node, read.name)
    for function in plan.idiom.removed:
        plan.edits(function.module).change(function.node, removed)
    _remove_openings(plan)
    _keep_attempts(plan)
    for site in plan.sites("call"):
        if any(role_of(path) for path in site.paths):
            _unregister(plan, site)
    _remove_variables(plan)
    for kept in plan.idiom.kept.values():
        _tell(plan, kept)


def _get(plan: Plan, where: Scope, node: cst.CSTNode, name: str) -> None:
    edits = plan.edits(where.module)
    get_db = edits.need(RUNTIME, GET_DB)
    quote = edits.quote_at(node)
    wanted = called(get_db, cst.SimpleString(f"{quote}{plan.name_of(name)}{quote}"))
    edits.of_node[node].insert(0, lambda old: wanted)


def _remove_openings(plan: Plan) -> None:
    """Of a function that does more, only the statement that opens goes."""
    idiom = plan.idiom
    for node, line in idiom.openings.items():
        if idiom.converted(plan.program.connects[node]) is None:
            continue
        where = plan.program.sites[node, "call"].where
        plan.edits(where.module).change(line, without_statement)


def _keep_attempts(plan: Plan) -> None:
    """`try: g.name = connect(...)` still opens there, where it is known what to do if it fails."""
    for node, handler in attempts(plan):
        where = plan.program.sites[node, "call"].where
        edits = plan.edits(where.module)
        edits.change(plan.idiom.attempts[node].body.body[0], _valued)
        if handler.type is not None and ALL_ERRORS.isdisjoint(errors_caught(plan.program, handler)):
            edits.rename(handler.type, edits.need(RUNTIME, "ConnectionsError"))


def attempts(plan: Plan) -> list[tuple[cst.CSTNode, cst.ExceptHandler]]:
    """Attempts to open what is converted, and what handles that they fail."""
    return [
        (node, attempt.handlers[0])
        for node, attempt in plan.idiom.attempts.items()
        if plan.idiom.converted(plan.program.connects[node]) is not None
    ]


def _valued(line: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
    """The value of an assignment, without its targets."""
    return line.with_changes(body=[cst.Expr(cst.ensure_type(line.body[0], cst.Assign).value)])


def _gone(plan: Plan, values: Values) -> bool:
    found = routines(values)
    return bool(found) and found <= plan.idiom.removed


def _free_names(plan: Plan) -> None:
    """Imports of what is removed go, too."""
    if not plan.idiom.removed and not _variables(plan):
        return
    for module in plan.program.modules.values():
        edits = plan.edits(module)
        imports = _Imports(plan, module, _variables(plan))
        for name, values in module.bindings.items():
            if _gone(plan, values) and all(isinstance(value, Routine) for value in values):
                edits.freed.add(name)
        module.tree.visit(imports)
        for line in module.tree.body:
            for listing in m.findall(line, LISTING):
                for listed in m.findall(listing, m.List() | m.Tuple()):
                    edits.change(listed, _without(imports.gone))


def _variables(plan: Plan) -> dict[str, Kept]:
    return {
        name: kept for name, kept in plan.idiom.kept.items() if not kept.of_g and not kept.refusal
    }


class _Imports(cst.CSTVisitor):
    def __init__(self, plan: Plan, module: Module, variables: dict[str, Kept]) -> None:
        super().__init__()
        self.plan = plan
        self.module = module
        self.scopes: list[Scope] = [module]
        self.numbers = {number for kept in variables.values() for number in kept.numbers}

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        if node in self.plan.program.functions:
            self.scopes.append(self.plan.program.functions[node])

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        if original_node in self.plan.program.functions:
            self.scopes.pop()

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        if isinstance(node.names, cst.ImportStar) or not self._is_of_project(node):
            return
        kept = [alias for alias in node.names if not self._is_gone(alias)]
        if len(kept) == len(node.names):
            return
        edits = self.plan.edits(self.module)
        edits.change(node, _with_names(kept))

    def _is_of_project(self, node: cst.ImportFrom) -> bool:
        name = dotted(node.module) if node.module else ""
        return bool(node.relative) or any(
            known == name or known.endswith(f".{name}") for known in self.plan.program.modules
        )

    def _is_gone(self, alias: cst.ImportAlias) -> bool:
        bound = dotted(alias.asname.name) if alias.asname else dotted(alias.name)
        return self.gone(bound)

    def gone(self, name: str) -> bool:
        """Whether what this name stands for is removed."""
        values = self.scopes[-1].bindings.get(name, frozenset())
        return not self.numbers.isdisjoint(numbers_in(values)) or _gone(self.plan, values)


def _without(gone: Callable[[str], bool]) -> Callable[[cst.List | cst.Tuple], cst.BaseExpression]:
    """What `__all__` lists, but for the names that are gone."""

    def edit(old: cst.List | cst.Tuple) -> cst.BaseExpression:
        left = [each for each in old.elements if not gone(text_of(each.value) or "")]
        if left and len(left) < len(old.elements):
            alone = isinstance(old, cst.Tuple) and len(left) == 1
            comma = cst.Comma() if alone else old.elements[-1].comma
            left[-1] = left[-1].with_changes(comma=comma)
        return old.with_changes(elements=left) if left else type(old)([])

    return edit


def _with_names(names: list[cst.ImportAlias]) -> Callable[[cst.ImportFrom], object]:
    if not names:
        return lambda old: cst.RemoveFromParent()
    last = names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return lambda old: old.with_changes(names=[*names[:-1], last])


def _unregister(plan: Plan, site: Site) -> None:
    """`app.teardown_appcontext(close_db)`, where `close_db` is no more."""
    node = site.node
    line = plan.program.statements.get(node)
    if line is None or not isinstance(node, cst.Call) or site.where in plan.idiom.removed:
        return
    given = {plan.program.values.get(arg.value, frozenset()) for arg in node.args}
    if any(_gone(plan, values) for values in given if values):
        plan.edits(site.where.module).change(line, removed)


def _remove_variables(plan: Plan) -> None:
    variables = _variables(plan)
    for node, number in plan.program.connects.items():
        if any(number in kept.numbers for kept in variables.values()):
            line = plan.program.statements.get(node)
            site = plan.program.sites[node, "call"]
            if line is not None and site.where not in plan.idiom.removed:
                plan.edits(site.where.module).change(line, removed)
    for function, kept in plan.idiom.singletons.items():
        if kept.line is not None and function in plan.idiom.removed:
            plan.edits(function.module).change(kept.line, removed)


def rewrite_queries(plan: Plan) -> None:
    """Make out the edits for SQL; the last pass, since statements move."""
    queries = plan.idiom.queries
    assert queries is not None
    for planned in queries.edits:
        if plan.idiom.converted(planned.number) is not None:
            plan.edits(planned.function.module).change(planned.node, planned.edit)

    for node, function, number in queries.encoded:
        if plan.idiom.converted(number) is not None:
            _encode(plan, node, function)

    def site_of(at: cst.CSTNode) -> Site:
        known = plan.program.sites.get((at, "call"))
        block = known.block if known is not None else None
        return Site(at, queries.functions[at], "call", block=block)

    def waited(at: cst.CSTNode, call: cst.Call) -> cst.BaseExpression:
        return waited_for(plan, site_of(at))(call)

    for planned in queries.edits:
        if plan.idiom.converted(planned.number) is not None and planned.node in queries.functions:
            waited_for(plan, site_of(planned.node))  # what it imports must be known before
    queries.waited = waited
    owners = _owners(plan)
    queries.rewritten = lambda node: (
        plan.edits(owners[node]).rewritten(node) if node in owners else node
    )


def _encode(plan: Plan, node: cst.Call, function: Function) -> None:
    """Give JSON as text, as the entry's values are psycopg's."""
    edits = plan.edits(function.module)
    nearest: Scope | None = function
    while nearest is not None and "json" not in nearest.bindings:
        nearest = nearest.parent
    is_known = nearest is not None and External("json") in nearest.bindings["json"]
    made_by = "json.dumps" if is_known else edits.need("json", "dumps")
    edits.change(node, lambda old: old.with_changes(func=as_dotted(made_by)))


def _owners(plan: Plan) -> dict[cst.CSTNode, Module]:
    """The module of every expression within functions that have SQL."""
    queries = plan.idiom.queries
    assert queries is not None
    found: dict[cst.CSTNode, Module] = {}

    def add(node: cst.CSTNode, module: Module) -> None:
        found[node] = module
        for child in node.children:
            add(child, module)

    for function in set(queries.functions.values()):
        add(function.node, function.module)
    return found


def _without_password(entry: str) -> str:
    return re.sub(r"(://[^:/@{}\s]*:)[^@/{}\s]+(?=@)", r"\1***", entry)


def _tell(plan: Plan, kept: Kept) -> None:
    sites = [
        plan.program.sites[node, "call"]
        for node, number in plan.program.connects.items()
        if number in kept.numbers
    ]
    for site in sites[:1]:
        if kept.refusal:
            at = kept.refused_at or site
            reason = f"connection {kept.name!r} stays as it is: {kept.refusal}"
            plan.report.tell(at.where.module, at.node, Kind.THREAD, reason)
            continue
        try:
            written = entry(plan, kept, site)
        except NotPortable as error:
            plan.note(site.where, site.node, f"no entry is made of this: {error}")
            continue
        plan.entries[plan.name_of(kept.name)] = written
        reason = f'CONNECTIONS["{plan.name_of(kept.name)}"] = {_without_password(written)}'
        plan.report.tell(site.where.module, site.node, Kind.CONNECTION, reason)
