"""Records: named tuples, dataclasses and their like, whose fields are kept apart by their names."""

from __future__ import annotations

from abc import abstractmethod

import libcst as cst

from . import fields
from .environment import Environment
from .handing import Handing
from .nodes import text_of
from .program import Class, Program
from .sites import Site
from .values import NOTHING, Arguments, Instance, Object, Type, Values, items, many, one, routines

NAMED_TUPLE = "typing.NamedTuple"


class Records(Handing):
    """The evaluation of what has fields in the place of an `__init__`."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._written_out: dict[cst.Call, cst.ClassDef] = {}

    @abstractmethod
    def define_class(self, node: cst.ClassDef, env: Environment) -> None:
        """Evaluate the definition of a class."""

    def fill(self, site: Site, of: Class, arguments: Arguments, env: Environment) -> None:
        """Put what an object is made of into its fields, by position and by name."""
        names, made = of.fields(), one(Object(of))
        for position, (how, values) in enumerate(arguments):
            if how in {"*", "**"}:
                named, values = names[position if how == "*" else 0 :], items(values)
            else:
                named = [how] if how in names else names[position : position + 1 if not how else 0]
            self.leak(values, site.node, env)
            for name in named:
                self.store(made, name, values)
            if not named:
                self.lose(values, site.node, env)

    def of_record(
        self, site: Site, path: str, arguments: Arguments, env: Environment
    ) -> Values | None:
        """What a call that makes records, or their class, returns; None if it is none."""
        node = site.node
        for how, values in arguments if path == "types.SimpleNamespace" else ():
            self.store(one(Instance(path)), how, values)
        if not isinstance(node, cst.Call):
            return None
        if path == NAMED_TUPLE:
            return self._named_tuple(node, env)
        if path == "dataclasses.replace":
            return self._changed(arguments[0][1] if arguments else NOTHING, arguments[1:])
        if not path.startswith(f"{NAMED_TUPLE}."):
            return None
        of = self.program.values.get(node.func, NOTHING)
        if path.endswith("._replace"):
            return self._changed(of, arguments)
        if path.endswith("._make"):
            return self.call(node, of, [("*", values) for _, values in arguments[:1]], env)
        return many(items(of))

    def field(self, site: Site, arguments: Arguments, env: Environment) -> Values:
        """A field of a dataclass, and who is called for its default."""
        made: Values = NOTHING
        for how, values in arguments:
            if how == "default_factory":
                if isinstance(env.scope, Class):
                    env.scope.factories |= routines(values)
                made |= self.call(site.node, values, [], env)
            else:
                made |= values
        return made

    def _changed(self, of: Values, arguments: Arguments) -> Values:
        """A copy of an object with other values in some of its fields."""
        for how, values in arguments:
            self.store(of, how, values)
        return of

    def _named_tuple(self, node: cst.Call, env: Environment) -> Values | None:
        """The class that `namedtuple("Name", fields)` makes, as if it were written out."""
        written = self._written_out.get(node)
        if written is None:
            named = fields.in_call(node)
            if named is None:
                return NOTHING
            body = [
                cst.SimpleStatementLine([cst.AnnAssign(cst.Name(name), cst.Annotation(kind))])
                for name, kind in named
            ]
            name = cst.Name(text_of(node.args[0].value) or "")
            base = cst.Arg(node.func)
            written = self._written_out[node] = cst.ClassDef(name, cst.IndentedBlock(body), [base])
        self.define_class(written, Environment(env.scope, env.where, {}, env.block))
        return one(Type(self.program.classes[written]))
