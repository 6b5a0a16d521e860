"""Doctests, which stay as they are: those that call what is awaited now are told."""

from __future__ import annotations

import re
from pathlib import Path

import libcst as cst

from service.porting.collected import SETTINGS
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.walking import below

_EXAMPLE = re.compile(r"^\s*(?:>>>|\.\.\.) (.*)$", re.MULTILINE)
_WORD = re.compile(r"\.?\b[A-Za-z_]\w*")
_OF_FLASK = {"app_context", "test_cli_runner", "test_client", "test_request_context"}
_WAITS = re.compile(r"\bawait\b|\brun\(|\brun_until_complete\(")
_RUNS = re.compile(r"^\s*(?:import|from)\b.*\bdoctest\b|--doctest-", re.MULTILINE)
_REASON = "doctests cannot await what is asynchronous now"
_DOCUMENTED = cst.ClassDef | cst.FunctionDef | cst.Module


def tell_of_doctests(plan: Plan) -> None:
    """Report doctests that would have to await, if the project runs any."""
    modules = plan.program.modules.values()
    told = {plan.program.root / name for name, _ in SETTINGS} | {plan.program.root / "Makefile"}
    texts = [*(module.source for module in modules), *(_text(path) for path in sorted(told))]
    if not any(map(_RUNS.search, texts)):
        return
    functions = plan.colours.asynchronous | {each for each in plan.functions() if each.was_async}
    for module in modules:
        for node in below(module.tree) if ">>>" in module.source else ():
            if isinstance(node, _DOCUMENTED) and (names := _called(node, functions)):
                body = node.body if isinstance(node, cst.Module) else node.body.body
                plan.hand(module, next(iter(body)), f"{_REASON}: {', '.join(sorted(names))}")


def _called(
    node: cst.ClassDef | cst.FunctionDef | cst.Module, functions: set[Function]
) -> set[str]:
    """What the examples of a docstring call that is asynchronous, and do not wait for."""
    lines = _EXAMPLE.findall(node.get_docstring() or "")
    used = {word for line in lines if not _WAITS.search(line) for word in _WORD.findall(line)}
    found = {name for name in _OF_FLASK if f".{name}" in used}
    for function in functions:
        of = function.owner
        if function.name in used if of is None else {f".{function.name}", of.name} <= used:
            found.add(function.name)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
