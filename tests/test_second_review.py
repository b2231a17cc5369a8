"""What a second reviewer found, and a hunt in packages: false alarms, right code left open, false or missing words."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

import gradcheck as package
from gradcheck import alarm, check, cli, extend
from gradcheck.check import check_points
from gradcheck.check.result import Point, Verdict
from gradcheck.check.solvers import watched

ROOT = Path(__file__).resolve().parent.parent

MODEL = """
import time
import numpy as np
from scipy.integrate import odeint, solve_ivp
from scipy.optimize import minimize

def blown_up(p):
    # y' = p y², y(0) = 1: the solution ends at t = 1/p
    found = solve_ivp(lambda t, y: [p[0] * y[0] ** 2 - p[1] * y[0]], (0.0, 4.0), [1.0], rtol=1e-7, atol=1e-7)
    return found.y[0, -1]

def blown_up_grad(p):
    e = np.exp(4.0 * p[1])
    d = p[0] + (p[1] - p[0]) * e
    return np.array([-p[1] * (1.0 - e) / d**2, (d - p[1] * (e + (p[1] - p[0]) * 4.0 * e)) / d**2])

def largest(A):
    return np.linalg.eigvalsh(A)[-1]

def largest_grad(A):
    v = np.linalg.eigh(A)[1][:, -1]
    return np.outer(v, v)

def residuals(x):
    r = x - 1.0
    return r @ r, r

def wrong_beside(x):
    return np.sum(x**2), np.array([2.0 * x[0], 2.0 * x[1], 3.0 * x[2]])

def predictions(w):
    p = np.arange(12.0).reshape(4, 3) @ w
    return np.sum((p - 1.0) ** 2), {"predictions": p}

def predictions_grad(w):
    X = np.arange(12.0).reshape(4, 3)
    return 2.0 * X.T @ (X @ w - 1.0)

def rotations(q):
    c, s = np.cos(q), np.sin(q)
    return np.array([[c[0], -s[0] * q[1]], [s[0], c[1]]])

def rotations_jac(q):
    c, s = np.cos(q), np.sin(q)
    return np.array([[-s[0], 0.0], [-c[0] * q[1], -s[0]], [c[0], 0.0], [0.0, -s[1]]])

def rotations_fortran(q):
    return rotations_jac(q)[[0, 2, 1, 3]]

def scaled(x):
    return np.sum(x**2) + x[0] * x[1]

def scaled_grad(x):
    return 2.1 * x

def heron(a):
    x = a
    while abs(x * x - a) > 1e-14 * a:
        x = 0.5 * (x + a / x)
    return x

def heron_grad(a):
    return 0.5 / np.sqrt(a)

def slow(x):
    time.sleep(60)
    return x**2

def kinked(x):
    return np.sum(np.abs(x)) + x[0] * x[1]

def kinked_grad(x):
    return np.sign(x) + 1.1 * np.array([x[1], x[0], 0.0])

class Memo:
    def __init__(self, t):
        self.t, self.x = t, None

    def update(self, z):
        if self.x is None or not np.array_equal(z, self.x):
            self.x = np.array(z, copy=True)
            self.value = (z[0] - self.t) ** 2 + (z[1] - self.t**2) ** 4 + z[1] ** 2
            self.slope = np.array([2 * (z[0] - self.t), 4 * (z[1] - self.t**2) ** 3 + 2 * z[1]])

    def fun(self, z):
        self.update(z)
        return self.value

    def jac(self, z):
        self.update(z)
        return self.slope

def nearest(t):
    memo = Memo(t)
    return np.sum(minimize(memo.fun, [0.5, 0.5], jac=memo.jac, tol=1e-10).x)
"""

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def gradcheck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command in this process, in a folder with the model."""
    (tmp_path / "model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main(list(arguments))
        return code, capfd.readouterr().out

    yield run
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


def codes(result: Any) -> set[str]:
    return {finding.code for finding in result.findings}


# solvers that gave up


def test_the_search_passes_over_points_at_which_a_solver_gave_up(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:blown_up", "--shape", "2", "--points", "3")
    assert code == 0, out


def test_where_a_solver_gave_up_nothing_is_wrong(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:blown_up", "--at", "p=[2.0, 0.3]")
    assert code == 3, out
    assert "GC211 unfinished: solve_ivp did not come to its end: Required step size is less than spacing" in out
    assert "a solver gave up here: f's value is no solution" in out
    assert "GC101" not in out


def test_solvers_that_gave_up_are_seen() -> None:
    from scipy.integrate import odeint
    from scipy.optimize import OptimizeResult, fsolve, minimize

    before = dict(vars(OptimizeResult))
    seen = []
    for call in (
        lambda: odeint(lambda y, t: y**2, [1.0], [0, 2]),
        lambda: fsolve(lambda x: x**2 + 1, 1.0),
        lambda: minimize(lambda x: x[0] ** 2, [1.0], options={"maxiter": 0}),
        lambda: minimize(lambda x: x[0] ** 2, [1.0]),
    ):
        with watched() as watch, pytest.warns() if len(seen) < 2 else watched():
            call()
        seen.append(watch.failure().partition(" did not come to its end: ")[0])
    assert seen == ["odeint", "fsolve", "minimize", ""]
    assert dict(vars(OptimizeResult)) == before


def test_a_wrong_derivative_is_wrong_where_autodiff_confirms_it_though_a_solver_gave_up() -> None:
    from scipy.optimize import minimize

    def f(t: Any) -> Any:  # the tolerance cannot be met: success is False
        return minimize(lambda z: (z[0] - t) ** 2 + 1e3, [0.0], tol=1e-30).fun * 1.0 + t**2

    assert check(f, 0.7, grad=lambda t: 2 * t).verdict is not Verdict.FAIL
    assert check(f, 0.7, grad=lambda t: 3 * t).verdict is Verdict.FAIL


# symmetric matrices


@pytest.mark.parametrize("more", [(), ("--no-autodiff",)])
def test_symmetric_matrices_are_found_where_one_triangle_is_read(gradcheck: Run, more: tuple[str, ...]) -> None:
    code, out = gradcheck("model.py:largest", *more)
    assert code == 0, out
    assert "A: (3, 3) symmetric" in out
    assert "GC315" in out


def test_at_a_matrix_that_is_not_symmetric_there_is_a_hint(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:largest", "--at", "A=[[1, 2], [0.5, 3]]")
    assert code == 1
    assert "hint: model.py:largest reads one triangle of A only: at a symmetric A the derivative is right" in out


def test_a_triangular_derivative_gets_any_matrix(gradcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "lower.py").write_text(
        "import numpy as np\ndef f(L):\n    return np.sum(np.tril(L) ** 2)\ndef f_grad(L):\n    return 2 * np.tril(L)\n"
    )
    code, out = gradcheck("lower.py:f", "--shape", "L=(3, 3)")
    assert code == 0
    assert "symmetric" not in out


# a value with something beside it


def test_what_was_taken_for_a_gradient_may_be_none(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:residuals")
    assert code == 1
    assert "taken for its gradient; if it is not: --grad none" in out
    _, out = gradcheck("model.py:wrong_beside")
    assert "taken for its gradient" not in out  # one wrong entry of three: it is one


@pytest.mark.parametrize("order", ["1", "2"])
def test_without_a_gradient_on_trial_the_number_is_checked(gradcheck: Run, order: str) -> None:
    code, out = gradcheck("model.py:residuals", "--grad", "none", "--order", order)
    assert code == 0, out
    assert "note: residuals returns a number and something beside it; the number was checked, the rest ignored" in out


def test_a_value_with_something_beside_it_and_its_derivative_by_name(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:predictions")
    assert code == 0, out
    assert "predictions_grad (found by name)" in out
    assert "the rest ignored" in out
    code, out = gradcheck("model.py:predictions", "--grad", "scaled_grad")
    assert code == 1, out


def test_auxiliary_values_from_python() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**2), [x, "text"]

    x = np.array([0.3, 1.2])
    assert check(f, x, grad=lambda x: 2 * x, has_aux=True).verdict is Verdict.PASS
    assert check(f, x, grad=lambda x: 3 * x, has_aux=True).verdict is Verdict.FAIL
    with pytest.raises(package.CheckError, match="returns a tuple"):
        check(f, x)


# shapes


def test_the_matrix_of_all_outputs_by_all_inputs(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:rotations")
    assert code == 0, out
    assert "GC307 shape-forgiven: rotations_jac returns shape (4, 2) where (2, 2, 2) was expected" in out
    assert gradcheck("model.py:rotations", "--grad", "rotations_fortran")[0] == 1


# what differences cannot see


def test_underflow_is_no_mistake() -> None:
    def f(t: Any) -> Any:
        return -1e-23 * t * np.log(1.0 + np.exp(-100.0 / t))

    def slope(t: Any) -> Any:
        e = np.exp(-100.0 / t)
        return -1e-23 * (np.log1p(e) + 100.0 / t * e / (1.0 + e))

    result = check(f, 0.7, grad=lambda t: slope(t) - 0.0 * t)
    assert result.verdict is not Verdict.FAIL
    assert not any("jump" in e.note for e in result.entries)


def test_flat_functions_with_a_rule_of_the_users_own_still_fail() -> None:
    step = extend.primitive(np.round)
    extend.defvjp(step, lambda ans, x: lambda g: g)  # a straight-through estimator
    assert check(lambda x: step(x), 0.3, grad=lambda x: 1.0).verdict is Verdict.FAIL


def test_values_in_float32_are_not_thought_flat() -> None:
    x = np.array([-0.528, -0.805, -1.426])
    result = check(lambda x: float(np.float32(np.sum(np.sin(x)))), x, grad=np.cos)
    assert result.verdict is Verdict.PASS
    assert all(e.measured for e in result.entries)


def test_second_derivatives_that_are_zero_along_all_directions() -> None:
    x = np.array([1.423, 1.483, 1.639])
    result = check(lambda x: np.sum(np.abs(x) - 0.5), x, grad=lambda x: np.zeros((3, 3)), order=2)
    assert result.verdict is Verdict.PASS
    assert check(lambda x: np.sum(x**2) * 1e-3, x, grad=lambda x: np.zeros((3, 3)), order=2).verdict is Verdict.FAIL


def test_an_entry_of_a_hessian_that_is_zero_but_for_rounding() -> None:
    def f(x: Any) -> Any:
        return x[0] ** 2 * x[1] + np.sin(x[1]) + 3 * x[2] * x[0] ** 2 + x[2] * x[1] ** 2

    def hessian(x: Any, corner: float) -> Any:
        a, b, c = x
        return np.array([[2 * b + 6 * c, 2 * a, 6 * a], [2 * a, 2 * c - np.sin(b), 2 * b], [6 * a, 2 * b, corner]])

    x = np.array([0.7, 1.2, -0.4])
    assert check(f, x, grad=lambda x: hessian(x, -3.2e-17), order=2, autodiff=False).verdict is Verdict.PASS
    assert check(f, x, grad=lambda x: hessian(x, 3.2e-9), order=2, autodiff=False).verdict is Verdict.FAIL


# kinks


def test_the_chain_rule_with_a_slope_of_zero_at_ties_is_no_mistake() -> None:
    inner = np.random.default_rng(0).normal(size=(5, 3))
    outer = np.random.default_rng(1).normal(size=5)

    def net(x: Any) -> Any:
        return outer @ np.maximum(inner @ x, 0)

    def slope(x: Any, share: float = 0.0) -> Any:
        z = inner @ x
        return (((z > 0) + share * (z == 0)) * outer) @ inner

    zero = np.zeros(3)
    result = check(net, zero, grad=slope)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("as the chain rule has it" in e.note for e in result.entries)
    assert check(net, zero, grad=lambda x: slope(x, 1.0)).verdict is Verdict.INCONCLUSIVE
    assert check(net, zero, grad=lambda x: slope(x) + 5.0 * (x == 0)).verdict is Verdict.FAIL
    branch = check(lambda x: outer @ np.where(inner @ x > 0, inner @ x, 0.0), zero, grad=slope)
    assert branch.verdict is Verdict.INCONCLUSIVE


def test_at_a_kink_the_error_reaches_to_both_slopes() -> None:
    (entry,) = check(lambda x: np.maximum(3 * x, -x), 0.0).entries
    assert entry.measured == pytest.approx(1.0)
    assert entry.error is not None
    assert 2.0 <= entry.error < 2.01


def test_a_point_beside_a_kink_can_be_copied(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:kinked", "--at", "x=[0, 1, 2.0]")
    assert code == 1
    place = re.search(r"beside the kink, at (x=\[.*?\]), df/dx\[0\] is wrong", out)
    assert place is not None
    code, out = gradcheck("model.py:kinked", "--at", place[1])
    assert (code, "df/dx[0]" in out) == (1, True)


# words


def test_the_head_and_the_findings_count_the_same(gradcheck: Run) -> None:
    _, out = gradcheck("model.py:scaled", "--no-shrink")
    assert "3 of 3 entries wrong, 5 points" in out
    assert "GC101 wrong-derivative: 3 of 3 entries are wrong; the worst is" in out
    assert "more like this" not in out
    (worst,) = re.findall(r"the worst is (df/dx\[\d\])", out)
    rows = [line.split() for line in out.split("\n") if line.startswith("  df/dx")]
    assert rows[0][0] == worst
    point = re.search(r"--at '(.*)'", out)
    assert point is not None
    _, again = gradcheck("model.py:scaled", "--at", point[1])
    assert rows[0][1] in again  # its value at the point that is shown


def test_what_is_wrong_at_one_point_is_not_undecided_at_another() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.maximum(x, 0.0)) + x[0] * x[1]

    points = [Point((np.array([0.0, 1.0, 2.0]),)), Point((np.array([0.5, 1.0, 0.0]),))]
    result = check_points(f, points, grad=lambda x: (x > 0) + np.array([1.5 * x[1], x[0], 0.0]))
    kinks = [finding.message for finding in result.findings if finding.code == "GC201"]
    assert kinks == ["f has a kink at the point: df/dx[2]"]
    assert any(f.message == "1 of 3 entries are wrong; the worst is df/dx[0]" for f in result.findings)


def test_more_detail_shows_a_table_once_and_how_to_reproduce_it_last(gradcheck: Run) -> None:
    _, out = gradcheck("model.py:scaled", "--at", "x=[0.5, 1, 2]", "-v")
    assert out.count("\n  df/dx[1] ") == 1
    assert out.rstrip().split("\n")[-3].startswith("  reproduce: ")
    assert out.count("reproduce: ") == 1


def test_a_failure_that_is_none_of_the_entries_stands_in_the_head(gradcheck: Run) -> None:
    _, out = gradcheck("model.py:kinked", "--at", "x=[0, 1, 2.0]")
    assert out.startswith("FAIL  model.py:kinked  x  wrong-derivative (GC101), 1 of 3 entries undecided")


# caches, sparse matrices


def test_an_objective_and_its_gradient_may_share_a_memo(gradcheck: Run) -> None:
    code, out = gradcheck("model.py:nearest")
    assert code == 0, out


def test_a_trace_within_a_trace_sees_values_from_a_cache() -> None:
    stored: dict[str, Any] = {}

    def remembered(x: Any, t: Any) -> Any:
        if "x" not in stored or not np.array_equal(x, stored["x"]):
            stored.update(x=np.array(x), value=np.sum(x**2) * t)
        return stored["value"]

    def outer(t: Any) -> Any:
        x = np.array([0.7, 0.1])
        stored.clear()
        remembered(x, t)
        return np.sum(package.grad(remembered)(x, t))

    with pytest.raises(package.GradcheckError, match="equal to a stored one"):
        package.grad(outer)(0.7)


def test_ufuncs_of_sparse_matrices() -> None:
    a = np.array([[2.0, 1.0], [0.0, 3.0]])

    def f(x: Any) -> Any:
        d, e = csr_matrix((x, (range(2), range(2)))), csr_array((x, (range(2), range(2))))
        return np.conj(d) @ (a @ x) + np.abs(d) @ x + a @ np.real(e) @ x + (np.float64(2.0) * np.negative(e)) @ x

    assert check(f, np.array([1.0, 2.0])).verdict is Verdict.PASS


# what never returns


def test_the_search_passes_over_arguments_for_which_f_does_not_return(
    gradcheck: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradcheck.search.CALL", 0.2)
    monkeypatch.setattr("gradcheck.search.TIMES", 1.0)
    code, out = gradcheck("model.py:heron")
    assert code == 0, out
    assert re.search(r"note: heron did not return within 0\.\d+ s at the trial point a=-[\d.]+ \(model\.py:\d+\)", out)


def test_a_function_that_never_returns_has_no_point(gradcheck: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck.search.SECONDS", 0.5)
    code, out = gradcheck("model.py:slow", "--budget", "0.1s")
    assert code == 2
    assert "slow did not return within 0.1 s, at the trial point x: (3,) (model.py:" in out
    assert "passed over" not in out


def _looping(catch: bool) -> int:
    start = time.monotonic()
    while time.monotonic() < start + 60:
        try:
            time.sleep(0.01)
        except BaseException:
            if catch:
                return 3
            raise
    return 0


@pytest.mark.parametrize("catch", [False, True])
@pytest.mark.parametrize("timer", [True, False])
def test_a_call_within_a_time(monkeypatch: pytest.MonkeyPatch, catch: bool, timer: bool) -> None:
    if not timer:
        monkeypatch.delattr(signal, "setitimer", raising=False)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert alarm.within(30.0, "f", lambda: 5) == 5
    with pytest.raises(alarm.OvertimeError) as told:
        alarm.within(0.1, "f", lambda: _looping(catch))
    assert told.value.frames[-1].name == "_looping"
    with pytest.raises(ZeroDivisionError):
        alarm.within(30.0, "f", lambda: 1 // 0)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_no_limit_on_other_threads() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(alarm.within(0.01, "f", lambda: time.sleep(0.05) or 7)))
    thread.start()
    thread.join()
    assert found == [7]


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
@pytest.mark.parametrize(
    ("arguments", "place"),
    [(["--at", "x=0.7"], "slow at x=0.7 (model.py:"), ([], "slow, in the search for points, at x=")],
)
def test_an_interrupt_says_where(tmp_path: Path, arguments: list[str], place: str) -> None:
    (tmp_path / "model.py").write_text(MODEL.replace("time.sleep(60)", "open('started', 'w').close(); time.sleep(60)"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "gradcheck", "model.py:slow", *arguments],
        cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out.startswith(f"nothing was checked; interrupted: 0 of 1 check done, in {place}")
    assert err.count("\n") == 1
    assert err.startswith(f"gradcheck: interrupted: 0 of 1 check done, in {place}")
