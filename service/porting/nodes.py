"""Building and changing LibCST nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

import libcst as cst
import libcst.matchers as m

Expression = TypeVar("Expression", bound=cst.BaseExpression)

_PARENS = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]}


def awaited(node: cst.BaseExpression) -> cst.BaseExpression:
    """`await node`, within the parentheses that `node` had."""
    if isinstance(node, cst.Await):
        return node
    inner = node.with_changes(lpar=[], rpar=[])
    return cst.Await(inner, lpar=node.lpar, rpar=node.rpar)


def called(function: str | cst.BaseExpression, *arguments: cst.BaseExpression) -> cst.Call:
    """`function(arguments)`; the function may be written with dots."""
    if isinstance(function, str):
        function = cst.parse_expression(function)
    return cst.Call(function, [cst.Arg(argument) for argument in arguments])


def wrapped(function: str, node: cst.BaseExpression) -> cst.Call:
    """`function(node)`, within the parentheses that `node` had."""
    inner = node.with_changes(lpar=[], rpar=[])
    return called(function, inner).with_changes(lpar=node.lpar, rpar=node.rpar)


def handed_to(function: str, node: cst.Call) -> cst.BaseExpression:
    """`await function(called, arguments)` for the call `called(arguments)`."""
    args = [cst.Arg(node.func), *node.args]
    return awaited(called(function).with_changes(args=args, lpar=node.lpar, rpar=node.rpar))


def in_parentheses(node: Expression) -> Expression:
    """The same in parentheses, if it has none."""
    return node if node.lpar else node.with_changes(**_PARENS)


def in_parentheses_if_awaited(node: cst.BaseExpression) -> cst.BaseExpression:
    """The same, such that a dot may follow."""
    return in_parentheses(node) if isinstance(node, cst.Await) else node


def statement(source: str) -> cst.SimpleStatementLine | cst.BaseCompoundStatement:
    """One statement, parsed."""
    return cst.parse_statement(source)


def dotted(node: cst.CSTNode | None) -> str:
    """`a.b.c` as text; empty for anything else."""
    if isinstance(node, cst.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr.value}" if base else ""
    return node.value if isinstance(node, cst.Name) else ""


def outline(node: cst.CSTNode) -> str:
    """An expression for readers, without what stands in brackets."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return f"{outline(node.value)}.{node.attr.value}"
    if isinstance(node, cst.Call):
        return f"{outline(node.func)}(...)"
    return f"{outline(node.value)}[...]" if isinstance(node, cst.Subscript) else "(...)"


def as_dotted(name: str) -> cst.Attribute | cst.Name:
    """`a.b.c` as nodes."""
    return cst.ensure_type(cst.parse_expression(name), cst.Attribute | cst.Name)  # type: ignore[arg-type]


def text_of(node: cst.CSTNode | None) -> str | None:
    """A string that is written out; None for anything else."""
    if isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    return None


def parts_of(caught: cst.BaseExpression) -> list[cst.BaseExpression]:
    """The classes that an `except` or an error handler names."""
    if isinstance(caught, cst.Tuple):
        return [element.value for element in caught.elements]
    return [caught]


def body_of(suite: cst.BaseSuite) -> Sequence[cst.BaseStatement]:
    """The statements of a block; those of `if x: a; b`, too."""
    if isinstance(suite, cst.SimpleStatementSuite):
        small = list(suite.body)
        beside = suite.trailing_whitespace
        return [cst.SimpleStatementLine(small, trailing_whitespace=beside)] if small else []
    return cast(Sequence[cst.BaseStatement], suite.body)


def beside(tree: cst.CSTNode, statement: cst.CSTNode) -> Sequence[cst.BaseStatement]:
    """The statements of the block, somewhere in a tree, that one is in."""
    for block in m.findall(tree, m.IndentedBlock() | m.Module()):
        assert isinstance(block, cst.IndentedBlock | cst.Module)
        if any(each is statement for each in block.body):
            return block.body
    return []


def leaves_a_loop(node: cst.CSTNode) -> bool:
    """Whether a `break` or `continue` within a statement is of a loop around it."""
    if isinstance(node, cst.For | cst.While):
        return node.orelse is not None and leaves_a_loop(node.orelse)
    if isinstance(node, cst.FunctionDef | cst.ClassDef):
        return False
    leaving = isinstance(node, cst.Break | cst.Continue)
    return leaving or any(map(leaves_a_loop, node.children))


def source_of(node: cst.CSTNode) -> str:
    """The source of a node, on one line."""
    return " ".join(cst.Module([]).code_for_node(node).split())


def keywords(node: cst.Call) -> dict[str, cst.BaseExpression]:
    """What a call is given by keyword."""
    return {arg.keyword.value: arg.value for arg in node.args if arg.keyword is not None}


def with_keyword(node: cst.Call, name: str, value: cst.BaseExpression) -> cst.Call:
    """The call with one more argument, laid out as the last one was."""
    tight = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    added = cst.Arg(value, cst.Name(name), equal=tight)
    args = list(node.args)
    if args and not isinstance(args[-1].comma, cst.Comma):
        last = args[-1]
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        added = added.with_changes(whitespace_after_arg=last.whitespace_after_arg)
        args[-1] = last.with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace(""))
    elif args:
        added = added.with_changes(comma=args[-1].comma)
        args[-1] = args[-1].with_changes(
            comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        )
    return node.with_changes(args=[*args, added])


def perhaps_met(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The parts of an expression or a line that are met perhaps, or more than once."""
    found: list[cst.CSTNode] = []
    for part in m.findall(node, m.BooleanOperation() | m.IfExp() | m.Lambda() | m.CompFor()):
        if isinstance(part, cst.BooleanOperation):
            found.append(part.right)
        elif isinstance(part, cst.IfExp):
            found += [part.body, part.orelse]
        elif isinstance(part, cst.Lambda):
            found.append(part.body)
        elif isinstance(part, cst.CompFor):
            found += [*part.ifs, *([part.inner_for_in] if part.inner_for_in else [])]
    for whole in m.findall(node, m.ListComp() | m.SetComp() | m.GeneratorExp() | m.DictComp()):
        if isinstance(whole, cst.DictComp):
            found += [whole.key, whole.value]
        elif isinstance(whole, cst.ListComp | cst.SetComp | cst.GeneratorExp):
            found.append(whole.elt)
    return found


def perhaps_called(node: cst.CSTNode) -> list[cst.Call]:
    """The calls in an expression or a line that happen perhaps, or more than once."""
    calls = (call for part in perhaps_met(node) for call in m.findall(part, m.Call()))
    return [call for call in calls if isinstance(call, cst.Call)]


def beginning_of(name: cst.BaseExpression) -> str:
    """What is written out at the beginning of a text that is put together."""
    if isinstance(name, cst.BinaryOperation):
        return text_of(name.left) or beginning_of(name.left)
    if isinstance(name, cst.FormattedString) and name.parts:
        first = name.parts[0]
        return first.value if isinstance(first, cst.FormattedStringText) else ""
    return ""
