"""Runs that the tests of the formats share: real ones of many kinds, and one with text that breaks careless formats."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradcheck.check.result import Calls, Entry, Finding, Point, Result, Step, StepStudy, Verdict
from gradcheck.configuration import load
from gradcheck.discovery import discover
from gradcheck.errors import Location
from gradcheck.ignores import Ignored, Reason
from gradcheck.outcomes import Interrupted
from gradcheck.runner import Outcome, Problem, Run, run
from gradcheck.settings import Settings

ROOT = Path(__file__).resolve().parent.parent

#: Markup of every format, control characters, a lone surrogate, and what ends comments and sections.
NASTY = (
    "a|b `c` ``d`` *e* _f_ <script>alert(1)</script> </details></title> & \"q\" 'r' [x](http://y) ![i](j) @all #1 "
    "$m$ ]]> --> ::error::%0A% \x1b[31mred\x07 \x00 \ud800 \ufffe line\nbreak\r\ttab {{x}} ± é 漢"
)

MODEL = '''
import numpy as np


def jac(x):
    """A Jacobian with one entry off and one row of the wrong sign."""
    return np.sin(np.arange(30.0).reshape(5, 6) @ x / 30) + x[0] ** 2


def jac_grad(x):
    A = np.arange(30.0).reshape(5, 6) / 30
    J = np.cos(A @ x)[:, None] * A
    J[:, 0] += 2 * x[0]
    J[2, 3] *= 1.001
    J[4] *= -1
    return J


def wave(x):
    return np.exp(1j * x)


def many(x):
    return np.sum(np.sin(x))


def many_grad(x):
    g = np.cos(x)
    g[17] *= 1.5
    return g


def cubes(x):
    return np.sum(x**3) + x[0] * x[1]


def cubes_hess(x):
    return np.diag(6 * x)


def infinite(x):
    return np.sum(np.sqrt(x))


def infinite_grad(x):
    return np.full(x.shape, np.nan)


def tridiagonal(x):
    return x[1:] * x[:-1]
'''

#: What becomes of a verdict: expected, not as expected, ignored in each of the ways.
JUDGED = """
import gradcheck
import numpy as np


@gradcheck.case(at={"x": [1.0, 2.0]}, expect="fail", name="known: a | b")
def mistaken(x):
    return np.sum(x**2)


def mistaken_grad(x):
    return -2 * x


@gradcheck.case(at={"x": [1.0, 2.0]}, expect="fail")
@gradcheck.case(at={"x": [1.0, 2.0]}, expect="pass", vectorized=True, bounds={"x": [0.5, 2.5]})
def mended(x):
    return np.sum(x**2, axis=-1)


@gradcheck.case(at={"x": [0.0, 1.0]})
@gradcheck.case(at={"x": [0.0, 1.0]}, expect="inconclusive")
def hinge(x):  # gradcheck: ignore[GC201] - the kink is meant  # noqa: E501
    return np.sum(np.abs(x))


@gradcheck.case(at={"x": [0.0, 1.0]}, expect="inconclusive")
@gradcheck.case(at={"x": [0.0, 1.0]}, allow_inconclusive=True, name="allowed")
def relu(x):
    return np.sum(np.maximum(x, 0.0))


@gradcheck.case(at={"x": [1.0, 2.0]}, ignore=["GC1"])
@gradcheck.case(at={"x": [1.0, 2.0]}, expect="inconclusive")
def accepted(x):
    return np.sum(x**3)


def accepted_grad(x):
    return 6 * x**2


def configured(x):
    return np.sum(x**3)


def configured_grad(x):
    return 6 * x**2


@gradcheck.case(at={"x": [1.0, 2.0]})
def careless(x):
    x *= 2
    return np.sum(x**2)
"""
JUDGED_TOML = """
ignore = ["GC3"]

[[check]]
target = "judged.py:configured"
ignore = ["GC101"]
"""


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    with contextlib.chdir(folder):
        yield


def run_of(targets: Sequence[str], given: Mapping[str, Any]) -> Run:
    """A run as the command makes it, from the options of its line, with what the pictures need."""
    configuration = load(given, {}, isolated=True)
    return run(discover(targets, configuration).studied(3), configuration.settings())


def real_run(folder: Path) -> Run:
    """Right, wrong, undecided and impossible checks: gradients, Jacobians, Hessians, samples, complex values."""
    (folder / "odd.py").write_text(MODEL, encoding="utf-8")
    fixtures = str(ROOT / "fixtures")
    parts = []
    given: Mapping[str, Any]
    for targets, given in (
        (
            [
                f"{fixtures}/logistic_wrong.py:loss",
                f"{fixtures}/logistic.py:loss",
                f"{fixtures}/behaviour.py:relu_sum",
                f"{fixtures}/behaviour.py:jump",
                f"{fixtures}/behaviour.py:raises",
                f"{fixtures}/behaviour.py:outside",
                f"{fixtures}/quadrature.py:f",
                "gone.py:f",
                "odd.py:jac",
                "odd.py:wave",
                "odd.py:infinite",
                "odd.py:tridiagonal",
            ],
            {},
        ),
        (["odd.py:cubes"], {"order": 2, "points": 1}),
        (["odd.py:cubes"], {"order": 2, "points": 1, "no_autodiff": True}),
        (["odd.py:many"], {"shape": ("x=1000",), "points": 1}),
        (["odd.py:many"], {"budget": "8", "shape": ("x=1000",), "points": 1}),
    ):
        parts.append(run_of(targets, given))
    return Run(tuple(o for part in parts for o in part.outcomes), Settings(), 1.25)


def judged_run(folder: Path) -> Run:
    """Checks of every status but an error, and an interrupt."""
    (folder / "judged.py").write_text(JUDGED, encoding="utf-8")
    (folder / "gradcheck.toml").write_text(JUDGED_TOML, encoding="utf-8")
    configuration = load({}, {})
    done = run(discover(["judged.py"], configuration).studied(1), configuration.settings())
    stopped = Interrupted(
        len(done.outcomes), len(done.outcomes) + 2, "judged.py:f", "judged.py:f at x=[1.0] (judged.py:3)"
    )
    return replace(done, interrupted=stopped)


def _nasty_result() -> Result:
    nan, inf = float("nan"), float("inf")
    where = Location("dir with space/mödel,a:b.py", 3)
    entry = Entry(NASTY, (0,), (1,), 0, nan, inf, 1.0, 1e-9, nan, Verdict.FAIL, NASTY, 1e-7)
    other = Entry("df[0]/dx[0]", (0,), (0,), 0, -inf, None, None, None, None, Verdict.INCONCLUSIVE, "", None)
    third = Entry("df[1]/dx[0]", (1,), (0,), 0, 1 + 2j, 1.0, 1.0, 1e-9, 0.5, Verdict.FAIL, "", None)
    fourth = Entry("df[1]/dx[1]", (1,), (1,), 0, 1.0, 1.0, 1.0, 1e-9, 0.0, Verdict.PASS, "", None)
    steps = (Step(1e-8, None, 1e-9, None, False), Step(1e-4, 1.0, 1e-12, 0.0, True), Step(1e-2, 1.5, 1e-14, 0.5, True))
    study = StepStudy(NASTY, 0, "yours", None, None, 1.0, 1e-9, 1.0, "measured", 1e-4, steps, None, 1e-16)
    findings = (
        Finding("GC101", "wrong-derivative", NASTY, where, NASTY, {NASTY: nan}),
        Finding("GC101", "wrong-derivative", NASTY, where),
        Finding("GC304", "no-autodiff", NASTY, None, NASTY),
    )
    return Result(
        target=NASTY,
        argnum=0,
        argname=NASTY,
        order=1,
        verdict=Verdict.FAIL,
        entries=(other, entry, third, fourth),
        findings=findings,
        evaluations=42,
        points=(Point((1.0,), NASTY, 7, NASTY),),
        derivative=NASTY,
        derivative_how=NASTY,
        total=4,
        where=where,
        value=(NASTY,),
        calls=Calls(None, ((NASTY, where, 1),), 2, ((NASTY, None, 1e-3),)),
        settings={
            "rtol": None,
            "atol": None,
            "autodiff": True,
            "strict": False,
            "budget": None,
            "vectorized": False,
            "bounds": None,
        },
        studies=(study,),
    )


@functools.cache
def nasty_run() -> Run:
    """Every text that comes from the user is hostile."""
    problem = Problem("GC010", NASTY, Location("/abs/päth/x.py", 7), NASTY, (NASTY,), NASTY)
    finding = Finding("GC101", "wrong-derivative", NASTY, problem.where, NASTY)
    quiet = replace(_nasty_result(), findings=())
    ignored = (Ignored(finding, Reason("GC1", NASTY, True, NASTY)),)
    outcomes = (
        Outcome(NASTY, NASTY, result=_nasty_result(), notes=(NASTY,), reproduce=NASTY),
        Outcome(NASTY, NASTY, problem=problem, notes=(NASTY,)),
        Outcome(NASTY, NASTY, problem=replace(problem, where=None, bug=True, code="GC000")),
        Outcome(NASTY, NASTY, result=quiet, name=NASTY, source=NASTY, expect="fail"),
        Outcome(NASTY, NASTY, result=quiet, name=NASTY, source=NASTY, ignored=ignored),
    )
    return Run(outcomes, Settings(at=(NASTY,)), 0.5, interrupted=Interrupted(5, 6, NASTY, NASTY))
