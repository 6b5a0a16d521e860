"""Going through statements in their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import libcst as cst

from . import flask_types as types
from .behave import CONTEXT, takes_context
from .definitions import Definitions
from .environment import Environment
from .generated import pin_what_never_ends
from .implicit import is_special
from .nodes import parts_of
from .program import Block, Function, Program
from .registration import (
    AFTER,
    CALLBACK,
    FIXTURE,
    HOOK,
    ON_THE_LOOP,
    RECEIVER,
    TEMPLATE,
    TEST,
    VIEW,
    pin_by_name,
)
from .values import (
    BYTEARRAY,
    DATA,
    NOTHING,
    External,
    Generated,
    Instance,
    Many,
    Object,
    Routine,
    Type,
    Values,
    instance_of,
    items,
    many,
    merged,
    one,
)

ROUNDS = 14
"""How often everything is gone through at most; what is new after that stays unknown."""


class Evaluation(Definitions):
    """The evaluation of a whole project."""

    def __init__(self, program: Program, tell: Callable[[int, int], None] | None = None) -> None:
        super().__init__(program)
        self._seen: set[cst.With] = set()
        self._tell = tell or (lambda done, of: None)

    def run(self) -> None:
        """Go through everything until nothing is new."""
        for number in range(ROUNDS):
            self.changed = False
            self._begin_round()
            for module in self.program.modules.values():
                self.block(module.tree.body, Environment(module, module))
            for function in list(self.program.functions.values()):
                self._body(function)
            self.settle()
            self._tell(number + 1, ROUNDS)
            if not self.changed:
                break
        pin_what_never_ends(self.program)
        self.take_for_encoded()

    def _begin_round(self) -> None:
        """Forget what held only because less was known."""
        program = self.program
        program.sites.clear()
        program.leaked.clear()
        program.reads.clear()
        program.consumed.clear()
        program.returned.clear()
        program.handed.clear()
        program.read_on.clear()
        self.find_settings()
        program.shown.clear()
        self._special.clear()
        self._own_classes.clear()
        self._calls_of_round.clear()
        for function in program.functions.values():
            function.pins.clear()
            pin_by_name(function)

    def _body(self, function: Function) -> None:
        env = Environment(function, function)
        for name in [*function.names, *function.keyword_only]:
            env.names[name] = function.bindings.get(name, NOTHING) | self._parameter(function, name)
            function.bindings[name] = env.names[name]
        for starred in (function.star, function.double_star):
            if starred:
                env.names[starred] = function.bindings.get(starred, NOTHING) | many(NOTHING)
        if isinstance(function.node, cst.Lambda):
            self.returned(function, self.evaluate(function.node.body, env))
        else:
            self.suite(function.node.body, env)
        if VIEW in function.roles and not function.module.is_test:
            self.encode(function.returns or DATA)
        if "context processor" in function.roles:
            self.show([("", function.returns)], function.node, function)

    def _parameter(self, function: Function, name: str) -> Values:
        found: Values = NOTHING
        owner = function.owner
        if owner is not None and function.names[:1] == [name] and not function.is_static():
            if any(External("builtins.classmethod") in by for by in function.decorators):
                return one(Type(owner))
            return frozenset([Object(owner), *(Object(heir) for heir in owner.heirs())])
        annotation = function.annotations.get(name)
        if annotation is not None:
            found |= self.objects_of(annotation, Environment(function, function))
        if function.roles & {TEST, FIXTURE} or function.module.is_test:
            for fixture in self.program.fixtures.get(name, []):
                if fixture is not function:
                    found |= fixture.returns | fixture.yields
            if takes_context(function, name):
                found |= one(Instance(CONTEXT))
            asked_for = function.roles & {FIXTURE, TEST} and name == "request"
            kind = "pytest.FixtureRequest" if asked_for else types.PYTEST_FIXTURES.get(name)
            if kind and not found:
                found |= one(Instance(kind))
        found |= self.asked_about(function, name)
        if not found and owner is not None and name in function.names:
            for base in owner.external_bases():
                found |= types.passed(base, function.name, function.names.index(name))
        if not found and function.roles:
            found = self._given(function, name)
        if not found and is_special(function.name) and not function.bindings.get(name):
            found = DATA  # nothing but what operators pass
        return found

    def _given(self, function: Function, name: str) -> Values:
        """What Quart passes: to a view, parts of the URL; to a hook, a response or an error."""
        if (
            VIEW in function.roles
            and not function.is_lambda
            and _is_given_by_wrapper(function, name)
        ):
            return NOTHING
        if function.roles & {VIEW, TEMPLATE, CALLBACK, ON_THE_LOOP}:
            return DATA
        if RECEIVER in function.roles and name in types.GIVEN_TO_RECEIVERS:
            return types.GIVEN_TO_RECEIVERS[name]
        if AFTER in function.roles:
            return types.ANY_RESPONSE
        if HOOK in function.roles:
            return one(Instance("werkzeug.exceptions.HTTPException"))
        return NOTHING

    def block(self, statements: Sequence[cst.CSTNode], env: Environment) -> None:
        """Go through statements one after the other."""
        for statement in statements:
            self._statement(statement, env)

    def _statement(self, node: cst.CSTNode, env: Environment) -> None:
        if isinstance(node, cst.SimpleStatementLine):
            for part in node.body:
                value = getattr(part, "value", None)
                if isinstance(value, cst.Call | cst.Yield):
                    self.program.statements[value] = node
                self._small(part, env)
        elif isinstance(node, cst.FunctionDef):
            self.define(node, env)
        elif isinstance(node, cst.ClassDef):
            self.define_class(node, env)
        elif isinstance(node, cst.If):
            self.evaluate(node.test, env)
            taken, other = env.branch(), env.branch()
            with self.where_true(node.test, taken):
                self.suite(node.body, taken)
            if node.orelse is not None:
                self._statement(node.orelse, other)
            env.join(taken, other)
        elif isinstance(node, cst.Else | cst.Finally):
            self.suite(node.body, env)
        elif isinstance(node, cst.For):
            self._loop(node, env)
        elif isinstance(node, cst.While):
            inner = env.branch()
            self.evaluate(node.test, inner)
            self.suite(node.body, inner)
            env.join(env.branch(), inner)
            if node.orelse is not None:
                self.suite(node.orelse.body, env)
        elif isinstance(node, cst.With):
            self._with(node, env)
        elif isinstance(node, cst.Try | cst.TryStar):
            self._try(node, env)
        elif isinstance(node, cst.Match):
            self.matched(node, self.evaluate(node.subject, env), env)
            branches = [env.branch()]
            for case in node.cases:
                branches.append(env.branch())
                if case.guard is not None:
                    self.evaluate(case.guard, branches[-1])
                self.suite(case.body, branches[-1])
            env.join(*branches)

    def suite(self, suite: cst.BaseSuite, env: Environment) -> None:
        if isinstance(suite, cst.SimpleStatementSuite):
            for part in suite.body:
                self._small(part, env)
        else:
            self.block(suite.body, env)

    def _loop(self, node: cst.For, env: Environment) -> None:
        inner = env.branch()
        self.iterate(node, node.iter, node.target, inner)
        self.suite(node.body, inner)
        env.join(env.branch(), inner)
        if node.orelse is not None:
            self.suite(node.orelse.body, env)

    def _try(self, node: cst.Try | cst.TryStar, env: Environment) -> None:
        tried = env.branch()
        self.suite(node.body, tried)
        branches = [tried]
        for handler in node.handlers:
            caught = env.branch()
            caught.join(env.branch(), tried)
            if handler.type is not None:
                self._caught(handler, caught)
            self.suite(handler.body, caught)
            branches.append(caught)
        if node.orelse is not None:
            self.suite(node.orelse.body, tried)
        env.join(*branches)
        if node.finalbody is not None:
            self.suite(node.finalbody.body, env)

    def _caught(self, handler: cst.ExceptHandler | cst.ExceptStarHandler, env: Environment) -> None:
        assert handler.type is not None
        kinds = NOTHING
        for part in parts_of(handler.type):
            self.program.errors[part] = found = self.evaluate(part, env)
            kinds |= found | items(found)
        self.program.handlers[handler] = (env.where, kinds)
        if External("builtins.StopIteration") in kinds and isinstance(env.where, Function):
            env.where.pins.setdefault("it catches StopIteration", handler)
        if handler.name is not None and isinstance(handler.name.name, cst.Name):
            errors: Values = NOTHING
            for kind in kinds:
                if value := instance_of(kind):
                    errors |= one(value)
            self.bind(env, handler.name.name.value, errors or DATA)

    def _with(self, node: cst.With, env: Environment) -> None:
        before = env.block
        if node not in self._seen:
            self._seen.add(node)
            self.program.withs.append(node)
        for item in node.items:
            values = self.evaluate(item.item, env)
            site = self.site(item, env, "with")
            for value in values:
                if isinstance(value, Instance):
                    site.paths.add(value.kind)
                    if value.kind in {"flask.ctx.AppContext", "flask.ctx.RequestContext"}:
                        env.block = site.block = env.block or self._block_of(node, env)
                elif isinstance(value, Generated):
                    site.functions.add(value.function)
                elif isinstance(value, Object):
                    for name in ("__enter__", "__exit__"):
                        entering = self.site(node, env, "call")
                        entering.functions.update(self.methods(value.of, name))
            if item.asname is not None:
                self.assign(item.asname.name, self.entered(values), env)
        self.suite(node.body, env)
        env.block = before

    def _block_of(self, node: cst.With, env: Environment) -> Block:
        found = self._blocks.get(node)
        if found is None:
            found = self._blocks[node] = Block(node, env.where)
        return found

    @property
    def _blocks(self) -> dict[cst.With, Block]:
        return self.program.blocks

    def _small(self, node: cst.CSTNode, env: Environment) -> None:
        if isinstance(node, cst.Assign):
            values = self.evaluate(node.value, env)
            for target in node.targets:
                if isinstance(target.target, cst.Tuple | cst.List):
                    self.go_through(node.value, values, env)
                self.assign(target.target, values, env)
        elif isinstance(node, cst.AnnAssign):
            values = self.objects_of(node.annotation.annotation, env)
            if node.value is not None:
                values |= self.evaluate(node.value, env)
            self.assign(node.target, values, env)
        elif isinstance(node, cst.AugAssign):
            kept = self.evaluate(node.target, env)
            values = merged(kept | self.evaluate(node.value, env))
            self.assign(node.target, values, env)
            if isinstance(node.target, cst.Name) and any(isinstance(each, Many) for each in kept):
                self.change(env, node.target.value, values)
        elif isinstance(node, cst.Return):
            if node.value is not None and isinstance(env.where, Function):
                if env.where.is_generator:
                    env.where.pins.setdefault("a generator that returns a value stays one", node)
                values = self.evaluate(node.value, env)
                self.returned(env.where, values)
                self.program.returned.append((env.where, node.value))
                if BYTEARRAY in values or isinstance(node.value, cst.Tuple):
                    self.program.values[node.value] = values
        elif isinstance(node, cst.Expr):
            self.evaluate(node.value, env)
        elif isinstance(node, cst.Import):
            self.import_names(node, env)
        elif isinstance(node, cst.ImportFrom):
            self.import_members(node, env)
        elif isinstance(node, cst.Global | cst.Nonlocal):
            env.scope.outer_names |= {item.name.value for item in node.names}
        else:
            self.evaluate(node, env)

    def returned(self, function: Function, values: Values) -> None:
        if not values <= function.returns:
            before, function.returns = function.returns, merged(function.returns | values)
            self.changed |= function.returns != before


def _is_given_by_wrapper(function: Function, name: str) -> bool:
    """Whether a decorator of the project may pass it, since no rule of the view names it."""
    by = [value for values in function.decorators for value in values]
    if function.owner is not None:
        by += items(function.owner.attribute("decorators"))
    if not any(isinstance(value, Routine | Type | Object) for value in by):
        return False
    rule = re.compile(rf"[<:]\s*{re.escape(name)}\s*>|[\"']{re.escape(name)}[\"']\s*:")
    assert isinstance(function.node, cst.FunctionDef)
    written = (decorator.decorator for decorator in function.node.decorators)
    return not any(rule.search(cst.Module([]).code_for_node(each)) for each in written)
