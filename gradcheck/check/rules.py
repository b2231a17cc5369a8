"""The audit of derivative rules that the user wrote: each call of a primitive against differences of that primitive.

Part of the check floor; runs where autodiff has turned out wrong and f goes through such rules. A rule is checked as
any hand-written derivative is: by :func:`gradcheck.check`, at the arguments that f called the primitive with.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck.check.codes import kind
from gradcheck.check.result import Entry, Finding, Result, Verdict
from gradcheck.errors import GradcheckError, Location
from gradcheck.numeric.scale import coordinate_scales, random_weights

if TYPE_CHECKING:
    from gradcheck.autodiff.opaque import Call

#: Calls that are audited at most.
CALLS = 64
#: What is said of autodiff where it disagrees, and why that may be a rule of the user's.
DISAGREEMENTS = frozenset({"GC106", "GC303", "GC310"})


class BadRule(NamedTuple):
    """A rule that differs from the differences of its primitive.

    Attributes:
        told: which one: ``the vjp of softplus for argument 0``.
        where: file and line of the rule.
        call: file and line of the call that shows it.
        number: which call that is, from 1.
        entry: the worst entry: of the argument for a vjp, of a direction for a jvp.
    """

    told: str
    where: Location | None
    call: Location | None
    number: int
    entry: Entry

    @property
    def text(self) -> str:
        """One sentence."""
        e = self.entry
        at = f" at {_short(self.call)}" if self.call else ""
        part = f"[{','.join(map(str, e.index))}]" if e.index else ""
        return (
            f"{self.told} is wrong: in call {self.number}{at} it gives {e.yours:.6g} where differences of the function "
            f"give {e.measured:.6g} ± {e.error:.1g}" + (f", in entry {part}" if part else "")
        )


def audited(findings: Sequence[Finding], calls: Sequence[Call], hand_written: bool, seed: int) -> list[Finding]:
    """The findings of a point, with what the audit adds where autodiff disagrees.

    Where autodiff's derivative is on trial a bad rule is a finding of its own, GC146; where it was only a witness, the
    hint of what is said about autodiff.
    """
    if not calls or not any(f.code in DISAGREEMENTS for f in findings):
        return list(findings)
    bad = first_bad(calls, seed)
    if bad is None:
        return list(findings)
    place = f" ({_short(bad.where)})" if bad.where else ""
    hint = bad.text + place if hand_written else f"{bad.told} is wrong{place}: see GC146"
    changed = [replace(f, hint=hint) if f.code in DISAGREEMENTS else f for f in findings]
    return changed if hand_written else [*changed, Finding("GC146", kind("GC146"), bad.text, bad.where)]


def first_bad(calls: Sequence[Call], seed: int) -> BadRule | None:
    """The first rule, in the order of the calls, that is wrong; None if all are right, as far as can be measured."""
    for number, call in enumerate(calls[:CALLS], 1):
        for k in call.active:
            for mode in ("vjp", "jvp"):
                if call.rule.has(mode, k) and _auditable(call, k):
                    entry = _wrong(_checked(call, k, mode, seed))
                    if entry is not None:
                        told = f"the {mode} of {call.rule.name} for argument {k}"
                        return BadRule(told, call.rule.where(k, mode), call.where, number, entry)
    return None


def _short(where: Location | None) -> str:
    """File and line as the user would write them."""
    assert where is not None
    path = os.path.relpath(where.file)
    return f"{where.file if path.startswith('..') else path}:{where.line}"


def _auditable(call: Call, k: int) -> bool:
    """Whether argument and value are real numbers or arrays of them."""
    return all(
        isinstance(x, float | np.floating) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")
        for x in (call.args[k], call.ans)
    )


def _wrong(result: Result | None) -> Entry | None:
    """The worst entry of a check that fails."""
    if result is None or result.verdict is not Verdict.FAIL:
        return None
    hits = [
        e for e in result.entries
        if e.verdict is Verdict.FAIL and isinstance(e.yours, float) and e.measured is not None and e.error is not None
    ]  # fmt: skip
    return max(hits, key=lambda e: e.difference or 0.0, default=None)


def _checked(call: Call, k: int, mode: str, seed: int) -> Result | None:
    """The check of one rule at one call: of the function times a random cotangent, along a random direction for a jvp;
    None where it could not be carried out."""
    from gradcheck.check.core import check

    rng = np.random.default_rng([seed, 10])
    rule, x = call.rule, call.args[k]
    u = random_weights(rng, np.shape(call.ans))
    u = np.asarray(u, np.result_type(call.ans))[()]

    def args_with(value: Any) -> tuple[Any, ...]:
        return (*call.args[:k], value, *call.args[k + 1 :])

    def value(moved: Any) -> Any:
        return np.sum(u * rule.function(*args_with(moved), **call.keywords))

    f: Callable[..., Any]
    derivative: Callable[..., Any]
    if mode == "vjp":
        f, start = value, x

        def derivative(moved: Any) -> Any:
            args = args_with(moved)
            (found,) = rule.pulls([k], rule.function(*args, **call.keywords), args, call.keywords)(u)
            return np.zeros_like(moved) if found is None else found
    else:
        t = random_weights(rng, np.shape(x))
        t = np.asarray(t * np.reshape(coordinate_scales(np.ravel(x)), np.shape(x)), np.result_type(x))[()]
        start = 0.0

        def f(s: Any) -> Any:
            return value(x + s * t)

        def derivative(s: Any) -> Any:
            args = args_with(x + s * t)
            found = rule.push(k, t, rule.function(*args, **call.keywords), args, call.keywords)
            return 0.0 if found is None else np.sum(u * found)

    try:
        return check(f, start, grad=derivative, autodiff=False, seed=seed)
    except GradcheckError:  # the primitive is not finite beside the point, say
        return None
