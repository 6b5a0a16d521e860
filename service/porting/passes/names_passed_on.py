"""Names of Flask that one module of the project has from another: they are renamed in both."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from service.porting.environment import Names
from service.porting.nodes import dotted, text_of
from service.porting.plan import Plan, paths
from service.porting.program import Module

_ALL = m.Name("__all__")
LISTING = m.Assign([m.AssignTarget(_ALL)]) | m.AugAssign(_ALL) | m.AnnAssign(_ALL)
"""What lists the names that `import *` takes."""


def rename_names_passed_on(plan: Plan) -> None:
    """Make out the edits for imports of such names, and for lists of them."""
    imports = plan.program.imports.items()
    while True in [_follow(plan, node, *modules) for node, modules in imports]:
        pass
    for module in plan.program.modules.values():
        renamed = _passed_on(plan, module) if "__all__" in module.source else {}
        for listing in m.findall(module.tree, LISTING) if renamed else ():
            for string in m.findall(listing, m.SimpleString()):
                name = text_of(string) or ""
                if name in renamed:
                    plan.edits(module).change(string, _with(name, renamed[name]))


def _follow(plan: Plan, node: cst.ImportFrom, module: Module, of: Module) -> bool:
    """Rename what is imported there; tell whether that is news."""
    edits, renamed = plan.edits(module), _passed_on(plan, of)
    before = len(edits.renamed)
    if isinstance(node.names, cst.ImportStar):
        edits.renamed |= {name: renamed[name] for name in renamed.keys() - module.bindings.keys()}
        return len(edits.renamed) > before
    for alias in node.names:
        name = dotted(alias.name)
        if name in renamed and alias.asname is None:
            edits.renamed[name] = renamed[name]
        elif name in renamed and alias.name not in edits.of_node:
            edits.rename(alias.name, renamed[name])
    return len(edits.renamed) > before


def _passed_on(plan: Plan, module: Module) -> dict[str, str]:
    """The names of Flask that a module has, and gets others for."""
    names = Names(plan.program)
    return {
        name: new
        for name, new in plan.edits(module).renamed.items()
        if any(path.partition(".")[0] == "flask" for path in paths(names.member(module, name)))
    }


def _with(name: str, new: str) -> Callable[[cst.SimpleString], cst.SimpleString]:
    return lambda old: old.with_changes(value=old.value.replace(name, new))
