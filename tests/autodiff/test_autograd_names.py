"""Code in autograd's style under our names: its namespaces, containers, optimisers, fixed points and test helpers."""

from __future__ import annotations

import importlib
from typing import Any

import gradcheck.numpy.random as npr
import gradcheck.scipy.stats.norm as normal
import numpy
import pytest
import scipy.signal
import scipy.special
import scipy.stats

import gradcheck
import gradcheck.numpy as np
import gradcheck.scipy as gsp
import gradcheck.scipy.linalg as sla
import gradcheck.scipy.signal as signal
from gradcheck import AutodiffError, elementwise_grad, grad, hessian, jacobian, make_vjp, value_and_grad
from gradcheck import dict as ag_dict
from gradcheck import isinstance as ag_isinstance
from gradcheck import tuple as ag_tuple
from gradcheck.builtins import list as ag_list
from gradcheck.builtins import type as ag_type
from gradcheck.core import getval
from gradcheck.core import make_jvp as core_jvp
from gradcheck.core import make_vjp as core_vjp
from gradcheck.extend import JVPNode, SparseObject, VSpace, defvjp, primitive, register_notrace, vspace
from gradcheck.misc import const_graph, flatten
from gradcheck.misc.fixed_points import fixed_point
from gradcheck.misc.flatten import flatten_func
from gradcheck.misc.optimizers import adam, rmsprop, sgd
from gradcheck.numpy.numpy_boxes import ArrayBox
from gradcheck.numpy.numpy_vjps import unbroadcast, unbroadcast_f
from gradcheck.scipy.special import expit as sigmoid
from gradcheck.scipy.special import logsumexp
from gradcheck.test_util import check_equivalent, check_grads, check_jvp, check_vjp, combo_check, scalar_close
from gradcheck.tracer import Box, isbox
from gradcheck.util import quick_grad_check
from gradcheck.wrap_util import unary_to_nary

# -- namespaces --------------------------------------------------------------------------------------------------------


def test_scipy_is_scipy() -> None:
    assert logsumexp is scipy.special.logsumexp
    assert gsp.stats.norm is scipy.stats.norm
    assert gsp.special.gammaln is scipy.special.gammaln
    assert normal.logpdf(0.3) == scipy.stats.norm.logpdf(0.3)
    assert sla.solve_triangular is importlib.import_module("scipy.linalg").solve_triangular
    from gradcheck.scipy.stats.norm import cdf

    assert cdf(0.0) == 0.5
    for name in ("beta", "chi2", "dirichlet", "gamma", "multivariate_normal", "poisson", "t"):
        module = importlib.import_module(f"gradcheck.scipy.stats.{name}")
        assert callable(getattr(module, "logpmf" if name == "poisson" else "logpdf"))
    space: dict[str, Any] = {}
    exec("from gradcheck.scipy.special import *; from gradcheck.scipy.signal import *", space)
    assert space["gammaln"] is scipy.special.gammaln
    assert space["lfilter"] is scipy.signal.lfilter
    for name in ("fft", "integrate", "interpolate", "ndimage", "optimize", "sparse", "spatial"):
        module = importlib.import_module(f"gradcheck.scipy.{name}")
        assert getattr(gsp, name) is module
        real = importlib.import_module(f"scipy.{name}")
        assert module.__all__ == real.__all__
        assert all(getattr(module, n) is getattr(real, n) for n in real.__all__ if hasattr(real, n))
    assert (
        importlib.import_module("gradcheck.scipy.sparse.linalg").cg is importlib.import_module("scipy.sparse.linalg").cg
    )
    assert "stats" in dir(gsp)
    for module_of, name in ((gsp, "nosuch"), (gsp.special, "nosuch"), (gsp, "_nosuch")):
        with pytest.raises(AttributeError, match=name):
            getattr(module_of, name)


def test_modules_of_transforms() -> None:
    module = importlib.import_module("gradcheck.differential_operators")
    assert all(getattr(module, name) is getattr(gradcheck, name) for name in module.__all__)
    pull, y = core_vjp(lambda x: x**2, 3.0)
    assert (pull(2.0), y) == (12.0, 9.0)
    assert core_jvp(lambda x: x**2, 3.0)(2.0) == (9.0, 12.0)
    assert "isinstance" not in gradcheck.__all__
    assert gradcheck.type(3.0) is float


def test_logistic_regression_in_autograds_style() -> None:
    rs = npr.RandomState(0)
    inputs, targets = rs.randn(20, 3), rs.rand(20) > 0.5

    def loss(weights: Any) -> Any:
        predictions = sigmoid(np.dot(inputs, weights))
        return -np.sum(np.log(predictions * targets + (1 - predictions) * (1 - targets)))

    w = rs.randn(3)
    p = scipy.special.expit(inputs @ w)
    assert grad(loss)(w) == pytest.approx(inputs.T @ (p - targets))
    assert hessian(loss)(w) == pytest.approx((inputs.T * (p * (1 - p))) @ inputs)
    check_grads(loss)(w)
    assert jacobian(lambda x: logsumexp(x, axis=0))(inputs[:, 0]) == pytest.approx(scipy.special.softmax(inputs[:, 0]))


def test_make_diagonal() -> None:
    x = npr.RandomState(0).randn(2, 3)
    y = np.make_diagonal(x, axis1=-1, axis2=-2)
    assert numpy.array_equal(np.diagonal(y, axis1=-1, axis2=-2), x)
    check_grads(lambda x: np.make_diagonal(x, axis1=-1, axis2=-2))(x)
    with pytest.raises(NotImplementedError):
        np.make_diagonal(x, offset=1, axis1=-1, axis2=-2)


# -- convolve ----------------------------------------------------------------------------------------------------------


def reference(A: Any, B: Any, mode: str) -> Any:
    """Batches of A against channels of B: axes [2, 3] convolved, A's 1 against B's 0 summed."""
    y = [
        [sum(scipy.signal.convolve(A[n, c], B[c, k], mode) for c in range(A.shape[1])) for k in range(B.shape[1])]
        for n in range(A.shape[0])
    ]
    return numpy.array(y)


@pytest.mark.parametrize("mode", ["full", "valid", "same"])
def test_convolve_over_channels(mode: str) -> None:
    rs = npr.RandomState(1)
    A, B = rs.randn(2, 3, 5, 4), rs.randn(3, 2, 2, 3)
    f = lambda A, B: signal.convolve(A, B, axes=([2, 3], [2, 3]), dot_axes=([1], [0]), mode=mode)  # noqa: E731
    assert f(A, B) == pytest.approx(reference(A, B, mode))
    check_grads(f, (0, 1), order=1)(A, B)
    if mode != "same":
        swapped = signal.convolve(B, A, axes=([2, 3], [2, 3]), dot_axes=([0], [1]), mode=mode)
        assert numpy.moveaxis(swapped, 0, 1) == pytest.approx(reference(A, B, mode))


def test_convolve_without_axes_is_scipys() -> None:
    a, b = numpy.arange(5.0), numpy.array([1.0, -1.0, 2.0])
    for mode in ("full", "valid", "same"):
        assert signal.convolve(a, b, mode=mode) == pytest.approx(scipy.signal.convolve(a, b, mode))
        assert signal.convolve(a, b, mode) == pytest.approx(scipy.signal.convolve(a, b, mode))
    one = signal.convolve(a[:, None] * b, b, axes=([0], [0]), mode="valid")
    assert one.shape == (3, 3)
    with pytest.raises(ValueError, match="mode must be"):
        signal.convolve(a, b, mode="wrap")
    with pytest.raises(ValueError, match="cannot be combined"):
        signal.convolve(a, b, axes=([0], [0]), method="fft")
    with pytest.raises(ValueError, match="must cover"):
        signal.convolve(numpy.ones((2, 5)), numpy.ones((3, 3)), axes=([0, 1], [0, 1]), mode="valid")


# -- containers and values ---------------------------------------------------------------------------------------------


def test_builtins() -> None:
    def f(x: Any) -> Any:
        assert ag_type(x) is numpy.ndarray
        assert ag_type(x[0]) == numpy.float64
        assert ag_isinstance(x, numpy.ndarray)
        pair = ag_tuple((x, ag_list([x[0], 2.0])))
        named = ag_dict(a=pair[0], b=pair[1])
        assert ag_isinstance(named, ag_dict)
        assert ag_isinstance(named["b"], ag_list)
        return np.sum(named["a"] ** 2) * named["b"][0]

    x = numpy.array([1.0, 2.0])
    assert grad(f)(x) == pytest.approx([2.0 + 5.0, 4.0])
    assert ag_type("Made", (), {}).__name__ == "Made"


def test_boxes() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.extend([isinstance(x, ArrayBox), isinstance(x, Box), isbox(x), type(getval(x)), type(getval([x])[0])])
        return x * getval(x)

    assert grad(f)(3.0) == 3.0
    assert seen == [True, True, True, float, float]
    assert not isinstance(3.0, ArrayBox)
    assert not isbox(numpy.ones(2))
    assert grad(grad(lambda x: x**2 * getval(x)))(3.0) == 6.0


def test_what_is_refused_by_name() -> None:
    with pytest.raises(AutodiffError, match=r"VSpace cannot be subclassed; .*register_pytree_node"):
        type("Mine", (VSpace,), {})
    with pytest.raises(AutodiffError, match=r"Box cannot be subclassed; .*register_pytree_node"):
        type("Mine", (Box,), {})
    for call in (VSpace.register, Box.register):
        with pytest.raises(AutodiffError, match=r"register\(complex\) is not supported; .*register_pytree_node"):
            call(complex)
    with pytest.raises(AutodiffError, match="SparseObject is not supported"):
        SparseObject(None, None)
    with pytest.raises(AutodiffError, match="no vector space of a str"):
        vspace("text")


def test_vspace() -> None:
    value = {"a": numpy.ones((2, 2)), "b": (1.0, 2 + 1j)}
    space = vspace(value)
    assert space.size == 7
    assert space.iscomplex
    assert space == vspace({"a": numpy.zeros((2, 2)), "b": (0.0, 0j)})
    assert space != vspace({"a": numpy.zeros(2), "b": (0.0, 0j)})
    assert len(list(space.standard_basis())) == 7
    check_equivalent(space.ones(), {"a": numpy.ones((2, 2)), "b": (1.0, 1 + 1j)})
    check_equivalent(space.add(value, space.zeros()), value)
    check_equivalent(space.scalar_mul(value, 2.0), space.add(value, value))
    assert space.inner_prod(value, value) == pytest.approx(4 + 1 + 5)
    assert space.covector(value)["b"][1] == 2 - 1j
    assert vspace(space.randn()) == space
    assert vspace(numpy.ones(3, numpy.float32)).dtype == numpy.float32
    assert grad(lambda x: vspace([x, 1.0]).inner_prod([x, 1.0], [x, 1.0]))(3.0) == 6.0


def test_unbroadcast() -> None:
    add = primitive(lambda a, b: numpy.add(a, b))
    defvjp(
        add,
        lambda ans, a, b: unbroadcast_f(a, lambda g: g),
        lambda ans, a, b: lambda g: unbroadcast(g, (numpy.shape(b), numpy.ndim(b))),
    )
    a, b = numpy.ones((2, 1)), numpy.ones(3)
    g = grad(lambda a, b: np.sum(add(a, b) ** 2), (0, 1))(a, b)
    assert (g[0].shape, g[1].shape) == ((2, 1), (3,))
    assert numpy.all(g[0] == 12.0)
    assert numpy.all(g[1] == 8.0)


# -- misc --------------------------------------------------------------------------------------------------------------


def test_flatten() -> None:
    value = {"w": numpy.arange(4.0).reshape(2, 2), "b": (1.5, [2, None]), "a": {"z": 1.0, "name": "n"}}
    vector, unflatten = flatten(value)
    assert vector == pytest.approx([1.0, 1.5, 2.0, 0.0, 1.0, 2.0, 3.0])
    again = unflatten(vector)
    assert again["b"] == (1.5, [2.0, None])
    assert again["a"] == {"z": 1.0, "name": "n"}
    assert numpy.array_equal(again["w"], value["w"])
    assert grad(lambda v: np.sum(flatten(v)[0] ** 2))({"x": 3.0, "y": numpy.ones(2)})["x"] == 6.0
    assert grad(lambda x: unflatten(x)["b"][0] * unflatten(x)["w"][1, 1])(vector) == pytest.approx(
        [0, 3.0, 0, 0, 0, 0, 1.5]
    )
    assert flatten([])[0].shape == (0,)
    assert flatten(numpy.float32(2.0))[0].dtype == numpy.float32
    f, unflatten, x = flatten_func(lambda p, scale: {"c": p["a"] * p["b"] * scale}, {"a": 2.0, "b": 3.0})
    assert jacobian(f)(x, 10.0) == pytest.approx(numpy.array([[30.0, 20.0]]))
    with pytest.raises(AutodiffError, match=r"unflatten: a vector of shape \(3,\), not \(2,\)"):
        unflatten(numpy.ones(3))


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_optimizers(name: str) -> None:
    optimizer = {"adam": adam, "rmsprop": rmsprop, "sgd": sgd}[name]
    target = {"w": numpy.array([1.0, -2.0]), "b": 0.5}

    def loss(p: Any, _i: int) -> Any:
        return np.sum((p["w"] - target["w"]) ** 2) + (p["b"] - target["b"]) ** 2

    seen = []
    start = {"w": numpy.zeros(2), "b": 0.0}
    found = optimizer(grad(loss), start, lambda x, i, g: seen.append((i, x["b"], g["b"])), 400, 0.05)
    assert found["w"] == pytest.approx(target["w"], abs=0.05)
    assert found["b"] == pytest.approx(0.5, abs=0.05)
    assert [i for i, _, _ in seen] == list(range(400))
    assert seen[0][1:] == (0.0, -1.0)
    # Through the optimisation itself.
    end = lambda x0, rate: optimizer(lambda x, i: 2.0 * (x - 1.0) + 0.1 * x**3, x0, num_iters=3, step_size=rate)  # noqa: E731
    check_grads(end, (0, 1), order=1)(0.3, 0.1)


def test_fixed_point() -> None:
    A = numpy.array([[0.2, 0.1], [-0.3, 0.4]])

    def solve(a: Any) -> Any:
        step = lambda a: lambda x: np.tanh(A @ x + a)  # noqa: E731
        return fixed_point(step, a, numpy.zeros(2), lambda x, y: numpy.max(numpy.abs(x - y)), 1e-13)

    a = numpy.array([0.5, -0.2])
    x = solve(a)
    D = numpy.diag(1.0 - x**2)
    J = numpy.linalg.solve(numpy.eye(2) - D @ A, D)
    assert jacobian(solve)(a) == pytest.approx(J)
    assert gradcheck.jvp(solve, (a,), (numpy.ones(2),))[1] == pytest.approx(J.sum(1))
    check_grads(solve, modes=["fwd", "rev"], order=2)(a)

    def pair(p: Any) -> Any:
        step = lambda p: lambda x: {"u": 0.5 * (x["u"] + p[0] / x["u"]), "v": x["u"] * p[1]["k"]}  # noqa: E731
        end = lambda x, y: abs(x["u"] - y["u"]) + abs(x["v"] - y["v"])  # noqa: E731
        return fixed_point(step, p, {"u": 1.0, "v": 1.0}, end, 1e-14)

    p = (4.0, {"k": 3.0})
    assert pair(p) == {"u": 2.0, "v": 6.0}
    g = grad(lambda p: pair(p)["v"])(p)
    assert g[0] == pytest.approx(0.75)
    assert g[1]["k"] == pytest.approx(2.0)
    with pytest.raises(AutodiffError, match="distance of two iterates is nan"):
        fixed_point(lambda a: lambda x: numpy.nan, 1.0, 0.0, lambda x, y: abs(x - y), 1e-9)
    with pytest.raises(AutodiffError, match="after 100000 iterations"):
        fixed_point(lambda a: lambda x: -x, 1.0, 1.0, lambda x, y: abs(x - y), 1e-9)


def test_const_graph() -> None:
    assert grad(const_graph(lambda a, x: a * x**2, 3.0))(2.0) == 12.0


# -- test helpers ------------------------------------------------------------------------------------------------------


@primitive
def tripled(x: Any) -> Any:
    return 3.0 * x


defvjp(tripled, lambda ans, x: lambda g: 3.001 * g)


@primitive
def doubled(x: Any) -> Any:
    return 2.0 * x


@primitive
def same(x: Any) -> Any:
    return 1.0 * x


defvjp(doubled, lambda ans, x: lambda g: 2.0 * same(g))
defvjp(same, lambda ans, x: lambda g: 1.001 * g)


def test_check_grads_finds_wrong_rules() -> None:
    with pytest.raises(AssertionError, match=r"Derivative \(VJP\) check of tripled failed"):
        check_grads(tripled, modes=["rev"])(1.0)
    with pytest.raises(AssertionError, match=r"\(JVP\) check of tripled failed"):
        check_grads(tripled, modes=["fwd"])(numpy.ones(2))
    check_grads(doubled, modes=["rev"], order=1)(1.0)
    with pytest.raises(AssertionError, match=r"\(VJP\) check of vjp_doubled failed"):
        check_grads(doubled, modes=["rev"])(1.0)
    with pytest.raises(AssertionError, match="check of tripled"):
        check_vjp(tripled, 1.0)
    with pytest.raises(AssertionError, match="check of tripled"):
        check_jvp(tripled, 1.0)
    with pytest.raises(AssertionError, match="check of tripled"):
        quick_grad_check(tripled, 1.0)
    with pytest.raises(ValueError, match="modes are 'fwd' and 'rev'"):
        check_grads(np.sin, modes=["both"])(1.0)


def test_check_grads_passes_right_ones() -> None:
    rs = npr.RandomState(3)
    check_grads(np.dot, (0, 1))(rs.randn(2, 3), rs.randn(3))
    check_grads(lambda p: {"y": p["w"] * p["b"], "n": 3}, order=3)({"w": rs.randn(2), "b": 1.5})
    check_grads(lambda z: np.real(z * np.exp(z)))(0.3 + 0.2j)
    check_grads(lambda z: z**2 * 1j)(numpy.array([0.3 + 0.2j]))
    check_grads(lambda x: np.exp(1j * x))(0.3)
    check_grads(np.multiply, [0, 1])(2.0, 3.0)
    check_jvp(np.sin, 0.3)
    combo_check(np.sum, [0], order=1)([rs.randn(2, 3), rs.randn(1, 2)], axis=[None, 0, 1], keepdims=[True, False])


def test_check_equivalent() -> None:
    check_equivalent([numpy.ones(2)], [numpy.ones(2) + 1e-9])
    with pytest.raises(AssertionError, match="VSpace mismatch"):
        check_equivalent([numpy.ones(2)], [numpy.ones(3)])
    with pytest.raises(AssertionError, match="Value mismatch"):
        check_equivalent(1.0, 1.1)
    assert scalar_close(1e9, 1e9 + 1.0)
    assert not scalar_close(1.0, 2.0)


def test_operators_of_ones_own() -> None:
    @unary_to_nary
    def doubled_grad(fun: Any, x: Any, factor: Any = 2.0) -> Any:
        pull, _ = make_vjp(fun)(x)
        return factor * pull(1.0)

    assert doubled_grad(lambda a, b: a * b**2, 1)(2.0, 3.0) == 24.0
    assert doubled_grad(lambda a, b: a * b**2, "a", factor=3.0)(2.0, b=3.0) == 27.0
    with pytest.raises(AutodiffError, match="argnum 2 is out of range"):
        doubled_grad(lambda a, b: a, 2)(1.0, 2.0)


def test_no_trace_of_a_node_type() -> None:
    sign = primitive(lambda x: float(numpy.sign(x)))
    register_notrace(JVPNode, sign)
    value, g = value_and_grad(lambda x: sign(x) * x**2)(-3.0)
    assert (value, g) == (-9.0, 6.0)
    assert elementwise_grad(lambda x: x * sign(x))(2.0) == 1.0
