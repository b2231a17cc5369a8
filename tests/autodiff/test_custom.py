"""Rules of the user's own: primitive, defvjp, defjvp and their kin, in both modes, nested, with containers; their
errors; checkpoints, by value and by memory."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck import AutodiffError, checkpoint, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from gradcheck.extend import (
    def_linear,
    defjvp,
    defjvp_argnum,
    defjvp_argnums,
    defvjp,
    defvjp_argnum,
    defvjp_argnums,
    notrace_primitive,
    primitive,
    recording,
    register_notrace,
)

X = np.array([0.3, -0.7, 1.1])


def opaque(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that refuses anything but plain values, as compiled code would."""

    @functools.wraps(function)
    def strict(*args: Any, **keywords: Any) -> Any:
        for a in args:
            assert type(a) in (float, int, np.ndarray, np.float64, np.float32, str, dict, tuple, list), type(a)
        return function(*args, **keywords)

    return strict


@primitive
@opaque
def sine(x: Any) -> Any:
    return np.sin(x)


defvjp(sine, lambda ans, x: lambda g: g * cosine(x))


@primitive
@opaque
def cosine(x: Any) -> Any:
    return np.cos(x)


defvjp(cosine, lambda ans, x: lambda g: -g * sine(x))


@primitive
@opaque
def scaled(a: Any, b: Any, power: int = 1) -> Any:
    return np.sum(a) * b**power


defvjp(
    scaled,
    lambda ans, a, b, power=1: lambda g: g * b**power * np.ones(np.shape(a)),
    lambda ans, a, b, power=1: lambda g: g * np.sum(a) * power * b ** (power - 1),
)


@primitive
@opaque
def forward_only(x: Any) -> Any:
    return x**3


defjvp(forward_only, lambda t, ans, x: 3.0 * x**2 * t)

EVERY: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "vjp only": (sine, np.sin),
    "jvp only": (forward_only, lambda x: x**3),
    "inside other code": (lambda x: sine(x * x) * np.exp(sine(x)), lambda x: np.sin(x * x) * np.exp(np.sin(x))),
    "two arguments": (lambda x: scaled(x, x[0], power=2) * x, lambda x: np.sum(x) * x[0] ** 2 * x),
}


@pytest.mark.parametrize("name", EVERY)
def test_all_derivatives_are_those_of_the_traced_function(name: str) -> None:
    f, plain = EVERY[name]
    v = np.array([1.0, -0.5, 2.0])
    assert f(X) == pytest.approx(plain(X))
    assert jacobian(f)(X) == pytest.approx(jacobian(plain)(X))
    total, same = (lambda x: np.sum(f(x) ** 2)), (lambda x: np.sum(plain(x) ** 2))
    assert grad(total)(X) == pytest.approx(grad(same)(X))
    assert jvp(f, (X,), (v,))[1] == pytest.approx(jvp(plain, (X,), (v,))[1])
    assert hessian(total)(X) == pytest.approx(hessian(same)(X))
    assert hvp(total)(X, v) == pytest.approx(hvp(same)(X, v))
    twice = lambda h: jvp(lambda x: jvp(h, (x,), (v,))[1], (X,), (v,))[1]  # noqa: E731
    assert twice(total) == pytest.approx(twice(same))
    over = lambda h: grad(lambda x: jvp(h, (x,), (v,))[1])(X)  # noqa: E731
    assert over(total) == pytest.approx(over(same))
    third = lambda h: grad(lambda x: np.sum(hvp(h)(x, v) * v))(X)  # noqa: E731
    assert third(total) == pytest.approx(third(same))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3)], ids=str)
def test_shapes(shape: tuple[int, ...]) -> None:
    x = np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape)
    g = grad(lambda x: np.sum(sine(x)))(x)
    assert isinstance(g, np.ndarray)
    assert g.shape == shape
    assert g == pytest.approx(np.cos(x))
    assert grad(lambda x: np.sum(sine(x.T)))(x) == pytest.approx(np.cos(x))


def test_scalars_and_precision() -> None:
    assert type(grad(sine)(0.3)) is float
    assert grad(grad(sine))(0.3) == pytest.approx(-np.sin(0.3))
    assert grad(lambda x: np.sum(sine(x)))(X.astype(np.float32)).dtype == np.float32
    assert grad(lambda x: np.sum(sine(x)))(X.astype(np.longdouble)).dtype == np.longdouble


def test_none_is_zero_by_nature() -> None:
    f = primitive(lambda x, n: x * float(n))
    defvjp(f, lambda ans, x, n: lambda g: g * n, None)
    assert grad(f, (0, 1))(2.0, 3.0) == (3.0, 0.0)
    defjvp(f, lambda t, ans, x, n: t * n, None)
    assert jvp(f, (2.0, 3.0), (1.0, 1.0))[1] == 3.0


def test_argnums() -> None:
    f = primitive(lambda name, x, y: x * y)
    defvjp(f, lambda ans, name, x, y: lambda g: g * x, argnums=(2,))
    assert grad(f, 2)("n", 2.0, 3.0) == 2.0
    with pytest.raises(AutodiffError, match=r"no vjp for its argument 1.*gradcheck.extend.defvjp\(.*argnums=\(1,\)"):
        grad(f, 1)("n", 2.0, 3.0)
    defvjp(f, lambda ans, name, x, y: lambda g: g * y, argnums=(1,))
    assert grad(f, (1, 2))("n", 2.0, 3.0) == (3.0, 2.0)
    with pytest.raises(AutodiffError, match="2 rules for 1 argnums"):
        defvjp(f, None, None, argnums=(1,))


def test_one_rule_for_all_arguments() -> None:
    total = primitive(lambda *parts, weight=1.0: weight * sum(parts))
    defvjp_argnum(total, lambda k, ans, args, kw: lambda g: kw["weight"] * g * (k + 1) / (k + 1))
    assert grad(total, (0, 2))(1.0, 2.0, 3.0, weight=4.0) == (4.0, 4.0)
    asked = []

    def of_all(argnums: Any, ans: Any, args: Any, kw: Any) -> Any:
        asked.append(tuple(argnums))
        return lambda g: [g * args[1 - k] for k in argnums]

    product = primitive(lambda a, b: a * b)
    defvjp_argnums(product, of_all)
    assert grad(product, (0, 1))(2.0, 3.0) == (3.0, 2.0)
    assert grad(product, 1)(2.0, 3.0) == 2.0
    assert asked == [(0, 1), (1,)]
    defjvp_argnum(product, lambda k, t, ans, args, kw: t * args[1 - k])
    assert jvp(product, (2.0, 3.0), (1.0, 10.0))[1] == 23.0
    defjvp_argnums(product, lambda ks, ts, ans, args, kw: sum(t * args[1 - k] for k, t in zip(ks, ts, strict=True)))
    assert jvp(product, (2.0, 3.0), (1.0, 10.0))[1] == 23.0


def test_linear() -> None:
    A = np.arange(6.0).reshape(2, 3)
    f = primitive(lambda a, x: a @ x)
    defjvp(f, "same", "same")
    assert jvp(f, (A, X), (A, X))[1] == pytest.approx(2 * A @ X)
    assert grad(lambda a, x: np.sum(f(a, x)), (0, 1))(A, X)[1] == pytest.approx(A.sum(0))
    g = primitive(lambda a, x: a @ x)
    def_linear(g)
    assert jvp(g, (A, X), (A, X))[1] == pytest.approx(2 * A @ X)
    assert jacobian(g, 1)(A, X) == pytest.approx(A)


def test_plain_calls_and_wrapping() -> None:
    assert sine(0.5) == np.sin(0.5)
    assert sine.__name__ == "sine"
    assert sine.fun(0.5) == np.sin(0.5)
    assert scaled(np.ones(2), 3.0, power=2) == 18.0

    class Model:
        @primitive
        def energy(self, x: Any) -> Any:
            return x**2

    defvjp(Model.energy, None, lambda ans, self, x: lambda g: 2.0 * g * x)
    assert grad(Model().energy)(3.0) == 6.0
    wrapped = primitive(np.sin)
    defvjp(wrapped, lambda ans, x: lambda g: g * np.cos(x))
    assert grad(wrapped)(0.3) == pytest.approx(np.cos(0.3))


def test_inactive_arguments_need_no_rule() -> None:
    f = primitive(lambda x, w: x * float(np.sum(w)))
    defvjp(f, lambda ans, x, w: lambda g: g * np.sum(w))
    assert grad(lambda x: f(x, np.ones(3)))(2.0) == 3.0
    assert grad(lambda x: f(x, np.zeros(3) + 1.0))(2.0) == 3.0
    assert grad(lambda x: x * f(2.0, np.ones(3)))(2.0) == 6.0
    # An argument of the outer function only: its rule is not needed inside.
    assert grad(lambda y: grad(lambda x: f(x, np.ones(3)) * y)(1.0))(2.0) == 3.0


# -- containers --------------------------------------------------------------------------------------------------------


def test_containers_in_and_out() -> None:
    @primitive
    @opaque
    def layer(params: Any, x: Any) -> Any:
        y = params["w"] @ x + params["b"][0]
        return {"y": y, "norm": float(np.sum(y**2)), "calls": 1}

    def pull(ans: Any, params: Any, x: Any) -> Any:
        return lambda g: {
            "w": np.outer(g["y"] + 2.0 * g["norm"] * ans["y"], x),
            "b": (np.sum(g["y"] + 2.0 * g["norm"] * ans["y"]),),
            "name": "w",
        }

    defvjp(layer, pull, lambda ans, params, x: lambda g: params["w"].T @ (g["y"] + 2.0 * g["norm"] * ans["y"]))

    def plain(params: Any, x: Any) -> Any:
        y = params["w"] @ x + params["b"][0]
        return np.sum(np.sin(y)) + np.sum(y**2)

    def through(params: Any, x: Any) -> Any:
        out = layer(params, x)
        return np.sum(np.sin(out["y"])) + out["norm"] * out["calls"]

    params = {"w": np.arange(6.0).reshape(2, 3) / 5, "b": (0.3,), "name": "w"}
    for k in (0, 1, (0, 1)):
        found, expected = grad(through, k)(params, X), grad(plain, k)(params, X)
        for a, b in zip(_flat(found), _flat(expected), strict=True):
            assert a == pytest.approx(b)
    assert grad(through)(params, X)["name"] == "w"
    tangents = ({"w": params["w"] * 2, "b": (1.0,), "name": "w"}, X)
    assert jvp(through, (params, X), tangents)[1] == pytest.approx(jvp(plain, (params, X), tangents)[1])
    assert hessian(through, 1)(params, X) == pytest.approx(hessian(plain, 1)(params, X))


def _flat(x: Any) -> list[Any]:
    if isinstance(x, dict):
        return [e for k in sorted(x) for e in _flat(x[k])]
    if isinstance(x, tuple):
        return [e for part in x for e in _flat(part)]
    return [] if isinstance(x, str) else [x]


def test_a_pair_as_value_is_pulled_back_once() -> None:
    count = []
    polar = primitive(lambda x, y: (np.hypot(x, y), np.arctan2(y, x)))

    def rule(argnums: Any, ans: Any, args: Any, kw: Any) -> Any:
        (r, _), (x, y) = ans, args

        def pull(g: Any) -> Any:
            count.append(1)
            every = (g[0] * x / r - g[1] * y / r**2, g[0] * y / r + g[1] * x / r**2)
            return [every[k] for k in argnums]

        return pull

    defvjp_argnums(polar, rule)
    f = lambda x, y: (lambda p: p[0] ** 2 + p[1])(polar(x, y))  # noqa: E731
    g = grad(f, (0, 1))(3.0, 4.0)
    assert g == pytest.approx((6.0 - 4 / 25, 8.0 + 3 / 25))
    assert len(count) == 1
    assert hessian(lambda v: f(v[0], v[1]))(np.array([3.0, 4.0])) == pytest.approx(
        hessian(lambda v: v[0] ** 2 + v[1] ** 2 + np.arctan2(v[1], v[0]))(np.array([3.0, 4.0]))
    )


# -- what rules keep ---------------------------------------------------------------------------------------------------


def test_what_a_rule_has_saved_is_not_changed_by_later_writes() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        z = sine(y)
        y[0] = 100.0
        w = sine(z)
        z *= 0.0
        return np.sum(w) + np.sum(z)

    assert grad(f)(X) == pytest.approx(np.cos(np.sin(X)) * np.cos(X))
    assert jvp(f, (X,), (np.ones(3),))[1] == pytest.approx(np.sum(np.cos(np.sin(X)) * np.cos(X)))


def test_arrays_made_inside_function_and_rule() -> None:
    @primitive
    @opaque
    def table(x: Any) -> Any:
        y = np.zeros(3)
        for i in range(3):
            y[i] = x ** (i + 1)
        assert type(y) is np.ndarray
        return y

    def rule(ans: Any, x: Any) -> Any:
        slopes = np.zeros(3)
        for i in range(3):
            slopes[i] = (i + 1) * x**i
        return lambda g: np.sum(g * slopes)

    defvjp(table, rule)
    assert jacobian(table)(2.0) == pytest.approx([1.0, 4.0, 12.0])
    assert jacobian(jacobian(table))(2.0) == pytest.approx([0.0, 2.0, 12.0])
    assert jvp(lambda x: grad(lambda x: np.sum(table(x)))(x), (2.0,), (1.0,))[1] == pytest.approx(14.0)


# -- errors ------------------------------------------------------------------------------------------------------------


def _with(rule: Any) -> Callable[..., Any]:
    f = primitive(lambda x: np.sin(x))
    defvjp(f, lambda ans, x: rule)
    return f


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grad(primitive(lambda x: x))(1.0), "has no vjp for its argument 0"),
        (lambda: jvp(primitive(lambda x: x), (1.0,), (1.0,)), "has no jvp for its argument 0"),
        (lambda: jacobian(_with(lambda g: np.sum(g)))(X), r"the cotangent from the vjp of <lambda> for argument 0 "
         r"\(.*test_custom.py:\d+\) has shape \(\), the argument \(3,\)"),
        (lambda: jacobian(_with(lambda g: None))(X), "is None, not a number"),
        (lambda: jacobian(_with(lambda g: "text"))(X), "is a str, not a number"),
        (lambda: defvjp(np.sin, None), r"sin is not a primitive .*make it one first: sin = primitive\(sin\)"),
        (lambda: defjvp(len, None), "len is not a primitive"),
        (lambda: defvjp(primitive(np.sin), 3), "the rule for argument 0 of sin is 3, not a function"),
        (lambda: defjvp(primitive(np.sin), "sane"), "the rule for argument 0 of sin is 'sane'"),
        (lambda: primitive(np.sin).defvjp(lambda g, ans, vs, gvs, x: g), "before 1.2 is not supported"),
    ],
)  # fmt: skip
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(AutodiffError, match=message):
        call()


def test_a_tangent_of_wrong_shape() -> None:
    f = primitive(lambda x: np.sin(x))
    defjvp(f, lambda t, ans, x: np.sum(t))
    with pytest.raises(AutodiffError, match=r"tangent from the jvp of <lambda> .* has shape \(\), the value \(3,\)"):
        jvp(f, (X,), (X,))


def test_a_traced_value_that_is_no_argument() -> None:
    def f(x: Any) -> Any:
        hidden = primitive(lambda y: y * x)
        defvjp(hidden, lambda ans, y: lambda g: g * 2.0)
        return hidden(x * 1.0)

    with pytest.raises(AutodiffError, match="uses a traced value that is not among its arguments"):
        grad(f)(3.0)
    with pytest.raises(AutodiffError, match="not among its arguments"):
        jvp(f, (3.0,), (1.0,))


def test_a_traced_keyword() -> None:
    with pytest.raises(AutodiffError, match=r"keyword argument 'power' of the primitive scaled .* pass it as one"):
        grad(lambda p: scaled(X, 2.0, power=p))(2.0)
    with pytest.raises(AutodiffError, match="keyword argument 'w'"):
        grad(lambda p: primitive(lambda x, w=None: x)(1.0, w=[p]))(2.0)


# -- without a derivative, and watching --------------------------------------------------------------------------------


def test_no_trace() -> None:
    count = notrace_primitive(lambda x: float(np.count_nonzero(x > 0)))
    assert grad(lambda x: np.sum(x) * count(x))(X) == pytest.approx([2.0, 2.0, 2.0])
    assert jvp(lambda x: np.sum(x) * count(x), (X,), (np.ones(3),))[1] == pytest.approx(6.0)
    f = primitive(lambda x: np.floor(x))
    register_notrace(None, f)
    assert grad(lambda x: x * f(x))(2.5) == 2.0


def test_old_methods() -> None:
    f = primitive(lambda x, y: x * y)
    f.defgrad(lambda ans, x, y: lambda g: g * y)
    f.defgrad(lambda ans, x, y: lambda g: g * x, argnum=1)
    assert grad(f, (0, 1))(2.0, 3.0) == (3.0, 2.0)
    z = primitive(lambda x: 0.0 * x)
    z.defvjp_is_zero([0])
    assert grad(z)(1.0) == 0.0


def test_recording() -> None:
    with recording() as calls:
        grad(lambda x: sine(sine(x)) + sine(2.0))(0.5)
    # A call with plain arguments is none of them.
    assert [(c.rule.name, c.args) for c in calls if c.rule.name == "sine"] == [
        ("sine", (0.5,)),
        ("sine", (np.sin(0.5),)),
    ]
    first = calls[0]
    assert first.rule.name == "sine"
    assert first.ans == np.sin(0.5)
    where = first.rule.where(0)
    assert where is not None
    assert where.file == __file__
    assert "defvjp(sine" in Path(__file__).read_text(encoding="utf-8").splitlines()[where.line - 1]
    assert first.where is not None
    assert first.where.file == __file__
    sine(0.1)
    assert calls[-1].args != (0.1,)


# -- checkpoints -------------------------------------------------------------------------------------------------------


def step(x: Any, w: Any, *, shift: Any = 0.0) -> Any:
    for _ in range(6):
        x = np.sin(w * x**2 + shift)
    return x


def test_checkpoint_derivatives() -> None:
    saved = checkpoint(step)
    assert saved.__name__ == "step"
    f = lambda x, w, s: np.sum(saved(saved(x, w), w, shift=s))  # noqa: E731
    plain = lambda x, w, s: np.sum(step(step(x, w), w, shift=s))  # noqa: E731
    args = (X, np.array([0.9, 1.1, 1.3]), 0.2)
    for k in range(3):
        assert grad(f, k)(*args) == pytest.approx(grad(plain, k)(*args))
    assert hessian(f)(*args) == pytest.approx(hessian(plain)(*args))
    assert jvp(f, args, args)[1] == pytest.approx(jvp(plain, args, args)[1])
    assert hvp(f)(*args, X) == pytest.approx(hvp(plain)(*args, X))
    pairs = checkpoint(lambda p: {"a": p["a"] * p["b"], "b": np.sum(p["a"])})
    g = grad(lambda p: np.sum(pairs(p)["a"]) * pairs(p)["b"])({"a": X, "b": 2.0})
    assert g["b"] == pytest.approx(X.sum() ** 2)
    assert g["a"] == pytest.approx(np.full(3, 4.0 * X.sum()))
    with pytest.raises(AutodiffError, match="not among its arguments"):
        grad(lambda x: np.sum(checkpoint(lambda y: y * x)(x)))(X)


def test_checkpoint_memory() -> None:
    """The peak of the traced memory, not time."""

    def run(f: Callable[..., Any]) -> Callable[[Any], Any]:
        def chain(x: Any) -> Any:
            for _ in range(12):
                x = f(x, 1.1)
            return np.sum(x)

        return chain

    x = np.linspace(0.1, 0.9, 20_000)

    def peak(f: Callable[..., Any]) -> tuple[int, Any]:
        tracemalloc.start()
        try:
            g = grad(run(f))(x)
            return tracemalloc.get_traced_memory()[1], g
        finally:
            tracemalloc.stop()

    (with_all, g), (with_few, h) = peak(step), peak(checkpoint(step))
    assert h == pytest.approx(g)
    assert with_few < 0.3 * with_all


def test_value_and_grad_of_a_primitive() -> None:
    value, g = value_and_grad(sine)(0.5)
    assert value == np.sin(0.5)
    assert g == np.cos(0.5)
    y, pull = vjp(sine, X)
    assert pull(y)[0] == pytest.approx(np.sin(X) * np.cos(X))
