"""What is claimed of the derivative: by the user's hand-written derivative, and by the autodiff core.

Part of the check floor. Both are turned into one form: values along lines, shape (lines, outputs), at any
point near the one that is checked.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.check.calls import Adapted, UserFunction, copied
from gradcheck.check.codes import kind
from gradcheck.check.result import Calls, CheckError, Finding
from gradcheck.check.spaces import ArgumentSpace, ValueSpace, numbers, split
from gradcheck.errors import GradcheckError, Location
from gradcheck.numeric.lines import Line
from gradcheck.numeric.scale import Array, coordinate_scales, random_weights

if TYPE_CHECKING:
    from gradcheck.autodiff import Notes
    from gradcheck.autodiff.opaque import Call

#: Autodiff Jacobians of more numbers than this are taken direction by direction.
DENSE = 4_000_000

#: What the numeric derivative of a single call is good for (``autodiff/fallback.py``).
NUMERIC_CALLS = 1e-7

#: Forward and reverse mode round differently, but not by more than this part of the sum of all magnitudes.
MODES, MODES_SINGLE = 1e-7, 1e-3


class WrongShapeError(Exception):
    """A hand-written derivative whose shape cannot be that of a derivative, with the finding and what it returned."""

    def __init__(self, finding: Finding, array: np.ndarray | None = None) -> None:
        self.finding = finding
        self.array = array
        super().__init__(finding.message)


@dataclass
class Yours:
    """The hand-written derivative.

    Attributes:
        function: the derivative, called with all arguments of f.
        expected: the shape that it must have.
        arguments: how many arguments f has.
        argnum: the one that is differentiated.
        findings: warnings on the way (a forgiven shape); filled by :meth:`array`.
        elementwise: value and argument have the same shape, so that one slope for each element may be meant.
        real: f's values are real, and so must the derivative be.
    """

    function: UserFunction
    expected: tuple[int, ...]
    arguments: int
    argnum: int
    findings: list[Finding]
    elementwise: bool = False
    real: bool = False

    def array(self, args: Sequence[Any]) -> np.ndarray:
        """The derivative at ``args``, shape ``expected``, real or complex.

        Raises:
            CheckError: it returned no numbers, or raised.
            WrongShapeError: the shape is not that of the derivative.
        """
        raw = self.function(*args)
        name, where = self.function.name, self.function.where
        if isinstance(raw, tuple | list) and self.arguments > 1 and len(raw) == self.arguments:
            part = _shape(raw[self.argnum])
            if part is not None and _fits(part, self.expected) and _shape(raw) != self.expected:
                raw = raw[self.argnum]
        elif isinstance(raw, tuple) and len(raw) == 1:
            raw = raw[0]
        array = numbers(raw, name, "GC014", where)
        if self.real and np.iscomplexobj(array):
            if np.any(array.imag != 0):
                text = f"{name} returns complex numbers with an imaginary part, where f is real"
                raise WrongShapeError(Finding("GC107", kind("GC107"), text, where))
            array = array.real
        if array.shape == self.expected:
            return array
        if self.elementwise and array.shape * 2 == self.expected:
            text = f"{name} returns shape {array.shape}, taken for the diagonal of the Jacobian {self.expected}"
            if not any(f.code == "GC311" for f in self.findings):
                self.findings.append(Finding("GC311", kind("GC311"), text, where))
            return np.diag(array.reshape(-1)).reshape(self.expected)
        if _fits(array.shape, self.expected):
            text = f"{name} returns shape {array.shape} where {self.expected} was expected"
            if not any(f.code == "GC307" for f in self.findings):
                self.findings.append(Finding("GC307", kind("GC307"), text, where))
            return array.reshape(self.expected)
        text = f"{name} returns shape {array.shape}; the derivative has shape {self.expected}"
        hint = "it looks transposed" if sorted(array.shape) == sorted(self.expected) else None
        raise WrongShapeError(Finding("GC102", kind("GC102"), text, where, hint), array)


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of a nested sequence of numbers, or None where it has none."""
    try:
        return numbers(value, "").shape
    except CheckError:
        return None


def _fits(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether two shapes differ by axes of length one only."""
    return [n for n in shape if n != 1] == [n for n in expected if n != 1]


def columns_along(matrix: Array, lines: Sequence[Line]) -> Array:
    """A derivative (width, n) along lines: shape (lines, width).

    >>> from gradcheck.numeric.lines import Line
    >>> columns_along(np.array([[1.0, 2.0]]), [Line(1, None, 1.0, 0.0, 1.0)])
    array([[2.]])
    """
    out = np.empty((len(lines), matrix.shape[0]))
    with np.errstate(all="ignore"):
        for row, line in zip(out, lines, strict=True):
            row[:] = matrix[:, line.column] if line.direction is None else matrix @ line.direction
    return out


class CallLog:
    """What was noted while autodiff differentiated f, at all points of a check."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.operations = 0
        self.zero = 0
        self.numeric: dict[tuple[str, Location | None], int] = {}
        self.approximate: dict[tuple[str, Location | None], float] = {}
        # Primitives with rules of the user's own, and where those are.
        self.rules: dict[str, Location | None] = {}
        self.count = 0

    def add(self, notes: Notes) -> None:
        """Note one run; the first that was counted stands for all."""
        if notes.operations and not self.operations:
            self.operations, self.zero = notes.operations, notes.zero
            self.count = notes.numeric_records
        for call, times in Counter(notes.numeric).items():
            self.numeric.setdefault(call, times)
        for name, where, accuracy in notes.approximate:
            self.approximate[name, where] = max(accuracy, self.approximate.get((name, where), 0.0))

    @property
    def slack(self) -> float:
        """How far the slopes of f may be off those of what f approximates, or of numeric calls, relatively."""
        return max([*self.approximate.values(), NUMERIC_CALLS if self.numeric else 0.0])

    @property
    def calls(self) -> Calls:
        exact = max(self.operations - self.count, 0) if self.operations else None
        numeric = tuple((*call, times) for call, times in self.numeric.items())
        return Calls(exact, numeric, self.zero, tuple((*key, a) for key, a in self.approximate.items()))


class Autodiff:
    """The autodiff core's derivative of f.

    Attributes:
        trouble: why it could not be computed, or None.
        value: what f returned while it was traced, or None.
        texts: where f turned traced values into text.
        equal: where they were found equal to something.
        independent: whether f returned nothing that depends on the argument when it was last traced.
        elsewhere: calls f beside the point.
        refreshed: whether that was done just now.
        rule_calls: the calls of primitives with rules of the user's own, in the first run that had some.
    """

    def __init__(
        self, f: UserFunction, space: ArgumentSpace, value: ValueSpace, argnum: int, log: CallLog | None = None
    ) -> None:
        self.f = f
        self.log = CallLog(False) if log is None else log
        self.space = space
        self.value_space = value
        self.argnum = argnum
        self.trouble: GradcheckError | None = None
        self.value: Any = None
        self.texts: list[Location | None] = []
        self.equal: list[Location | None] = []
        self.rule_calls: list[Call] = []
        self.independent = False
        self.elsewhere: Callable[[], Any] | None = None
        self.refreshed = False

    @property
    def traceable(self) -> Callable[..., Any]:
        """f with an array for a value, also where it returns a list or tuple of numbers."""
        if not self.value_space.listed:
            return self.f.f
        from gradcheck.autodiff.rules.reductions import as_traced

        return Adapted(self.f.f, as_traced)

    def guarded(self, compute: Callable[[], Any]) -> Any:
        """What the autodiff core computes; None, with :attr:`trouble` set, where it cannot follow f."""
        from gradcheck.autodiff import noting
        from gradcheck.autodiff.errors import StoredValue
        from gradcheck.autodiff.opaque import recording

        try:
            with self.f.quiet(), noting(self.log.strict) as notes, recording() as calls:
                found = compute()
            self.log.rules.update({call.rule.name: call.rule.where(0) for call in calls})
            self.rule_calls = self.rule_calls or calls
            self.texts += notes.texts
            self.equal += notes.equal
            self.independent = notes.independent is True
            self.log.add(notes)
            return found
        except StoredValue as error:
            return self._with_another_in_the_cache(compute, error)
        except GradcheckError as error:
            self.trouble = error
        except (Exception, SystemExit) as error:
            # f itself ran before: it fails only when traced, which is ours to report, not the user's to mend.
            where = self.f.error(error).where
            text = f"{self.f.name} raised {type(error).__name__} while traced: {error}".split("\n")[0]
            self.trouble = GradcheckError(text, where=where, code="GC016")
        return None

    def _with_another_in_the_cache(self, compute: Callable[[], Any], error: GradcheckError) -> Any:
        """Once more, after a call of f elsewhere: what keeps the last argument alone has another one then."""
        if self.elsewhere is None or self.refreshed:
            self.trouble = error
            return None
        self.refreshed = True
        try:
            self.elsewhere()
            return self.guarded(compute)
        finally:
            self.refreshed = False

    def dense(self, args: Sequence[Any]) -> np.ndarray | None:
        """The whole derivative, value.shape + argument.shape."""
        from gradcheck.autodiff import value_and_jacobian

        f, given = self.traceable, tuple(copied(a) for a in args)
        if self.value_space.complex:  # real argument, complex value: two real derivatives
            real = self.guarded(lambda: value_and_jacobian(Adapted(f, np.real), self.argnum)(*given))
            imag = real and self.guarded(lambda: value_and_jacobian(Adapted(f, np.imag), self.argnum)(*given))
            found = imag and tuple(np.asarray(a) + 1j * np.asarray(b) for a, b in zip(real, imag, strict=True))
        else:
            found = self.guarded(lambda: value_and_jacobian(f, self.argnum)(*given))
        if found is None:
            return None
        value, jacobian = found
        self.value = value if self.value is None else self.value  # at the point itself, which comes first
        array = np.asarray(jacobian)
        if array.shape != self.value_space.shape + self.space.shape or array.dtype.kind not in "fiuc":
            self.trouble = GradcheckError(
                f"autodiff of {self.f.name} returned shape {array.shape} of {array.dtype} instead of "
                f"{self.value_space.shape + self.space.shape}",
                where=self.f.where,
                hint="please report this as a bug of gradcheck",
                code="GC016",
            )
            return None
        return array

    @property
    def dense_fits(self) -> bool:
        """Whether the whole derivative is small enough to be held."""
        return self.value_space.size * self.space.size <= DENSE

    def lines(self, args: Sequence[Any], lines: Sequence[Line]) -> Array | None:
        """The derivative along lines one by one, in forward mode, shape (lines, width)."""
        from gradcheck.autodiff import jvp

        only = self._of_one(args)
        rows = []
        for line in lines:
            direction = np.zeros(self.space.size)
            if line.direction is None:
                direction[line.column] = 1.0
            else:
                direction = line.direction
            tangent = self.space.build(direction)
            found = self.guarded(functools.partial(jvp, only, (copied(args[self.argnum]),), (tangent,)))
            if found is None:
                return None
            self.value, tangent_out = found
            flat = np.asarray(tangent_out).reshape(-1)
            rows.append(split(flat, self.value_space.complex, 0))
        return np.stack(rows)

    def _of_one(self, args: Sequence[Any]) -> Adapted:
        """f as a function of the differentiated argument alone."""
        return Adapted(self.traceable, place=lambda x: promoted_args([copied(a) for a in args], self.argnum, x))

    def modes_disagree(self, args: Sequence[Any], x: Array, seed: int) -> bool:
        """The dot-product test: whether u·(Jv) by forward mode and (Jᵀu)·v by reverse mode are two numbers.

        They are one for every f; where they are not, a rule is wrong, or f changed an array that the tape had saved.
        False where one of the modes cannot follow f.

        Source: "Evaluating Derivatives", Griewank and Walther, 2nd ed., section 3.2 (the adjoint identity).
        """
        from gradcheck.autodiff import jvp, vjp

        before = self.trouble
        rng = np.random.default_rng([seed, 8])
        v = random_weights(rng, x.size) * coordinate_scales(x)
        u = random_weights(rng, self.value_space.shape)
        parts = (np.real, np.imag) if self.value_space.complex else (None,)
        single = min(d.itemsize for d in (self.space.dtype, self.value_space.dtype)) < 8
        for part in parts:
            f = Adapted(self._of_one(args), part)

            def both(f: Adapted = f) -> tuple[Any, Any]:
                forward = jvp(f, (copied(args[self.argnum]),), (self.space.build(v),))[1]
                value, pullback = vjp(f, copied(args[self.argnum]))
                return forward, pullback(np.asarray(u, np.asarray(value).dtype)[()])[0]

            found = self.guarded(both)
            self.trouble = before
            if found is None:
                return False
            with np.errstate(all="ignore"):
                terms = u.reshape(-1) * np.asarray(found[0], np.float64).reshape(-1)
                back = np.asarray(found[1], np.float64).reshape(-1) * v
                apart = abs(np.sum(terms) - np.sum(back))
                value = np.max(np.abs(np.asarray(0.0 if self.value is None else self.value)), initial=0.0)
                # Where the derivative is zero, at an optimum, there is nothing but the rounding of f's own terms.
                size = np.sum(np.abs(terms)) + np.sum(np.abs(back)) + 1e-5 * value
            if apart > (MODES_SINGLE if single else MODES) * size:
                return True
        return False

    def hessian(self, args: Sequence[Any]) -> Array | None:
        """The Hessian of a scalar f, shape (n, n)."""
        from gradcheck.autodiff import hessian

        given = tuple(copied(a) for a in args)
        found = self.guarded(lambda: hessian(self.traceable, self.argnum)(*given))
        if found is None:
            return None
        return np.asarray(found, dtype=np.float64).reshape(self.space.size, self.space.size)

    def gradient_at(self, args: Sequence[Any]) -> Array | None:
        """The gradient of a scalar f as a vector (n,)."""
        jacobian = self.dense(args)
        return None if jacobian is None else np.asarray(jacobian, dtype=np.float64).reshape(-1)

    def hessian_product(self, args: Sequence[Any], v: Array) -> Array | None:
        """The Hessian of a scalar f times a vector (n,), (n,); no matrix is made."""
        from gradcheck.autodiff import hvp

        given = [copied(a) for a in args]
        found = self.guarded(lambda: hvp(self.traceable, self.argnum)(*given, self.space.build(v)))
        return None if found is None else np.asarray(found, dtype=np.float64).reshape(-1)


def promoted_args(args: Sequence[Any], argnum: int, moved: Any) -> tuple[Any, ...]:
    """The arguments with the differentiated one replaced."""
    return (*args[:argnum], moved, *args[argnum + 1 :])
