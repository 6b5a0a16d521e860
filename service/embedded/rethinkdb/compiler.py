"""From a query on the wire to functions that answer it.

A term is compiled into a node: a function of a scope (the values of the variables in sight) that
gives the term's value. A `ReqlError` leaves a node with the frames of the innermost term.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from .errors import CompileError, Frame, QueryLogicError, ReqlError
from .evaluation import hold
from .functions import ATOMIC, ROW, Function, Json, Node, Scope, is_deterministic
from .registry import NAMES, NUMBERS, TERMS, Term
from .sequences import (
    Grouped,
    Opaque,
    Value,
    is_datum,
    to_array,
    to_datum,
    to_finite,
)
from .storage import Catalog, Document
from .system import System
from .values import (
    LARGEST_EXACT_INTEGER,
    PSEUDOTYPE,
    Datum,
    from_wire,
    number,
)

Path = tuple[Frame, ...]

_MAKE_ARRAY: Final = NUMBERS["MAKE_ARRAY"]
_ARGS: Final = NUMBERS["ARGS"]
_FUNC: Final = NUMBERS["FUNC"]
_VAR: Final = NUMBERS["VAR"]
_PASS_LITERALS: Final = frozenset(
    NUMBERS[name] for name in ("MAKE_ARRAY", "FUNC", "FUNCALL", "BRANCH", "DEFAULT", "ARGS")
)


class Query:
    """What the terms of one query share: the data, its options, its idea of now.

    `atomic` if nothing else may happen while it runs: it writes, or begins to follow a table.
    """

    def __init__(
        self,
        system: System,
        options: Mapping[str, Json] | None = None,
    ) -> None:
        self.system = system
        self.catalog = system.catalog
        self.now = {
            PSEUDOTYPE: "TIME",
            "epoch_time": round(time.time(), 3),
            "timezone": "+00:00",
        }
        self.array_limit = 100_000
        self.atomic = False
        compiler = Compiler(self)
        self._options = {
            name: compiler.node(term, (name,)) for name, term in (options or {}).items()
        }
        limit = self.option("array_limit")
        if limit is not None:
            if type(limit) is not int or limit < 1:
                raise CompileError(f"Illegal array size limit `{limit}`.  (Must be >= 1.)")
            self.array_limit = limit

    def option(self, name: str) -> Value:
        """A global optional argument, or None."""
        node = self._options.get(name)
        return None if node is None else node({})

    def array(self, value: Value) -> list[Datum]:
        """A sequence as an array, within the query's limit."""
        if type(value) is list and len(value) <= self.array_limit:
            return value
        return to_array(to_finite(value), self.array_limit)

    def datum(self, value: Value) -> Datum:
        """A value as data, sequences as arrays within the query's limit."""
        return value if is_datum(value) and type(value) is not list else self.array(value)


class Constant:
    """The node of a term that is always the same value."""

    __slots__ = ("value",)

    def __init__(self, value: Datum) -> None:
        self.value = value

    def __call__(self, scope: Scope) -> Datum:
        return self.value


class Compiler:
    """Compiles terms in sight of some variables."""

    def __init__(self, query: Query, variables: frozenset[int] = frozenset(), rows: int = 0):
        self._query = query
        self._variables = variables
        self._rows = rows

    def node(self, term: Json, path: Path, *, literals: bool = False) -> Node:
        """Compile one term; raises `CompileError` for what is no term or not to be understood."""
        kind = type(term)
        if kind is list:
            return self._term(term, path, literals)
        if kind is dict:
            return self._object(term, path, literals)
        if (kind is int or kind is float) and not (
            kind is int and -LARGEST_EXACT_INTEGER <= term <= LARGEST_EXACT_INTEGER
        ):
            term = number(term)
        return Constant(term)

    def _term(self, term: Json, path: Path, literals: bool) -> Node:
        if not term or type(term[0]) is not int or len(term) > 3:
            raise CompileError("Expected a term: [type, arguments, optional arguments].", path)
        kind = term[0]
        arguments = term[1] if len(term) > 1 else []
        options = term[2] if len(term) > 2 else {}
        if type(arguments) is not list or type(options) is not dict:
            raise CompileError("Expected a term: [type, arguments, optional arguments].", path)
        syntax = _SYNTAX.get(kind)
        if syntax is not None:
            return syntax(self, arguments, options, path, literals)
        spec = TERMS.get(kind)
        if spec is None:
            if kind in NAMES:
                raise CompileError(f"Term `{NAMES[kind]}` is not supported by this server.", path)
            raise CompileError(f"Unknown term type {kind}.", path)
        if spec.name == "LITERAL" and not literals:
            return _stray_literal
        if kind in ATOMIC:
            self._query.atomic = True
            hold()
        return self._call(spec, arguments, options, path, literals and kind in _PASS_LITERALS)

    def _call(
        self, spec: Term, arguments: list[Json], options: dict[str, Json], path: Path, pass_on: bool
    ) -> Node:
        for name in options:
            if name not in spec.options:
                raise CompileError(f"Unrecognized optional argument `{name}`.", path)
        spliced = any(_is_args(term) for term in arguments)
        if not spliced and not spec.accepts(len(arguments)):
            raise CompileError(f"Expected {spec.arity()} but found {len(arguments)}.", path)
        nodes = [
            self.node(term, (*path, i), literals=pass_on or (spec.literals and i > 0))
            for i, term in enumerate(arguments)
        ]
        option_nodes = {k: self.node(term, (*path, k)) for k, term in options.items()}
        internal = (
            {"deterministic": all(map(is_deterministic, arguments[1:]))}
            if spec.wants_determinism
            else {}
        )
        query, function, lazy_options = self._query, spec.function, spec.lazy_options
        datums, lazy, grouped = spec.datums, spec.lazy, spec.grouped

        def evaluate(scope: Scope) -> Value:
            try:
                if spliced:
                    values = _splice(arguments, nodes, scope, spec)
                    if lazy:
                        values = [partial(Constant(value), scope) for value in values]
                elif lazy:
                    values = [partial(node, scope) for node in nodes]
                else:
                    values = [node(scope) for node in nodes]
                named: dict[str, Value] = internal
                if option_nodes:
                    named = {
                        name: partial(node, scope) if name in lazy_options else node(scope)
                        for name, node in option_nodes.items()
                    } | internal
                if grouped and values and type(values[0]) is Grouped:
                    return _on_groups(query, spec, values, named)
                if datums:
                    values = [to_datum(value) for value in values]
                return function(query, *values, **named)
            except ReqlError as error:
                if error.frames is None:
                    error.frames = path
                raise

        return evaluate

    def _object(self, term: dict[str, Json], path: Path, literals: bool) -> Node:
        nodes = {k: self.node(v, (*path, k), literals=literals) for k, v in term.items()}
        pseudotyped = PSEUDOTYPE in term
        if all(type(node) is Constant for node in nodes.values()):
            value = {name: node({}) for name, node in nodes.items()}
            if pseudotyped:
                try:
                    value = from_wire(value)
                except ReqlError as error:
                    raise CompileError(error.message, path) from None
            return Constant(value)

        def evaluate(scope: Scope) -> Datum:
            value = {}
            for name, node in nodes.items():
                try:
                    value[name] = to_datum(node(scope))
                except ReqlError as error:
                    if error.frames is None:
                        error.frames = (*path, name)
                    raise
            return from_wire(value) if pseudotyped else value

        return evaluate

    def array_syntax(
        self, arguments: list[Json], options: dict[str, Json], path: Path, literals: bool
    ) -> Node:
        """`[...]`."""
        query = self._query
        nodes = [self.node(term, (*path, i), literals=literals) for i, term in enumerate(arguments)]
        if any(_is_args(term) for term in arguments):
            return lambda scope: query.array(
                [to_datum(v) for v in _splice(arguments, nodes, scope, None)]
            )
        if len(nodes) > query.array_limit:
            return lambda scope: query.array([to_datum(node(scope)) for node in nodes])
        if all(type(node) is Constant for node in nodes):
            return Constant([node({}) for node in nodes])
        return lambda scope: [to_datum(node(scope)) for node in nodes]

    def object_syntax(
        self, arguments: list[Json], options: dict[str, Json], path: Path, literals: bool
    ) -> Node:
        """`{...}`, written as a term."""
        return self._object(options, path, literals)

    def variable_syntax(
        self, arguments: list[Json], options: dict[str, Json], path: Path, literals: bool
    ) -> Node:
        """A parameter of a function around."""
        if len(arguments) != 1 or arguments[0] not in self._variables:
            raise CompileError("Variable name not found.", path)
        variable = arguments[0]
        return lambda scope: scope[variable]

    def row_syntax(
        self, arguments: list[Json], options: dict[str, Json], path: Path, literals: bool
    ) -> Node:
        """`r.row`."""
        if self._rows == 0:
            raise CompileError("r.row is not defined in this context.", path)
        if self._rows > 1:
            raise CompileError("Cannot use r.row in nested queries.  Use functions instead.", path)
        return lambda scope: scope[ROW]

    def function_syntax(
        self, arguments: list[Json], options: dict[str, Json], path: Path, literals: bool
    ) -> Node:
        """A lambda."""
        if len(arguments) != 2:
            raise CompileError(f"Expected 2 arguments but found {len(arguments)}.", path)
        parameters, body = arguments
        if type(parameters) is list and parameters[:1] == [_MAKE_ARRAY] and len(parameters) == 2:
            parameters = parameters[1]
        if type(parameters) is not list or not all(type(p) is int for p in parameters):
            raise CompileError("FUNC variables must be a literal array of numbers.", path)
        within = Compiler(
            self._query,
            self._variables.union(parameters),
            self._rows + 1 if len(parameters) == 1 else self._rows,
        )
        node = within.node(body, (*path, 1), literals=literals)
        return partial(Function, parameters, body, node)


def compile_function(term: Json) -> Callable[[Document], Datum]:
    """The function of a document that a term is, in sight of no data; raises `CompileError`."""
    function = Compiler(Query(System(Catalog(compile_function)))).node(term, ())({})
    if not isinstance(function, Function):
        raise CompileError("Expected type FUNCTION but found DATUM.")
    return function.datum


def _is_args(term: Json) -> bool:
    return type(term) is list and term[:1] == [_ARGS]


def _splice(
    arguments: list[Json], nodes: list[Node], scope: Scope, spec: Term | None
) -> list[Value]:
    values: list[Value] = []
    for term, node in zip(arguments, nodes, strict=True):
        if _is_args(term):
            values += node(scope)
        else:
            values.append(node(scope))
    if spec is not None and not spec.accepts(len(values)):
        raise QueryLogicError(f"Expected {spec.arity()} but found {len(values)}.")
    return values


_VANISHING: Final = frozenset(["FILTER", "CONCAT_MAP", "HAS_FIELDS", "WITH_FIELDS", "GET_FIELD"])


def _on_groups(query: Query, spec: Term, values: list[Value], options: dict[str, Value]) -> Grouped:
    groups = []
    for key, value in values[0].groups:
        rest = [to_datum(v) for v in values[1:]] if spec.datums else values[1:]
        made = spec.function(query, value, *rest, **options)
        if isinstance(made, Opaque) and made.kind in ("SEQUENCE", "SELECTION"):
            made = query.array(made)
        if made == [] and spec.name in _VANISHING:
            continue
        groups.append((key, to_datum(made)))
    return Grouped(groups)


def _stray_literal(scope: Scope) -> Value:
    raise QueryLogicError(
        "Stray literal keyword found: literal is only legal inside of the object passed to merge "
        "or update and cannot nest inside other literals."
    )


_SYNTAX: Final = {
    _MAKE_ARRAY: Compiler.array_syntax,
    NUMBERS["MAKE_OBJ"]: Compiler.object_syntax,
    _VAR: Compiler.variable_syntax,
    NUMBERS["IMPLICIT_VAR"]: Compiler.row_syntax,
    _FUNC: Compiler.function_syntax,
}
