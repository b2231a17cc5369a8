"""The notation of --at, and the points that are found for functions that come without one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck.check.notation import write_value, write_values
from gradcheck.check.result import Point
from gradcheck.points import (
    argument_position,
    find,
    is_differentiable,
    parse_shapes,
    read_at,
)
from gradcheck.request import Request
from gradcheck.search import NoPointError
from gradcheck.targets import Target, resolve, taken_by
from gradcheck.values import PointError, parse_values, read_file

NAMES = ["x", "t", "n"]


def target(function: Callable[..., Any]) -> Target:
    parameters, variadic, called = taken_by(function)
    return Target("m:f", called, function.__name__, sys.modules[__name__], parameters, variadic, owner=None)


def search(function: Callable[..., Any], argnum: int = 0, **options: Any) -> list[Point]:
    return find(Request(target(function), argnum, **options))


# values as text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", {"x": 1.5}),
        ("x=-2", {"x": -2}),
        ("[1, 2]", {"x": [1.0, 2.0]}),
        ("x = [[1, 2], [3, 4]] ; t = 0.5;", {"x": [[1.0, 2.0], [3.0, 4.0]], "t": 0.5}),
        ("n=3; x=zeros((2, 3))", {"n": 3, "x": np.zeros((2, 3))}),
        ("np.ones(2); linspace(0, 1, 3)", {"x": [1.0, 1.0], "t": [0.0, 0.5, 1.0]}),
        ("2*pi*ones(2)", {"x": [2 * np.pi] * 2}),
        ("[1, 2]/2 + 1", {"x": [1.5, 2.0]}),
        ("-[1, 2]**2", {"x": [-1.0, -4.0]}),
        ("[inf, -inf, 1e-3]", {"x": [np.inf, -np.inf, 1e-3]}),
        ("sqrt(2)", {"x": np.sqrt(2)}),
        ("(1, 2)", {"x": (1, 2)}),
        ("x='a;b'", {"x": "a;b"}),
        ("None; True", {"x": None, "t": True}),
        ("{'a': [1], 'b': 2}", {"x": {"a": [1.0], "b": 2}}),
        ("x==1", None),
        ("9**9**9", None),
    ],
)
def test_notation(text: str, expected: dict[str, Any] | None) -> None:
    if expected is None:
        with pytest.raises(PointError):
            parse_values(text, NAMES)
        return
    values = parse_values(text, NAMES)
    assert list(values) == list(expected)
    for name, value in expected.items():
        assert np.array_equal(np.asarray(values[name], object), np.asarray(value, object)), name
        assert isinstance(values[name], np.ndarray) == isinstance(value, list | np.ndarray)


def test_integers_stay_in_array_and_become_floats_in_lists() -> None:
    values = parse_values("[1, 2]; array([1, 2]); array([1, 2], dtype=float32)", NAMES)
    assert [value.dtype.name for value in values.values()] == ["float64", "int64", "float32"]


def test_random_values_follow_the_seed() -> None:
    first, again, other = (parse_values("randn(3); uniform(2, 3, 4)", NAMES, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])
    assert first["t"].shape == (4,)
    assert np.all((first["t"] >= 2) & (first["t"] <= 3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--at is empty"),
        ("y=1", "no parameter 'y' (column 1)"),
        ("x=1; x=2", "gives 'x' twice"),
        ("1; 2; 3; 4", "more values than the function has parameters (3)"),
        ("x=[1, foo]", "'foo' is not known here (column 7 of 'x=[1, foo]')"),
        ("t=1; x=[1, 2", "this is not a value"),
        ("1, 2", "use ';' between arguments"),
        ("[[1, 2], [3]]", "differ in length"),
        ("['a']", "not a list of numbers"),
        ("__import__('os').system('true')", "not allowed here"),
        ("open('f')", "'open' is not known here"),
        ("().__class__", "not allowed here"),
        ("[i for i in range(3)]", "not allowed here"),
        ("lambda: 1", "not allowed here"),
        ("np.load('f')", "'load' is not known here"),
        ("np.lib.stride('f')", "not allowed here"),
        ("zeros(-1)", "ValueError: negative dimensions"),
        ("1/0", "ZeroDivisionError"),
        ("zeros(2, dtype=object)", "dtype 'object' is not one of"),
        ("f(**{})", "not allowed here"),
        ("@data.pkl", "its name must end in"),
    ],
)
def test_notation_mistakes(text: str, message: str) -> None:
    with pytest.raises(PointError) as caught:
        parse_values(text, NAMES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_misspelt_names_are_suggested() -> None:
    with pytest.raises(PointError) as caught:
        parse_values("x=zeroes(3)", NAMES)
    assert caught.value.hint == "did you mean 'zeros'?"
    with pytest.raises(PointError) as caught:
        parse_values("thta=1", ["theta"])
    assert caught.value.hint == "did you mean 'theta'?"


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        -1e-300,
        float("inf"),
        3,
        True,
        None,
        "text",
        (1, 2.5),
        (3,),
        2 + 1j,
        np.array([0.1, 1 / 3, np.nan]),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([1, 2, 3]),
        np.array([1.5, 2.5], np.float32),
        np.array([True, False]),
        np.array(0.25),
        np.zeros((0, 3)),
        np.array([1 + 2j]),
    ],
)
def test_what_is_written_reads_back(value: Any) -> None:
    text = write_values({"x": value})
    assert text is not None
    back = parse_values(text, NAMES)["x"]
    assert np.array_equal(back, value, equal_nan=isinstance(value, np.ndarray))
    assert np.shape(back) == np.shape(value)
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype


def test_what_cannot_be_written() -> None:
    assert write_value(np.zeros(1000)) is None
    assert write_value(object()) is None
    assert write_values({"x": 1.0, "y": object()}) is None


# files


def test_files(tmp_path: Path) -> None:
    x, t = np.array([1.5, 2.5]), np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "named.npz", t=t, x=x)
    np.savez(tmp_path / "numbered.npz", x, t)
    (tmp_path / "named.json").write_text(json.dumps({"x": [1.5, 2.5], "n": 3}))
    (tmp_path / "bare.json").write_text("[1.5, 2.5]")
    (tmp_path / "bare.csv").write_text("1.5\n2.5\n")
    (tmp_path / "named.csv").write_text("x,t\n1.5,0\n2.5,1\n")
    for name in ("x.npy", "named.npz", "numbered.npz", "named.json", "bare.json", "bare.csv", "named.csv"):
        assert np.array_equal(read_file(str(tmp_path / name), NAMES)["x"], x), name
    assert np.array_equal(read_file(str(tmp_path / "named.npz"), NAMES)["t"], t)
    assert read_file(str(tmp_path / "named.json"), NAMES)["n"] == 3
    both = parse_values(f"t=4; x=@{tmp_path / 'x.npy'}", NAMES)
    assert both["t"] == 4
    assert np.array_equal(both["x"], x)


def test_files_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(PointError, match=r"cannot be read as \.npy"):
        read_file(str(tmp_path / "o.npy"), NAMES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "cannot be read as .json"),
        ("a.json", '{"y": 1}', "a value for 'y', which the function does not take"),
        ("a.csv", "1,2\n3\n", "cannot be read as .csv"),
        ("a.npz", "no", "cannot be read as .npz"),
        ("none/a.npy", None, "No such file"),
    ],
)
def test_file_mistakes(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(PointError, match=message) as caught:
        read_file(str(tmp_path / name), NAMES)
    assert "\n" not in str(caught.value)


def test_point_from_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "makers.py").write_text(
        "def as_tuple(): return [1.0, 2.0], 3\ndef as_dict(): return {'b': 4.0}\ndef alone(): return 5.0\n"
        "def wrong(): return {'z': 1}\ndef fails(): raise ValueError('no data')\n"
    )

    def f(a: float, b: float) -> float:
        return a + b

    spec = f"{tmp_path}/makers.py"
    values = read_at(f"{spec}:as_tuple", target(f), 0)
    assert np.array_equal(values["a"], np.array([1.0, 2.0]))
    assert values["b"] == 3
    assert read_at(f"{spec}:as_dict", target(f), 0) == {"b": 4.0}
    assert read_at(f"{spec}:alone", target(f), 0) == {"a": 5.0}
    with pytest.raises(PointError, match="a value for 'z'"):
        read_at(f"{spec}:wrong", target(f), 0)
    with pytest.raises(PointError, match="it raised ValueError: no data"):
        read_at(f"{spec}:fails", target(f), 0)


# the checked argument


def test_argument_position() -> None:
    def f(alpha: float, beta: float) -> float:
        return alpha * beta

    assert [argument_position(text, target(f)) for text in ("0", "1", "-1", "beta")] == [0, 1, 1, 1]
    for text, hint in (("2", "takes 2 arguments (alpha, beta)"), ("bta", "did you mean 'beta'?")):
        with pytest.raises(PointError) as caught:
            argument_position(text, target(f))
        assert hint in str(caught.value)
        assert caught.value.code == "GC007"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, True),
        (np.ones(2), True),
        ([1.0], True),
        (1, False),
        (True, False),
        (None, False),
        ("a", False),
        (np.arange(3), False),
    ],
)
def test_is_differentiable(value: Any, expected: bool) -> None:
    assert is_differentiable(value) is expected


def test_shapes() -> None:
    def f(x: float, t: float) -> float:
        return x + t

    assert parse_shapes(["x=(3, 2); t=()"], target(f)) == {"x": (3, 2), "t": ()}
    assert parse_shapes(["3", "t=[2]"], target(f)) == {"x": (3,), "t": (2,)}
    for text in ("x=2.5", "x='a'", "x=-1"):
        with pytest.raises(PointError, match="is not a shape"):
            parse_shapes([text], target(f))


# given points


def test_defaults_are_one_point() -> None:
    def f(x: Any = (1, 2), n: int = 3) -> float:
        return float(np.sum(np.asarray(x) ** n))

    (point,) = search(f)
    assert np.array_equal(point.args[0], [1.0, 2.0])
    assert (len(point.args), point.how, point.seed) == (1, "defaults of the parameters", None)


def test_more_points_lie_near_the_defaults() -> None:
    def f(x: float = 2.0) -> float:
        return x

    points = search(f, count=3)
    assert [point.args[0] for point in points[:1]] == [2.0]
    assert all(1.8 <= point.args[0] <= 2.2 for point in points)
    assert len({point.args[0] for point in points}) == 3


def test_given_values_are_completed() -> None:
    def f(x: Any, t: Any, n: int = 2) -> Any:
        return np.dot(x, t) * n

    (point,) = search(f, known={"x": np.array([1.0, 2.0])}, known_text="x=[1, 2]", count=1)
    assert np.array_equal(point.args[0], [1.0, 2.0])
    assert np.ndim(point.args[1]) == 0 or np.shape(point.args[1]) == (2,)


def test_the_checked_argument_becomes_float() -> None:
    def f(x: Any) -> Any:
        return x

    for given in (2, [1, 2], (1, 2), np.array([1, 2])):
        (point,) = search(f, known={"x": given})
        assert np.asarray(point.args[0]).dtype == np.float64
    for wrong in (True, "a", None, {"a": 1.0}):
        with pytest.raises(PointError, match="cannot differentiate"):
            search(f, known={"x": wrong})


def test_no_arguments() -> None:
    with pytest.raises(PointError, match="takes no arguments"):
        search(lambda: 1.0)


# searched points


def shapes(points: list[Point]) -> tuple[tuple[int, ...], ...]:
    return tuple(np.shape(value) for value in points[0].args)


def dot_exp(x: Any, t: Any) -> Any:
    return np.dot(x, t) + np.exp(np.dot(x, t))


def regression(w: Any, X: Any, y: Any) -> Any:
    return np.mean(np.log1p(np.exp(-y * np.dot(X, w))))


def regression_data_first(X: Any, y: Any, w: Any) -> Any:
    return np.mean((X @ w - y) ** 2)


def network(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, y: Any) -> Any:
    return np.mean((np.tanh(X @ W1 + b1) @ W2 + b2 - y) ** 2)


def softmax(x: Any) -> Any:
    return np.exp(x) / np.sum(np.exp(x))


def seven(p: Any) -> Any:
    a, b, c, d, e, f, g = p
    return a * b + c * d + e * f * g


def reshaped(p: Any) -> Any:
    return np.linalg.det(p.reshape(3, 3))


def far_index(x: Any) -> Any:
    return x[0] * x[6]


def cholesky(A: Any) -> Any:
    return np.sum(np.log(np.diag(np.linalg.cholesky(A))))


def cross_entropy(W: Any, X: Any, labels: Any) -> Any:
    z = X @ W
    z = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -z[np.arange(len(labels)), labels].mean()


def power_sum(x: Any, n: Any) -> Any:
    return sum(np.sum(x**k) for k in range(n))


def black_scholes(S: Any, K: Any, T: Any, r: Any, sigma: Any) -> Any:
    d1 = (np.log(S / K) + (r + 0.5 * sigma**2) * T) / (sigma * np.sqrt(T))
    return S * d1 - K * np.exp(-r * T)


def annotated(x: float, n: int) -> float:
    return x**n


def annotated_array(x: np.ndarray) -> Any:
    return x**2


def only_scalar(x: Any) -> Any:
    import math

    return math.gamma(x)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (dot_exp, ((3,), (3,))),
        (regression, ((3,), (4, 3), (4,))),
        (regression_data_first, ((4, 3), (4,), (3,))),
        (softmax, ((3,),)),
        (seven, ((7,),)),
        (reshaped, ((9,),)),
        (far_index, ((7,),)),
        (cholesky, ((3, 3),)),
        (power_sum, ((3,), ())),
        (black_scholes, ((), (), (), (), ())),
        (annotated, ((), ())),
        (annotated_array, ((3,),)),
        (only_scalar, ((),)),
        (lambda x: x**2, ((),)),
        (lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2, ((), ())),
        (lambda x: np.sum(x**2), ((3,),)),
    ],
)
def test_trial_shapes(function: Callable[..., Any], expected: tuple[tuple[int, ...], ...]) -> None:
    points = search(function)
    assert shapes(points) == expected
    assert len(points) == 5
    assert "trial shapes" in points[0].how
    for point in points:
        assert np.all(np.isfinite(function(*point.args)))


def test_networks_and_labels_are_found() -> None:
    for function in (network, cross_entropy):
        (point,) = search(function, count=1)
        assert np.ndim(function(*point.args)) == 0


def test_points_differ_are_generic_and_repeat_with_the_seed() -> None:
    points, again, other = search(dot_exp), search(dot_exp), search(dot_exp, seed=1)
    assert [point.text for point in points] == [point.text for point in again]
    assert points[0].text != other[0].text
    assert len({point.text for point in points}) == 5
    numbers = np.concatenate([np.ravel(value) for point in points for value in point.args])
    assert np.all(np.abs(numbers) > 0.01)
    assert np.all(np.abs(np.abs(numbers) - 1.0) > 0.01)
    assert np.any(numbers < 0)


def test_the_text_of_a_point_makes_the_same_point() -> None:
    for point in search(regression):
        assert point.text is not None
        values = parse_values(point.text, ["w", "X", "y"])
        assert all(np.array_equal(a, b) for a, b in zip(values.values(), point.args, strict=True))


@pytest.mark.parametrize(
    "function",
    [
        np.arccos,
        np.arccosh,
        lambda x: np.sum(np.log(x)),
        lambda x: np.sum(np.sqrt(x - 2.5)),
        lambda x: np.sqrt(-x),
    ],
)
def test_points_move_into_the_domain(function: Callable[..., Any]) -> None:
    for point in search(function):
        assert np.all(np.isfinite(function(*point.args)))


def test_shape_option_is_kept() -> None:
    points = search(lambda x, t: np.sum(x) * np.sum(t), shapes={"x": (2, 5)})
    assert shapes(points)[0] == (2, 5)


def test_a_derivative_has_to_run_and_fit() -> None:
    def only_vectors(x: Any) -> Any:
        return np.diag(2 * x)

    assert shapes(search(lambda x: x**2, derivative=only_vectors)) == ((3,),)
    assert shapes(search(lambda x: x**2, derivative=lambda x: 2 * x)) == ((),)


def test_functions_that_damage_print_or_warn_leave_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print("noise")
        x[0] = np.log(-1.0)
        return np.sum(x[1:] ** 2)

    points = search(f)
    assert np.all(np.isfinite(points[0].args[0]))
    assert capsys.readouterr().out == ""


def boom(x: Any) -> Any:
    raise RuntimeError("boom")


def leaves(x: Any) -> Any:
    sys.exit(0)


def forgets(x: Any) -> Any:
    np.sum(x)


def counts(n: Any) -> Any:
    return sum(range(n))


def text(x: Any) -> Any:
    return "abc"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (boom, "boom raised RuntimeError: boom, at all"),
        (leaves, "leaves calls sys.exit(0), at all"),
        (forgets, "forgets returned None"),
        (counts, "runs only with an integer n"),
        (text, "returned a str"),
    ],
)
def test_no_point_in_one_line(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(PointError) as caught:
        search(function)
    assert message in caught.value.message
    assert "--at" not in (caught.value.hint or "") or function is boom


def test_no_point_groups_the_attempts() -> None:
    def f(x: Any, callback: Any) -> Any:
        return callback(x)

    with pytest.raises(NoPointError) as caught:
        search(f)
    assert "not callable" in caught.value.details[0]
    assert len(caught.value.details) <= 7
    assert "--at 'x=[0.5, 1.2, 0.8]; callback=0.7'" in (caught.value.hint or "")


def test_keyboard_interrupt_passes() -> None:
    def f(x: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(f)


def test_rosenbrock_is_searched_with_vectors() -> None:
    points = find(Request(resolve("scipy.optimize:rosen"), 0))
    assert shapes(points) == ((3,),)


# defaults that would hide a part of the function


def test_float_defaults_move_from_the_second_point_on() -> None:
    def loss(w: Any, lam: float = 0.0, scale: float = 2.0, n: int = 2, on: bool = True) -> Any:
        return scale * np.sum(w**n) + on * lam * np.sum(w**4)

    first, *others = search(loss)
    assert first.args[1:] == (0.0, 2.0)
    assert "moved" not in first.how
    for point in others:
        _, lam, scale = point.args
        assert 0.1 <= lam <= 0.3
        assert 1.8 <= scale <= 2.2
        assert scale != 2.0
        assert point.how.endswith("; lam, scale moved off the defaults")
        read = read_at(point.text or "", target(loss), 0)
        assert (read["lam"], read["scale"]) == (lam, scale)


def test_only_zeros_are_moved_among_arrays() -> None:
    data = np.array([1.0, 2.0, 4.0])

    def loss(w: Any, shift: Any = np.zeros(3), y: Any = data) -> Any:  # noqa: B008
        return np.sum((w - y) ** 2 * np.exp(shift))

    second = find(Request(target(loss), 0, shapes={"w": (3,)}))[1]
    assert np.all(second.args[1] > 0.0)
    assert len(second.args) == 2


def test_defaults_stay_where_f_does_not_run_beside_them() -> None:
    def cost(w: Any, order: float = 2.0) -> Any:
        return np.sum(np.square(w)) if order == 2.0 else np.nan

    assert {point.args[1] for point in search(cost)} == {2.0}


def test_a_default_of_zero_makes_a_second_point() -> None:
    def cost(x: Any = 1.5, lam: float = 0.0) -> Any:
        return x**2 + lam * x**4

    first, second = search(cost)
    assert first.args == (1.5,) or first.args == (1.5, 0.0)
    assert second.args[1] > 0.0


# f that returns its derivative, too


def residuals(x: Any) -> Any:
    value = np.array([x[0] ** 2 * x[1], 5 * x[0] + np.sin(x[1])])
    return value, np.array([[2 * x[0] * x[1], x[0] ** 2], [5, np.cos(x[1])]])


def five(x: Any) -> Any:
    a, b, c, d, e = x[:5]
    return a * b * c + d * e, np.array([b * c, a * c, a * b, e, d])


@pytest.mark.parametrize("returned", [True, False])
@pytest.mark.parametrize(("function", "shape"), [(residuals, (2,)), (five, (5,))])
def test_a_returned_derivative_tells_the_size(function: Callable[..., Any], shape: Any, returned: bool) -> None:
    assert {np.shape(point.args[0]) for point in search(function, returned=returned)} == {shape}


def test_a_tuple_that_is_no_pair_is_described() -> None:
    with pytest.raises(PointError) as caught:
        search(lambda x: (np.sum(x), 2 * x, np.eye(3)))
    assert "--grad returned" in str(caught.value)


def test_the_checked_default_moves_too() -> None:
    def f(x: Any, y: Any = 0.0) -> Any:
        return np.sum(x) * y + y**2

    first, *others = search(f, 1)
    assert first.args[1] == 0.0
    assert all(point.args[1] != 0.0 for point in others)


@pytest.mark.parametrize(
    ("default", "count"), [(np.zeros(3), 2), (np.ones(3), 2), (1.0, 2), (1.5, 1), (np.array([0.5, 1.0]), 1), (0j, 2)]
)
def test_a_default_that_hides_terms_is_not_the_only_point(default: Any, count: int) -> None:
    def f(x: Any = default) -> Any:
        return np.sum(np.abs(x) ** 2)

    points = search(f)
    assert len(points) == count
    assert all(np.asarray(point.args[0]).dtype == np.asarray(default).dtype for point in points)
    assert not np.array_equal(points[-1].args[0], default) or count == 1
