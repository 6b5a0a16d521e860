"""Going through trees without visitors."""

from __future__ import annotations

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from service.porting.walking import around, below, lines_of

from .cases import CASES, Case

SOURCE = '''"""Text
of two lines."""

# A comment.


@one
# Of the second.
@two(
    3,
)
async def first(a, *, b=[1, 2]) -> "int":
    """Text."""
    if a: b = (
        a
    ); c = """x
y"""
    else:
        return await a.b[c](
            *b, d=lambda e: (yield),
        )  # so
    # the end


class Second(First, of=Third):
    x: int = 3; y \\
        = 4
'''


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_those_of_libcst(newline: str) -> None:
    assert_lines(SOURCE.replace("\n", newline))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_lines_of_cases_are_those_of_libcst(case: Case) -> None:
    for name, source in case.expected.items():
        if name.endswith(".py"):
            assert_lines(source)


def assert_lines(source: str) -> None:
    tree = cst.parse_module(source)
    positions = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider)
    wanted = {node for node in below(tree) if not isinstance(node, cst.IndentedBlock)}
    assert lines_of(tree, wanted) == {node: positions[node].start.line for node in wanted}


def test_nothing_but_punctuation_is_left() -> None:
    tree = cst.parse_module(SOURCE)
    names = {node.value for node in below(tree) if isinstance(node, cst.Name)}
    written = "First Second Third a b c d e first int of one two x y"
    assert names == set(written.split())
    assert sum(isinstance(node, cst.SimpleString) for node in below(tree)) == 4


def test_what_is_around_a_node() -> None:
    tree = cst.parse_module(SOURCE)
    found = around(tree, lambda node: isinstance(node, cst.Lambda))
    kinds = [type(node) for node in below(tree) if node in found]
    expected = [
        *(cst.Module, cst.FunctionDef, cst.IndentedBlock, cst.If, cst.Else, cst.IndentedBlock),
        *(cst.SimpleStatementLine, cst.Return, cst.Await, cst.Call, cst.Arg, cst.Lambda),
    ]
    assert kinds == expected
