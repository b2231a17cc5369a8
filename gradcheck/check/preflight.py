"""Before anything is compared: is f a deterministic, finite, numerical function, and is the derivative one
of its argument alone?

Part of the check floor. What makes a check impossible raises :class:`CheckError`; the rest becomes findings.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.check.calls import UserFunction
from gradcheck.check.claims import Yours, promoted_args
from gradcheck.check.codes import kind
from gradcheck.check.result import CheckError, Finding
from gradcheck.check.solvers import watched
from gradcheck.check.spaces import ArgumentSpace, ValueSpace, argument_space, numbers, split
from gradcheck.numeric.lines import Sampler
from gradcheck.numeric.noise import SPACINGS, noise_level
from gradcheck.numeric.scale import Array, coordinate_scales, random_weights, smallest_step

if TYPE_CHECKING:
    from gradcheck.check.bounds import Bounds
    from gradcheck.numeric.box import Box

#: Two calls that differ by this much relatively are a threaded sum, not a random function.
THREADS = 1e-13
#: How far away the second point of the call-order test is, relatively.
ASIDE = 1e-2


@dataclass(frozen=True)
class Scene:
    """f at one point, after preflight.

    Attributes:
        f: the function.
        args: its arguments, the differentiated one promoted to float where it was an integer.
        argnum: position of that one.
        space: where it lives.
        value: where f's value lives.
        x: the argument as a vector (n,).
        center: f's value as a vector (m,).
        text: f's value as text.
        spread: how far two calls of f differed, (m,); zero for most.
        box: the bounds of x that f must not be called outside of, or None.
        unfinished: which solver of SciPy's gave up at the point, and why; "" if none did.
    """

    f: UserFunction
    args: tuple[Any, ...]
    argnum: int
    space: ArgumentSpace
    value: ValueSpace
    x: Array
    center: Array
    text: str
    spread: Array
    box: Box | None = None
    unfinished: str = ""

    @functools.cached_property
    def scales(self) -> Array:
        """The natural step unit of every coordinate, (n,); not to be written to."""
        return coordinate_scales(self.x)

    def at(self, x: Array) -> tuple[Any, ...]:
        """All arguments with the differentiated one moved to the vector x."""
        return promoted_args(self.args, self.argnum, self.space.build(x))

    def inward(self, step: Array) -> Array:
        """A step from the point, (n,), turned or shortened where it would leave the bounds."""
        return step if self.box is None else self.box.inward(self.x, step)

    def allows(self, x: Array) -> bool:
        """Whether f may be called at the vector x, as it is in the precision of the argument."""
        return self.box is None or self.box.contains(self.space.flat(self.space.build(x)))

    def sampler(self, rounding: Array | None = None) -> Sampler:
        """Values of f on lines through the point."""
        many = self.evaluate_many if self.f.stacked else None
        return Sampler(self.evaluate, self.x, self.center, rounding, box=self.box, many=many)

    @property
    def least_noise(self) -> Array:
        """What f's values are off by at least, (m,): their rounding, and what two calls differed by."""
        return np.maximum(self.spread, self.value.rounding(self.center))

    def noise(self, seed: int) -> tuple[Array, Array]:
        """How well f's values are known, from samples along a random line through the point.

        Returns:
            the noise of f, shape (m,), see ``numeric/noise.py``; and half a unit in the last place of its values
            in the precision that it computes in, (m,).
        """
        rng = np.random.default_rng([seed, 1])
        v = self.inward(random_weights(rng, self.x.size) * self.scales)
        # float32 cannot move by 2^-36 of itself
        shortest = SPACINGS[0] if self.space.dtype.itemsize >= 8 else 2.0**15 * SPACINGS[0]
        # Whole units in the last place: rounding of the argument must not pass for noise of f.
        ulp = smallest_step(self.x, self.space.dtype) / 8
        moving = self.x != 0
        v[moving] = (np.round(v * shortest / np.where(moving, ulp, 1.0)) * ulp / shortest)[moving]
        values = [self.center[None]]

        def sample(t: Array) -> Array:
            values.append(self.evaluate_many(self.x + t[:, None] * v))
            return values[-1]

        level = noise_level(sample, self.center, shortest)
        rounding = self.value.rounding(self.center, np.concatenate(values))
        return np.maximum(level, self.least_noise), rounding

    def evaluate(self, x: Array) -> Array:
        """f at the vector x, shape (m,); nan where f raises (its domain ends), out of bounds, or the budget spent."""
        if self.f.spent or not self.allows(x):
            return np.full(self.value.width, np.nan)
        try:
            return self.value.flat(self.f(*self.at(x)))
        except CheckError as error:
            if error.code != "GC010":
                raise
            return np.full(self.value.width, np.nan)

    def evaluate_many(self, x: Array) -> Array:
        """f at many vectors, (k, n) -> (k, m): in few calls where f takes many points at once."""
        from gradcheck.check.stacked import evaluate_many

        return evaluate_many(self, x)


def prepare(
    f: UserFunction, args: Sequence[Any], argnum: int, name: str, findings: list[Finding], bounds: Bounds | None = None
) -> Scene:
    """Call f twice at the point and see that a check makes sense.

    Raises:
        CheckError: GC010 f raised, GC011 not a number, GC012 not deterministic, GC013 not finite, GC015 the
            argument cannot be differentiated, GC018 integers only, GC019 empty, GC021 out of bounds.
    """
    space = argument_space(args[argnum], name, f.where)
    x = space.flat(args[argnum])
    if not np.all(np.isfinite(x)):
        raise CheckError(f"argument {name} is not finite", where=f.where, code="GC013")
    moved = promoted_args(args, argnum, space.build(x))
    box = None if bounds is None else bounds.box(space, x, name, f.where)
    if space.promoted:
        text = f"argument {name} was given as integer and promoted to float"
        findings.append(Finding("GC306", kind("GC306"), text, f.where))
    try:
        returned = f(*moved)
        first = numbers(returned, f.name, where=f.where)
    except CheckError as error:
        if space.promoted and error.code == "GC010":
            raise CheckError(
                f"{f.name} takes integers only: {error.message}", where=error.where, code="GC018"
            ) from error
        raise
    listed = isinstance(returned, list | tuple)
    value = ValueSpace(first.shape, first.dtype.kind == "c", f.name, first.real.dtype, listed)
    if not first.size or not x.size:
        raise CheckError(f"the derivative of {f.name} has no entries", where=f.where, code="GC019")
    center = split(first.reshape(-1), value.complex, 0)
    with watched() as solvers:  # at the second call: the first may have imported them
        again = value.flat(f(*moved))
    if not np.all(np.isfinite(center)):
        at = next(iter(np.flatnonzero(~np.isfinite(center))))
        text = f"{f.name} returns {center[at]} at the point"
        raise CheckError(text, where=f.where, hint="choose a point inside its domain", code="GC013")
    if not np.allclose(center, again, rtol=THREADS, atol=0.0):
        raise CheckError(
            f"{f.name} is not deterministic: the same argument gave {_short(center, again)}",
            where=f.where,
            hint="seed it inside, or pass the generator or the draws as an argument",
            code="GC012",
        )
    if f.mutated:
        which = ", ".join(name if i == argnum else f"number {i}" for i in sorted(f.mutated))
        text = f"{f.name} changes its argument {which} in place"
        findings.append(Finding("GC301", kind("GC301"), text, f.where, "copy it first"))
    shown = np.array2string(first, threshold=20, precision=8) if first.ndim else repr(first.item())
    if solvers.failure():
        text = f"{solvers.failure()}; what {f.name} returns at the point is no solution"
        findings.append(Finding("GC211", kind("GC211"), text, f.where, "check where it succeeds: --at"))
    spread = np.abs(center - again)
    return Scene(f, moved, argnum, space, value, x, center, shown, spread, box, solvers.failure())


def memory_findings(f: UserFunction, names: Sequence[str]) -> list[Finding]:
    """What is to be said of the memory that a function's value lies in: its argument's, or its last value's."""
    out = []
    if f.shared - f.mutated:
        which = ", ".join(names[i] for i in sorted(f.shared - f.mutated))
        text = f"{f.name} returns memory of its argument {which}: who changes the value changes the argument"
        out.append(Finding("GC313", kind("GC313"), text, f.where, "return a copy"))
    if f.reused:
        text = f"{f.name} returns the same array each time, filled anew: a value that is kept changes later"
        out.append(Finding("GC314", kind("GC314"), text, f.where, "make a new array in each call"))
    return out


def _short(a: Array, b: Array) -> str:
    """The first two values that differ."""
    at = int(np.flatnonzero(a != b)[0])
    return f"{a[at]!r} and {b[at]!r}".replace("np.float64(", "").replace(")", "")


def call_order(
    scene: Scene,
    yours: Yours,
    first: np.ndarray,
    seed: int,
    allowed: Callable[[Array, np.ndarray], bool],
    right: bool,
    findings: list[Finding],
) -> None:
    """Does the derivative depend on its argument alone? Call it elsewhere, then here again.

    Args:
        scene: f at the point.
        yours: the derivative; ``first`` is what it returned at the point.
        seed: of the second point.
        right: it is right at the point.
        allowed: (x, derivative there) -> False if it cannot be that the derivative is there what it is here.
        findings: GC105 is appended if it depends on call order, GC309 if that could not be tested.
    """
    rng = np.random.default_rng([seed, 105])
    signs = random_weights(rng, scene.x.size)
    scales = scene.scales
    where = yours.function.where
    elsewhere = None
    for step in (ASIDE * signs * scales, ASIDE * np.abs(signs) * scales):
        x = scene.x + scene.inward(step)
        value = scene.evaluate(x)  # before the derivative: some use the activations of the last forward call
        if not np.all(np.isfinite(value)):
            continue
        try:
            elsewhere = yours.array(scene.at(x))
        except CheckError:
            continue
        break
    if elsewhere is None:
        text = f"{yours.function.name} could not be called beside the point, so stale state was not looked for"
        findings.append(Finding("GC309", kind("GC309"), text, where))
        return
    again = yours.array(scene.args)
    if not _alike(first, again):
        text = f"{yours.function.name} returns another derivative at this point after a call elsewhere"
        hint = "it keeps state between calls: a stale cache, or the last forward pass"
        findings.append(Finding("GC105", kind("GC105"), text, where, hint))
    elif np.any(first != 0) and _alike(first, elsewhere, 0.0) and not allowed(x, elsewhere):
        if right:
            text = f"{yours.function.name} returns the derivative of the point where it was first called"
            findings.append(Finding("GC105", kind("GC105"), text, where, "a cache does not look at its argument"))
        else:
            text = f"{yours.function.name} returns the same at two points, between which the derivative changes"
            hint = "a cache that does not look at its argument, or what depends on it is missing"
            findings.append(Finding("GC109", kind("GC109"), text, where, hint))


def _alike(a: np.ndarray, b: np.ndarray, rtol: float = 1e-9) -> bool:
    """Equal up to rounding, as that of a threaded sum in which large terms have cancelled; nan equal to nan."""
    largest = np.max(np.abs(a), where=np.isfinite(a), initial=0.0)
    return bool(np.allclose(a, b, rtol=rtol, atol=0.1 * rtol * largest, equal_nan=True))
