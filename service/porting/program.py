"""The project as the other parts see it: modules, classes, functions, and where they call."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import libcst as cst

from .behave import is_of_behave
from .closure import closure
from .collected import Collected
from .fields import in_body
from .sites import Double, Read, Shown, Site
from .templates import Templates
from .values import NOTHING, Value, Values, merged

_OF_FLASK = re.compile(r"^\s*(?:from|import)\s+flask\b", re.MULTILINE)


class Scope:
    """A place where names are bound, and everything that was ever bound to them there."""

    def __init__(self, name: str, parent: Scope | None, module: Module) -> None:
        self.name = name
        self.parent = parent
        self.module = module
        self.bindings: dict[str, Values] = {}
        self.outer_names: set[str] = set()
        """Names declared `global` or `nonlocal`."""
        self.imported: dict[str, tuple[Module, str]] = {}
        """Names that it imports from modules of the project: what they are called there."""

    def bind(self, name: str, values: Values) -> bool:
        """Add to what a name may stand for; tell whether that is news."""
        before = self.bindings.get(name)
        if before is None:
            self.bindings[name] = values
            return True
        if values <= before:
            return False
        together = merged(before | values)
        self.bindings[name] = together
        return together != before


class Module(Scope):
    """A file of the project, parsed."""

    def __init__(self, path: Path, name: str, source: str) -> None:
        super().__init__(name, None, self)
        self.path = path
        self.source = source
        self.tree = cst.parse_module(source)
        self.is_package = path.name == "__init__.py"
        self.collected = Collected()
        """What pytest collects in the project."""
        self.stars: list[Module] = []
        """Modules of the project that it imports everything from."""

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    def absolute(self, name: str, dots: int) -> str:
        """The name of the module that `from ...name` means here, with so many dots."""
        if not dots:
            return name
        parts = self.package.split(".") if self.package else []
        parts = parts[: len(parts) - dots + 1]
        return ".".join([*parts, name] if name else parts)

    @cached_property
    def is_of_flask(self) -> bool:
        """Whether it has to do with Flask, or has had before."""
        return "flask" in self.source or "quart" in self.source

    @cached_property
    def is_test(self) -> bool:
        """Whether pytest or unittest runs what is in here, rather than the app."""
        collected = self.collected.has(self.path, self.source)
        return collected or is_of_behave(self.path, self.source)


class Class(Scope):
    """A class of the project. Its bindings are its attributes; `attributes`, its objects'."""

    def __init__(self, node: cst.ClassDef, parent: Scope) -> None:
        super().__init__(node.name.value, parent, parent.module)
        self.node = node
        self.bases: tuple[Value, ...] = ()
        self.subclasses: set[Class] = set()
        self._lineage: list[Class] | None = None
        self.attributes: dict[str, Values] = {}
        self.factories: set[Function] = set()
        """What is called where its objects are made: for defaults of its fields, by a metaclass."""
        self.of_metaclass: set[Function] = set()
        """The special methods of its metaclass, which Python calls where the class is used."""
        self._own_fields = list(in_body(node))

    def inherit(self, bases: tuple[Value, ...]) -> bool:
        """Take these for its bases; whether they are others than before."""
        from .values import Type

        if bases == self.bases:
            return False
        self.bases = bases
        for base in bases:
            if isinstance(base, Type):
                base.of.subclasses.add(self)
        for each in (self, *self.heirs()):
            each._lineage = None
        return True

    def lineage(self) -> list[Class]:
        """The class and those of the project that it inherits from."""
        if self._lineage is None:
            from .values import Type

            found: dict[Class, None] = {}
            queue = [self]
            while queue:
                here = queue.pop(0)
                if here not in found:
                    found[here] = None
                    queue += [base.of for base in here.bases if isinstance(base, Type)]
            self._lineage = [*found]
        return self._lineage

    def heirs(self) -> set[Class]:
        """The classes of the project that inherit from it, however far."""
        return closure(self.subclasses, lambda of: of.subclasses)

    def external_bases(self) -> list[str]:
        """The paths of what it inherits from outside the project."""
        bases = (base for here in self.lineage() for base in here.bases)
        paths = (getattr(base, "path", None) or getattr(base, "kind", None) for base in bases)
        return [path for path in paths if path]

    def fields(self) -> list[str]:
        """The fields that its objects are made of, in their order, if it has no `__init__`."""
        line = reversed(list(self.lineage()))
        return list(dict.fromkeys(name for each in line for name in each._own_fields))

    def is_tuple(self) -> bool:
        """Whether its objects are tuples of their fields."""
        return "typing.NamedTuple" in self.external_bases()

    def attribute(self, name: str) -> Values:
        """What an attribute of its objects may be, methods included."""
        found: Values = NOTHING
        for here in self.lineage():
            found |= here.attributes.get(name, NOTHING)
            if name in here.bindings:
                return found | here.bindings[name]
        return found


@dataclass(eq=False)
class Block:
    """A `with app.app_context():` that cannot simply become `async with` where it stands."""

    node: cst.With
    function: Function | Module


class Function(Scope):
    """A function, method or lambda of the project."""

    def __init__(
        self, node: cst.FunctionDef | cst.Lambda, parent: Scope, owner: Class | None
    ) -> None:
        named = isinstance(node, cst.FunctionDef)
        name = node.name.value if isinstance(node, cst.FunctionDef) else "<lambda>"
        super().__init__(name, parent, parent.module)
        self.node = node
        self.owner = owner
        self.is_lambda = not named
        self.made_property = False
        self.was_async = isinstance(node, cst.FunctionDef) and node.asynchronous is not None
        self.is_generator = False
        self.is_endless = False
        """Whether it goes through what does not end."""
        self.attributes: dict[str, Values] = {}
        self.returns: Values = NOTHING
        self.yields: Values = NOTHING
        self.decorators: list[Values] = []
        self.applies: set[Function] = set()
        """What it calls with an argument of its own."""
        self.roles: set[str] = set()
        """What calls it from outside: `view`, `hook`, `test`, `fixture`, `command`, ..."""
        self.pins: dict[str, cst.CSTNode] = {}
        """Why it must stay a plain function, each reason with where that shows."""
        params = node.params
        self.positional = [*params.posonly_params, *params.params]
        self.names = [param.name.value for param in self.positional]
        self.keyword_only = [param.name.value for param in params.kwonly_params]
        self.star = params.star_arg.name.value if isinstance(params.star_arg, cst.Param) else None
        self.double_star = params.star_kwarg.name.value if params.star_kwarg else None
        self.annotations = {
            param.name.value: param.annotation.annotation
            for param in [*self.positional, *params.kwonly_params]
            if param.annotation is not None
        }

    @property
    def label(self) -> str:
        """Its name as a reader would say it."""
        return f"{self.owner.name}.{self.name}" if self.owner else self.name

    @property
    def place(self) -> tuple[str, str]:
        """Its place in an order that is the same every time."""
        return self.module.name, self.label

    def is_static(self) -> bool:
        """Whether it is a method that takes no `self`."""
        return self._decorated_by("staticmethod")

    def is_property(self) -> bool:
        """Whether reading an attribute calls it."""
        decorated = ("property", "cached_property", "setter", "getter", "deleter")
        return self.made_property or self._decorated_by(*decorated)

    def _decorated_by(self, *names: str) -> bool:
        if not isinstance(self.node, cst.FunctionDef):
            return False
        for decorator in self.node.decorators:
            written = decorator.decorator
            last = written.attr if isinstance(written, cst.Attribute) else written
            if isinstance(last, cst.Name) and last.value in names:
                return True
        return False


@dataclass(eq=False)
class Program:
    """Everything that was found out about a project."""

    root: Path
    modules: dict[str, Module]
    on_the_path: dict[str, list[Module]] = field(default_factory=dict)
    """Modules by shorter names that they may be imported by."""
    functions: dict[cst.CSTNode, Function] = field(default_factory=dict)
    classes: dict[cst.CSTNode, Class] = field(default_factory=dict)
    sites: dict[tuple[cst.CSTNode, str], Site] = field(default_factory=dict)
    values: dict[cst.CSTNode, Values] = field(default_factory=dict)
    """What each interesting expression may stand for."""
    awaited: set[cst.CSTNode] = field(default_factory=set)
    """Expressions that are awaited already, or handed to something that awaits them."""
    stored: dict[tuple[str, str], Values] = field(default_factory=dict)
    """What was put into attributes of objects from outside, such as `g.db`."""
    settings: dict[str, Values] = field(default_factory=dict)
    """What is put into `app.config`, by its name."""
    aliases: dict[Function, set[Function]] = field(default_factory=lambda: defaultdict(set))
    """Functions that stand in for each other, so that they must be of one kind."""
    doubles: dict[cst.CSTNode, Double] = field(default_factory=dict)
    """What tests put in the place of something else."""
    given: dict[cst.CSTNode, tuple[Site, int]] = field(default_factory=dict)
    """Arguments that are given to be called: the call that they are given to, and where."""
    handed: dict[cst.BaseExpression, Site] = field(default_factory=dict)
    """What is awaitable when it is called, and handed to something that calls it."""
    read_on: dict[cst.CSTNode, Site] = field(default_factory=dict)
    """Calls by which a function of `operator` reads on of what is awaited, or more beside it."""
    returned: list[tuple[Function, cst.BaseExpression]] = field(default_factory=list)
    """What functions return."""
    imports: dict[cst.ImportFrom, tuple[Module, Module]] = field(default_factory=dict)
    """Imports from modules of the project: the module that imports, and the other one."""
    looked_for: set[cst.CSTNode] = field(default_factory=set)
    """Calls of `hasattr` that ask for an attribute which is awaited."""
    consumed: dict[cst.CSTNode, Function] = field(default_factory=dict)
    """Generators that a built-in function is given to go through."""
    endless: dict[cst.GeneratorExp, Function] = field(default_factory=dict)
    """Generator expressions that go through what does not end, and who makes them."""
    statements: dict[cst.CSTNode, cst.SimpleStatementLine] = field(default_factory=dict)
    """The line that makes an app, by the call that makes it."""
    module_of: dict[cst.CSTNode, Module] = field(default_factory=dict)
    """The module of each attribute that is read."""
    connects: dict[cst.CSTNode, int] = field(default_factory=dict)
    """The number of each call that connects to a database."""
    adapted: dict[cst.CSTNode, Values] = field(default_factory=dict)
    """What psycopg is given for the placeholders of SQL, by the call."""
    leaked: dict[int, list[Site]] = field(default_factory=lambda: defaultdict(list))
    """Connections handed to code outside of the project, and where."""
    attached: dict[int, Site] = field(default_factory=dict)
    """Connections put into an attribute of something other than `g`, and where."""
    adjusted: dict[int, str] = field(default_factory=dict)
    """Connections that an attribute is set of, and which."""
    autocommitting: set[int] = field(default_factory=set)
    """Connections whose `autocommit` is set."""
    reads: dict[cst.CSTNode, Read] = field(default_factory=dict)
    """Where connections are read from `g`, or from a variable of a module."""
    handlers: dict[cst.CSTNode, tuple[Function | Module, Values]] = field(default_factory=dict)
    """What each `except` catches."""
    errors: dict[cst.CSTNode, Values] = field(default_factory=dict)
    """The classes that `except` and error handlers name."""
    kept: dict[Function, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Functions that containers and attributes hold, and the names of the attributes."""
    templates: Templates = field(default_factory=lambda: Templates({}, ()))
    shown: dict[cst.CSTNode, Shown] = field(default_factory=dict)
    """What templates are given: by the call, or the function, that gives it."""
    registered: dict[Function, set[tuple[str, cst.CSTNode]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    """Functions that Flask is given to call: by which method, and the decorator or call."""
    receivers: dict[str, set[Function]] = field(default_factory=lambda: defaultdict(set))
    """Functions that are connected to signals of the project's own, by the signal."""
    sent: set[str] = field(default_factory=set)
    """The signals of these that are sent."""
    read_by_templates: set[Function] = field(default_factory=set)
    """Functions of the proxies that templates are given."""
    in_threads: set[Function] = field(default_factory=set)
    """Functions that are handed to something which runs them in a thread."""
    put_on_apps: set[Function] = field(default_factory=set)
    """What takes the place of a method of an app that Quart awaits: `app.make_response = f`."""
    threads: dict[cst.CSTNode, Values] = field(default_factory=dict)
    """What threads are given to call: by the call that makes them."""
    streamed: set[Function] = field(default_factory=set)
    """Generator functions that run in the context of their request after it."""
    withs: list[cst.With] = field(default_factory=list)
    blocks: dict[cst.With, Block] = field(default_factory=dict)
    unparsed: list[tuple[Path, int, str]] = field(default_factory=list)
    fixtures: dict[str, list[Function]] = field(default_factory=lambda: defaultdict(list))
    fixtures_asked_for: dict[Site, set[Function]] = field(default_factory=dict)
    """Those that tests get by `request.getfixturevalue`."""

    @property
    def is_of_flask(self) -> bool:
        """Whether any of its modules has to do with Flask, or has had before."""
        return any(module.is_of_flask for module in self.modules.values())

    @cached_property
    def is_ported(self) -> bool:
        """Whether it is of Quart, and none of its modules imports Flask."""
        sources = [module.source for module in self.modules.values()]
        return any("quart" in each for each in sources) and not any(map(_OF_FLASK.search, sources))

    def module_at(self, name: str) -> Module | None:
        """The module of this dotted name, if it is of the project."""
        return self.modules.get(name)

    def module_called(self, name: str) -> Module | None:
        """The same for a name that begins in a directory on the path."""
        others = self.on_the_path.get(name, [])
        return self.modules.get(name) or (others[0] if len(others) == 1 else None)
