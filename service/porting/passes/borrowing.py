"""A name that one module imports from elsewhere: another imports it from there, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import dotted
from service.porting.plan import Plan
from service.porting.program import Module, Program


def borrow(plan: Plan, word: str, of: Module, home: Module) -> bool:
    """Let a module import a name as another does; False: not so that all goes on as before."""
    found = _import_of(plan.program, word, of)
    if found is None:
        return False
    if _import_of(plan.program, word, home) == found:
        return True
    if word in home.bindings or home in _loaded(plan.program, found[0]):
        return False
    return plan.edits(home).need(*found) == word


def _import_of(program: Program, word: str, module: Module) -> tuple[str, str | None] | None:
    """The import that alone gives a module this name, unless that depends on where it is."""
    found: list[tuple[str, str | None]] = []
    for part in (part for line in module.tree.body for part in line.children):
        if isinstance(part, cst.ImportFrom) and not part.relative:
            name = dotted(part.module)
            if isinstance(part.names, cst.ImportStar):
                given = any(word in each.bindings for each in _named(program, name))
            else:
                given = word in _unaliased(part.names)
            found += [(name, word)] * given
        elif isinstance(part, cst.Import) and word in _unaliased(part.names):
            found.append((word, None))
    changes = m.findall(module.tree, m.AssignTarget(m.Name(word)))
    return found[0] if len(found) == 1 and not changes else None


def _unaliased(names: Sequence[cst.ImportAlias]) -> set[str]:
    return {dotted(alias.name) for alias in names if alias.asname is None}


def _loaded(program: Program, name: str) -> set[Module]:
    """The modules of the project that are loaded if this one is imported."""
    found: set[Module] = set()
    queue = [*_named(program, name)]
    while queue:
        module = queue.pop()
        if module not in found:
            found.add(module)
            for imported in _imports(module):
                queue += _named(program, imported)
    return found


def _named(program: Program, name: str) -> Iterator[Module]:
    """Whatever of the project a name in an import may mean, with the packages that it is in."""
    while name:
        for known, module in program.modules.items():
            if known == name or known.endswith(f".{name}"):
                yield module
        name = name.rpartition(".")[0]


def _imports(module: Module) -> Iterator[str]:
    for node in m.findall(module.tree, m.Import() | m.ImportFrom()):
        if isinstance(node, cst.Import):
            yield from (dotted(alias.name) for alias in node.names)
        elif isinstance(node, cst.ImportFrom):
            name = module.absolute(dotted(node.module), len(node.relative))
            yield name
            if not isinstance(node.names, cst.ImportStar):
                yield from (f"{name}.{dotted(alias.name)}" for alias in node.names)
