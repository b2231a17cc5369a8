"""The user's source: from a place in the code that the interpreter knows to the text of the expression there.

Part of the check floor, for messages.
"""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gradcheck.autodiff.edges import Edge, Place

#: Longer expressions are cut.
WIDTH = 60


class Operand(NamedTuple):
    """How an operand of an operation is called.

    Attributes:
        line: where it stands.
        text: the operand, quoted as it is written; the whole operation where it cannot be told which operand it is.
        whole: the operation, quoted.
        term: whether the operation is a sum, of which the operand is a term.
    """

    line: int
    text: str
    whole: str
    term: bool


@lru_cache(maxsize=64)
def _parsed(file: str, text: str) -> dict[tuple[int, ...], ast.expr | ast.stmt]:
    """The nodes of a file by their place: the outermost where several have the same, and for the target of an
    assignment the assignment."""
    found: dict[tuple[int, ...], ast.expr | ast.stmt] = {}
    for node in ast.walk(ast.parse(text, file)):
        if isinstance(node, ast.expr | ast.stmt) and not isinstance(node, ast.Expr):
            found.setdefault(_span(node), node)
        if isinstance(node, ast.Assign):
            found.update((_span(target), node) for target in node.targets)
    return found


def _span(node: ast.expr | ast.stmt) -> tuple[int, ...]:
    return node.lineno, node.end_lineno or node.lineno, node.col_offset, node.end_col_offset or 0


def _node(place: Place) -> ast.expr | ast.stmt | None:
    try:
        return _parsed(place.file, "".join(linecache.getlines(place.file))).get(place[1:])
    except (SyntaxError, ValueError):
        return None


def operand_of(edge: Edge) -> Operand:
    """The operand that an edge of a trace stands for, in the user's words."""
    place = edge.stack[0]
    node = _node(place)
    if node is None:
        line = linecache.getline(place.file, place.line).strip()
        return Operand(place.line, _quoted(line), _quoted(line), False)
    parts: list[ast.expr] = []
    if isinstance(node, ast.BinOp):
        parts = [node.left, node.right]
    elif isinstance(node, ast.AugAssign) and edge.kind != "write":
        parts = [node.target, node.value]
    elif isinstance(node, ast.Call) and not any(isinstance(a, ast.Starred) for a in node.args):
        parts = node.args
    chosen: ast.expr | ast.stmt = parts[edge.operand] if len(parts) == edge.operands > 1 else node
    if isinstance(node, ast.Assign):
        chosen = node.value
    sum_of = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub)
    return Operand(
        chosen.lineno, _quoted(ast.unparse(chosen)), _quoted(ast.unparse(node)), sum_of and chosen is not node
    )


def _quoted(text: str) -> str:
    text = " ".join(text.split())
    return f"`{text if len(text) <= WIDTH else text[: WIDTH - 3] + '...'}`"
