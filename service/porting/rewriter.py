"""Writing each file once, from the edits that the passes have made out."""

from __future__ import annotations

import symtable
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import libcst as cst
import libcst.matchers as m
from libcst.codemod import CodemodContext
from libcst.codemod.visitors import AddImportsVisitor, ImportItem

from .flask_types import external
from .layout import is_removed, with_comments_of
from .program import Module
from .setting_right import set_right
from .walking import around

Edit = Callable[[Any], Any]


class Edits:
    """What is to be changed in one module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._double_quoted: set[int] | None = None
        self._within: set[str] | None = None
        self.of_node: dict[cst.CSTNode, list[Edit]] = defaultdict(list)
        self.imports: set[tuple[str, str | None, str | None]] = set()
        self.renamed: dict[str, str] = {}
        """Names of the module that get another name wherever they stand."""
        self.freed: set[str] = set()
        """Names that the module will not have any more."""

    def change(self, node: cst.CSTNode, edit: Edit) -> None:
        """Replace a node by what `edit` makes of it, once everything inside it is changed."""
        self.of_node[node].append(edit)

    def rename(self, node: cst.BaseExpression, name: str) -> None:
        """Write a name in the place of a node."""
        self.change(node, lambda old: cst.Name(name))

    def rewritten(self, node: Any) -> Any:
        """A node as it will be, for an edit that moves it elsewhere."""
        return node.visit(_Rewriter(self, node))

    def need(self, module: str, name: str | None = None) -> str:
        """Import a name, or a module, and tell by which name it is there."""
        bound = name or module
        known = self.module.bindings
        alias = None
        taken = name in known and name not in self.freed
        hidden = taken and not self._is_import(module, name or "")
        if name is not None and (hidden or name in self._bound_within()):
            alias = f"{name}_" if name != "run" else "run_on_loop"
        self.imports.add((module, name, alias))
        return alias or bound

    def _is_import(self, module: str, name: str) -> bool:
        meant = external(f"{module}.{name}")
        return bool(meant & self.module.bindings[name])

    def _bound_within(self) -> set[str]:
        """The names that functions of the module have for something of their own."""
        if self._within is None:
            self._within = set()
            tables = symtable.symtable(self.module.source, "", "exec").get_children()
            while tables:
                table = tables.pop()
                tables += table.get_children()
                if table.get_type() == "function":
                    self._within |= {
                        symbol.get_name()
                        for symbol in table.get_symbols()
                        if symbol.is_local() and not symbol.is_imported()
                    }
        return self._within

    def quote_at(self, node: cst.CSTNode) -> str:
        """The quote that a string at a node may have: within an f-string, the other one."""
        if self._double_quoted is None:
            self._double_quoted = {
                id(part)
                for string in m.findall(self.module.tree, m.FormattedString())
                if isinstance(string, cst.FormattedString) and string.quote == '"'
                for part in m.findall(string, m.Name() | m.Call() | m.Attribute())
            }
        return "'" if id(node) in self._double_quoted else '"'

    def apply(self) -> str:
        """The module's new source."""
        if not (self.of_node or self.imports or self.renamed):
            return self.module.source
        tree = self.module.tree.visit(_Rewriter(self, self.module.tree))
        if self.imports:
            items = [
                ImportItem(module.lstrip("."), name, alias, len(module) - len(module.lstrip(".")))
                for module, name, alias in sorted(self.imports, key=str)
            ]
            tree = _with_imports(tree, items)
        return tree.code


def _with_imports(tree: cst.Module, items: list[ImportItem]) -> cst.Module:
    """Add imports to the first block of them; only that is gone through, for speed."""
    end = 0
    for number, line in enumerate(tree.body):
        if not isinstance(line, cst.SimpleStatementLine):
            break
        if not isinstance(line.body[0], cst.Import | cst.ImportFrom) and number > 0:
            break
        end = number + 1
    head = tree.with_changes(body=tree.body[:end], footer=[])
    head = AddImportsVisitor(CodemodContext(), items).transform_module(head)
    rest = [*tree.body[end:]]
    if rest and not end:
        apart = [cst.EmptyLine(indent=False)] * 2
        rest[0] = rest[0].with_changes(leading_lines=[*apart, *rest[0].leading_lines])
    return head.with_changes(body=[*head.body, *rest], footer=tree.footer)


class _Rewriter(cst.CSTTransformer):
    """Makes the edits in a tree, and leaves what is not around any of them."""

    def __init__(self, edits: Edits, tree: cst.CSTNode) -> None:
        super().__init__()
        self._of_node = edits.of_node
        self._renamed = edits.renamed
        self._fixed: set[cst.CSTNode] = set()
        self._around = around(tree, self._is_edited)

    def _is_edited(self, node: cst.CSTNode) -> bool:
        return node in self._of_node or (type(node) is cst.Name and node.value in self._renamed)

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Go on to what is edited; note names that stay."""
        if isinstance(node, cst.Attribute):
            self._fixed.add(node.attr)
        elif isinstance(node, cst.Arg) and node.keyword is not None:
            self._fixed.add(node.keyword)
        return node in self._around

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Make the edits of a node."""
        if original_node not in self._around:
            return updated_node
        updated = updated_node
        if type(updated) is cst.Name and original_node not in self._fixed:
            new = self._renamed.get(updated.value)
            if new is not None:
                updated = updated.with_changes(value=new)
        updated = set_right(updated)
        for edit in self._of_node.get(original_node, ()):
            updated = edit(_commented(original_node, updated))
            if isinstance(updated, cst.RemovalSentinel) or is_removed(updated):
                break
        return _commented(original_node, updated)

    def on_visit_attribute(self, node: cst.CSTNode, attribute: str) -> None:
        """No attribute matters by itself."""

    def on_leave_attribute(self, original_node: cst.CSTNode, attribute: str) -> None:
        """No attribute matters by itself."""


def _commented(node: Any, updated: Any) -> Any:
    if isinstance(node, cst.SimpleStatementLine):
        return with_comments_of(node, updated)
    return updated
