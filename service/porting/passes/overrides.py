"""Methods of an app that Quart calls with the request's context, too, which Flask's never get."""

from __future__ import annotations

import inspect
from math import inf

import libcst as cst
from quart import Quart

from service.porting.flask_types import APP
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.unseen import is_awaited
from service.porting.values import NOTHING, routines

_CLOSE = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
_GIVEN = cst.Param(cst.Name("request_context"), equal=_CLOSE, default=cst.Name("None"))
_GIVEN_LAST = {
    "dispatch_request",
    "do_teardown_request",
    "full_dispatch_request",
    "preprocess_request",
    "process_response",
}
_GIVEN_BEFORE = "finalize_request"
_ERRORS = ("handle_exception", "handle_http_exception", "handle_user_exception")
_MADE = ("make_default_options_response", "make_response")
_BESIDE = ("do_teardown_appcontext", "open_resource", "update_template_context")
_AWAITED_ANYHOW = {
    *(f"{APP}.{name}" for name in (*_GIVEN_LAST, _GIVEN_BEFORE, *_ERRORS, *_MADE, *_BESIDE)),
    "flask.sessions.SecureCookieSessionInterface.make_null_session",
    "flask.sessions.SessionInterface.make_null_session",
}
"""What Quart awaits without asking whether it can be awaited."""
_FINALIZING = 4
_NOT_LAST = f"Quart calls {_GIVEN_BEFORE}(result, request_context, from_error_handler)"


def rewrite_overrides(plan: Plan) -> None:
    """Make out the edits for what takes an argument more; Quart's own methods do without it."""
    for of in plan.program.classes.values():
        if APP not in of.external_bases():
            continue
        for name in _GIVEN_LAST & of.bindings.keys():
            takes = len(inspect.signature(getattr(Quart, name)).parameters)
            for function in routines(of.bindings[name]):
                if _most(function) < takes:
                    plan.edits(function.module).change(function.node, _with_one_more)
        for function in routines(of.bindings.get(_GIVEN_BEFORE, NOTHING)):
            if _most(function) < _FINALIZING:
                plan.hand(of, function.node, _NOT_LAST)
    overriding = {each for each in plan.functions() if is_awaited(each, _AWAITED_ANYHOW)}
    for function in plan.program.put_on_apps | overriding:
        if not plan.colours.is_async(function):
            plan.hand(function, function.node, "Quart awaits what this takes the place of")


def _most(function: Function) -> float:
    """How many arguments it takes by their places."""
    params = function.node.params
    any_number = isinstance(params.star_arg, cst.Param)
    return inf if any_number else len([*params.posonly_params, *params.params])


def _with_one_more(node: cst.FunctionDef) -> cst.FunctionDef:
    params = node.params
    return node.with_changes(params=params.with_changes(params=[*params.params, _GIVEN]))
