"""Names and what they stand for at one point of a function."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field

from .flask_types import external
from .program import Block, Class, Function, Module, Program, Scope
from .values import DATA, NOTHING, External, ModuleValue, Values, one


@dataclass
class Environment:
    """Where evaluation stands.

    Attributes:
        scope: where names are bound.
        where: the function or module whose sites are being found.
        names: what each name stands for just here.
        block: the innermost `with app.app_context():` around.
    """

    scope: Scope
    where: Function | Module
    names: dict[str, Values] = field(default_factory=dict)
    block: Block | None = None

    def branch(self) -> Environment:
        """The same place, for a path that may be taken or not."""
        return Environment(self.scope, self.where, dict(self.names), self.block)

    def join(self, *branches: Environment) -> None:
        """Go on from where the branches meet."""
        names: dict[str, Values] = {}
        for branch in branches:
            for name, values in branch.names.items():
                names[name] = names.get(name, NOTHING) | values
        self.names = names

    def has_made(self, name: str) -> bool:
        """Whether a function has a name of its own making, which it has not imported."""
        where = self.where
        return isinstance(where, Function) and name in self.names and name not in where.imported


class Names:
    """Looking names up, and binding them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.changed = False

    def bind(self, env: Environment, name: str, values: Values) -> None:
        """Assign to a name here."""
        scope = env.scope
        if name in scope.outer_names:
            outer = scope.parent
            while outer is not None and name not in outer.bindings and outer.parent is not None:
                outer = outer.parent
            scope = outer or scope
        else:
            env.names[name] = values
        self.changed |= scope.bind(name, values)

    def change(self, env: Environment, name: str, values: Values) -> None:
        """Note that what a name stands for, here or around, changes in itself, for others, too."""
        scope: Scope | None = env.scope
        while scope is not None and name not in scope.bindings:
            scope = scope.parent
        module = env.scope.module
        if scope is env.scope or name in env.names or not (scope or module.stars):
            self.bind(env, name, values)
        elif scope is not None:
            self.changed |= scope.bind(name, values)
        is_news = True
        while is_news and (origin := self._origin(scope or module, name)):
            scope, name = origin
            is_news = scope.bind(name, values)
            self.changed |= is_news

    def _origin(self, scope: Scope, name: str) -> tuple[Module, str] | None:
        """The module that a name is imported from, and what it is called there."""
        if name in scope.imported:
            return scope.imported[name]
        starred = scope.stars if isinstance(scope, Module) else ()
        return next(((other, name) for other in starred if name in other.bindings), None)

    def look_up(self, env: Environment, name: str) -> Values:
        """What a name stands for here."""
        if name in env.names and name not in env.scope.outer_names:
            return env.names[name]
        scope: Scope | None = env.scope
        while scope is not None:
            if name in scope.bindings and (scope is env.scope or not isinstance(scope, Class)):
                return scope.bindings[name]
            if isinstance(scope, Module):
                starred = self._starred(scope, name)
                if starred is not None:
                    return starred
            scope = scope.parent
        if name in {"True", "False"}:
            return DATA
        if name != "None" and hasattr(builtins, name):
            return one(External(f"builtins.{name}"))
        return NOTHING

    def module(self, name: str, importer: Module) -> Module | None:
        """The project's module that is imported by this name: from the top, or from nearer by."""
        found = self.program.module_at(name)
        prefix = importer.name
        while found in {None, importer} and prefix:
            prefix = prefix.rpartition(".")[0]
            found = self.program.module_at(f"{prefix}.{name}" if prefix else name)
        found = found or self.program.module_called(name)
        return found if found is not importer else None

    def imported(self, name: str, importer: Module) -> Values:
        """What `import name` gives, for all of the dotted name."""
        module = self.module(name, importer)
        return one(ModuleValue(module)) if module else external(name)

    def member(self, module: Module, name: str) -> Values:
        """What an attribute of a module of the project stands for."""
        if name in module.bindings:
            return module.bindings[name]
        inner = self.program.module_at(f"{module.name}.{name}")
        if inner is not None:
            return one(ModuleValue(inner))
        return self._starred(module, name) or NOTHING

    def _starred(self, module: Module, name: str) -> Values | None:
        """What a name stands for that a module imports with `*`; None if it imports none."""
        queue = list(module.stars)
        for other in queue:
            if name in other.bindings:
                return other.bindings[name]
            queue += [each for each in other.stars if each not in queue]
        return None
