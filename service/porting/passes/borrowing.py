"""A name that one module has: another imports it, from where that one does, or from that one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

import libcst as cst
import libcst.matchers as m

from service.porting.closure import closure
from service.porting.nodes import dotted
from service.porting.plan import Plan
from service.porting.program import Function, Module, Program


def borrow(plan: Plan, word: str, of: Module, maker: Function | Module) -> bool:
    """Let what makes the app import a name of a module; False: not so that all goes on as before.

    What is not loaded before the app is made is imported just there, beside the entries.
    """
    program, home = plan.program, maker.module
    found = _import_of(program, word, of)
    source = found[0] if found is not None else of.name
    if found is None:
        path = _path(program, of, home) if _is_constant(word, of) else None
        found = (path, word) if path is not None else None
    if found is None:
        return False
    if _import_of(program, word, home) == found:
        return True
    if word in home.bindings or home in _loaded(program, {source}, home):
        return False
    ours = {*named(program, source)} - {home}
    if ours <= _loaded(program, _at_once(home), home):
        return plan.edits(home).need(*found) == word
    if not isinstance(maker, Function) or word in maker.bindings or found[1] is None:
        return False
    plan.borrowed[found[0]].add(word)
    return True


def _at_once(module: Module) -> set[str]:
    """What a module imports before it does anything else."""
    lines = takewhile(_is_import, module.tree.body[module.tree.get_docstring() is not None :])
    return {name for line in lines for name in imports_in(module, line)}


def _is_import(line: cst.CSTNode) -> bool:
    parts = line.body if isinstance(line, cst.SimpleStatementLine) else [line]
    return all(isinstance(part, cst.Import | cst.ImportFrom) for part in parts)


def _is_constant(word: str, module: Module) -> bool:
    """Whether a module gives something a name once, as it is imported."""
    name = m.Name(word)
    given = m.AssignTarget(name) | m.AnnAssign(name) | m.AugAssign(name) | m.NamedExpr(name)
    once = len(m.findall(module.tree, given)) == 1
    lines = [line for line in module.tree.body if isinstance(line, cst.SimpleStatementLine)]
    parts = [part for line in lines for part in line.body]
    plainly = any(
        isinstance(part, cst.Assign | cst.AnnAssign) and m.findall(part, given) for part in parts
    )
    return once and plainly and not module.is_test


def _path(program: Program, of: Module, home: Module) -> str | None:
    """How a module may import from another, as far as the project's own imports tell."""
    if any(of.name in _written(module) for module in program.modules.values()):
        return of.name
    package = program.module_at(home.package)
    if package is None or not package.is_package:
        return None
    here, there = home.package.split("."), of.name.split(".")
    common = len([*takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False))])
    return "." * (len(here) - common + 1) + ".".join(there[common:]) if common else None


def _written(module: Module) -> Iterator[str]:
    """What a module imports by absolute names."""
    for node in m.findall(module.tree, m.Import() | m.ImportFrom(relative=[])):
        if isinstance(node, cst.Import):
            yield from (dotted(alias.name) for alias in node.names)
        elif isinstance(node, cst.ImportFrom):
            yield dotted(node.module)


def _import_of(program: Program, word: str, module: Module) -> tuple[str, str | None] | None:
    """The import that alone gives a module this name, unless that depends on where it is."""
    found: list[tuple[str, str | None]] = []
    for part in (part for line in module.tree.body for part in line.children):
        if isinstance(part, cst.ImportFrom) and not part.relative:
            name = dotted(part.module)
            if isinstance(part.names, cst.ImportStar):
                given = any(word in each.bindings for each in named(program, name))
            else:
                given = word in _unaliased(part.names)
            found += [(name, word)] * given
        elif isinstance(part, cst.Import) and word in _unaliased(part.names):
            found.append((word, None))
    changes = m.findall(module.tree, m.AssignTarget(m.Name(word)))
    return found[0] if len(found) == 1 and not changes else None


def _unaliased(names: Sequence[cst.ImportAlias]) -> set[str]:
    return {dotted(alias.name) for alias in names if alias.asname is None}


def _loaded(program: Program, names: set[str], home: Module) -> set[Module]:
    """The modules of the project that are loaded if `home` imports these."""
    return closure(
        (module for name in names for module in named(program, name, home)),
        lambda module: (
            found
            for imported in imports_in(module, module.tree)
            for found in named(program, imported, home)
        ),
    )


def named(program: Program, name: str, home: Module | None = None) -> Iterator[Module]:
    """Whatever of the project a name in an import may mean, with the packages that it is in.

    Args:
        home: is left out as a package, since it is being imported already.
    """
    whole = name
    while name:
        for known, module in program.modules.items():
            is_left_out = module is home and name != whole
            if (known == name or known.endswith(f".{name}")) and not is_left_out:
                yield module
        name = name.rpartition(".")[0]


def imports_in(module: Module, within: cst.CSTNode) -> Iterator[str]:
    """The names of the modules, and perhaps of their members, that are imported there."""
    for node in m.findall(within, m.Import() | m.ImportFrom()):
        if isinstance(node, cst.Import):
            yield from (dotted(alias.name) for alias in node.names)
        elif isinstance(node, cst.ImportFrom):
            name = module.absolute(dotted(node.module), len(node.relative))
            yield name
            if not isinstance(node.names, cst.ImportStar):
                yield from (f"{name}.{dotted(alias.name)}" for alias in node.names)
