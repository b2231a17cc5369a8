"""autograd's surface in our hands: every transform against what it must equal, with containers, precisions, complex
numbers and higher orders; and the errors."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import gradcheck as gc
from gradcheck import AutodiffError, grad, hessian, jacobian
from gradcheck.wrap_util import unary_to_nary

X = np.array([0.3, -0.7, 1.1])
V = np.array([1.0, -2.0, 0.5])
A = np.array([[1.0, 0.3, -0.2], [0.1, 0.5, 2.0]])


def energy(x: Any, w: Any = 1.5) -> Any:
    return np.sum(np.sin(x) * np.exp(0.5 * w * x)) ** 2 + np.sum(x**3)


def layer(x: Any, w: Any = 1.5) -> Any:
    return np.tanh(A @ x * w)


def square(x: Any) -> Any:
    """A matrix as value."""
    return np.outer(x, np.sin(x))


# -- every product against the whole Jacobian or Hessian ---------------------------------------------------------------

PRODUCTS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "hvp": (lambda: gc.hvp(energy)(X, V), lambda: hessian(energy)(X) @ V),
    "hvp, last argument": (lambda: gc.hvp(lambda a, x: energy(x, a), -1)(1.2, X, V),
                           lambda: hessian(energy)(X, 1.2) @ V),
    "hvp, named": (lambda: gc.hvp(energy, "w")(X, 1.2, 2.0), lambda: 2.0 * hessian(energy, 1)(X, 1.2)),
    "hessian_vector_product": (lambda: gc.hessian_vector_product(energy)(X, V), lambda: hessian(energy)(X) @ V),
    "hessian_tensor_product": (lambda: gc.hessian_tensor_product(energy)(np.outer(X, V), np.outer(V, X)),
                               lambda: np.tensordot(hessian(energy)(np.outer(X, V)), np.outer(V, X))),
    "make_hvp": (lambda: gc.make_hvp(energy)(X)[0](V), lambda: hessian(energy)(X) @ V),
    "make_hvp's gradient": (lambda: gc.make_hvp(energy)(X)[1], lambda: grad(energy)(X)),
    "vector_jacobian_product": (lambda: gc.vector_jacobian_product(layer)(X, np.ones(2)),
                                lambda: np.ones(2) @ jacobian(layer)(X)),
    "tensor_jacobian_product": (lambda: gc.tensor_jacobian_product(square)(X, np.outer(X, V)),
                                lambda: np.tensordot(np.outer(X, V), jacobian(square)(X))),
    "tensor of leading axes": (lambda: gc.tensor_jacobian_product(square)(X, V),
                               lambda: np.tensordot(V, jacobian(square)(X), 1)),
    "tensor_jacobian_product, argnum": (lambda: gc.tensor_jacobian_product(layer, 1)(X, 1.2, np.ones(2)),
                                        lambda: np.ones(2) @ jacobian(layer, 1)(X, 1.2)),
    "make_vjp": (lambda: gc.make_vjp(layer)(X)[0](np.ones(2)), lambda: np.ones(2) @ jacobian(layer)(X)),
    "make_vjp's value": (lambda: gc.make_vjp(layer)(X, w=0.3)[1], lambda: layer(X, 0.3)),
    "make_jvp": (lambda: gc.make_jvp(layer)(X)(V)[1], lambda: jacobian(layer)(X) @ V),
    "make_jvp's value": (lambda: gc.make_jvp(layer, "x")(X, 0.3)(V)[0], lambda: layer(X, 0.3)),
    "make_jvp_reversemode": (lambda: gc.make_jvp_reversemode(layer)(X)(V), lambda: jacobian(layer)(X) @ V),
    "make_ggnvp": (lambda: gc.make_ggnvp(layer)(X)(V), lambda: jacobian(layer)(X).T @ (jacobian(layer)(X) @ V)),
    "make_ggnvp, g": (lambda: gc.make_ggnvp(layer, lambda y: np.sum(y**4), 0)(X)(V),
                      lambda: jacobian(layer)(X).T @ (hessian(lambda y: np.sum(y**4))(layer(X)) @ (jacobian(layer)(X)
                                                                                                  @ V))),
    "deriv": (lambda: gc.deriv(lambda t: np.array([t**2, np.sin(t)]))(0.4), lambda: np.array([0.8, np.cos(0.4)])),
    "deriv, ones": (lambda: gc.deriv(layer)(X), lambda: jacobian(layer)(X).sum(1)),
    "grad_and_aux": (lambda: gc.grad_and_aux(lambda x: (energy(x), x))(X)[0], lambda: grad(energy)(X)),
    "grad_named": (lambda: gc.grad_named(energy, "w")(X, 1.2), lambda: grad(energy, 1)(X, 1.2)),
    "multigrad": (lambda: gc.multigrad(energy, [1, 0])(X, 1.2)[1], lambda: grad(energy)(X, 1.2)),
    "elementwise_grad": (lambda: gc.elementwise_grad(np.sin)(X), lambda: np.cos(X)),
    "grad by name and keyword": (lambda: grad(energy, "w")(X, w=1.2), lambda: grad(energy, 1)(X, 1.2)),
    "grad of a default": (lambda: grad(energy, "w")(X), lambda: grad(energy, 1)(X, 1.5)),
    "names in a tuple": (lambda: grad(energy, ("w", 0))(X, 1.2)[1], lambda: grad(energy)(X, 1.2)),
    "partial": (lambda: grad(functools.partial(energy, w=1.2))(X), lambda: grad(energy)(X, 1.2)),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str) -> None:
    found, expected = PRODUCTS[name]
    assert found() == pytest.approx(expected(), rel=1e-12)


def test_multigrad_dict() -> None:
    def f(x: Any, w: Any = 3.0, *rest: Any, kind: str = "a", scale: Any = 2.0, **more: Any) -> Any:
        return scale * (np.sum(x * w) + sum(rest) ** 2 + more["extra"] * rest[0])

    g = gc.multigrad_dict(f)(X, 4.0, 1.0, 2.0, extra=5.0)
    assert list(g) == ["x", "w", "rest", "scale", "more"]
    assert g["x"] == pytest.approx(np.full(3, 8.0))
    assert g["w"] == pytest.approx(2 * X.sum())
    assert g["rest"] == (22.0, 12.0)
    assert g["scale"] == pytest.approx(4.0 * X.sum() + 9.0 + 5.0)
    assert g["more"] == {"extra": 2.0}


def test_aux_is_plain_and_as_it_was() -> None:
    g, aux = gc.grad_and_aux(lambda x: (x[0] ** 2, {"all": x * 2, "n": 3, "name": "aux", "rest": (x[1], None)}))(X)
    assert g == pytest.approx([0.6, 0.0, 0.0])
    assert type(aux["all"]) is np.ndarray
    assert aux["rest"] == (-0.7, None)
    assert (aux["n"], aux["name"]) == (3, "aux")


def test_jacobian_of_several_arguments_tall_and_wide() -> None:
    tall = np.linspace(-1, 1, 40)
    f = lambda a, x: np.sin(a * tall) * x[0] + x[1] * tall  # noqa: E731
    both = jacobian(f, (0, 1))(0.7, X)
    assert both[0] == pytest.approx(jacobian(f, 0)(0.7, X))
    assert both[0] == pytest.approx(np.cos(0.7 * tall) * tall * X[0])
    assert both[1] == pytest.approx(np.stack([np.sin(0.7 * tall), tall, 0 * tall], 1))
    wide = jacobian(lambda a, x: a * x[:2], (1, "a"))(2.0, X)
    assert wide[0] == pytest.approx(2.0 * np.eye(3)[:2])
    assert wide[1] == pytest.approx(X[:2])
    tree = jacobian(lambda p: np.outer(tall, p["w"]) + p["b"])({"w": X, "b": 1.0})
    assert tree["w"].shape == (40, 3, 3)
    assert np.array_equal(tree["b"], np.ones((40, 3)))


# -- containers --------------------------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Model:
    w: Any
    b: float
    name: str = "model"

    @functools.cached_property
    def twice(self) -> Any:
        return 2.0 * self.w


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    w: Any
    b: float
    options: Any = None


@dataclasses.dataclass
class Derived:
    w: Any
    b: float
    squares: Any = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.squares = self.w**2
        self.total = np.sum(self.squares)


class Own:
    def __init__(self, w: Any, b: Any, label: str) -> None:
        self.w, self.b, self.label = w, b, label


gc.register_pytree_node(Own, lambda o: ((o.w, o.b), o.label), lambda label, parts: Own(*parts, label))

CONTAINERS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any], tuple[Any, Any]]]] = {
    "list": (lambda w, b: [w, [b], "text", None], lambda p: (p[0], p[1][0])),
    "tuple": (lambda w, b: (w, (b, True)), lambda p: (p[0], p[1][0])),
    "dict": (lambda w, b: {"w": w, "rest": {"b": b, "name": "n"}}, lambda p: (p["w"], p["rest"]["b"])),
    "ordered": (lambda w, b: OrderedDict(w=w, b=b), lambda p: (p["w"], p["b"])),
    "defaultdict": (lambda w, b: defaultdict(float, w=w, b=b), lambda p: (p["w"], p["b"] + p["missing"])),
    "namedtuple": (Point, lambda p: (p.x, p.y)),
    "dataclass": (Model, lambda p: (p.twice / 2.0, p.b)),
    "frozen": (Frozen, lambda p: (p.w, p.b)),
    "derived": (Derived, lambda p: (p.w + 0.0 * p.squares, p.b + p.total - np.sum(p.w**2))),
    "registered": (lambda w, b: Own(w, b, "label"), lambda p: (p.w, p.b)),
    "namespace": (lambda w, b: types.SimpleNamespace(w=w, b=b, f=len), lambda p: (p.w, p.b)),
    "nested": (lambda w, b: [{"p": Point(w, 1)}, Frozen(0.0, b)], lambda p: (p[0]["p"].x * p[0]["p"].y, p[1].b)),
}
# Where the numbers stand in a gradient, for those whose parts are computed.
PLACES: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "defaultdict": lambda g: (g["w"], g["b"]),
    "dataclass": lambda g: (g.w, g.b),
    "derived": lambda g: (g.w, g.b),
    "nested": lambda g: (g[0]["p"].x, g[1].b),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name: str) -> None:
    make, parts = CONTAINERS[name]
    places = PLACES.get(name, parts)

    def f(p: Any) -> Any:
        w, b = parts(p)
        return np.sum(np.sin(w)) * b**2

    point = make(X, 3.0)
    if name == "dataclass":
        assert f(point) == pytest.approx(np.sum(np.sin(X)) * 9.0)  # fills the cached property
    for g in (grad(f)(point), gc.make_vjp(f)(point)[0](1.0), jacobian(f)(point)):
        assert type(g) is type(point)
        w, b = places(g)
        assert w == pytest.approx(9.0 * np.cos(X))
        assert b == pytest.approx(6.0 * np.sum(np.sin(X)))
    v = make(V, 2.0)
    expected = 9.0 * np.cos(X) @ V + 12.0 * np.sum(np.sin(X))
    if name != "nested":
        assert gc.make_jvp(f)(point)(v)[1] == pytest.approx(expected)
        w, _ = places(gc.hvp(f)(point, v))
        assert w == pytest.approx(-9.0 * np.sin(X) * V + 12.0 * np.cos(X))


def test_derived_fields_keep_their_derivative() -> None:
    g = grad(lambda p: np.sum(p.squares) * p.b + p.total)(Derived(X, 3.0))
    assert g.w == pytest.approx(8.0 * X)
    assert g.b == pytest.approx(np.sum(X**2))
    assert g.squares is None

    @dataclasses.dataclass
    class Loose:
        w: Any

    loose = Loose(X)
    loose.norm = np.linalg.norm(X)  # type: ignore[attr-defined]
    with pytest.raises(AutodiffError, match=r"Loose keeps 'norm' beside its fields.*register_pytree_node"):
        grad(lambda p: np.sum(p.w) * p.norm)(loose)


def test_containers_as_values() -> None:
    def f(x: Any) -> Any:
        return {"y": np.sin(x), "pair": (x[0] * x[1], [x * 2.0]), "n": 4, "name": "f", "none": None}

    J = jacobian(f)(X)
    assert J["y"] == pytest.approx(np.diag(np.cos(X)))
    assert J["pair"][0] == pytest.approx([-0.7, 0.3, 0.0])
    assert J["pair"][1][0] == pytest.approx(2 * np.eye(3))
    assert np.array_equal(J["n"], np.zeros(3))
    assert (J["name"], J["none"]) == ("f", None)
    pullback = gc.vjp(f, X)[1]
    g = pullback({"y": V, "pair": (1.0, [V]), "n": 0, "name": "f", "none": None})[0]
    assert g == pytest.approx(V * np.cos(X) + J["pair"][0] + 2 * V)
    t = gc.jvp(f, (X,), (V,))[1]
    assert t["pair"][0] == pytest.approx(J["pair"][0] @ V)
    assert t["name"] == "f"
    H = hessian(lambda p: np.sum(p["a"] ** 2) * p["b"])({"a": X, "b": 3.0})
    assert H["a"]["a"] == pytest.approx(6.0 * np.eye(3))
    assert H["a"]["b"] == pytest.approx(2 * X)
    assert H["b"]["a"] == pytest.approx(2 * X)
    assert H["b"]["b"] == 0.0


def test_integers_in_containers() -> None:
    f = lambda p: p["x"] ** 2 * sum(1.0 for _ in p["counts"])  # noqa: E731
    assert grad(f)({"x": 3, "counts": [1, 2]}) == {"x": 12.0, "counts": [0.0, 0.0]}

    with pytest.raises(TypeError, match="integer") as caught:
        grad(lambda p: sum(p["x"] for _ in range(p["n"])))({"x": 3.0, "n": 2})
    assert "integers that are differentiated are floats" in caught.value.__notes__[0]
    with pytest.raises(IndexError) as indexed:
        grad(lambda x, i: np.sum(x[i]), (0, 1))(X, np.array([0, 2]))
    assert "an argument of their own" in indexed.value.__notes__[0]


# -- precision ---------------------------------------------------------------------------------------------------------

EVERY: dict[str, Callable[[Any], Any]] = {
    "grad": lambda x: grad(energy)(x),
    "value_and_grad": lambda x: gc.value_and_grad(energy)(x),
    "elementwise_grad": lambda x: gc.elementwise_grad(np.sin)(x),
    "jacobian": lambda x: jacobian(np.sin)(x),
    "tall jacobian": lambda x: jacobian(lambda x: np.concatenate([x] * 9))(x),
    "hessian": lambda x: hessian(energy)(x),
    "hvp": lambda x: gc.hvp(energy)(x, x),
    "jvp": lambda x: gc.jvp(np.sin, (x,), (x,)),
    "vjp": lambda x: gc.make_vjp(np.sin)(x)[0](x),
    "make_hvp": lambda x: gc.make_hvp(energy)(x)[0](x),
    "reverse jvp": lambda x: gc.make_jvp_reversemode(np.sin)(x)(x),
    "deriv": lambda x: gc.deriv(np.sin)(x),
    "tensor product": lambda x: gc.tensor_jacobian_product(np.sin)(x, x),
    "ggnvp": lambda x: gc.make_ggnvp(np.sin)(x)(x),
    "third": lambda x: grad(lambda x: np.sum(gc.hvp(energy)(x, x)))(x),
    "checkpoint": lambda x: grad(lambda x: np.sum(gc.checkpoint(np.sin)(x)))(x),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", EVERY)
def test_precision_stays(name: str, dtype: Any) -> None:
    found = EVERY[name](X.astype(dtype))
    exact = EVERY[name](X)
    for a, b in zip(
        found if type(found) is tuple else [found], exact if type(exact) is tuple else [exact], strict=True
    ):
        assert np.result_type(a) == dtype
        assert np.asarray(a, float) == pytest.approx(np.asarray(b), rel=3e-2 if dtype is np.float16 else 1e-4, abs=1e-2)


def test_scalars_keep_their_type() -> None:
    for kind in (float, np.float16, np.float32, np.float64, np.longdouble):
        x = kind(0.5)
        for g in (grad(np.sin)(x), grad(grad(lambda x: x**3))(x), gc.jvp(lambda x: x * x, (x,), (x,))[1]):
            assert type(g) is kind
        assert type(gc.make_jvp_reversemode(lambda x: x * x)(x)(1.0)) is kind


# -- order -------------------------------------------------------------------------------------------------------------


def test_third_derivatives_through_every_transform() -> None:
    """d³/dt³ of sin(2t), by different ways from one derivative to the next."""
    f = lambda t: np.sin(2.0 * t)  # noqa: E731
    ways: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
        "grad": lambda h: grad(h),
        "jacobian": lambda h: jacobian(h),
        "jvp": lambda h: lambda t: gc.jvp(h, (t,), (1.0,))[1],
        "vjp": lambda h: lambda t: gc.vjp(h, t)[1](1.0)[0],
        "make_vjp": lambda h: lambda t: gc.make_vjp(h)(t)[0](1.0),
        "reverse jvp": lambda h: lambda t: gc.make_jvp_reversemode(h)(t)(1.0),
        "deriv": lambda h: gc.deriv(h),
        "elementwise": lambda h: gc.elementwise_grad(h),
        "aux": lambda h: lambda t: gc.grad_and_aux(lambda t: (h(t), t))(t)[0],
        "checkpoint": lambda h: grad(gc.checkpoint(h)),
        "tensor": lambda h: lambda t: gc.tensor_jacobian_product(h)(t, 1.0),
        "dict": lambda h: lambda t: grad(lambda p: h(p["t"]))({"t": t})["t"],
    }
    for name, first in ways.items():
        for other in ("grad", "jvp", "reverse jvp", "checkpoint"):
            third = first(ways[other](first(f)))(0.3)
            assert third == pytest.approx(-8.0 * np.cos(0.6)), (name, other)


# -- complex -----------------------------------------------------------------------------------------------------------


def test_holomorphic_grad() -> None:
    z = 0.4 + 0.9j
    assert gc.holomorphic_grad(lambda z: np.exp(z) * z)(z) == pytest.approx(np.exp(z) * (1 + z))
    assert gc.holomorphic_grad(lambda x: x * (1.0 + 0.2j))(1.0) == pytest.approx(1.0 + 0.2j)
    g = gc.holomorphic_grad(lambda z: np.sum(z**2))(np.array([z, 1j]))
    assert g == pytest.approx([2 * z, 2j])
    for bad in (np.conj, lambda z: z * np.abs(z), lambda z: np.real(z) + 0j):
        with pytest.raises(AutodiffError, match="not holomorphic"):
            gc.holomorphic_grad(bad)(z)
    with pytest.raises(AutodiffError, match="needs a holomorphic function; it returned a real number"):
        gc.holomorphic_grad(np.abs)(z)


def test_complex_jacobians() -> None:
    z = np.array([0.4 + 0.9j, 1.0 - 0.5j])
    assert jacobian(lambda z: z**2)(z) == pytest.approx(np.diag(2 * z))
    # Of a real argument: complex, by both modes.
    for n in (1, 20):
        k = np.arange(1.0, n + 1)
        J = jacobian(lambda t, k=k: np.exp(1j * k * t))(0.3)
        assert pytest.approx(1j * k * np.exp(0.3j * k)) == J
    J = jacobian(lambda x: np.exp(1j * x))(X)
    assert pytest.approx(np.diag(1j * np.exp(1j * X))) == J
    # Real functions of complex numbers: ∂f/∂x − i ∂f/∂y.
    assert jacobian(lambda z: np.abs(z) ** 2)(z) == pytest.approx(np.diag(2 * np.conj(z)))
    with pytest.raises(AutodiffError, match="not holomorphic"):
        jacobian(np.conj)(z)
    with pytest.raises(AutodiffError, match="real-valued function of a real argument"):
        gc.elementwise_grad(lambda x: x * 1j)(X)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grad(energy, "rate"), "energy has no argument 'rate'; it has x, w"),
        (lambda: gc.grad_named(energy, "rate"), "energy has no argument 'rate'; it has x, w"),
        (lambda: grad(lambda *, a: a, "a"), "'a' of <lambda> cannot be passed by position"),
        (lambda: grad(energy, 2.5), "argnum 2.5 does not say which argument"),
        (lambda: grad(energy, True), "argnum True does not say"),
        (lambda: grad(energy, ()), r"argnum \(\) does not say"),
        (lambda: grad(energy, (0, 0))(X, 1.0), r"argnum \(0, 0\) names an argument twice"),
        (lambda: grad(energy, (1, -1))(X, 1.0), "names an argument twice"),
        (lambda: grad(energy, 2)(X), "argnum 2 is out of range"),
        (lambda: gc.hvp(energy)(), "needs f's arguments and a vector"),
        (lambda: gc.make_jvp(energy)(X)(np.ones(2)), r"tangent 0 does not have the shape \(3,\)"),
        (lambda: gc.make_jvp(energy)(X)(None), "tangent 0 holds a NoneType"),
        (lambda: gc.make_jvp(energy)(X)(1j * X), "tangent 0 is complex, its argument real"),
        (lambda: gc.make_jvp(lambda p: p["a"])({"a": X})({"b": X}), r"tangent 0 has the keys \['b'\], not \['a'\]"),
        (lambda: gc.make_vjp(layer)(X)[0]("text"), "the cotangent is a str, not a number"),
        (lambda: gc.make_vjp(layer)(X)[0](None), "the cotangent is None, not a number"),
        (lambda: gc.make_vjp(layer)(X)[0](np.ones(3)), r"cotangent has shape \(3,\), the function's value \(2,\)"),
        (lambda: gc.make_vjp(lambda x: (x, x))(X)[0]((X,)), "the cotangent has 1 parts, not 2"),
        (lambda: gc.make_vjp(lambda x: (x, x))(X)[0](X), r"must be a tuple, as the value is, not an array"),
        (lambda: gc.make_vjp(lambda x: x)(X)[0]((X,)), "cotangent is a tuple, not a number"),
        (lambda: gc.make_vjp(lambda x: object())(X), "returned a object, not a number"),
        (lambda: gc.tensor_jacobian_product(layer)(X, np.ones(3)), r"tensor has shape \(3,\), which is not how"),
        (lambda: gc.grad_and_aux(energy)(X), "needs a function that returns a number and something else"),
        (lambda: gc.grad_and_aux(lambda x: (x, x, x))(X), "not 3 results"),
        (lambda: gc.grad_and_aux(lambda x: (x, 1))(X), r"returned an array of shape \(3,\)"),
        (lambda: gc.register_pytree_node(Own, len, len), "Own is registered already"),
        (lambda: grad(lambda p: p.x)(object()), "cannot differentiate with respect to a object"),
        (lambda: grad(lambda p: p[0])([object()]), "cannot differentiate with respect to a object"),
    ],
)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises((AutodiffError, ValueError), match=message) as caught:
        call()
    assert len(str(caught.value)) < 400


def test_errors_about_results_are_type_errors_as_in_autograd() -> None:
    for f in (lambda x: x, lambda x: np.sum(x) * 1j, lambda x: None):
        with pytest.raises(TypeError):
            grad(f)(X)


# -- functions of libraries themselves ---------------------------------------------------------------------------------


def test_a_library_function_itself_is_differentiated() -> None:
    """No name leads to it that could be replaced while the trace runs."""
    S = np.array([[2.1, 0.1], [0.3, 1.7]])
    wrapped = lambda a: scipy.linalg.expm(a)  # noqa: E731
    expected = jacobian(wrapped)(S)
    for J in (
        jacobian(scipy.linalg.expm)(S),
        jacobian(functools.partial(scipy.linalg.expm))(S),
        jacobian(gc.checkpoint(scipy.linalg.expm))(S),
        unary_to_nary(lambda f, x: jacobian(f)(x))(scipy.linalg.expm)(S),
    ):
        assert pytest.approx(expected) == J
    assert grad(math.sin)(0.3) == pytest.approx(math.cos(0.3))
    assert grad(functools.partial(math.pow, 2.0))(3.0) == pytest.approx(8.0 * math.log(2.0))
