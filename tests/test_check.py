"""One check through its public door: what it accepts, what it refuses, what it says."""

from __future__ import annotations

import functools
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.check import CheckError, Point, Result, Verdict, WrongDerivative, check, check_points
from gradcheck.check.codes import CODES


def codes(result: Result) -> list[str]:
    return [f.code for f in result.findings]


def error(*args: Any, **options: Any) -> CheckError:
    with pytest.raises(CheckError) as caught:
        check(*args, **options)
    return caught.value


def square(x: np.ndarray) -> float:
    return float(np.sum(x**2)) if isinstance(x, np.ndarray) else x**2


def twice(x: Any) -> Any:
    return 2 * x


# --- kinds of arguments and values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x",
    [
        3.0,
        np.float64(3.0),
        np.float32(3.0),
        np.array(3.0),
        np.array([1.0, 2.0]),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([1.0, 2.0, 0.5], dtype=np.float32),
    ],
)
def test_f_sees_the_type_that_was_given(x: Any) -> None:
    seen: set[tuple[type, Any, Any]] = set()

    def f(v: Any) -> float:
        seen.add((type(v), getattr(v, "dtype", None), getattr(v, "shape", None)))
        return np.sum(np.square(v, dtype=np.float64))  # float64 inside, whatever the argument

    result = check(f, x, grad=lambda v: 2.0 * np.asarray(v, dtype=np.float64), autodiff=False)
    assert seen == {(type(x), getattr(x, "dtype", None), getattr(x, "shape", None))}
    assert result.verdict == "pass"
    assert len(result.entries) == np.size(x) == result.total


def test_labels_and_order_of_a_jacobian() -> None:
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    result = check(lambda x: a @ x, np.ones(3), grad=lambda x: a, autodiff=False)
    assert [e.label for e in result.entries] == [f"df[{i}]/dx[{j}]" for i in range(2) for j in range(3)]
    assert [(e.output, e.index) for e in result.entries][3] == ((1,), (0,))
    assert result.entries[5].measured == pytest.approx(6.0, rel=1e-9)
    assert result.verdict is Verdict.PASS
    assert result.total == 6


def test_matrix_argument_indices() -> None:
    result = check(lambda w: np.sum(w**3), np.ones((2, 2)), grad=lambda w: 3 * w**2, autodiff=False)
    assert [e.label for e in result.entries] == [f"df/dx[{i},{j}]".replace("x", "w") for i in (0, 1) for j in (0, 1)]


def test_complex_values_have_a_real_and_an_imaginary_derivative() -> None:
    result = check(lambda t: np.exp(1j * t), 0.7, grad=lambda t: 1j * np.exp(1j * t), autodiff=False)
    assert [e.label for e in result.entries] == ["Re df/dt", "Im df/dt"]
    assert result.verdict == "pass"
    conjugated = check(lambda t: np.exp(1j * t), 0.7, grad=lambda t: -1j * np.exp(-1j * t), autodiff=False)
    assert [e.verdict.value for e in conjugated.entries] == ["pass", "fail"]


class Model:
    def method(self, x: np.ndarray) -> Any:
        return x[0], math.sin(x[1])

    def __call__(self, x: np.ndarray) -> Any:
        return [x[0], np.exp(x[1])]


def lists_of_arrays(x: np.ndarray) -> Any:
    y = np.zeros(2)
    y[0] = x[0] * x[1]
    return [y, [x[0], 1.0]]


def list_of_complex(x: np.ndarray) -> Any:
    return [x[0] + 1j * x[1], 2 * x[1]]


@pytest.mark.parametrize(
    ("f", "entries"),
    [
        (lambda x: [x[0] * x[1], np.sin(x[0]), 3.0], 6),
        (lambda x: (math.sin(x[0]), x[1] ** 2), 4),
        (lists_of_arrays, 8),
        (Model().method, 4),
        (Model(), 4),
        (functools.partial(lambda k, x: [k * x[0], math.cos(x[1])], 2.0), 4),
        (list_of_complex, 8),
        (lambda x: [np.sum(x**2)], 2),
    ],
)
def test_a_list_of_numbers_is_a_vector(f: Callable[..., Any], entries: int) -> None:
    result = check(f, np.array([0.7, 1.3]))
    assert (result.verdict, len(result.entries), codes(result)) == ("pass", entries, [])
    assert all(e.autodiff is not None for e in result.entries)


def test_a_list_of_numbers_of_many_inputs_and_its_hessian() -> None:
    x = np.linspace(0.1, 1.0, 300)
    assert check(lambda v: [np.sum(v**2), np.sum(np.sin(v))], x).verdict == "pass"
    assert check(lambda v: [np.sum(v**3)], x[:3], order=2).verdict == "pass"
    wrong = check(lambda v: (v[0] * v[1], v[0]), x[:2], grad=lambda v: [[v[1], v[0]], [1.0, 1.0]])
    assert [e.label for e in wrong.entries if e.verdict is Verdict.FAIL] == ["df[1]/dv[1]"]
    assert (
        error(lambda v: (np.sum(v**2), 2 * v), x[:2]).hint
        == "if it returns value and gradient, say so: grad='returned'"
    )


def test_where_autodiff_alone_cannot_follow_the_function_is_named() -> None:
    def f(x: np.ndarray) -> Any:
        return np.sum(np.frombuffer(x.tobytes()))

    caught = error(f, np.ones(2))
    assert caught.code == "GC016"
    assert caught.where is not None
    assert caught.where.file == __file__


def test_integers_are_promoted_and_it_is_said() -> None:
    result = check(lambda n: n**3, 2, grad=lambda n: 3 * n**2, autodiff=False)
    assert result.verdict == "pass"
    assert codes(result) == ["GC306"]
    assert error(lambda n: [1.0, 2.0, 3.0][n], 1).code == "GC018"


@pytest.mark.parametrize(
    ("x", "word"),
    [(1j, "complex"), (np.array([1j]), "complex"), (True, "bool"), ("a", "str"), ([1.0], "list"), (None, "None")],
)
def test_other_arguments_are_refused_by_name(x: Any, word: str) -> None:
    refused = error(lambda v: 1.0, x, grad=lambda v: 0.0)
    assert refused.code == "GC015"
    assert word in refused.message


# --- several arguments ------------------------------------------------------------------------------------


def test_argument_by_number_and_by_name() -> None:
    def f(x: np.ndarray, t: np.ndarray) -> float:
        return float(np.dot(x, t) + np.exp(np.dot(x, t)))

    def df_dt(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return x * (1 + np.exp(np.dot(x, t)))

    x, t = np.array([0.3, 0.2, -0.1]), np.array([1.0, 2.0, 3.0])
    for argnum in (1, "t", -1):
        result = check(f, x, t, argnum=argnum, grad=df_dt, autodiff=False)
        assert (result.verdict, result.argnum, result.argname) == ("pass", 1, "t")
    assert check(f, x, t, argnum=0, grad=df_dt, autodiff=False).verdict == "fail"
    assert "there are x, t" in error(f, x, t, argnum="y", grad=df_dt).message
    assert error(f, x, t, argnum=2, grad=df_dt).code == "GC020"


def test_a_derivative_may_return_one_item_for_each_argument() -> None:
    result = check(lambda a, b: a * b, 2.0, 3.0, argnum=1, grad=lambda a, b: (b, a), autodiff=False)
    assert result.verdict == "pass"
    assert result.entries[0].yours == 2.0
    x = np.array([1.0, 2.0])
    assert check(lambda v, s: s * v @ v, x, 3.0, grad=lambda v, s: [2 * s * v, v @ v], autodiff=False).verdict == "pass"


def test_returned_value_and_gradient() -> None:
    result = check(lambda x: (np.sum(x**2), 2 * x), np.array([1.0, 3.0]), grad="returned", autodiff=False)
    assert result.verdict == "pass"
    assert result.derivative == "returned by f"
    assert check(lambda x: (np.sum(x**2), x), np.array([1.0, 3.0]), grad="returned", autodiff=False).verdict == "fail"
    assert error(lambda x: np.sum(x), np.ones(2), grad="returned", autodiff=False).code == "GC010"


# --- preflight --------------------------------------------------------------------------------------------


def _raises(x: Any) -> float:
    raise ValueError("no such thing")


def _exits(x: Any) -> float:
    sys.exit(0)


@pytest.mark.parametrize(
    ("f", "code", "words"),
    [
        (_raises, "GC010", "raised ValueError: no such thing"),
        (_exits, "GC010", "called sys.exit(0)"),
        (lambda x: None, "GC011", "returns None"),
        (lambda x: "text", "GC011", "returns a str"),
        (lambda x: x > 1, "GC011", "bool"),
        (lambda x: np.random.default_rng().normal(), "GC012", "not deterministic"),
        (lambda x: np.log(-x), "GC013", "returns nan"),
        (lambda x: np.divide(1.0, 0.0 * x), "GC013", "returns inf"),
    ],
)
def test_what_cannot_be_checked(f: Callable[..., Any], code: str, words: str) -> None:
    refused = error(f, 2.0, grad=lambda x: 1.0)
    assert refused.code == code
    assert words in refused.message
    assert refused.where is not None
    assert refused.where.file == __file__


def test_the_error_names_the_line_of_the_user() -> None:
    refused = error(_raises, 1.0, grad=twice)
    assert refused.where is not None
    assert refused.where.line == _raises.__code__.co_firstlineno + 1


def test_nothing_to_compare_is_an_error() -> None:
    assert error(lambda x: np.sum(x), np.zeros(0), grad=lambda x: x).code == "GC019"
    assert error(lambda x: x[:0], np.ones(2), grad=lambda x: x).code == "GC019"
    assert error(square, 1.0, autodiff=False).code == "GC016"


def test_a_keyboard_interrupt_passes_through() -> None:
    def f(x: float) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(f, 1.0, grad=twice)


def test_mutated_input_is_told_and_does_no_harm() -> None:
    def f(x: np.ndarray) -> float:
        x *= 2
        return float(np.sum(x**2))

    def df(x: np.ndarray) -> np.ndarray:
        x *= 8
        return x

    x = np.array([1.0, 2.0])
    result = check(f, x, grad=df, autodiff=False)
    assert x.tolist() == [1.0, 2.0]
    assert result.verdict == "pass"
    assert codes(result) == ["GC301", "GC302"]


def test_output_of_f_stays_off_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: float) -> float:
        print("calling")
        return x**2

    check(f, 2.0, grad=twice, autodiff=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "calling\n"


def test_a_derivative_with_memory_of_the_last_forward_pass() -> None:
    last: list[float] = []

    def f(x: float) -> float:
        last[:] = [x]
        return x**3

    result = check(f, 2.0, grad=lambda x: 3 * last[0] ** 2, autodiff=False)
    assert result.verdict == "fail"
    assert "GC105" in codes(result)


def test_a_derivative_cached_at_its_first_point() -> None:
    cache: list[np.ndarray] = []

    def df(x: np.ndarray) -> np.ndarray:
        if not cache:
            cache.append(3 * x**2)
        return cache[0]

    result = check(lambda x: np.sum(x**3), np.array([1.0, 2.0]), grad=df, autodiff=False)
    assert all(e.verdict is Verdict.PASS for e in result.entries)
    assert result.verdict == "fail"
    assert codes(result) == ["GC105"]


def test_a_constant_derivative_of_a_linear_function_is_no_stale_cache() -> None:
    a = np.array([1.0, -2.0, 3.0])
    result = check(lambda x: a @ x, np.ones(3), grad=lambda x: a, autodiff=False)
    assert (result.verdict, codes(result)) == ("pass", [])


# --- shapes and kinds of derivatives ----------------------------------------------------------------------


def test_a_wrong_shape_is_a_wrong_derivative() -> None:
    result = check(square, np.ones(3), grad=lambda x: np.ones((3, 2)), autodiff=False)
    assert result.verdict == "fail"
    assert codes(result) == ["GC102"]
    assert "(3, 2)" in result.findings[0].message
    assert "(3,)" in result.findings[0].message


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_axes_of_length_one_are_forgiven_with_a_warning(shape: tuple[int, ...]) -> None:
    result = check(square, np.ones(3), grad=lambda x: (2 * x).reshape(shape), autodiff=False)
    assert (result.verdict, codes(result)) == ("pass", ["GC307"])


@pytest.mark.parametrize("value", [None, "text", object()])
def test_a_derivative_that_is_no_number_cannot_be_checked(value: Any) -> None:
    assert error(square, 2.0, grad=lambda x: value, autodiff=False).code == "GC014"


def test_a_derivative_that_raises_cannot_be_checked() -> None:
    assert error(square, 2.0, grad=_raises, autodiff=False).code == "GC017"


def test_sparse_jacobians_are_taken() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    result = check(lambda x: x**2, np.array([1.0, 2.0]), grad=lambda x: sparse.diags(2 * x), autodiff=False)
    assert result.verdict == "pass"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_derivative_that_is_not_finite(value: float) -> None:
    result = check(square, np.array([1.0, 2.0]), grad=lambda x: np.array([2.0, value]), autodiff=False)
    assert [e.verdict.value for e in result.entries] == ["pass", "fail"]
    assert "GC103" in codes(result)


# --- diagnosis --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda g: -g, "GC111"),
        (lambda g: 2 * g, "GC112"),
        (lambda g: g / 5, "GC112"),
        (lambda g: g * np.where(np.arange(5) == 3, 1.01, 1.0), "GC114"),
        (lambda g: 0 * g, "GC115"),
    ],
)
def test_the_kind_of_mistake(wrong: Callable[[np.ndarray], np.ndarray], code: str) -> None:
    x = np.array([0.3, 0.7, -1.2, 2.0, 0.1])
    result = check(lambda v: np.sum(np.sin(v)), x, grad=lambda v: wrong(np.cos(v)), autodiff=False)
    assert codes(result) == ["GC101", code]
    assert result.findings[1].where is not None


def test_a_transposed_jacobian() -> None:
    a = np.array([[1.0, 2.0, 0.5], [3.0, 4.0, -1.0], [2.0, 7.0, 1.0]])
    result = check(lambda x: np.sin(a @ x), np.array([0.1, 0.2, 0.3]), autodiff=False,
                   grad=lambda x: (np.cos(a @ x)[:, None] * a).T)  # fmt: skip
    assert codes(result) == ["GC101", "GC113"]


# --- many inputs ------------------------------------------------------------------------------------------


def test_many_inputs_cost_few_evaluations() -> None:
    x = np.random.default_rng(0).normal(size=5000)
    result = check(lambda v: np.sum(np.sin(v)), x, grad=np.cos, autodiff=False)
    assert result.verdict == "pass"
    assert result.evaluations < 200
    assert result.total == 5000 > len(result.entries)
    assert [e.direction for e in result.along] == list(range(1, 9))
    assert len(result.located) + 8 == len(result.entries)
    assert codes(result) == ["GC308"]


def test_two_derivatives_that_agree_are_measured_along_few_directions() -> None:
    x = np.random.default_rng(0).normal(size=1000)
    result = check(lambda v: np.sum(np.sin(v)), x, grad=np.cos)
    assert result.verdict == "pass"
    assert result.evaluations <= 8
    assert [e.direction for e in result.entries] == [1, 2]
    assert codes(result) == ["GC308"]
    assert "the derivatives agree in each" in result.findings[0].message


def test_entries_much_smaller_than_the_rest_have_directions_of_their_own() -> None:
    c = np.logspace(-12, 0, 1000)
    result = check(lambda v: np.sum(c * np.sin(v)), np.ones(1000), grad=lambda v: c * np.cos(v))
    assert result.verdict == "pass"
    assert len(result.along) > 2
    assert min(abs(e.measured or 0.0) for e in result.along) < 1e-6


def test_where_few_directions_do_not_pass_the_sample_is_measured() -> None:
    """A large constant leaves rounding errors in the value that two evaluations do not know of."""
    x = np.random.default_rng(0).normal(size=1000)
    result = check(lambda v: np.sum(np.sin(v)) + 1e9 - 1e9, x, grad=np.cos)
    assert result.verdict == "pass"
    assert len(result.along) == 8
    assert len(result.located) > 8


@pytest.mark.parametrize("size", [1e-3, -1.0, 10.0])
def test_one_wrong_entry_of_many_is_found(size: float) -> None:
    x = np.random.default_rng(1).normal(size=3000)

    def df(v: np.ndarray) -> np.ndarray:
        g = np.cos(v)
        g[1234] *= 1 + size
        return g

    result = check(lambda v: np.sum(np.sin(v)), x, grad=df, autodiff=False)
    assert result.verdict == "fail"
    wrong = [e for e in result.located if e.verdict is Verdict.FAIL]
    assert [e.index for e in wrong] == [(1234,)]
    assert result.evaluations < 1200


def test_a_float32_gradient_of_many_inputs_passes() -> None:
    x = np.random.default_rng(2).normal(size=400)
    result = check(lambda v: np.sum(np.sin(v)), x, grad=lambda v: np.cos(v).astype(np.float32), autodiff=False)
    assert result.verdict == "pass"


# --- Hessians ---------------------------------------------------------------------------------------------


def rosen(x: np.ndarray) -> float:
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def rosen_hess(x: np.ndarray) -> np.ndarray:
    n = len(x)
    h = np.zeros((n, n))
    for i in range(n - 1):
        h[i, i] += 1200 * x[i] ** 2 - 400 * x[i + 1] + 2
        h[i + 1, i + 1] += 200
        h[i, i + 1] = h[i + 1, i] = -400 * x[i]
    return h


@pytest.mark.parametrize("x", [[1.3, 0.7, 0.8, 1.9], [1.0, 1.0, 1.0], [-2.0, 3e2]])
def test_a_hessian_by_second_differences_of_values(x: list[float]) -> None:
    result = check(rosen, np.array(x), grad=rosen_hess, order=2, autodiff=False)
    assert result.verdict == "pass"
    assert result.order == 2
    assert result.entries[1].label == "d2f/dx[0]dx[1]"
    assert result.entries[1].index == (0, 1)
    assert any(e.label.endswith("· v1 v1") for e in result.entries)


def test_a_wrong_hessian_is_named() -> None:
    def wrong(x: np.ndarray) -> np.ndarray:
        h = rosen_hess(x)
        h[1, 2] *= 1.001
        return h

    result = check(rosen, np.array([1.3, 0.7, 0.8, 1.9]), grad=wrong, order=2, autodiff=False)
    failed = {e.index for e in result.located if e.verdict is Verdict.FAIL}
    assert failed == {(1, 2)}
    [finding] = [f for f in result.findings if f.code == "GC101"]
    assert finding.message.startswith("1 of 16 entries")
    assert finding.message.endswith("; the worst is d2f/dx[1]dx[2]")
    assert {e.label for e in result.along} == {f"d2f/dx2 · v{k} v{k}" for k in (1, 2, 3)}


def test_wrong_entries_and_directions_are_counted_apart() -> None:
    result = check(rosen, np.array([1.3, 0.7, 0.8]), grad=lambda x: -rosen_hess(x), order=2, autodiff=False)
    assert "7 of 9 entries and 3 of 3 random directions are wrong" in result.findings[0].message


def test_a_hessian_of_a_scalar_argument_and_its_refusals() -> None:
    result = check(lambda x: np.exp(x), 0.7, grad=np.exp, order=2, autodiff=False)
    assert [e.label for e in result.entries] == ["d2f/dx2", "d2f/dx2 · v1 v1"]
    assert result.verdict == "pass"
    assert error(lambda x: x, np.ones(2), grad=rosen_hess, order=2, autodiff=False).code == "GC020"
    assert error(square, 1.0, order=3).code == "GC020"
    shape = check(rosen, np.ones(3), grad=lambda x: np.ones(3), order=2, autodiff=False)
    assert (shape.verdict, codes(shape)) == ("fail", ["GC102"])


# --- the result -------------------------------------------------------------------------------------------


def test_several_points_in_one_result() -> None:
    points = [Point((np.array([1.0, 2.0]),)), Point((np.array([0.5, -3.0]),), how="given", seed=4)]
    done: list[tuple[int, int]] = []
    result = check_points(
        square, points, grad=twice, target="mod:square", derivative="mod:twice", derivative_how="found by name",
        autodiff=False, progress=lambda a, b: done.append((a, b)),
    )  # fmt: skip
    assert [e.point for e in result.entries] == [0, 0, 1, 1]
    assert (result.target, result.derivative, result.derivative_how) == ("mod:square", "mod:twice", "found by name")
    assert result.value == ("5.0", "9.25")
    assert result.points == tuple(points)
    assert done[-1][0] == result.evaluations
    assert all(a <= b for a, b in done)


def test_the_result_is_frozen_plain_data() -> None:
    result = check(square, np.array([1.0, 2.0]), grad=twice, autodiff=False, seed=3)
    again = pickle.loads(pickle.dumps(result))
    assert again.entries == result.entries
    assert all(type(e.yours) is float and type(e.measured) is float for e in result.entries)
    assert (result.seed, result.where.file if result.where else None) == (3, __file__)
    assert result.raise_if_wrong() is result


def test_raise_if_wrong() -> None:
    result = check(square, np.array([1.0, 2.0]), grad=lambda x: 3 * x, autodiff=False)
    with pytest.raises(WrongDerivative, match=r"df/dx\[0\]: 3.0, measured"):
        result.raise_if_wrong()


def test_the_same_seed_gives_the_same_result() -> None:
    x = np.random.default_rng(1).normal(size=500)
    a, b = (check(lambda v: np.sum(np.sin(v)), x, grad=np.cos, autodiff=False, seed=7) for _ in range(2))
    assert a.entries == b.entries
    assert a.evaluations == b.evaluations


def test_every_code_has_a_kind_a_title_and_an_explanation() -> None:
    assert len({row.kind for row in CODES.values()}) == len(CODES)
    for code, row in CODES.items():
        assert code[:2] == "GC"
        assert code[2] in "0123"
        assert row.title[0].islower()
        assert row.explanation.endswith((".", "it."))


def test_result_types_load_without_numpy() -> None:
    code = "import sys, gradcheck.check.result, gradcheck.check.codes; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- with autodiff ----------------------------------------------------------------------------------------


def test_three_witnesses() -> None:
    result = check(lambda x: np.sum(np.sin(x) * x), np.array([0.5, 1.5]), grad=lambda x: np.sin(x) + x * np.cos(x))
    assert result.verdict == "pass"
    for e in result.entries:
        assert e.yours == pytest.approx(e.autodiff, rel=1e-12)
        assert abs(e.measured - e.yours) <= e.error


def test_autodiff_alone_is_on_trial() -> None:
    result = check(lambda x: np.sum(np.exp(x)), np.array([0.5, 1.5]))
    assert (result.verdict, result.derivative) == ("pass", "autodiff")
    assert all(e.yours is None for e in result.entries)


def rounded(x: np.ndarray) -> float:
    # An integer has no derivative; this one holds every bit of x[0].
    return (int(x[0] * 2.0**53) / 2.0**53) ** 2 + np.sum(x**2)


def test_autodiff_alone_against_the_measurement_is_no_mistake_of_the_user() -> None:
    result = check(rounded, np.array([0.7, 1.3]))
    assert result.verdict == "fail"
    [finding] = result.findings
    assert finding.code == "GC106"
    assert finding.message == "autodiff and the measurement disagree in 1 of 2 entries; the worst is df/dx[0]"
    assert finding.hint is not None
    assert "no derivative of yours was checked" in finding.hint
    assert "please report" in finding.hint
    nan = check(lambda x: np.sum(np.sqrt(x**4)), np.array([0.0, 1.0]))
    assert [(e.verdict, e.index) for e in nan.entries if e.verdict is Verdict.FAIL] == [(Verdict.FAIL, (0,))]
    assert nan.findings[0].message.startswith("autodiff's derivative is not finite in 1 of 2 entries")
    hessian = check(lambda x: rounded(x) ** 2, np.array([0.7, 1.3]), order=2)
    assert (hessian.verdict, codes(hessian)) == ("fail", ["GC106"])


@pytest.fixture
def broken_reverse_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reverse mode as it would be with a wrong rule."""
    from gradcheck import autodiff

    right = autodiff.vjp

    def wrong(f: Callable[..., Any], *primals: Any) -> Any:
        value, pullback = right(f, *primals)
        return value, lambda u: tuple(1.001 * c for c in pullback(u))

    monkeypatch.setattr(autodiff, "vjp", wrong)


@pytest.mark.usefixtures("broken_reverse_mode")
@pytest.mark.parametrize("order", [1, 2])
def test_autodiff_is_no_witness_where_its_modes_disagree(order: int) -> None:
    def d(x: np.ndarray) -> np.ndarray:
        return 2 * x if order == 1 else 2 * np.eye(2)

    x = np.array([0.7, 1.3])
    alone = check(lambda v: np.sum(v**2), x, order=order)
    assert (alone.verdict, alone.entries, codes(alone)) == ("inconclusive", (), ["GC310"])
    assert check(lambda v: np.sum(v**2), x, grad=d, order=order).verdict == "pass"  # nobody asked
    off = check(rounded, x, grad=lambda v: d(v) + (2 * v if order == 1 else 2 * np.eye(2)) * [1, 0], order=order)
    assert (off.verdict, codes(off)) == ("pass", ["GC310"])
    assert all(e.autodiff is None for e in off.entries)
    wrong = check(lambda v: np.sum(v**2), x, grad=lambda v: -d(v), order=order)
    assert wrong.verdict == "fail"
    assert {"GC101", "GC310"} <= set(codes(wrong))
    assert "GC106" not in codes(wrong)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.sin(x) / x),
        lambda x: np.cumsum(x**3)[::-1],
        lambda x: np.exp(1j * x),
        lambda x: [x[0], 1e9 * x[1]],
    ],
)
def test_the_modes_of_autodiff_agree(f: Callable[..., Any], dtype: Any) -> None:
    assert "GC310" not in codes(check(f, np.array([0.7, 1.3, -0.4], dtype=dtype)))


def test_entries_that_double_precision_cannot_measure_pass_on_two_analytic_witnesses() -> None:
    scale = np.array([1e-12, 1.0, 1e12])
    result = check(lambda x: np.sum(scale * np.sin(x)), np.array([0.5, 0.6, 0.7]), grad=lambda x: scale * np.cos(x))
    assert [e.verdict.value for e in result.entries] == ["pass"] * 3
    by_step = check(lambda x: np.sum(scale * np.sin(x)), np.array([0.5, 0.6, 0.7]), grad=lambda x: scale * np.cos(x),
                    autodiff=False)  # fmt: skip
    assert by_step.entries[0].verdict is Verdict.PASS
    assert by_step.entries[0].note == "confirmed by a complex step"
    alone = check(
        lambda x: np.sum(scale * np.sin(np.abs(x))), np.array([0.5, 0.6, 0.7]), grad=lambda x: scale * np.cos(x),
        autodiff=False,
    )  # fmt: skip
    assert alone.entries[0].verdict is Verdict.INCONCLUSIVE
    flipped = check(
        lambda x: np.sum(scale * np.sin(x)), np.array([0.5, 0.6, 0.7]), grad=lambda x: scale * np.cos(x) * [-1, 1, 1]
    )
    assert flipped.entries[0].verdict is Verdict.FAIL
    assert flipped.entries[0].note == "autodiff agrees with a complex step"
    untold = check(
        lambda x: np.sum(scale * np.sin(np.abs(x))), np.array([0.5, 0.6, 0.7]),
        grad=lambda x: scale * np.cos(x) * [-1, 1, 1],
    )  # fmt: skip
    assert untold.entries[0].verdict is Verdict.INCONCLUSIVE
    assert "disagree" in untold.entries[0].note


def test_rounding_of_cancelling_terms_is_no_disagreement() -> None:
    f = lambda x: np.sum((x - 0.3) ** 2) + 1  # noqa: E731
    x = np.array([0.1 + 0.2, 0.7])  # the first entry is 1e-16 or so, in either formula another
    result = check(f, x, grad=lambda v: 2 * v - 0.6)
    assert [e.verdict.value for e in result.entries] == ["pass", "pass"]
    assert codes(result) == []
    wrong = check(f, x, grad=lambda v: 2 * v - 0.6 + np.array([1e-9, 0]))
    assert wrong.entries[0].verdict is not Verdict.PASS


def test_a_hessian_with_autodiff() -> None:
    f = lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    x = np.array([1.3, 0.7, 0.8])
    assert check(f, x, order=2).verdict == "pass"
    result = check(f, x, order=2, grad=lambda v: rosen_hess(v) * 1.001)
    assert result.verdict == "fail"


def test_zero_entries_pass_where_both_say_zero() -> None:
    result = check(lambda x: np.sum(x[:2] ** 2) * 1e8 + 0 * x[2], np.array([1.0, 0.0, 5.0]))
    assert [e.verdict.value for e in result.entries] == ["pass"] * 3


def test_no_autodiff_is_told_beside_a_hand_written_derivative() -> None:
    class Box:
        def __init__(self, x: float) -> None:
            self.x = float.fromhex(float(x).hex())  # a road that no trace can follow

    result = check(lambda x: Box(x).x ** 2, 3.0, grad=twice)
    assert result.verdict == "pass"
    assert codes(result) == ["GC304"]
    assert result.entries[0].autodiff is None
    assert error(lambda x: Box(x).x ** 2, 3.0).code == "GC016"


# -- functions that approximate -------------------------------------------------------------------------------------

TIMES = np.linspace(0.0, 5.0, 20)


def decay_grad(k: float) -> float:
    return float(np.sum(-TIMES * np.exp(-k * TIMES)))


def test_an_adaptive_integrator_makes_no_false_alarm() -> None:
    def f(k: float) -> Any:
        from scipy.integrate import solve_ivp

        return np.sum(solve_ivp(lambda t, y: -k * y, (0, 5), [1.0], t_eval=TIMES).y[0])

    right = check(f, 0.4, grad=decay_grad)
    assert right.verdict == "pass"  # autodiff and the hand-written derivative are two witnesses
    assert right.calls is not None
    assert [name for name, _, _ in right.calls.approximate] == ["scipy.integrate.solve_ivp"]
    assert check(f, 0.4, grad=lambda k: -decay_grad(k)).verdict == "fail"
    assert check(f, 0.4, grad=lambda k: 1.2 * decay_grad(k)).verdict == "fail"
    alone = check(f, 0.4)
    assert alone.verdict == "inconclusive"
    assert [x.code for x in alone.findings] == ["GC202", "GC207"]
    assert "solve_ivp" in alone.findings[1].message


def test_tight_tolerances_decide() -> None:
    def f(k: float) -> Any:
        from scipy.integrate import solve_ivp

        y = solve_ivp(lambda t, y: -k * y, (0, 5), [1.0], t_eval=TIMES, rtol=1e-10, atol=1e-12).y
        return np.sum(y[0])

    assert check(f, 0.4).verdict == "pass"


def test_a_minimiser_makes_no_false_alarm() -> None:
    def f(a: float) -> Any:
        from scipy.optimize import minimize

        return minimize(lambda x: (x[0] - a) ** 2 + 0.1 * x[0] ** 4, [0.3]).x[0]

    assert check(f, 1.1).verdict in ("pass", "inconclusive")
    assert check(f, 1.1, grad=lambda a: 0.9).verdict == "fail"


def test_a_wrong_rule_of_a_primitive_is_named() -> None:
    from gradcheck import defvjp, primitive

    @primitive
    def softplus(x: Any) -> Any:
        return np.log1p(np.exp(x))

    defvjp(softplus, lambda ans, x: lambda g: g * np.exp(-x))
    result = check(lambda x: np.sum(softplus(x) ** 2), np.array([0.3, -0.5]))
    assert result.verdict == "fail"
    (finding,) = [f for f in result.findings if f.code == "GC106"]
    assert finding.hint is not None
    assert "softplus" in finding.hint
    assert "test_check.py" in finding.hint


def test_where_autodiff_is_nan_the_measurement_decides() -> None:
    """At equal eigenvalues the derivative of a matrix function exists, but the chain rule does not find it."""
    m = np.array([[1.0, 2.0], [3.0, 4.0]])

    def f(a: Any) -> Any:
        w, v = np.linalg.eigh(a)
        return np.sum(((v * np.exp(w)) @ v.T) * m)

    def f_jac(a: Any) -> Any:  # eigh reads the lower triangle
        return np.exp(a[0, 0]) * np.array([[1.0, 0.0], [5.0, 4.0]])

    right = check(f, np.eye(2), grad=f_jac)
    assert right.verdict is Verdict.PASS
    assert [x.code for x in right.findings] == ["GC304"]
    assert "autodiff where it is nan, in 3 of 4" in right.findings[0].message
    wrong = check(f, np.eye(2), grad=lambda a: f_jac(a) * [[1.0, 1.0], [-1.0, 1.0]])
    assert [e.index for e in wrong.entries if e.verdict is Verdict.FAIL] == [(1, 0)]


def test_a_branch_on_equality_is_no_witness() -> None:
    def f(x: float) -> float:
        if x == 2.0:  # a cached value for a common argument
            return math.exp(2.0)
        return math.exp(x)

    right = check(f, 2.0, grad=math.exp)
    assert right.verdict is Verdict.PASS
    assert codes(right) == ["GC304"]
    assert "asks whether numbers are equal" in right.findings[0].message
    assert check(f, 2.0, grad=lambda x: 1.001 * math.exp(x)).verdict is Verdict.FAIL
    with pytest.raises(CheckError, match="asks whether numbers are equal"):
        check(f, 2.0)


def test_right_sensitivities_at_an_equilibrium_do_not_fail() -> None:
    """Below its tolerances an integrator does not see that the parameters leave the equilibrium."""
    from scipy.integrate import odeint

    times = np.concatenate([[0.0], np.linspace(0.2, 3.0, 4)])

    def rates(y: Any, _t: float, p: Any) -> Any:
        return [p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]]

    def f(p: np.ndarray) -> Any:
        return odeint(rates, [2.0, 2.0], times, args=(p,))[1:]

    def sensitivities(z: Any, t: float, p: Any) -> Any:
        y, s = z[:2], z[2:].reshape(2, 4)
        by_y = np.array([[p[0] - p[1] * y[1], -p[1] * y[0]], [p[3] * y[1], -p[2] + p[3] * y[0]]])
        by_p = np.array([[y[0], -y[0] * y[1], 0, 0], [0, 0, -y[1], y[0] * y[1]]])
        return np.concatenate([rates(y, t, p), (by_y @ s + by_p).ravel()])

    def jacobian(p: np.ndarray) -> np.ndarray:
        start = np.concatenate([[2.0, 2.0], np.zeros(8)])
        return odeint(sensitivities, start, times, args=(p,))[1:, 2:].reshape(4, 2, 4)  # type: ignore[no-any-return]

    result = check(f, np.array([2.0, 1.0, 3.0, 1.5]), grad=jacobian)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert codes(result) == ["GC202", "GC207"]


def test_truth_values_are_numbers_in_a_derivative() -> None:
    x = np.array([-1.0, 2.0, 3.0])
    result = check(lambda v: v * (v > 0), x, grad=lambda v: v > 0)
    assert result.verdict is Verdict.PASS
    assert check(lambda v: v * (v > 0), x, grad=lambda v: v < 0).verdict is Verdict.FAIL


def test_rounding_between_calls_is_no_state() -> None:
    w = np.random.default_rng(0).normal(size=2000)
    w -= w.mean() - 1e-8
    calls = []

    def df(x: np.ndarray) -> np.ndarray:
        calls.append(x)  # as threads may, it sums in another order each time
        return 2 * x * np.sum(np.roll(w, 37 * len(calls)))

    result = check(lambda x: np.sum(w) * np.sum(x**2), np.array([1.0, 2.0]), grad=df)
    assert result.verdict is Verdict.PASS
    assert not result.findings


def test_a_complex_step_tells_what_differences_cannot_see() -> None:
    """Beside a value of 1e12 differences know three digits of a slope; a complex step all of them."""
    x = np.array([0.3, -0.7, 1.2])
    right = check(lambda v: 1e12 + np.sum(np.sin(v)), x, grad=np.cos, autodiff=False)
    assert right.verdict is Verdict.PASS
    assert {e.note for e in right.entries} == {"confirmed by a complex step"}
    wrong = check(lambda v: 1e12 + np.sum(np.sin(v)), x, grad=lambda v: np.cos(v) * (1 + 1e-4))
    assert wrong.verdict is Verdict.FAIL
    assert {e.note for e in wrong.entries} == {"autodiff agrees with a complex step"}
    # By itself it calls nothing wrong: code that takes real parts fools it.
    alone = check(lambda v: 1e12 + np.sum(np.sin(v)), x, grad=lambda v: np.cos(v) * (1 + 1e-4), autodiff=False)
    assert alone.verdict is Verdict.INCONCLUSIVE


def test_two_witnesses_need_no_third_bar() -> None:
    """A textbook variance loses half the digits; autodiff and the measurement agree, and the third is wrong."""
    x = 1e3 + np.random.default_rng(3).normal(size=8)

    def variance(v: np.ndarray) -> Any:
        return np.mean(v * v) - np.abs(np.mean(v)) ** 2  # np.abs keeps complex steps out

    result = check(variance, x, grad=lambda v: 2 * (v - v.mean()) / v.size * (1 + 2e-6))
    assert result.verdict is Verdict.FAIL
    assert check(variance, x, grad=lambda v: 2 * (v - v.mean()) / v.size).verdict is Verdict.PASS


def test_memory_that_is_shared_is_named() -> None:
    x = np.array([1.0, 2.0])
    assert codes(check(lambda v: v[::-1], x, grad=lambda v: np.eye(2)[::-1])) == ["GC313"]
    buffer = np.empty(2)

    def df(v: np.ndarray) -> np.ndarray:
        buffer[:] = 2 * v
        return buffer

    result = check(lambda v: np.sum(v**2), x, grad=df)
    assert (result.verdict, codes(result)) == (Verdict.PASS, ["GC314"])
    assert "df returns the same array" in result.findings[0].message


def test_an_asymmetric_hessian_is_named() -> None:
    def wrong(x: np.ndarray) -> np.ndarray:
        h = rosen_hess(x)
        h[1, 2] *= 1.5
        return h

    result = check(rosen, np.array([1.3, 0.7, 0.8, 1.9]), grad=wrong, order=2)
    [finding] = [f for f in result.findings if f.code == "GC108"]
    assert "d2f/dx[1]dx[2] is -420 and d2f/dx[2]dx[1] is -280" in finding.message
    assert not check(rosen, np.array([1.3, 0.7, 0.8, 1.9]), grad=rosen_hess, order=2).findings


def test_a_budget_is_kept_and_reported() -> None:
    x = np.linspace(1.0, 2.0, 50)
    result = check(lambda v: np.sum(v**3), x, grad=lambda v: 3 * v**2, budget=40)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.evaluations == 40
    decided = [e for e in result.entries if e.verdict is Verdict.PASS]
    assert 10 < len(decided) < 20
    assert {e.note for e in result.entries if e not in decided} == {"the budget was spent"}
    [finding] = result.findings
    assert finding.code == "GC208"
    assert f"{50 - len(decided)} of 50 entries were not decided" in finding.message
    wrong = check(lambda v: np.sum(v**3), x, grad=lambda v: 3.1 * v**2, budget=40)
    assert wrong.verdict is Verdict.FAIL
    assert check(lambda v: np.sum(v**3), x, grad=lambda v: 3 * v**2, budget="1min").verdict is Verdict.PASS


def test_points_beyond_the_budget_are_counted() -> None:
    points = [Point((1.0 + k,)) for k in range(4)]
    result = check_points(lambda v: v**3, points, grad=lambda v: 3 * v**2, budget=8)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert {f.code for f in result.findings} == {"GC208"}
    assert any(f.message.endswith(" points were not checked") for f in result.findings)
    assert {e.point for e in result.entries} < {0, 1, 2, 3}
    assert error(square, 2.0, grad=lambda x: 2 * x, budget="soon").code == "GC020"


def test_a_gradient_for_symmetric_matrices_is_right_where_one_triangle_is_read() -> None:
    a = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 0.7]])

    def largest(m: np.ndarray) -> Any:
        return np.linalg.eigvalsh(m)[-1]

    def outer(m: np.ndarray) -> np.ndarray:
        v = np.linalg.eigh(m)[1][:, -1]
        return np.outer(v, v)

    result = check(largest, a, grad=outer)
    assert (result.verdict, codes(result)) == (Verdict.PASS, ["GC315"])
    assert check(largest, a, grad=lambda m: 2 * outer(m)).verdict is Verdict.FAIL
    assert check(largest, a + np.eye(3, k=1), grad=outer).verdict is Verdict.FAIL  # no symmetric matrix


def test_what_is_beside_a_kink_is_looked_at() -> None:
    x = np.array([0.0, 1.0])

    def relu(v: np.ndarray) -> Any:
        return np.sum(np.maximum(v, 0.0))

    right = check(relu, x, grad=lambda v: (v > 0) * 1.0)
    assert right.verdict is Verdict.INCONCLUSIVE
    [finding] = right.findings
    assert (finding.code, finding.hint) == ("GC201", "beside it, on both sides, the derivative is right")
    assert right.entries[0].note.endswith("the derivative is the left one")
    # Right at the kink and above it, wrong below.
    wrong = check(relu, x, grad=lambda v: (v >= 0) * 1.0 - 0.5 * (v < 0))
    assert wrong.verdict is Verdict.FAIL
    assert codes(wrong) == ["GC201", "GC101"]
    assert "beside the kink, at v=[-0.000" in wrong.findings[1].message
    assert wrong.findings[1].message.endswith("df/dv[0] is wrong: -0.5, where 0 was measured")


def test_a_derivative_cached_at_another_point() -> None:
    a = np.array([[1.0, 0.5], [0.2, 2.0]])
    cached = 3 * np.array([0.4, 0.9]) ** 2
    result = check(lambda x: np.sum(x**3), np.array([1.0, 2.0]), grad=lambda x: cached)
    assert "GC109" in codes(result)
    # A wrong derivative of a function whose derivative is constant is no cache.
    assert "GC109" not in codes(check(lambda x: np.sum(a @ x), np.array([1.0, 2.0]), grad=lambda x: a[0]))


def test_a_staircase_fails_nothing() -> None:
    """A root by bisection moves in steps of its tolerance; no short difference sees its slope."""

    def root(x: float) -> float:
        low, high = 0.0, 2.0
        while high - low > 1e-9:
            middle = 0.5 * (low + high)
            low, high = (middle, high) if middle**3 + middle < x else (low, middle)
        return low

    def slope(x: float) -> float:
        return 1 / (3 * root(x) ** 2 + 1)

    for autodiff in (True, False):
        assert check(root, 1.3, grad=slope, autodiff=autodiff).verdict is not Verdict.FAIL


def test_zeros_beside_a_large_value_do_not_pass() -> None:
    x = np.array([0.3, -0.4, 1.1])
    result = check(lambda v: 1e10 + np.sum(np.sin(np.abs(v))), x, grad=lambda v: 0 * v, autodiff=False)
    assert result.verdict is not Verdict.PASS


def test_a_rounded_value_is_decided_by_the_measurement() -> None:
    x = np.array([0.3, -0.4, 1.1])
    result = check(lambda v: np.round(np.sum(np.sin(v)), 10), x, grad=np.cos)
    assert result.verdict is not Verdict.FAIL
    assert [e.verdict for e in result.entries] == [
        e.verdict for e in check(lambda v: np.round(np.sum(np.sin(v)), 10), x, grad=np.cos, autodiff=False).entries
    ]


def test_an_output_that_is_zero_but_for_rounding_does_not_fail() -> None:
    def f(q: np.ndarray) -> np.ndarray:
        return np.array([np.sin(q[0]) * np.cos(q[1]), np.cos(np.pi / 2) * q[0]])

    def df(q: np.ndarray) -> np.ndarray:
        return np.array([[np.cos(q[0]) * np.cos(q[1]), -np.sin(q[0]) * np.sin(q[1])], [0.0, 0.0]])

    result = check(f, np.array([0.3, 0.5]), grad=df)
    assert (result.verdict, codes(result)) == (Verdict.INCONCLUSIVE, ["GC209"])
    # Alone it is an output like any other.
    assert check(lambda q: f(q)[1], np.array([0.3, 0.5]), grad=lambda q: df(q)[1]).verdict is Verdict.FAIL


def test_the_derivative_of_what_depends_on_nothing_is_zero() -> None:
    x = np.array([1.0, 2.0])
    constant = check(lambda v: np.ones_like(v), x, grad=lambda v: np.zeros((2, 2)))
    assert (constant.verdict, codes(constant)) == (Verdict.PASS, ["GC312"])
    # Here it is zero at the point only, and may be anything elsewhere.
    clipped = check(lambda v: np.sum(np.minimum(v, 0.0) ** 2), x, grad=lambda v: 0 * v)
    assert (clipped.verdict, codes(clipped)) == (Verdict.INCONCLUSIVE, ["GC206"])


def tridiagonal(x: np.ndarray) -> np.ndarray:
    y = x**2
    y[1:] += np.sin(x[:-1])
    y[:-1] -= x[1:] ** 3
    return y


def bands(x: np.ndarray) -> np.ndarray:
    return np.diag(2 * x) + np.diag(np.cos(x[:-1]), -1) - np.diag(3 * x[1:] ** 2, 1)


def test_columns_that_share_no_output_are_measured_together() -> None:
    x = np.random.default_rng(5).normal(size=60)
    for autodiff in (True, False):
        right = check(tridiagonal, x, grad=bands, autodiff=autodiff)
        assert right.verdict is Verdict.PASS
        assert len(right.entries) == 3600
        assert right.evaluations < 100
        exact = bands(x)
        for e in right.entries:
            assert e.measured is not None
            assert e.error is not None
            assert abs(e.measured - exact[e.output + e.index]) <= e.error + 1e-9 * abs(exact[e.output + e.index])


@pytest.mark.parametrize("autodiff", [True, False])
def test_wrong_entries_of_a_sparse_jacobian_are_found(autodiff: bool) -> None:
    x = np.random.default_rng(5).normal(size=60)

    def wrong(v: np.ndarray, row: int, column: int, value: float) -> np.ndarray:
        j = bands(v)
        j[row, column] = value
        return j

    for place in ((10, 11), (20, 20), (40, 17)):  # in the band, on the diagonal, and where nothing is
        result = check(tridiagonal, x, grad=lambda v, p=place: wrong(v, *p, 0.7), autodiff=autodiff)
        assert [e.output + e.index for e in result.entries if e.verdict is Verdict.FAIL] == [place]
    forgotten = check(tridiagonal, x, grad=lambda v: wrong(v, 30, 31, 0.0), autodiff=autodiff)
    assert [e.output + e.index for e in forgotten.entries if e.verdict is Verdict.FAIL] == [(30, 31)]


def test_a_direction_along_which_all_cancels_costs_no_more_than_others() -> None:
    """Two evaluations a line, also where the slope along a random direction happens to be small."""
    rng = np.random.default_rng(0)
    c, x = rng.uniform(0.5, 1.5, 1000), np.random.default_rng(1).uniform(-1.0, 1.0, 1000)
    for seed in range(6):
        result = check(lambda x: np.sum(c * np.sin(x)), x, grad=lambda x: c * np.cos(x), seed=seed)
        assert result.verdict is Verdict.PASS
        assert result.evaluations <= 60, seed


def test_a_slight_error_in_one_of_many_is_found_without_autodiff() -> None:
    """Less than one difference along a direction shows: 1e-5 of one of a thousand."""
    rng = np.random.default_rng(3)
    a, x = rng.normal(size=(50, 1000)), 0.1 * rng.normal(size=1000)

    def f(w: np.ndarray) -> Any:
        return np.sum(np.log1p(np.exp(a @ w))) + 0.5 * np.sum(w**2)

    def df(w: np.ndarray) -> np.ndarray:
        g = a.T @ (1 / (1 + np.exp(-(a @ w)))) + w
        g[645] *= 1 + 1e-5
        return g

    result = check(f, x, grad=df, autodiff=False)
    assert [e.index for e in result.located if e.verdict is Verdict.FAIL] == [(645,)]


class Remembers:
    """What scientists write for SciPy: value and gradient in one pass, kept for the last argument."""

    def __init__(self) -> None:
        self.x: Any = None

    def at(self, x: np.ndarray) -> None:
        if self.x is None or not np.array_equal(x, self.x):
            self.x = np.array(x)
            self.value = np.sum(np.sin(x) * x)
            self.slope = np.cos(x) * x + np.sin(x)

    def fun(self, x: np.ndarray) -> Any:
        self.at(x)
        return self.value

    def jac(self, x: np.ndarray) -> Any:
        self.at(x)
        return self.slope

    def wrong(self, x: np.ndarray) -> Any:
        return self.jac(x) * [1.0, 1.0, 1.01]


def test_a_function_that_keeps_its_last_argument() -> None:
    model, x = Remembers(), np.array([0.3, 0.7, 1.1])
    right = check(model.fun, x, grad=model.jac)
    assert (right.verdict, codes(right)) == (Verdict.PASS, [])
    assert right.entries[0].autodiff == pytest.approx(float(model.jac(x)[0]))
    assert check(model.fun, x, grad=model.wrong).verdict is Verdict.FAIL
    assert check(model.fun, x).verdict is Verdict.PASS


def payoff(k: Any) -> Any:
    s = np.linspace(0, 3, 2001)
    return np.trapezoid(np.maximum(s - k, 0) * np.exp(-s), s)


def payoff_grad(k: Any) -> Any:
    s = np.linspace(0, 3, 2001)
    return -np.trapezoid((s > k) * np.exp(-s), s)


def test_a_one_sided_derivative_is_not_outside_the_slopes() -> None:
    """The slopes at a kink are known to a few digits only where other kinks are near."""
    for k in (0.579, 0.552, 1.056):
        result = check(payoff, k, grad=payoff_grad)
        assert result.verdict is Verdict.INCONCLUSIVE
        assert codes(result) == ["GC201"]
    a = np.random.default_rng(0).normal(size=(6, 4))
    b = np.random.default_rng(1).normal(size=6)
    for lam in (1e-4, 1e-2, 0.1, 1.0):

        def lasso(w: np.ndarray, lam: float = lam) -> Any:
            return 0.5 * np.sum((a @ w - b) ** 2) + lam * np.sum(np.abs(w))

        def subgradient(w: np.ndarray, lam: float = lam) -> np.ndarray:
            return a.T @ (a @ w - b) + lam * np.where(w >= 0, 1.0, -1.0)

        result = check(lasso, np.zeros(4), grad=subgradient)
        assert result.verdict is Verdict.INCONCLUSIVE, lam
        assert {e.note.partition(":")[0] for e in result.entries} == {"kink"}


def test_two_derivatives_that_agree_do_not_fail_by_little() -> None:
    from scipy.integrate import quad

    def f(k: float) -> Any:
        return quad(lambda s: max(s - k, 0) * np.exp(-s), 0, 5)[0]

    assert check(f, 0.579, grad=lambda k: -(np.exp(-k) - np.exp(-5))).verdict is not Verdict.FAIL
    wrong = check(f, 0.579, grad=lambda k: -1.01 * (np.exp(-k) - np.exp(-5)))
    assert wrong.verdict is Verdict.FAIL


def test_a_symmetric_matrix_stays_symmetric_beside_a_kink() -> None:
    def outer(m: np.ndarray) -> np.ndarray:
        v = np.linalg.eigh(m)[1][:, -1]
        return np.outer(v, v)

    assert check(lambda m: np.linalg.eigvalsh(m)[-1], np.eye(3), grad=outer).verdict is Verdict.INCONCLUSIVE


def test_a_constant_entry_has_no_jump_and_infinities_are_equal() -> None:
    def threshold(x: np.ndarray) -> np.ndarray:
        return np.sign(x) * np.maximum(np.abs(x) - 0.5, 0.0)

    result = check(threshold, np.array([0.5, 0.1, 2.0]), grad=lambda x: np.diag((np.abs(x) > 0.5) * 1.0))
    assert [e.output + e.index for e in result.entries if e.verdict is not Verdict.PASS] == [(0, 0)]

    def entropy(p: np.ndarray) -> Any:
        return np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0))

    with np.errstate(all="ignore"):
        edge = check(entropy, np.array([0.0, 0.5]), grad=lambda p: 1 + np.log(p))
    assert "disagree" not in edge.entries[0].note


def test_a_hessian_at_a_kink_of_the_gradient_does_not_fail() -> None:
    def huber(x: np.ndarray) -> Any:
        return np.sum(np.where(np.abs(x) < 1, 0.5 * x**2, np.abs(x) - 0.5))

    result = check(huber, np.array([1.0, 0.5, 2.0]), grad=lambda x: np.diag((np.abs(x) < 1) * 1.0), order=2)
    assert result.verdict is Verdict.INCONCLUSIVE
