"""`async def`, and what goes with it: decorators, commands, unittest's names."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from service.porting.commands import WITH_APPCONTEXT, has_context
from service.porting.either import reads_any_response
from service.porting.factories import makes_app
from service.porting.flask_types import THREAD_LOCAL
from service.porting.layout import with_statements
from service.porting.nodes import awaited, body_of, dotted, statement, with_keyword, wrapped
from service.porting.plan import RUNNING, Plan, paths
from service.porting.program import Class, Function
from service.porting.registration import (
    APP_COMMAND,
    CALLED_BY_AN_APP,
    COMMAND,
    CONTEXT_MANAGER,
    RECEIVER,
    TEMPLATE,
)
from service.porting.report import Kind
from service.porting.unseen import SERVES

from .blocks import bound_by
from .callbacks import calls_on_the_loop, is_called_by_python

_UNITTEST = {"setUp": "asyncSetUp", "tearDown": "asyncTearDown"}
_TEST_CASES = {
    f"unittest.{module}{name}"
    for module in ("", "async_case.", "case.")
    for name in ("TestCase", "IsolatedAsyncioTestCase")
}
_WITHOUT_LOCALS = "the threading.local of a request's thread is not seen"
_IN_TESTS = "move it to a file that is named as one of tests"
_IN_CONTEXT = {WITH_APPCONTEXT, "flask.cli.pass_script_info"}


def define_functions(plan: Plan) -> None:
    """Make out the edits for function definitions, and report those that stay in threads."""
    for function in plan.functions():
        if function in plan.colours.asynchronous and not function.was_async:
            if COMMAND in function.roles:
                _command(plan, function)
            else:
                _define(plan, function)
        elif COMMAND in function.roles:
            _keep_context(plan, function)
        if COMMAND in function.roles and not function.decorators:
            _tell_of_command(plan, function)
        if function in plan.colours.threaded and _matters(plan, function):
            _tell_why(plan, function)
        if function in plan.colours.threaded and TEMPLATE in function.roles:
            _leave_the_loop(plan, function)
    _unittest(plan)


def _tell_why(plan: Plan, function: Function) -> None:
    node, reason = plan.colours.reasons[function]
    caller = calls_on_the_loop(plan, function)
    if caller:
        read = plan.program.sites.get((node, "attribute"))
        of_thread = read is not None and THREAD_LOCAL in read.paths
        there = _WITHOUT_LOCALS if of_thread else "it cannot wait"
        reason = f"{caller} may call {function.label} on the event loop, where {there}"
        plan.hand(function, node, reason)
    else:
        reason = f"{function.label} stays in a thread: {reason}"
        plan.report.tell(function.module, node, Kind.THREAD, reason)


def _leave_the_loop(plan: Plan, function: Function) -> None:
    """Templates are rendered on the event loop: what they call goes to a thread from there."""
    if function in plan.program.in_threads or is_called_by_python(function):
        return
    edits = plan.edits(function.module)
    if plan.colours.is_called(function):
        plan.called_by_templates.add(function)
        plan.hand(function, function.node, f"templates call {function.label} on the event loop")
        return
    run_sync = edits.need("quart.utils", "run_sync")
    if isinstance(function.node, cst.FunctionDef):
        decorator = cst.Decorator(cst.Name(run_sync))
        edits.change(
            function.node,
            lambda old: old.with_changes(decorators=[*old.decorators, decorator]),
        )
    else:
        edits.change(function.node, lambda old: wrapped(run_sync, old))


def _matters(plan: Plan, function: Function) -> bool:
    of_app = not function.roles.isdisjoint(CALLED_BY_AN_APP)
    if function in plan.colours.bridged or of_app or calls_on_the_loop(plan, function):
        return True
    if makes_app(function) or plan.colours.reasons[function][1] == SERVES:
        return False
    is_called = not function.is_lambda and plan.colours.is_called(function)
    return is_called and function in plan.reached


def _define(plan: Plan, function: Function) -> None:
    edits = plan.edits(function.module)
    assert isinstance(function.node, cst.FunctionDef)
    edits.change(function.node, lambda old: old.with_changes(asynchronous=cst.Asynchronous()))
    if reads_any_response(plan.colours, function):
        response = edits.need(RUNNING, "quart_response")
        received = "response" if RECEIVER in function.roles else function.names[0]
        edits.change(function.node, _converting(response, received))
    if CONTEXT_MANAGER in function.roles:
        for decorator, values in zip(
            reversed(function.node.decorators), function.decorators, strict=True
        ):
            if "contextlib.contextmanager" in paths(values):
                _rename_last(plan, function, decorator)


def _converting(quart_response: str, name: str) -> Callable[[cst.FunctionDef], cst.FunctionDef]:
    def edit(node: cst.FunctionDef) -> cst.FunctionDef:
        doc, rest = _docstring(list(body_of(node.body)))
        first = statement(f"{name} = await {quart_response}({name})")
        return node.with_changes(body=with_statements(node.body, [*doc, first, *rest]))

    return edit


def _rename_last(plan: Plan, function: Function, decorator: cst.Decorator) -> None:
    edits = plan.edits(function.module)
    written = decorator.decorator
    if isinstance(written, cst.Name):
        name = edits.need("contextlib", "asynccontextmanager")
        edits.rename(written, name)
    elif isinstance(written, cst.Attribute):
        edits.rename(written.attr, "asynccontextmanager")


def _command(plan: Plan, function: Function) -> None:
    """A command stays a plain function, and runs its body with `asyncio.run`."""
    edits = plan.edits(function.module)
    edits.need("asyncio")
    node = function.node
    assert isinstance(node, cst.FunctionDef)
    in_context = has_context(function)
    removed = [
        decorator
        for decorator, values in zip(reversed(node.decorators), function.decorators, strict=True)
        if WITH_APPCONTEXT in paths(values)
    ]
    script_info = edits.need("quart.cli", "pass_script_info") if in_context else None

    own = sorted(bound_by(node.body) & {*function.names, *function.keyword_only})

    def edit(old: cst.FunctionDef) -> cst.FunctionDef:
        doc, rest = _docstring(list(body_of(old.body)))
        if own:
            rest = [statement(f"nonlocal {', '.join(own)}"), *rest]
        inner = cst.FunctionDef(
            cst.Name("main"),
            cst.Parameters(),
            with_statements(old.body, rest).with_changes(header=cst.TrailingWhitespace()),
            asynchronous=cst.Asynchronous(),
        )
        if in_context:
            inner = inner.with_changes(body=_in_context(inner.body))
        last = (
            "return asyncio.run(main())" if m.findall(inner, m.Return()) else "asyncio.run(main())"
        )
        blank = [cst.EmptyLine(indent=False)]
        run = statement(last).with_changes(leading_lines=blank)
        inner = inner.with_changes(leading_lines=blank if doc else [])
        params = old.params
        decorators = [
            d for d, o in zip(old.decorators, node.decorators, strict=True) if o not in removed
        ]
        if script_info:
            decorators = [*decorators, cst.Decorator(cst.Name(script_info))]
            info = cst.Param(cst.Name("script_info"))
            params = params.with_changes(params=[info, *params.params])
        return old.with_changes(
            decorators=decorators,
            params=params,
            body=with_statements(old.body, [*doc, inner, run]).with_changes(footer=[]),
        )

    edits.change(node, edit)


def _tell_of_command(plan: Plan, function: Function) -> None:
    """Report what a call, and no decorator, makes a command: nothing gives it a context."""
    runs = any("asyncio.run" in site.paths for site in plan.colours.sites(function))
    if function in plan.colours.asynchronous or runs:
        reason = f"a call makes {function.label} a command, without a context: decorate one instead"
        plan.hand(function, function.node, reason)


def _docstring(
    statements: list[cst.BaseStatement],
) -> tuple[list[cst.BaseStatement], list[cst.BaseStatement]]:
    first = statements[0] if statements else None
    if m.matches(first, m.SimpleStatementLine([m.Expr(m.SimpleString())])):  # type: ignore[arg-type]
        return statements[:1], statements[1:]
    return [], statements


def _in_context(body: cst.BaseSuite) -> cst.IndentedBlock:
    around = statement("async with script_info.load_app().app_context():\n    pass\n")
    assert isinstance(around, cst.With)
    return cst.IndentedBlock([around.with_changes(body=body)])


def _keep_context(plan: Plan, function: Function) -> None:
    """Flask's `app.cli.command` enters the app context by itself; Quart's has to be told."""
    node = function.node
    edits = plan.edits(function.module)
    every = {path for values in function.decorators for path in paths(values)}
    if not isinstance(node, cst.FunctionDef) or every & _IN_CONTEXT:
        return
    if APP_COMMAND in function.roles:
        added = cst.Decorator(cst.Name(edits.need("quart.cli", "with_appcontext")))
        edits.change(node, lambda old: old.with_changes(decorators=[*old.decorators, added]))
    for decorator, values in zip(reversed(node.decorators), function.decorators, strict=True):
        found = paths(values)
        if not any(".cli.command" in path or ".cli.AppGroup.command" in path for path in found):
            continue
        call = decorator.decorator
        if not isinstance(call, cst.Call) or any(
            arg.keyword and arg.keyword.value == "with_appcontext" for arg in call.args
        ):
            continue
        edits.change(call, _with_context)


def _with_context(call: cst.Call) -> cst.Call:
    return with_keyword(call, "with_appcontext", cst.Name("True"))


def _unittest(plan: Plan) -> None:
    awaiting = {function.owner for function in plan.colours.asynchronous}
    tests: set[Class] = set()
    concerned: set[Class] = set()
    for of in plan.program.classes.values():
        if not _TEST_CASES.isdisjoint(of.external_bases()):
            tests.update(of.lineage())
            if not awaiting.isdisjoint(of.lineage()):
                concerned.update(of.lineage())
    for of in concerned:
        _base_class(plan, of)
        _setup(plan, of, concerned)
    for function in plan.colours.bridged:
        if function.owner in tests and function.name.startswith(("test", *_UNITTEST)):
            reason = f"unittest calls {function.name} in no app context: {_IN_TESTS}"
            plan.hand(function, function.node, reason)


def _base_class(plan: Plan, of: Class) -> None:
    edits = plan.edits(of.module)
    for arg in of.node.bases:
        written = arg.value
        if dotted(written).rpartition(".")[2] != "TestCase":
            continue
        if isinstance(written, cst.Attribute):
            edits.rename(written.attr, "IsolatedAsyncioTestCase")
        elif "unittest.TestCase" in paths(of.module.bindings.get("TestCase", frozenset())):
            name = edits.need("unittest", "IsolatedAsyncioTestCase")
            edits.rename(written, name)


def _setup(plan: Plan, of: Class, classes: set[Class]) -> None:
    edits = plan.edits(of.module)
    for old, new in _UNITTEST.items():
        for value in of.bindings.get(old, frozenset()):
            function = getattr(value, "function", None)
            if not isinstance(function, Function) or function not in plan.colours.asynchronous:
                continue
            assert isinstance(function.node, cst.FunctionDef)
            edits.rename(function.node.name, new)
            for call in m.findall(function.node, m.Call(func=m.Attribute(attr=m.Name(old)))):
                assert isinstance(call, cst.Call)
                assert isinstance(call.func, cst.Attribute)
                site = plan.program.sites.get((call, "call"))
                reached = site.functions if site is not None else set()
                above = m.matches(call.func.value, m.Call(func=m.Name("super")))
                if above or any(each.owner in classes for each in reached):
                    edits.rename(call.func.attr, new)
                    edits.change(call, awaited)
