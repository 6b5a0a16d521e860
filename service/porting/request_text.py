"""Arguments of SQL that are text: as it is written out, or as a request brings it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from .nodes import source_of, text_of
from .program import Function, Module, Program
from .registration import VIEW
from .sites import Site

_REQUEST = m.Name("request") | m.Attribute(attr=m.Name("request"))
_BROUGHT = m.Attribute(
    value=_REQUEST, attr=m.OneOf(*map(m.Name, ("args", "cookies", "form", "headers", "values")))
)
_DEFAULT = m.Arg(m.SimpleString() | m.Name("None"), keyword=None)
_GET = m.Call(
    func=m.Attribute(attr=m.Name("get")), args=[m.Arg(keyword=None), m.AtMostN(_DEFAULT, n=1)]
)
_GIVING_TEXT = m.Attribute(attr=m.OneOf(m.Name("isoformat"), m.Name("strftime")))
_KEEPING_TEXT = {
    "capitalize", "casefold", "format", "join", "ljust", "lower", "lstrip", "removeprefix",
    "removesuffix", "replace", "rjust", "rstrip", "strip", "title", "upper", "zfill",
}  # fmt: skip
"""Methods of text that return text."""
_CONVERTED = r"<\s*(?:(?P<by>\w+)\s*(?:\([^>]*\))?\s*:)?\s*{name}\s*>"
"""How the rule of a URL names a part of it."""
_AS_TEXT = {None, "default", "path", "string"}

Where = Function | Module


class Texts:
    """What can be nothing but text, or None."""

    def __init__(self, program: Program) -> None:
        self._bound: dict[Where, dict[str, list[cst.BaseExpression | None]]] = {}
        self._asking: set[tuple[Where, str]] = set()
        self._callers: dict[Function, list[Site]] = defaultdict(list)
        for site in program.sites.values():
            for function in site.functions | site.escaping:
                self._callers[function].append(site)

    def is_text(self, node: cst.BaseExpression, where: Where) -> bool:
        """Whether an argument can be nothing but text, or None."""
        if isinstance(node, cst.Name):
            return self._of_name(node.value, where)
        if isinstance(node, cst.BooleanOperation):
            first = isinstance(node.operator, cst.Or) and _is_none(node.right)
            return self.is_text(node.left, where) and (first or self.is_text(node.right, where))
        if isinstance(node, cst.IfExp):
            return self._all([node.body, node.orelse], where)
        if isinstance(node, cst.BinaryOperation):
            return isinstance(node.operator, cst.Add) and self._all([node.left, node.right], where)
        if isinstance(node, cst.Subscript):
            return self._brings(node.value, where) or self.is_text(node.value, where)
        if isinstance(node, cst.Call):
            return self._returned(node, where)
        return isinstance(node, cst.FormattedString) or text_of(node) is not None

    def is_text_at(self, place: int | str, given: cst.BaseExpression | None, where: Where) -> bool:
        """Whether one of a statement's arguments, by its place or its name, is text."""
        if isinstance(given, cst.Dict):
            pairs = (each for each in given.elements if isinstance(each, cst.DictElement))
            return any(
                text_of(each.key) == place and self.is_text(each.value, where) for each in pairs
            )
        written = self.written_out(given, where) if given is not None else None
        elements = written.elements if isinstance(written, cst.Tuple) else ()
        if isinstance(given, cst.List):
            elements = given.elements
        if isinstance(place, str) or any(isinstance(e, cst.StarredElement) for e in elements):
            return False
        return place < len(elements) and self.is_text(elements[place].value, where)

    def is_brought(self, node: cst.CSTNode, where: Where) -> bool:
        """Whether text of a request is among the arguments of a call, as it came."""
        rows = m.findall(node, m.Tuple() | m.List())
        return any(
            self.is_text(each.value, where) and not m.matches(each.value, m.SimpleString())
            for row in rows
            if isinstance(row, cst.Tuple | cst.List)
            for each in row.elements
        )

    def written_out(self, node: cst.BaseExpression, where: Where) -> cst.BaseExpression:
        """The expression that a name stands for, if it is ever bound to that alone."""
        if not isinstance(node, cst.Name) or _takes(where, node.value):
            return node
        values = self._values(where).get(node.value, [])
        return values[0] if len(values) == 1 and values[0] is not None else node

    def _all(self, nodes: list[cst.BaseExpression], where: Where) -> bool:
        """Whether each of them is text or None, and not all are None."""
        texts = [node for node in nodes if not _is_none(node)]
        return bool(texts) and all(self.is_text(node, where) for node in texts)

    def _returned(self, node: cst.Call, where: Where) -> bool:
        if m.matches(node.func, m.Name("str") | _GIVING_TEXT):
            return True
        if not isinstance(node.func, cst.Attribute):
            return False
        of = node.func.value
        if m.matches(node, _GET) and self._brings(of, where):
            return True
        return node.func.attr.value in _KEEPING_TEXT and self.is_text(of, where)

    def _brings(self, node: cst.BaseExpression, where: Where) -> bool:
        """Whether it is what holds the texts of a request."""
        return m.matches(self.written_out(node, where), _BROUGHT)

    def _of_name(self, name: str, where: Where) -> bool:
        if (where, name) in self._asking:
            return True  # `day = day.strip()`: if what it was before is
        self._asking.add((where, name))
        values = self._values(where).get(name, [])
        texts = [value for value in values if value is not None]
        found = len(texts) == len(values) and self._all(texts, where)
        if isinstance(where, Function) and _takes(where, name):
            found = (found or not values) and self._is_given(where, name)
        self._asking.discard((where, name))
        return found

    def _values(self, where: Where) -> dict[str, list[cst.BaseExpression | None]]:
        """What each name is bound to, None for what is not an expression."""
        if where not in self._bound:
            visitor = _Bindings()
            (where.tree if isinstance(where, Module) else where.node.body).visit(visitor)
            self._bound[where] = visitor.values
        return self._bound[where]

    def _is_given(self, function: Function, name: str) -> bool:
        """Whether all who call a function give it text by this name: views and the project."""
        given = list(self._passed(function, name))
        of_urls = _of_urls(function, name) if VIEW in function.roles else None
        if function.pins or of_urls is False or function.roles - {VIEW} or not (given or of_urls):
            return False
        return all(
            node is not None and (_is_none(node) or self.is_text(node, where))
            for node, where in given
        )

    def _passed(
        self, function: Function, name: str
    ) -> Iterator[tuple[cst.BaseExpression | None, Where]]:
        """What calls give a function by this name, None if that is not written out."""
        for site in self._callers[function]:
            if site.through_parameter and VIEW in function.roles:
                continue  # a decorator, which passes on what it is given
            args = site.node.args if isinstance(site.node, cst.Call) else ()
            names = function.names[function.owner is not None and not function.is_static() :]
            plain = function in site.functions and not any(arg.star for arg in args)
            values = {
                arg.keyword.value if arg.keyword else at: arg.value
                for arg, at in zip(args, [*names, *[""] * len(args)], strict=False)
            }
            yield (values.get(name, _default(function, name)) if plain else None), site.where


def _takes(where: Where, name: str) -> bool:
    """Whether it is a parameter there."""
    return isinstance(where, Function) and name in [*where.names, *where.keyword_only]


def _default(function: Function, name: str) -> cst.BaseExpression | None:
    params = [*function.positional, *function.node.params.kwonly_params]
    return next((param.default for param in params if param.name.value == name), None)


def _is_none(node: cst.BaseExpression) -> bool:
    return m.matches(node, m.Name("None"))


def _of_urls(function: Function, name: str) -> bool | None:
    """Whether the rules of a view make this part of the URL text; None if they do not name it."""
    written = function.node.decorators if isinstance(function.node, cst.FunctionDef) else ()
    rule = re.compile(_CONVERTED.replace("{name}", re.escape(name)))
    found = {match["by"] for each in written for match in rule.finditer(source_of(each.decorator))}
    return found <= _AS_TEXT if found else None


class _Bindings(cst.CSTVisitor):
    """What names are bound to in one function, or a module."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[cst.BaseExpression | None]] = defaultdict(list)

    def _bind(self, target: cst.CSTNode | None, value: cst.BaseExpression | None) -> None:
        if isinstance(target, cst.Name):
            self.values[target.value].append(value)
        elif isinstance(target, cst.Tuple | cst.List):
            parts = value.elements if isinstance(value, cst.Tuple | cst.List) else ()
            fits = len(parts) == len(target.elements)
            for number, element in enumerate(target.elements):
                starred = isinstance(element, cst.StarredElement)
                plain = fits and not starred
                self._bind(element.value, parts[number].value if plain else None)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        for each in m.findall(node, m.Nonlocal() | m.Global()):
            each.visit(self)
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        return False

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            self._bind(target.target, node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self._bind(node.target, node.value)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._bind(node.target, node.value if isinstance(node.operator, cst.AddAssign) else None)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._bind(node.target, node.value)

    def visit_For(self, node: cst.For) -> None:
        self._bind(node.target, None)

    def visit_CompFor(self, node: cst.CompFor) -> None:
        self._bind(node.target, None)

    def visit_AsName(self, node: cst.AsName) -> None:
        self._bind(node.name, None)

    def visit_ImportAlias(self, node: cst.ImportAlias) -> None:
        self._bind(node.name, None)

    def visit_NameItem(self, node: cst.NameItem) -> None:
        self._bind(node.name, None)

    def visit_MatchAs(self, node: cst.MatchAs) -> None:
        self._bind(node.name, None)
