"""Doctests, which stay as they are: those that call what is awaited now are told."""

from __future__ import annotations

import re
from pathlib import Path

import libcst as cst

from service.porting.collected import SETTINGS
from service.porting.plan import Plan
from service.porting.program import Module
from service.porting.walking import below

_EXAMPLE = re.compile(r"^\s*(?:>>>|\.\.\.) (.*)$", re.MULTILINE)
_WORD = re.compile(r"\.?\b[A-Za-z_]\w*")
_OF_FLASK = {".app_context", ".test_cli_runner", ".test_client", ".test_request_context"}
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
    awaited = {f".{each.name}" if each.owner else each.name for each in functions} | _OF_FLASK
    for module in modules:
        if ">>>" in module.source:
            _tell(plan, module, awaited)


def _tell(plan: Plan, module: Module, awaited: set[str]) -> None:
    for node in below(module.tree):
        said = node.get_docstring() if isinstance(node, _DOCUMENTED) else None
        used = {word for line in _EXAMPLE.findall(said or "") for word in _WORD.findall(line)}
        if used & awaited and isinstance(node, _DOCUMENTED):
            body = node.body if isinstance(node, cst.Module) else node.body.body
            names = ", ".join(sorted(each.lstrip(".") for each in used & awaited))
            plan.hand(
                module, next(iter(body)), f"doctests cannot await: {names} is asynchronous now"
            )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
