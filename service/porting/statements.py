"""Going through statements in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

from . import flask_types as types
from .calls import Calls
from .environment import Environment
from .program import Block, Class, Function, Module, Program
from .registration import (
    CALLBACK,
    CONTEXT_MANAGER,
    FIXTURE,
    HOOK,
    TEMPLATE,
    TEST,
    VIEW,
    pin_by_name,
)
from .values import (
    DATA,
    NOTHING,
    External,
    Generated,
    Instance,
    ModuleValue,
    Object,
    Routine,
    Type,
    Values,
    items,
    one,
    routines,
    something_of,
)

ROUNDS = 14
"""How often everything is gone through at most; what is new after that stays unknown."""

_VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "trace", "dispatch_request")
_TEST_METHODS = ("setUp", "tearDown", "setUpClass", "tearDownClass", "setup_method")


class Evaluation(Calls):
    """The evaluation of a whole project."""

    def __init__(self, program: Program, tell: Callable[[int, int], None] | None = None) -> None:
        super().__init__(program)
        self._seen: set[cst.With] = set()
        self._parsed: dict[cst.CSTNode, cst.BaseExpression] = {}
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
            self._tell(number + 1, ROUNDS)
            if not self.changed:
                break

    def _begin_round(self) -> None:
        """Forget what held only because less was known."""
        program = self.program
        program.sites.clear()
        program.leaked.clear()
        program.reads.clear()
        program.consumed.clear()
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
                env.names[starred] = function.bindings.get(starred, NOTHING)
        if isinstance(function.node, cst.Lambda):
            self._returned(function, self.evaluate(function.node.body, env))
        else:
            self.block(function.node.body.body, env)
        if "context processor" in function.roles:
            for given in routines(function.returns):
                given.roles.add(TEMPLATE)

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
            kind = types.PYTEST_FIXTURES.get(name)
            if kind and not found:
                found |= one(Instance(kind))
        if not found and function.roles:
            found = self._given(function, name)
        return found

    def _given(self, function: Function, name: str) -> Values:
        """What Quart passes: to a view, parts of the URL; to a hook, a response or an error."""
        if function.roles & {VIEW, TEMPLATE, CALLBACK}:
            return DATA
        if HOOK in function.roles:
            if any(
                isinstance(value, External) and "after_" in value.path
                for values in function.decorators
                for value in values
            ):
                return one(Instance("flask.Response"))
            return one(Instance("werkzeug.exceptions.HTTPException"))
        return NOTHING

    def objects_of(self, annotation: cst.BaseExpression, env: Environment) -> Values:
        """The objects that an annotation promises."""
        found: Values = NOTHING
        if isinstance(annotation, cst.SimpleString):
            if annotation not in self._parsed:
                try:
                    parsed = cst.parse_expression(str(annotation.evaluated_value))
                except cst.ParserSyntaxError:
                    parsed = cst.Name("object")
                self._parsed[annotation] = parsed
            annotation = self._parsed[annotation]
        for value in self.evaluate(annotation, env):
            if isinstance(value, Type):
                found |= one(Object(value.of))
            elif isinstance(value, External) and value.path.rpartition(".")[2][:1].isupper():
                found |= one(Instance(value.path))
        return found

    def block(self, statements: Sequence[cst.CSTNode], env: Environment) -> None:
        """Go through statements one after the other."""
        for statement in statements:
            self._statement(statement, env)

    def _statement(self, node: cst.CSTNode, env: Environment) -> None:
        if isinstance(node, cst.SimpleStatementLine):
            for part in node.body:
                self._small(part, env)
                value = getattr(part, "value", None)
                if isinstance(value, cst.Call):
                    self.program.statements[value] = node
        elif isinstance(node, cst.FunctionDef):
            self._define(node, env)
        elif isinstance(node, cst.ClassDef):
            self._define_class(node, env)
        elif isinstance(node, cst.If):
            self.evaluate(node.test, env)
            taken, other = env.branch(), env.branch()
            self._suite(node.body, taken)
            if node.orelse is not None:
                self._statement(node.orelse, other)
            env.join(taken, other)
        elif isinstance(node, cst.Else | cst.Finally):
            self._suite(node.body, env)
        elif isinstance(node, cst.For):
            self._loop(node, env)
        elif isinstance(node, cst.While):
            inner = env.branch()
            self.evaluate(node.test, inner)
            self._suite(node.body, inner)
            env.join(env.branch(), inner)
            if node.orelse is not None:
                self._suite(node.orelse.body, env)
        elif isinstance(node, cst.With):
            self._with(node, env)
        elif isinstance(node, cst.Try | cst.TryStar):
            self._try(node, env)
        elif isinstance(node, cst.Match):
            self.evaluate(node.subject, env)
            branches = [env.branch()]
            for case in node.cases:
                branches.append(env.branch())
                self._suite(case.body, branches[-1])
            env.join(*branches)

    def _suite(self, suite: cst.BaseSuite, env: Environment) -> None:
        if isinstance(suite, cst.SimpleStatementSuite):
            for part in suite.body:
                self._small(part, env)
        else:
            self.block(suite.body, env)

    def _loop(self, node: cst.For, env: Environment) -> None:
        inner = env.branch()
        self.iterate(node, node.iter, node.target, inner)
        self._suite(node.body, inner)
        env.join(env.branch(), inner)
        if node.orelse is not None:
            self._suite(node.orelse.body, env)

    def _try(self, node: cst.Try | cst.TryStar, env: Environment) -> None:
        tried = env.branch()
        self._suite(node.body, tried)
        branches = [tried]
        for handler in node.handlers:
            caught = env.branch()
            caught.join(env.branch(), tried)
            if handler.type is not None:
                self._caught(handler, caught)
            self._suite(handler.body, caught)
            branches.append(caught)
        if node.orelse is not None:
            self._suite(node.orelse.body, tried)
        env.join(*branches)
        if node.finalbody is not None:
            self._suite(node.finalbody.body, env)

    def _caught(self, handler: cst.ExceptHandler | cst.ExceptStarHandler, env: Environment) -> None:
        kinds = self.evaluate(handler.type, env) if handler.type is not None else NOTHING
        if handler.type is not None:
            self.program.handlers[handler] = (env.where, kinds)
        if handler.name is not None and isinstance(handler.name.name, cst.Name):
            errors: Values = NOTHING
            for kind in kinds | items(kinds):
                if isinstance(kind, Type):
                    errors |= one(Object(kind.of))
                elif isinstance(kind, External):
                    errors |= one(something_of(kind.path))
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
                self.assign(item.asname.name, self._entered(values), env)
        self._suite(node.body, env)
        env.block = before

    def _block_of(self, node: cst.With, env: Environment) -> Block:
        found = self._blocks.get(node)
        if found is None:
            found = self._blocks[node] = Block(node, env.where)
        return found

    @property
    def _blocks(self) -> dict[cst.With, Block]:
        return self.program.blocks

    def _entered(self, values: Values) -> Values:
        found: Values = NOTHING
        for value in values:
            if isinstance(value, Generated):
                found |= value.function.yields
            elif isinstance(value, Object):
                for method in self.methods(value.of, "__enter__"):
                    found |= method.returns
            else:
                found |= one(value)
        return found

    def _small(self, node: cst.CSTNode, env: Environment) -> None:
        if isinstance(node, cst.Assign):
            values = self.evaluate(node.value, env)
            for target in node.targets:
                self.assign(target.target, values, env)
        elif isinstance(node, cst.AnnAssign):
            values = self.objects_of(node.annotation.annotation, env)
            if node.value is not None:
                values |= self.evaluate(node.value, env)
            self.assign(node.target, values, env)
        elif isinstance(node, cst.AugAssign):
            kept = self.evaluate(node.target, env)
            self.assign(node.target, kept | self.evaluate(node.value, env), env)
        elif isinstance(node, cst.Return):
            if node.value is not None and isinstance(env.where, Function):
                self._returned(env.where, self.evaluate(node.value, env))
        elif isinstance(node, cst.Expr):
            self.evaluate(node.value, env)
        elif isinstance(node, cst.Import):
            self._import(node, env)
        elif isinstance(node, cst.ImportFrom):
            self._import_from(node, env)
        elif isinstance(node, cst.Global | cst.Nonlocal):
            env.scope.outer_names |= {item.name.value for item in node.names}
        else:
            self.evaluate(node, env)

    def _returned(self, function: Function, values: Values) -> None:
        if not values <= function.returns:
            function.returns |= values
            self.changed = True

    def function(self, node: cst.FunctionDef | cst.Lambda, env: Environment) -> Function:
        """The function that this node defines."""
        found = self.program.functions.get(node)
        if found is None:
            owner = env.scope if isinstance(env.scope, Class) else None
            found = self.program.functions[node] = Function(node, env.scope, owner)
            self.changed = True
            self._take_test_role(found)
        return found

    def _take_test_role(self, function: Function) -> None:
        if function.is_lambda or not function.module.is_test:
            return
        owner = function.owner
        if isinstance(function.parent, Module) or owner is not None:
            if function.name.startswith("test") or (
                owner is not None and function.name in _TEST_METHODS
            ):
                function.roles.add(TEST)

    def _define(self, node: cst.FunctionDef, env: Environment) -> None:
        function = self.function(node, env)
        for param in [*function.positional, *node.params.kwonly_params]:
            if param.default is not None:
                given = self.evaluate(param.default, env)
                self.changed |= function.bind(param.name.value, given)
        values = self.decorate(function, one(Routine(function)), env)
        if FIXTURE in function.roles:
            self._note_fixture(function)
        if node.returns is not None and not function.roles & {CONTEXT_MANAGER, FIXTURE}:
            promised = self.objects_of(node.returns.annotation, env)
            self._returned(function, promised)
        self.bind(env, node.name.value, values)

    def _note_fixture(self, function: Function) -> None:
        assert isinstance(function.node, cst.FunctionDef)
        name = function.name
        for decorator in function.node.decorators:
            if isinstance(decorator.decorator, cst.Call):
                for arg in decorator.decorator.args:
                    if arg.keyword and arg.keyword.value == "name":
                        name = getattr(arg.value, "evaluated_value", name)
        known = self.program.fixtures[name]
        if function not in known:
            known.append(function)
            self.changed = True

    def _define_class(self, node: cst.ClassDef, env: Environment) -> None:
        found = self.program.classes.get(node)
        if found is None:
            found = self.program.classes[node] = Class(node, env.scope)
            self.changed = True
        bases: Values = NOTHING
        for arg in node.bases:
            bases |= self.evaluate(arg.value, env)
        for base in bases:
            if isinstance(base, Type):
                base.of.subclasses.add(found)
        if bases != found.bases:
            found.bases = bases
            self.changed = True
        inner = Environment(found, env.where, block=env.block)
        self._suite(node.body, inner)
        if any(path.startswith("flask.views.") for path in found.external_bases()):
            self._is_view(found, node, env)
        self.bind(env, node.name.value, one(Type(found)))

    def _is_view(self, of: Class, node: cst.ClassDef, env: Environment) -> None:
        methods: Values = NOTHING
        for name in _VERBS:
            for value in of.bindings.get(name, NOTHING):
                if isinstance(value, Routine):
                    value.function.roles.add(VIEW)
                    methods |= one(value)
        for decorator in routines(items(of.attribute("decorators"))):
            given = one(External("flask.async_function"))
            self.call(node, one(Routine(decorator)), [("", given)], env)

    def _import(self, node: cst.Import, env: Environment) -> None:
        for alias in node.names:
            name = _dotted(alias.name)
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.bind(env, alias.asname.name.value, self.imported(name, env.scope.module))
            else:
                first = name.partition(".")[0]
                values = self.imported(first, env.scope.module)
                module = self.module(name, env.scope.module)
                if module is not None and not any(isinstance(v, ModuleValue) for v in values):
                    values = one(ModuleValue(module))
                self.bind(env, first, values)

    def _import_from(self, node: cst.ImportFrom, env: Environment) -> None:
        importer = env.scope.module
        name = _dotted(node.module) if node.module is not None else ""
        if node.relative:
            parts = importer.package.split(".") if importer.package else []
            parts = parts[: len(parts) - len(node.relative) + 1]
            name = ".".join([*parts, name] if name else parts)
        module = self.program.module_at(name) if node.relative else self.module(name, importer)
        if isinstance(node.names, cst.ImportStar):
            if module is not None and module not in importer.stars:
                importer.stars.append(module)
                self.changed = True
            elif name in {"flask", "quart"} and isinstance(env.scope, Module):
                import flask

                for public in vars(flask):
                    if not public.startswith("_") and public not in env.names:
                        self.bind(env, public, types.external(f"flask.{public}"))
            return
        for alias in node.names:
            wanted = _dotted(alias.name)
            bound = wanted
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                bound = alias.asname.name.value
            values = self.member(module, wanted) if module else types.external(f"{name}.{wanted}")
            self.bind(env, bound, values)


def _dotted(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""
