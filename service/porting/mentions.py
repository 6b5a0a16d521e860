"""Functions that are mentioned without being called: in a table, an alias, an argument."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from .nodes import text_of
from .program import Function, Module, Program
from .registration import role_of
from .values import ModuleValue, Object, Routine, Super, Type


def mentions(
    program: Program, function: Function, gone: set[Function]
) -> Iterator[tuple[Module, cst.CSTNode]]:
    """Where a function is mentioned that goes if nobody but its callers knows it.

    Args:
        gone: functions that go, too, whatever they mention.
    """
    name = re.compile(rf"\b{re.escape(function.name)}\b(?!\s*\()")
    for module in program.modules.values():
        if name.search(module.source):
            finder = _Mentions(program, module, function, gone)
            tree = module.tree if finder.around is None else finder.around.node
            tree.visit(finder)
            yield from ((module, node) for node in finder.found)


class _Mentions(cst.CSTVisitor):
    def __init__(
        self, program: Program, module: Module, function: Function, gone: set[Function]
    ) -> None:
        super().__init__()
        self.program = program
        self.module = module
        self.function = function
        self.gone = {each.node for each in gone}
        self.found: list[cst.CSTNode] = []
        self.around = None
        if isinstance(function.parent, Function) and function.module is module:
            self.around = function.parent
        known = (self.around or module).bindings.get(function.name, frozenset())
        self._is_known = Routine(function) in known

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_Call(self, node: cst.Call) -> bool:
        site = self.program.sites.get((node, "call"))
        registers = site is not None and any(role_of(path) for path in site.paths)
        if isinstance(node.func, cst.Attribute):
            node.func.value.visit(self)
        elif not isinstance(node.func, cst.Name):
            node.func.visit(self)
        for arg in node.args if not registers else ():
            arg.value.visit(self)
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        if node.attr.value == self.function.name:
            name = node.value.value if isinstance(node.value, cst.Name) else ""
            values = self.module.bindings.get(name, frozenset())
            if ModuleValue(self.function.module) in values or self._is_method(node):
                self.found.append(node)
        node.value.visit(self)
        return False

    def _is_method(self, node: cst.Attribute) -> bool:
        owner = self.function.owner
        return any(
            owner in value.of.lineage()
            for value in self.program.values.get(node, frozenset())
            if owner is not None and isinstance(value, Object | Super | Type)
        )

    def visit_Name(self, node: cst.Name) -> None:
        if self._is_known and node.value == self.function.name:
            self.found.append(node)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        if self.around is not None and node is not self.around.node and self._has_its_own(node):
            return False
        for part in (*node.decorators, node.params, node.body) if node not in self.gone else ():
            part.visit(self)
        return False

    def _has_its_own(self, node: cst.FunctionDef) -> bool:
        """Whether such a name is that function's, where this is one within another."""
        inner = self.program.functions.get(node)
        return inner is not None and self.function.name in inner.bindings

    def visit_Param(self, node: cst.Param) -> bool:
        if node.default is not None:
            node.default.visit(self)
        return False

    def visit_AssignTarget(self, node: cst.AssignTarget) -> bool:
        return not isinstance(node.target, cst.Name)

    def visit_Assign(self, node: cst.Assign) -> None:
        targets = [each.target for each in node.targets]
        if any(isinstance(each, cst.Name) and each.value == "__all__" for each in targets):
            names = getattr(node.value, "elements", ())
            if self._is_known and self.function.name in {text_of(each.value) for each in names}:
                self.found.append(node)
