"""The notation of ``--at``: argument values as text, both ways, without ever calling ``eval``.

Stands on the floor of points and targets: ``points.py`` asks it to read what the user typed and to write
down what a search has found, so that the report's ``reproduce:`` line can be pasted. A value is a Python
literal, a list (which becomes an array), a call of one of a few array constructors (``CONSTRUCTORS``), a
file (``@data.npz``), or arithmetic on those. The text is parsed by :mod:`ast` and walked node by node; a
node that is not in the list is an error.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradcheck.check.notation import DTYPES
from gradcheck.errors import GradcheckError

if TYPE_CHECKING:
    import numpy as np

# Functions that need nothing but their literal arguments; the random ones are in _random below.
CONSTRUCTORS = (
    *("array", "zeros", "ones", "full", "eye", "identity", "diag", "arange", "linspace", "logspace"),
    *("reshape", "sqrt", "exp", "log", "sin", "cos", "tan", "abs", "float32", "float64", "int64"),
)
RANDOM = ("randn", "rand", "normal", "uniform", "integers")
CONSTANTS: dict[str, Any] = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan, "None": None}

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}


class PointError(GradcheckError):
    """A point that cannot be read or found."""

    code = "GC005"


def parse_values(text: str, names: Sequence[str], *, seed: int = 0, option: str = "--at") -> dict[str, Any]:
    """Read ``x=[1, 2]; t=0.5`` or ``[1, 2]; 0.5`` into values by parameter name.

    Lists become float arrays (int lists too: derivatives are taken with respect to them), tuples stay
    tuples, and ``array([1, 2])`` keeps the integers. ``randn(3)``, ``rand(3)``, ``normal``, ``uniform`` and
    ``integers`` draw from a generator seeded with ``seed``. Messages name ``option``.

    Raises:
        PointError: what is not in the notation, with the column.

    >>> parse_values("t=2*pi; x=-1e3", ["x", "t"])
    {'t': 6.283185307179586, 'x': -1000.0}
    >>> parse_values("[1, 2]; zeros(2)", ["x", "t"])
    {'x': array([1., 2.]), 't': array([0., 0.])}
    """
    stripped = text.strip()
    if stripped.startswith("@"):
        return read_file(stripped[1:], names)
    values: dict[str, Any] = {}
    reader = _Reader(text, seed, option)
    for part, column in _split(text, option):
        name, expression, offset = _name_of(part, column)
        if name is None:
            if len(values) >= len(names):
                raise PointError(f"{option} gives more values than the function has parameters ({len(names)}): {text}")
            name = names[len(values)]
        elif name not in names:
            close = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean '{close[0]}'?" if close else "the parameters are " + ", ".join(names)
            raise PointError(f"{option}: the function has no parameter '{name}' (column {column + 1})", hint=hint)
        if name in values:
            raise PointError(f"{option} gives '{name}' twice: {text}")
        if expression.strip().startswith("@"):
            values[name] = _only(read_file(expression.strip()[1:], [name]), name, expression)
        else:
            values[name] = reader.read(expression, offset)
    return values


def _split(text: str, option: str) -> list[tuple[str, int]]:
    """The parts between semicolons outside quotes and brackets, each with the column at which it starts."""
    parts: list[tuple[str, int]] = []
    start, quote = 0, ""
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == ";":
            parts.append((text[start:position], start))
            start = position + 1
    parts.append((text[start:], start))
    kept = [(part, column) for part, column in parts if part.strip()]
    if not kept:
        example = "x=[0.5, 1.2]; t=3.0" if option == "--at" else "x=(3, 2); t=4"
        raise PointError(f"{option} is empty", hint=f"write for example {option} '{example}'")
    return kept


def _name_of(part: str, column: int) -> tuple[str | None, str, int]:
    """``x = [1]`` -> name, expression and the column of the expression; the name is None without one."""
    head, equals, tail = part.partition("=")
    if equals and head.strip().isidentifier() and not tail.startswith("="):
        return head.strip(), tail, column + len(head) + 1
    return None, part, column


class _Reader:
    """Evaluates one ``--at`` text; holds it for the messages, and the generator of its random values."""

    def __init__(self, text: str, seed: int, option: str) -> None:
        self.text = text
        self.option = option
        self.seed = seed
        self.offset = 0
        self._generator: np.random.Generator | None = None

    def read(self, expression: str, column: int) -> Any:
        lead = len(expression) - len(expression.lstrip())
        self.offset = column + lead
        try:
            tree = ast.parse(expression.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as err:
            at = getattr(err, "offset", None) or 1
            raise self.error("this is not a value", at - 1) from None
        if isinstance(tree.body, ast.Tuple) and not expression.strip().startswith("("):
            raise self.error("use ';' between arguments and [ ] around a vector", 0)
        value = self.value(tree.body)
        return as_array(value, self.option) if isinstance(value, list) else value

    def error(self, message: str, column: int) -> PointError:
        return PointError(f"{self.option}: {message} (column {self.offset + column + 1} of {self.text!r})")

    def value(self, node: ast.expr) -> Any:
        """Evaluate a node; a list stays a list until the outermost level, so that nesting needs no copies."""
        column = node.col_offset
        match node:
            case ast.Constant(value=bool() | int() | float() | complex() | str() | None):
                return node.value
            case ast.List():
                return [self.value(item) for item in node.elts]
            case ast.Tuple():
                return tuple(self.array_or(item) for item in node.elts)
            case ast.Dict() if all(key is not None for key in node.keys):
                keys = [self.value(key) for key in node.keys if key is not None]
                return dict(zip(keys, [self.array_or(v) for v in node.values], strict=True))
            case ast.UnaryOp() if type(node.op) in _UNARY:
                return self.apply(_UNARY[type(node.op)], [self.array_or(node.operand)], column)
            case ast.BinOp(op=ast.Pow()):
                return self.apply(_power, [self.array_or(node.left), self.array_or(node.right)], column)
            case ast.BinOp() if type(node.op) in _BINARY:
                pair = [self.array_or(node.left), self.array_or(node.right)]
                return self.apply(_BINARY[type(node.op)], pair, column)
            case ast.Name(id=name) if name in CONSTANTS:
                return CONSTANTS[name]
            case ast.Attribute(value=ast.Name(id="np" | "numpy" | "math"), attr=name) if name in CONSTANTS:
                return CONSTANTS[name]
            case ast.Call():
                return self.call(node)
            case ast.Name(id=name):
                raise self.unknown(name, column)
        raise self.error(f"'{ast.unparse(node)}' is not allowed here, only literals and array constructors", column)

    def array_or(self, node: ast.expr) -> Any:
        value = self.value(node)
        return as_array(value, self.option) if isinstance(value, list) else value

    def apply(self, function: Callable[..., Any], operands: list[Any], column: int) -> Any:
        try:
            return function(*operands)
        except (TypeError, ValueError, ArithmeticError) as err:
            raise self.error(f"{type(err).__name__}: {err}", column) from None

    def unknown(self, name: str, column: int) -> PointError:
        known = [*CONSTRUCTORS, *RANDOM, *CONSTANTS]
        close = difflib.get_close_matches(name, known, 1)
        error = self.error(f"'{name}' is not known here", column)
        hint = f"did you mean '{close[0]}'?" if close else "known are " + ", ".join(known)
        return PointError(error.message, hint=hint)

    def call(self, node: ast.Call) -> Any:
        """A constructor by its name, with or without ``np.`` or ``np.random.`` before it."""
        match node.func:
            case ast.Name(id=name):
                pass
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name):
                pass
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="random"), attr=name):
                pass
            case _:
                raise self.error(f"'{ast.unparse(node.func)}' is not allowed here", node.col_offset)
        args = [self.value(arg) for arg in node.args]
        kwargs: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg == "dtype":
                kwargs["dtype"] = self.dtype(keyword.value)
            elif keyword.arg is not None:
                kwargs[keyword.arg] = self.value(keyword.value)
            else:
                raise self.error("'**' is not allowed here", node.col_offset)
        if name in RANDOM:
            function: Callable[..., Any] = self.random(name)
        elif name in CONSTRUCTORS:
            import numpy as np

            function = getattr(np, name)
        else:
            raise self.unknown(name, node.col_offset)
        return self.apply(lambda: function(*args, **kwargs), [], node.col_offset)

    def dtype(self, node: ast.expr) -> str:
        name = ast.unparse(node).strip("'\"").removeprefix("np.").removeprefix("numpy.")
        if name not in DTYPES:
            raise self.error(f"dtype '{name}' is not one of {', '.join(DTYPES)}", node.col_offset)
        return name

    def random(self, name: str) -> Callable[..., Any]:
        import numpy as np

        if self._generator is None:
            self._generator = np.random.default_rng(self.seed)
        generator = self._generator
        if name == "randn":
            return lambda *shape: generator.standard_normal(shape or None)
        if name == "rand":
            return lambda *shape: generator.random(shape or None)
        method: Callable[..., Any] = getattr(generator, name)
        return method


def _power(base: Any, exponent: Any) -> Any:
    # 9**9**9 in integers would take all memory before it could be refused.
    if isinstance(base, int) and isinstance(exponent, int) and not 0 <= exponent <= 64:
        return float(base) ** exponent
    return base**exponent


def as_array(value: list[Any], option: str = "--at") -> Any:
    """A list as the array a user means by it: numbers as float64, booleans and complex as they are."""
    import numpy as np

    try:
        array = np.array(value)
    except ValueError:
        raise PointError(f"{option}: the rows of {value} differ in length") from None
    if array.dtype.kind in "iu":
        return array.astype(float)
    if array.dtype.kind not in "fbc":
        raise PointError(f"{option}: {value} is not a list of numbers")
    return array


def read_file(path: str, names: Sequence[str]) -> dict[str, Any]:
    """Read the values of ``--at @path``: .json, .npz by parameter name, .npy and .csv for the first
    parameter.

    A .json file holds an object (values by name) or one value for the first parameter. A .csv file holds
    numbers; with a header line that names parameters, each column is one argument. Nothing is ever
    unpickled.

    Raises:
        PointError: the file is missing, of another kind, or names what the function does not have.
    """
    file = Path(path.strip()).expanduser()
    readers = {".json": _read_json, ".csv": _read_csv, ".npy": _read_npy, ".npz": _read_npz}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise PointError(f"--at: cannot read '{file}': its name must end in {', '.join(readers)}")
    if not names:
        raise PointError("the function takes no arguments; there is nothing to read from a file")
    try:
        values = reader(file, list(names))
    except PointError:
        raise
    except OSError as err:
        raise PointError(f"--at: cannot read '{file}': {err.strerror or err}") from None
    except (ValueError, EOFError, KeyError) as err:
        detail = str(err).splitlines()[0] if str(err) else type(err).__name__
        raise PointError(f"--at: '{file}' cannot be read as {file.suffix}: {detail}") from None
    for name in values:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean '{close[0]}'?" if close else "the parameters are " + ", ".join(names)
            raise PointError(f"--at: '{file}' has a value for '{name}', which the function does not take", hint=hint)
    return values


def _read_json(file: Path, names: list[str]) -> dict[str, Any]:
    data = json.loads(file.read_text(encoding="utf-8"))
    if isinstance(data, dict):
        return {name: as_array(value) if isinstance(value, list) else value for name, value in data.items()}
    return {names[0]: as_array(data) if isinstance(data, list) else data}


def _read_csv(file: Path, names: list[str]) -> dict[str, Any]:
    import numpy as np

    with file.open(encoding="utf-8-sig") as stream:
        header = [cell.strip().strip("\"'") for cell in stream.readline().split(",")]
    named = not all(_is_number(cell) for cell in header)
    data = np.loadtxt(file, delimiter=",", skiprows=int(named), ndmin=2, encoding="utf-8-sig")
    if named:
        return {name: data[:, column] for column, name in enumerate(header)}
    return {names[0]: data.ravel() if 1 in data.shape else data}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_npy(file: Path, names: list[str]) -> dict[str, Any]:
    import numpy as np

    return {names[0]: np.load(file, allow_pickle=False)}


def _read_npz(file: Path, names: list[str]) -> dict[str, Any]:
    """Arrays by name; those that ``np.savez`` numbered itself (arr_0, arr_1) by position."""
    import numpy as np

    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    numbered = [f"arr_{position}" for position in range(len(arrays))]
    if list(arrays) == numbered and len(arrays) <= len(names):
        arrays = {name: arrays[key] for name, key in zip(names, numbered, strict=False)}
    return {name: array.item() if array.ndim == 0 else array for name, array in arrays.items()}


def _only(values: dict[str, Any], name: str, expression: str) -> Any:
    if list(values) != [name]:
        raise PointError(f"--at: '{expression.strip()}' does not hold a value for '{name}'")
    return values[name]
