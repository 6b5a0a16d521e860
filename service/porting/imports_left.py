"""A module's imports after a port: what only its edits made useless goes, and order stays order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import isort
import libcst as cst
import libcst.matchers as m
from isort.exceptions import ISortError

from .imports_gone import without_imports
from .program import Module, Program
from .values import ModuleValue

_LENGTHS = (88, 100, 120)
"""Of lines, as projects have them."""
_WORD = re.compile(r"[A-Za-z_]\w*")


class ImportsLeft:
    """Sets right the imports of modules that have been rewritten."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def set_right(self, module: Module, source: str, renamed: Mapping[str, str]) -> str:
        """A module's new source without imports that were used before, and are not any more.

        Args:
            renamed: the new names of what has got one.
        """
        before, after = ast.parse(module.source), ast.parse(source)
        unused = {name for name, _ in _imported(module, before)} - _used(before)
        known = unused | {renamed.get(name, name) for name in unused}
        left = _used(after) | known
        while useless := {
            name
            for name, of in _imported(module, after)
            if name not in left
            and not self._may_do_more(module, of)
            and not self._is_known_elsewhere(module, name)
        }:
            shorter = without_imports(cst.parse_module(source), useless).code
            if shorter == source:
                break
            source = shorter if shorter.strip() else ""
            after = ast.parse(source)
            left = _used(after) | known
        return self._in_order(module, source)

    def _may_do_more(self, module: Module, of: str) -> bool:
        """Whether what is imported may be there for what it does: a module with routes."""
        modules = self.program.modules
        names = [name for name in modules if of == name or of.startswith(f"{name}.")]
        if names:
            return self._does_more(modules[max(names, key=len)])
        return any(of.partition(".")[0] in name.split(".") for name in modules)

    def _does_more(self, module: Module) -> bool:
        """Whether a module has what an app calls, or does something as it is imported."""
        acts = m.SimpleStatementLine(body=[m.Expr(m.Call())])
        return any(m.matches(line, acts) for line in module.tree.body) or any(
            function.roles and function.module is module
            for function in self.program.functions.values()
        )

    def _is_known_elsewhere(self, module: Module, word: str) -> bool:
        """Whether another module has a name from this one."""
        last = re.escape(module.name.rpartition(".")[2])
        for other in self.program.modules.values():
            if other is module or word not in other.source:
                continue
            bound = {name for name, of in other.bindings.items() if ModuleValue(module) in of}
            names = "|".join({last, *map(re.escape, bound)})
            if module in other.stars or re.search(rf"\b({names})\.{word}\b", other.source):
                return True
            if (module.name, word) in self._asked[other]:
                return True
        return False

    @cached_property
    def _asked(self) -> dict[Module, set[tuple[str, str]]]:
        """What each module imports of others."""
        return {
            module: {
                (known, alias.name)
                for node in ast.walk(ast.parse(module.source))
                if isinstance(node, ast.ImportFrom)
                for name in [module.absolute(node.module or "", node.level)]
                for known in self.program.modules
                if known == name or known.endswith(f".{name}") or name.endswith(f".{known}")
                for alias in node.names
            }
            for module in self.program.modules.values()
        }

    def _in_order(self, module: Module, source: str) -> str:
        """The imports in isort's order, which is ruff's, too, if they were before."""
        root: Path = self.program.root.resolve()
        for length in _LENGTHS:
            settings = isort.Config(
                profile="black",
                line_length=length,
                split_on_trailing_comma=True,
                src_paths=(root, root / "src"),
            )
            with suppress(ISortError):  # a comment says that it is to be left
                if isort.code(module.source, config=settings) == module.source:
                    return isort.code(source, config=settings)
        return source


def _imported(module: Module, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a module imports as it is loaded, and what they are of."""
    for node in _loaded(tree.body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            of = module.absolute(node.module or "", node.level)
            yield from ((alias.asname or alias.name, f"{of}.{alias.name}") for alias in node.names)


def _loaded(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run as a module is loaded: those within `if` and `try` included."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.TryStar):
            yield from _loaded([*node.body, *node.orelse])
        if isinstance(node, ast.Try | ast.TryStar):
            yield from _loaded(part for handler in node.handlers for part in handler.body)
            yield from _loaded(node.finalbody)


def _used(tree: ast.Module) -> set[str]:
    """The names that a module reads, those in annotations and in `__all__` included."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            found.add(node.id)
        for part in (part for text in _named_in(node) if text for part in ast.walk(text)):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                found |= {*_WORD.findall(part.value)}
    return found


def _named_in(node: ast.AST) -> list[ast.expr | None]:
    """The expressions in which names may stand in strings."""
    if isinstance(node, ast.arg | ast.AnnAssign):
        return [node.annotation]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.returns]
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return [*node.args] if name in {"TypeVar", "cast"} else []
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [node.value] if any(getattr(to, "id", "") == "__all__" for to in targets) else []
    return []
