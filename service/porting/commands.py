"""Commands that others run: each has an event loop of its own, and none may go on around it."""

from __future__ import annotations

import libcst as cst

from .program import Function, Program
from .reach import with_callers
from .registration import APP_COMMAND, COMMAND
from .sites import Site
from .values import External

WITH_APPCONTEXT = "flask.cli.with_appcontext"
_COMMAND_LINES = {"flask.Flask.cli", "flask.Flask.cli.main"} | {
    f"{of}.{called}"
    for of in ("click.AppGroup", "click.Command", "click.Group", "flask.cli.AppGroup")
    for called in ("__call__", "main")
}
_INVOKING = {"forward", "invoke"}


def calls_commands(site: Site) -> bool:
    """Whether it is `app.cli()`, or the call of a command."""
    of_project = any(COMMAND in each.roles and each.decorators for each in site.functions)
    return of_project or not site.paths.isdisjoint(_COMMAND_LINES)


def calls_back(site: Site) -> bool:
    """Whether it is `command.callback()`: the command's function, without its options."""
    return "click.Command.callback" in site.paths


def invokes_commands(site: Site) -> bool:
    """Whether it is `context.invoke(command)` of click's, or does the same, outside of tests."""
    method = site.node.func if isinstance(site.node, cst.Call) else None
    named = isinstance(method, cst.Attribute) and method.attr.value in _INVOKING
    given = any(COMMAND in function.roles for function in site.escaping)
    return (calls_back(site) or (named and given)) and not site.where.module.is_test


def invokes_elsewhere(site: Site) -> bool:
    """Whether a function that is no command invokes one: then it needs a thread of its own."""
    is_command = not isinstance(site.where, Function) or COMMAND in site.where.roles
    return not is_command and invokes_commands(site)


def invoking_commands(program: Program) -> set[Function]:
    """The commands that invoke others within an app context, which is on an event loop."""
    return {
        site.where
        for site in program.sites.values()
        if isinstance(site.where, Function)
        if COMMAND in site.where.roles and has_context(site.where)
        if invokes_commands(site) or calls_commands(site)
    }


def calling_commands(program: Program) -> set[Function]:
    """The functions that call a command, or one that does: none may on an event loop."""
    sites = [
        site
        for site in program.sites.values()
        if isinstance(site.where, Function) and COMMAND not in site.where.roles
    ]
    calling = {
        site.where for site in sites if isinstance(site.where, Function) and calls_commands(site)
    }
    return with_callers(calling, (site for site in sites if site.role == "call"))


def has_context(function: Function) -> bool:
    """Whether Flask runs the command in an app context."""
    by = {
        value.path
        for values in function.decorators
        for value in values
        if isinstance(value, External)
    }
    return APP_COMMAND in function.roles or any(
        path == WITH_APPCONTEXT or ".cli.command" in path or ".cli.AppGroup.command" in path
        for path in by
    )
