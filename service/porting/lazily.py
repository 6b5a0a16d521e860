"""Generator expressions that have come to await: asynchronous generators, which few things take."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

AT_ONCE = {
    *("all", "any", "dict", "enumerate", "filter", "frozenset", "list", "map", "max", "min"),
    *("set", "sorted", "sum", "tuple", "zip"),
}
"""The built-in functions that a list will do for."""
METHODS = {"extend", "join", "update", "writelines"}
"""And the methods."""


def made_plain(node: cst.GeneratorExp) -> cst.BaseExpression:
    """`iter([...])` in the place of an asynchronous generator; any other one as it is."""
    before = node.with_changes(for_in=node.for_in.with_changes(iter=cst.Name("made_before")))
    if not m.findall(before, m.Await() | m.CompFor(asynchronous=m.Asynchronous())):
        return node
    listed = cst.ListComp(node.elt, node.for_in)
    return cst.Call(cst.Name("iter"), [cst.Arg(listed)], lpar=node.lpar[1:], rpar=node.rpar[1:])


def gone_through(node: cst.Call | cst.For | cst.CompFor) -> cst.CSTNode:
    """The same with the list itself where all is taken at once, and `anext` for `next`."""
    if not isinstance(node, cst.Call):
        listed = _listed(node.iter)
        return node if listed is None else node.with_changes(iter=listed)
    name = node.func.value if isinstance(node.func, cst.Name) else ""
    method = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
    if name == "next" and node.args and (listed := _listed(node.args[0].value)) is not None:
        lazily = cst.GeneratorExp(listed.elt, listed.for_in)
        args = [node.args[0].with_changes(value=lazily), *node.args[1:]]
        call = cst.Call(cst.Name("anext"), args)
        return cst.Await(call, lpar=node.lpar, rpar=node.rpar)
    if name in AT_ONCE or method in METHODS:
        args = [arg.with_changes(value=_listed(arg.value) or arg.value) for arg in node.args]
        return node.with_changes(args=args)
    return node


def _listed(node: cst.BaseExpression) -> cst.ListComp | None:
    """The list in `iter([...])` that awaits; None if it is something else."""
    if not isinstance(node, cst.Call) or not m.matches(node.func, m.Name("iter")):
        return None
    listed = node.args[0].value if len(node.args) == 1 else None
    if not isinstance(listed, cst.ListComp):
        return None
    awaits = m.findall(listed, m.Await() | m.CompFor(asynchronous=m.Asynchronous()))
    return listed.with_changes(lpar=node.lpar, rpar=node.rpar) if awaits else None
