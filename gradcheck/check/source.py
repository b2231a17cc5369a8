"""The user's source: from a place in the code that the interpreter knows to the text of the expression there.

Part of the check floor, for messages and for guesses: what stands in an expression are the factors that somebody may
have forgotten in its derivative, and :func:`values_in` knows what they were.
"""

from __future__ import annotations

import ast
import linecache
import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck.autodiff.core import plain

if TYPE_CHECKING:
    from gradcheck.autodiff.edges import Edge, Place, Scope

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


def line_of(edge: Edge) -> Operand:
    """The line on which an edge of a trace stands, as an operand."""
    place = edge.stack[0]
    line = linecache.getline(place.file, place.line).strip()
    return Operand(place.line, quoted(line), quoted(line), False)


def operand_of(edge: Edge) -> Operand:
    """The operand that an edge of a trace stands for, in the user's words."""
    node = _node(edge.stack[0])
    if node is None:
        return line_of(edge)
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
    return Operand(chosen.lineno, quoted(ast.unparse(chosen)), quoted(ast.unparse(node)), sum_of and chosen is not node)


def quoted(text: str) -> str:
    """Source for a message, on one line and no longer than :data:`WIDTH`."""
    text = " ".join(text.split())
    return f"`{text if len(text) <= WIDTH else text[: WIDTH - 3] + '...'}`"


# -- what stands in an expression ------------------------------------------------------------------------------------

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}
# Functions without effects, beside the ufuncs and those of the math module.
_PURE = frozenset({np.dot, np.outer, np.inner, np.sum, np.mean, np.diag, np.eye, np.ones, np.zeros, np.linalg.norm})


class _UnknownError(Exception):
    """An expression that is not evaluated here."""


def values_in(edge: Edge, scope: Scope) -> dict[str, Any]:
    """The values of all that stands in the operation of an edge, by its text: the operation itself, its operands, and
    what they are made of. Evaluated once more, of plain values: names, numbers, arithmetic and functions of NumPy; what
    might have an effect is left out.
    """
    node = _node(edge.stack[0])
    found: dict[str, Any] = {}
    for part in ast.walk(node) if node is not None else ():
        if isinstance(part, ast.expr) and not isinstance(part, ast.Constant):
            text = ast.unparse(part)
            if text not in found:
                try:
                    value = np.asarray(_value(part, scope))
                except (_UnknownError, ArithmeticError, ValueError, TypeError, LookupError):
                    continue
                if value.dtype.kind in "fiu":
                    found[text] = value[()]
    return found


def _value(node: ast.AST, scope: Scope) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return plain(_name(name, scope))
        case ast.Attribute(value=inner, attr=name):
            owner = _value(inner, scope)
            if isinstance(owner, np.ndarray) and name == "T":
                return owner.T
            return plain(_held(vars(owner) if hasattr(owner, "__dict__") else {}, name))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_number(left, scope), _number(right, scope))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_number(inner, scope)
        case ast.Subscript(value=inner, slice=key):
            return _item(_value(inner, scope), _key(key, scope))
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name), args=args, keywords=[]):
            owner = _name(module, scope)
            function = getattr(owner, name, None) if isinstance(owner, ModuleType) else None
            if owner is math or isinstance(function, np.ufunc) or function in _PURE:
                return function(*[_number(a, scope) for a in args])  # type: ignore[misc]
    raise _UnknownError


def _number(node: ast.AST, scope: Scope) -> Any:
    """The value of an expression that is a number or an array: what is done with others may be anything."""
    value = _value(node, scope)
    if not isinstance(value, int | float | np.ndarray | np.number):
        raise _UnknownError
    return value


def _name(name: str, scope: Scope) -> Any:
    return scope[0][name] if name in scope[0] else _held(scope[1], name)


def _held(names: Mapping[str, Any], name: str) -> Any:
    if name not in names:
        raise _UnknownError
    return names[name]


def _item(value: Any, key: Any) -> Any:
    if not isinstance(value, np.ndarray | list | tuple):
        raise _UnknownError
    return plain(value[key])


def _key(node: ast.AST, scope: Scope) -> Any:
    match node:
        case ast.Slice(lower=lower, upper=upper, step=step):
            return slice(*[None if part is None else _key(part, scope) for part in (lower, upper, step)])
        case ast.Tuple(elts=parts):
            return tuple(_key(part, scope) for part in parts)
        case ast.Constant(value=None):
            return None
    return _value(node, scope)
