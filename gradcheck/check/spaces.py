"""Between what the user's code takes and returns and the flat float64 vectors of the numeric floor.

Part of the check floor. f is always called with the type that the user gave: a Python float stays one, an
array keeps dtype and shape. Integers are promoted to float64, since there is no derivative between integers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.check.result import CheckError
from gradcheck.errors import Location
from gradcheck.numeric.noise import half_ulp
from gradcheck.numeric.scale import Array


@dataclass(frozen=True)
class ArgumentSpace:
    """The type, dtype and shape of the argument that moves.

    Attributes:
        kind: the type to hand to f: ``float``, a NumPy scalar type, or ``np.ndarray``.
        dtype: of the array or scalar.
        shape: of the array; () for scalars.
        promoted: the argument was an integer.
    """

    kind: type
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    promoted: bool = False

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return int(np.prod(self.shape, dtype=int))

    def flat(self, value: Any) -> Array:
        """The argument as a float64 vector, shape (size,)."""
        return np.asarray(value, dtype=np.float64).reshape(-1)

    def build(self, x: Array) -> Any:
        """A vector (size,) as an argument for f."""
        if self.kind is float:
            return float(x[0])
        if self.kind is np.ndarray:
            return x.astype(self.dtype).reshape(self.shape)
        return self.dtype.type(x[0])


def argument_space(value: Any, name: str, where: Location | None = None) -> ArgumentSpace:
    """The space of an argument.

    Raises:
        CheckError: GC015, the argument is not made of real numbers.

    >>> argument_space(3, "x").promoted
    True
    """

    def refuse(what: str, hint: str) -> CheckError:
        return CheckError(f"argument {name} is {what}", where=where, hint=hint, code="GC015")

    if isinstance(value, bool | np.bool_):
        raise refuse("a bool", "give a float")
    if isinstance(value, complex | np.complexfloating):
        raise refuse("complex", "complex arguments are not supported yet; split it into real and imaginary part")
    if isinstance(value, int):
        return ArgumentSpace(float, np.dtype(np.float64), (), promoted=True)
    if isinstance(value, float) and not isinstance(value, np.generic):
        return ArgumentSpace(float, np.dtype(np.float64), ())
    if not isinstance(value, np.ndarray | np.generic):
        raise refuse(f"a {type(value).__name__}", "derivatives are taken with respect to a float or an array of floats")
    dtype = value.dtype
    kind: type = np.ndarray if isinstance(value, np.ndarray) else type(value)
    if dtype.kind in "iu":
        kind = np.ndarray if kind is np.ndarray else np.float64
        return ArgumentSpace(kind, np.dtype(np.float64), value.shape, promoted=True)
    if dtype.kind == "c":
        raise refuse("complex", "complex arguments are not supported yet; split it into real and imaginary part")
    if dtype.kind != "f":
        raise refuse(f"an array of {dtype}", "derivatives are taken with respect to a float or an array of floats")
    if isinstance(value, getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())):  # NumPy loads it on first use
        raise refuse("a masked array", "give a plain array")
    return ArgumentSpace(kind, dtype, value.shape)


@dataclass(frozen=True)
class ValueSpace:
    """The shape of f's value; ``complex`` values become their real parts followed by their imaginary parts.

    Attributes:
        shape: of the value, () for a scalar.
        complex: the value has imaginary parts.
        name: of the function, for messages.
        dtype: of the value's real and imaginary parts.
        listed: f returns a list or tuple of numbers.
    """

    shape: tuple[int, ...]
    complex: bool
    name: str
    dtype: np.dtype[Any]
    listed: bool = False

    @property
    def size(self) -> int:
        """Number of complex or real outputs."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def width(self) -> int:
        """Number of real outputs."""
        return self.size * (2 if self.complex else 1)

    def flat(self, value: Any) -> Array:
        """A value of f as a float64 vector (width,).

        Raises:
            CheckError: GC011, f changed the kind or shape of its value.
        """
        array = numbers(value, self.name)
        if array.shape != self.shape:
            raise CheckError(
                f"{self.name} returns shape {self.shape} at the point and {array.shape} beside it",
                code="GC011",
            )
        return split(array.reshape(-1), self.complex, 0)

    def rounding(self, center: Array, values: Array | None = None) -> Array:
        """Half a unit in the last place of values of f, in the precision that f returns; shape (width,).

        Args:
            center: the value, (width,).
            values: further values, (samples, width). Where several different ones are all exact float32 numbers,
                that is no accident: f computes in float32, whatever it returns.
        """
        dtype = self.dtype if self.dtype.kind == "f" else np.dtype(np.float64)
        if values is not None and dtype.itemsize >= 8:
            with np.errstate(all="ignore"):
                exact = np.all((values == values.astype(np.float32)) | ~np.isfinite(values))
            varied = np.count_nonzero(np.diff(np.sort(values, axis=0), axis=0), axis=0)
            dtype = np.dtype(np.float32) if exact and np.max(varied) >= 3 else dtype
        if dtype.itemsize >= 8:
            return half_ulp(center)
        return np.asarray(0.5 * np.spacing(np.abs(center).astype(dtype)), dtype=np.float64)

    def output(self, row: int) -> tuple[tuple[int, ...], str]:
        """Index of a real output into f's value, and "Re "/"Im " where the value is complex."""
        index = tuple(int(i) for i in np.unravel_index(row % self.size, self.shape)) if self.shape else ()
        part = ("Re ", "Im ")[row // self.size] if self.complex else ""
        return index, part


def split(array: Any, complex_: bool, axis: int) -> Array:
    """Real parts, followed along ``axis`` by the imaginary parts if asked for; float64."""
    if complex_:
        return np.concatenate([np.real(array), np.imag(array)], axis=axis).astype(np.float64)
    return np.asarray(array, dtype=np.float64)


def numbers(value: Any, name: str, code: str = "GC011", where: Location | None = None) -> np.ndarray:
    """What a user's function returned, as an array of real or complex numbers.

    Raises:
        CheckError: it is None, text, a ragged list, an array of objects or of bools; a derivative (``code`` GC014) may
            be bools, as in ``return x > 0``: zeros and ones.

    >>> numbers([1.0, 2.0], "f")
    array([1., 2.])
    """
    hint = None
    if value is None:
        hint = "is a return statement missing?"
    if hasattr(value, "toarray"):  # a SciPy sparse matrix
        value = value.toarray()
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
        if isinstance(value, tuple) and code == "GC011":
            hint = "if it returns value and gradient, say so: grad='returned'"
    if array.dtype.kind == "b" and code == "GC014":
        array = array.astype(np.float64)
    if array.dtype.kind not in "iufc":
        what = type(value).__name__ if array.dtype.kind == "O" else f"{type(value).__name__} of {array.dtype}"
        what = "None" if value is None else f"a {what}"
        raise CheckError(
            f"{name} returns {what}, not a number or an array of numbers", where=where, hint=hint, code=code
        )
    return array
