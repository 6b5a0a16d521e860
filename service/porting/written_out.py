"""What a name stands for, where it is bound to one expression alone."""

from __future__ import annotations

from collections import defaultdict

import libcst as cst
import libcst.matchers as m

from .program import Function, Module


def written_out(node: cst.BaseExpression, where: Function | Module) -> cst.BaseExpression:
    """The expression that a name stands for, if it is ever bound to that alone."""
    if not isinstance(node, cst.Name):
        return node
    if isinstance(where, Function) and node.value in [*where.names, *where.keyword_only]:
        return node
    bindings = _Bindings()
    (where.tree if isinstance(where, Module) else where.node.body).visit(bindings)
    values = bindings.values.get(node.value, [])
    return values[0] if len(values) == 1 and values[0] is not None else node


class _Bindings(cst.CSTVisitor):
    """What names are bound to in one function, or a module."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[cst.BaseExpression | None]] = defaultdict(list)

    def _bind(self, target: cst.CSTNode | None, value: cst.BaseExpression | None) -> None:
        if isinstance(target, cst.Name):
            self.values[target.value].append(value)
        elif isinstance(target, cst.Tuple | cst.List):
            parts = value.elements if isinstance(value, cst.Tuple | cst.List) else ()
            fits = len(parts) == len(target.elements)
            for number, element in enumerate(target.elements):
                starred = isinstance(element, cst.StarredElement)
                plain = fits and not starred
                self._bind(element.value, parts[number].value if plain else None)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        for each in m.findall(node, m.Nonlocal() | m.Global()):
            each.visit(self)
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        return False

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            self._bind(target.target, node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, node.value)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._bind(node.target, node.value if isinstance(node.operator, cst.AddAssign) else None)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._bind(node.target, node.value)

    def visit_For(self, node: cst.For) -> None:
        self._bind(node.target, None)

    def visit_CompFor(self, node: cst.CompFor) -> None:
        self._bind(node.target, None)

    def visit_AsName(self, node: cst.AsName) -> None:
        self._bind(node.name, None)

    def visit_ImportAlias(self, node: cst.ImportAlias) -> None:
        self._bind(node.name, None)

    def visit_NameItem(self, node: cst.NameItem) -> None:
        self._bind(node.name, None)

    def visit_MatchAs(self, node: cst.MatchAs) -> None:
        self._bind(node.name, None)
