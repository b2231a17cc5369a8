"""Every method and attribute of ndarray, np.float64, float and complex: NumPy's answer and its derivative, or a refusal
by name. The lists are walked with ``dir``, so that an attribute of a newer NumPy is missed by nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import AutodiffError, grad, jacobian, jvp, vjp

from .checking import Table, assert_close, difference, same_value, verify

# NumPy 2.5 has deprecated what NumPy 2.0 to 2.4 do.
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")

A = np.array([[1.313, 0.723, 2.131], [0.619, 1.759, 0.3571]])
COUNT = np.arange(6.0).reshape(2, 3)


def written(write: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """What a method that writes leaves behind in a copy of x."""

    def f(x: Any) -> Any:
        y = x * 1.0
        v = y[1]
        write(y, x)
        return np.cos(y) * (1.0 + v[0])

    return f


def set_attribute(name: str, value: Any) -> Callable[[Any, Any], None]:
    return lambda y, x: setattr(y, name, value(x) if callable(value) else value)


def dotted(x: Any) -> Any:
    y = np.zeros((2, 2))
    x.dot(x.T, out=y)
    return y


# Of an array: what is done with it, several ways each.
METHODS: dict[str, list[Callable[[Any], Any]]] = {
    "all": [lambda x: x * x.all()],
    "any": [lambda x: x * x.any(axis=0)],
    "argmax": [lambda x: x * x.argmax()],
    "argmin": [lambda x: x * x.argmin(1)[:, None]],
    "argpartition": [lambda x: x * x.argpartition(1)],
    "argsort": [lambda x: x * x.argsort(axis=0), lambda x: x * x.argsort(kind="stable")],
    "astype": [lambda x: x.astype("d", copy=False) * x.astype(int)],
    "choose": [lambda x: np.round(x[0]).clip(0, 1) * np.choose([0, 1, 1], x)],
    "clip": [lambda x: x.clip(0.7, 1.5), lambda x: x.clip(min=x[0, 1] * 1.1), lambda x: x.clip(max=1.0)],
    "compress": [lambda x: x.compress([True, False, True], axis=1), lambda x: x.compress([True, False, True])],
    "conj": [lambda x: x.conj() * x],
    "conjugate": [lambda x: (x * 1j).conjugate().imag * x],
    "copy": [lambda x: x.copy("F") * x],
    "cumprod": [lambda x: x.cumprod(1), lambda x: x.cumprod()],
    "cumsum": [lambda x: x.cumsum(axis=0), lambda x: x.cumsum()],
    "diagonal": [lambda x: x.diagonal(1) ** 2],
    "dot": [lambda x: x.dot(x.T), dotted],
    "fill": [written(lambda y, x: y[:, 1].fill(x[0, 0]))],
    "flatten": [lambda x: x.flatten("F") * np.arange(6)],
    "item": [lambda x: x.item(1, 1) * x.item(3) * x.item((0, 2)), lambda x: x[:1, :1].item() ** 2],
    "max": [lambda x: x.max(axis=1, keepdims=True), lambda x: x.max(initial=x[1, 1] * 1.1, where=A < 1)],
    "mean": [lambda x: x.mean(0) ** 2, lambda x: x.mean(where=A > 1)],
    "min": [lambda x: x.min() ** 2],
    "nonzero": [lambda x: x[x.nonzero()] ** 2],
    "partition": [written(lambda y, x: y.partition(1, axis=1))],
    "prod": [lambda x: x.prod(axis=1), lambda x: x.prod(initial=2.0)],
    "put": [written(lambda y, x: y.put([0, 7], [x[0, 0] ** 2, 2], mode="wrap"))],
    "ravel": [lambda x: x.ravel("K") * np.arange(6) * x[0, 0], lambda x: x.T.ravel("F") ** 2],
    "repeat": [lambda x: x.repeat(2, axis=1) ** 2],
    "reshape": [lambda x: x.reshape(3, 2, order="F") @ x, lambda x: x.reshape((6,)) ** 2],
    "resize": [written(lambda y, x: y.resize(3, 2))],
    "round": [lambda x: x * x.round(1)],
    "searchsorted": [lambda x: x[0] * np.sort(x[1]).searchsorted(x[0])],
    "setflags": [written(lambda y, x: y.setflags(write=False))],
    "sort": [written(lambda y, x: y.sort(0)), written(lambda y, x: y.sort(kind="stable", axis=1))],
    "squeeze": [lambda x: x[:, None].squeeze(1) ** 2],
    "std": [lambda x: x.std(ddof=1, axis=1)],
    "sum": [lambda x: x.sum(axis=(0, 1), initial=x[0, 0]), lambda x: x.sum(where=A > 1) ** 2],
    "swapaxes": [lambda x: x.swapaxes(0, 1) @ x],
    "take": [lambda x: x.take([0, 7], mode="wrap") ** 2, lambda x: x.take([[0, 1]], axis=1)],
    "to_device": [lambda x: x.to_device("cpu") ** 2],
    "tolist": [lambda x: x.tolist()[1][0] * x],
    "trace": [lambda x: x.trace(1) ** 2],
    "transpose": [lambda x: x.transpose(1, 0) @ x, lambda x: x.transpose() @ x, lambda x: x.transpose((1, 0)) @ x],
    "var": [lambda x: x.var(axis=0, keepdims=True)],
    "view": [written(lambda y, x: y.view().__setitem__(0, x[1])), lambda x: x.view(np.ndarray) ** 2],
    "T": [lambda x: x.T @ x],
    "mT": [lambda x: x.mT @ x],
    "base": [lambda x: x * x[1:].base, lambda x: x * (2.0 if (x * 1).base is None else 3.0)],
    "device": [lambda x: x * (x.device == "cpu")],
    "dtype": [lambda x: x * x.dtype.itemsize],
    "flags": [lambda x: x * x.T.flags.f_contiguous],
    "flat": [
        lambda x: np.array(x.flat) ** 2,
        lambda x: sum(v * k for k, v in enumerate(x.T.flat)),
        lambda x: np.multiply(x.flat, 2.0) * x.ravel(),
        lambda x: np.sum(x.flat) * x.flat.base,
        lambda x: next(x.flat) * x.flat[1:3] * len(x.flat),
        lambda x: np.where(np.reshape(x.flat > 1, (2, 3)), x, x * x),
        written(lambda y, x: y.flat.__setitem__([0, 5], x[1, 1])),
        written(lambda y, x: y.flat.__setitem__(slice(3, None), x[0, :2])),
        written(lambda y, x: y.flat.__setitem__(y.flat > 1, 0.5)),
        written(set_attribute("flat", lambda x: x[0] * 2.0)),
    ],
    "imag": [lambda x: x.imag + x * (x * 1j).imag],
    "itemsize": [lambda x: x * x.itemsize],
    "nbytes": [lambda x: x * x.nbytes],
    "ndim": [lambda x: x * x.ndim],
    "real": [lambda x: x.real * x],
    "shape": [
        lambda x: x * x.shape[1],
        written(set_attribute("shape", (3, 2))),
        written(set_attribute("shape", -1)),
        lambda x: named(np.ones((2, 3)) * x, (3, 1, 2)),
        lambda x: named(np.zeros(6), (2, 3)) + x,
    ],
    "size": [lambda x: x / x.size],
    "strides": [lambda x: x * x.strides[0]],
    "__abs__": [lambda x: abs(-x)],
    "__add__": [lambda x: x + x[0]],
    "__array_namespace__": [lambda x: x.__array_namespace__().sin(x)],
    "__bool__": [lambda x: x if x[0, 0] else 2 * x],
    "__contains__": [lambda x: x * (5.0 in x)],
    "__divmod__": [lambda x: divmod(x, 0.4)[1] * x],
    "__floordiv__": [lambda x: x * (x // 0.4)],
    "__iter__": [lambda x: sum(r * r for r in x)],
    "__int__": [lambda x: x * int(x[0, 2])],
    "__len__": [lambda x: x * len(x)],
    "__matmul__": [lambda x: x @ x.T],
    "__mod__": [lambda x: x % 0.4],
    "__neg__": [lambda x: -x],
    "__pos__": [lambda x: +x],
    "__pow__": [lambda x: pow(x, 2)],
    "__rdivmod__": [lambda x: divmod(3.0, x)[1]],
    "__rfloordiv__": [lambda x: x * (3.0 // x)],
    "__rmatmul__": [lambda x: [[1, 2.0]] @ x],
    "__rmod__": [lambda x: 3 % x],
    "__rpow__": [lambda x: 2**x],
    "__rsub__": [lambda x: [1, 2, 3] - x],
    "__rtruediv__": [lambda x: 2 / x],
    "__sizeof__": [lambda x: x * (x.__sizeof__() > 0)],
    "__sub__": [lambda x: x - x[:, :1]],
    "__truediv__": [lambda x: x / x[1]],
    "__rmul__": [lambda x: 2 * x],
    "__radd__": [lambda x: 2 + x],
    "__mul__": [lambda x: x * x[1]],
    "__copy__": [lambda x: x.__copy__() ** 2],
    "__deepcopy__": [lambda x: x.__deepcopy__({}) ** 2],
    "__iadd__": [written(lambda y, x: y.__iadd__(x[0]))],
    "__isub__": [written(lambda y, x: y.__isub__(x[0]))],
    "__imul__": [written(lambda y, x: y.__imul__(y[::-1]))],
    "__itruediv__": [written(lambda y, x: y.__itruediv__(2 + x[0]))],
    "__ipow__": [written(lambda y, x: y.__ipow__(2))],
    "__imod__": [written(lambda y, x: y.__imod__(0.4))],
    "__ifloordiv__": [written(lambda y, x: y[0].__ifloordiv__(0.4))],
    "__imatmul__": [written(lambda y, x: y.__imatmul__(x.T @ x))],
    "__setitem__": [written(lambda y, x: y.__setitem__((0, slice(1, 3)), x[1, :2]))],
    "__getitem__": [lambda x: x[1, ::2] * x[..., None][0, 0]],
    "__lt__": [lambda x: x * (x < 1)],
    "__le__": [lambda x: x * (x <= 1)],
    "__gt__": [lambda x: x * (x > 1)],
    "__ge__": [lambda x: x * (x >= 1)],
    "__eq__": [lambda x: x * (x == 5)],
    "__ne__": [lambda x: x * (x != 5)],
    "__repr__": [lambda x: x * len(repr(x)[:3])],
    "__str__": [lambda x: x * len(str(x)[:3])],
    "__format__": [lambda x: x * len(format(x[0, 0], ".3f"))],
    "__array__": [lambda x: x * np.ones(3).__array__()],
}
REFUSED: dict[str, Callable[[Any], Any]] = {
    "byteswap": lambda x: x.byteswap(),
    "ctypes": lambda x: x.ctypes.data,
    "data": lambda x: x.data,
    "dump": lambda x: x.dump("/nowhere/at/all"),
    "dumps": lambda x: x.dumps(),
    "getfield": lambda x: x.getfield(float),
    "setfield": lambda x: x.setfield(3.0, float),
    "tobytes": lambda x: x.tobytes(),
    "tofile": lambda x: x.tofile("/nowhere/at/all"),
    "__complex__": lambda x: complex(x[0, 0]),
    "__dlpack__": lambda x: np.from_dlpack(x),
    "__reduce__": lambda x: x.__reduce__(),
    "__reduce_ex__": lambda x: x.__reduce_ex__(2),
    "view": lambda x: x.view(np.int64),
    "resize": lambda x: (x * 1).resize(9),
    "dtype": lambda x: set_attribute("dtype", np.dtype(int))(x * 1, x),
    "strides": lambda x: set_attribute("strides", (8, 8))(x * 1, x),
    "shape": lambda x: set_attribute("shape", 6)(x, x),
}
# What has no place on a traced value: protocols for C code and subclasses, types and pickling, and operators that
# floats do not have (NumPy's TypeError, or Python's).
ABSENT = {
    "__array_finalize__", "__array_interface__", "__array_struct__", "__array_wrap__",
    "__buffer__", "__class_getitem__", "__getnewargs__", "__setstate__", "__getformat__",
    "__and__", "__rand__", "__iand__", "__or__", "__ror__", "__ior__", "__xor__", "__rxor__", "__ixor__", "__lshift__",
    "__rlshift__", "__ilshift__", "__rshift__", "__rrshift__", "__irshift__", "__invert__",
}  # fmt: skip
# Python's object machinery, and those that the tests of protocols and casts are about.
ELSEWHERE = {
    "__array_function__", "__array_priority__", "__array_ufunc__", "__class__", "__delattr__", "__delitem__", "__dir__",
    "__dlpack_device__", "__doc__", "__float__", "__getattribute__", "__getstate__", "__hash__", "__index__",
    "__init__", "__init_subclass__", "__module__", "__new__", "__setattr__", "__subclasshook__",
}  # fmt: skip


def named(y: Any, shape: tuple[int, ...]) -> Any:
    y.shape = shape
    return y


def cases() -> list[Any]:
    table = Table()
    for name, functions in METHODS.items():
        for f in functions:
            table.add((np.ndarray, name), f, A, single=False, second=not name.startswith("__"))
    return table.cases


@pytest.mark.parametrize("case", cases(), ids=lambda c: c.id)
def test_method(case: Any) -> None:
    if case.covers[0][1] in ("resize", "shape"):  # see test_shape_in_place: under two traces the shape is refused
        verify_first(case.f)
    else:
        verify(case)


def verify_first(f: Callable[[Any], Any]) -> None:
    direction = np.cos(COUNT)
    y = f(A.copy())
    value, tangent = jvp(f, (A,), (direction,))
    same_value(value, y, "value")
    measured = difference(f, (A,), (direction,))[0]
    assert_close(tangent, measured, 1e-7, "forward")
    assert_close(np.tensordot(jacobian(f)(A), direction, 2), measured, 1e-7, "reverse")


# Private ones of NumPy 2.5, and those that NumPy 2.0 still lists to say that they are gone.
OTHER_VERSIONS = {"_set_dtype", "_set_shape", "itemset", "newbyteorder", "ptp", "tostring"}


def test_every_attribute_of_ndarray_is_known() -> None:
    known = set(METHODS) | set(REFUSED) | ABSENT | ELSEWHERE
    assert set(dir(np.ndarray)) - known - OTHER_VERSIONS == set()


@pytest.mark.parametrize("name", REFUSED, ids=str)
def test_refused(name: str) -> None:
    f = REFUSED[name]
    for mode in (lambda: vjp(f, A), lambda: jvp(f, (A,), (A,))):
        if name == "shape" and mode is not None:
            continue
        with pytest.raises(AutodiffError) as caught:
            mode()
        assert caught.value.where is not None
        assert caught.value.where.file == __file__


def test_absent_is_absent() -> None:
    def f(x: Any) -> Any:
        operation: Callable[[], Any]
        for name in ABSENT - {"__or__", "__ror__"}:
            with pytest.raises(AttributeError):
                getattr(x, name)
        for operation in (lambda: x & 1, lambda: 1 | x, lambda: ~x, lambda: x << 1, lambda: x.no_such_name):
            with pytest.raises((TypeError, AttributeError)):
                operation()
        return np.sum(x)

    assert np.array_equal(grad(f)(A), np.ones((2, 3)))


# -- numbers ---------------------------------------------------------------------------------------------------------

NUMBERS: dict[str, Callable[[Any], Any]] = {
    "as_integer_ratio": lambda x: x.as_integer_ratio()[0],
    "conjugate": lambda x: x.conjugate() * x,
    "fromhex": lambda x: x * x.fromhex("0x1p1"),
    "hex": lambda x: len(x.hex()) * x,
    "imag": lambda x: x.imag + x,
    "is_integer": lambda x: x * (2 if x.is_integer() else 3),
    "real": lambda x: x.real * x,
    "__ceil__": lambda x: x * x.__ceil__(),
    "__floor__": lambda x: x * x.__floor__(),
    "__round__": lambda x: x * x.__round__(1) * round(x),
    "__trunc__": lambda x: x * x.__trunc__(),
    "__int__": lambda x: x * int(x),
    "__bool__": lambda x: x * bool(x),
    "__divmod__": lambda x: divmod(x, 0.4)[1] * divmod(x, 0.4)[0],
    "__rdivmod__": lambda x: divmod(5.0, x)[1] * divmod(5.0, x)[0],
    "__mod__": lambda x: x % 0.4,
    "__rmod__": lambda x: 5.0 % x,
    "__floordiv__": lambda x: x // 0.4 * x,
    "__rfloordiv__": lambda x: 5.0 // x * x,
    "__pow__": lambda x: x**3 + pow(x, 2),
    "__rpow__": lambda x: 2**x,
    "__abs__": lambda x: abs(-x),
    "__pos__": lambda x: +x,
}
LOST = {"as_integer_ratio", "hex"}


@pytest.mark.parametrize("kind", [float, np.float64, np.longdouble, np.float32], ids=lambda k: k.__name__)
@pytest.mark.parametrize("name", NUMBERS, ids=str)
def test_number(name: str, kind: Any) -> None:
    f, x = NUMBERS[name], kind(1.34)
    if not hasattr(kind, name):
        return  # Python goes through __float__ then: math.floor(np.float32(1.5))
    if name in LOST:
        with pytest.raises(AutodiffError, match=name):
            grad(f)(x)
        return
    (value, pull), y = vjp(f, x), f(x)
    assert value == y
    assert type(value) is type(y)
    measured = difference(f, (1.34,), (1.0,))[0]
    rtol = 1e-5 if kind is np.float32 else 1e-8
    assert pull(kind(1.0))[0] == pytest.approx(float(measured), rel=rtol)
    assert jvp(f, (x,), (kind(1.0),))[1] == pytest.approx(float(measured), rel=rtol)


@pytest.mark.parametrize("kind", [np.float64, float, complex], ids=lambda k: k.__name__)
def test_every_attribute_of_numbers_is_known(kind: Any) -> None:
    """What a number has: np.float64 answers as its array of no dimensions, so the method there is the test."""
    known = set(METHODS) | set(REFUSED) | set(NUMBERS) | ABSENT | ELSEWHERE
    assert set(dir(kind)) - known - OTHER_VERSIONS == set()
    x = kind(1.5)

    def f(z: Any) -> Any:
        for name in set(dir(kind)) - OTHER_VERSIONS:
            if name in REFUSED or name in ABSENT or name in LOST:
                continue
            assert hasattr(z, name), name
        for name in ("nothing", "shape", "dtype", "data", "device"):
            if not hasattr(x, name):
                assert not hasattr(z, name), name
        return z * 1.0

    vjp(f, x)


def test_bytes_of_constants() -> None:
    def f(x: Any) -> Any:
        y = np.ones(3)
        assert y.tobytes() == np.ones(3).tobytes()
        assert y[0].hex() == (1.0).hex()
        assert y.view().base is y
        return np.sum(x * np.frombuffer(y.tobytes()))

    assert np.array_equal(grad(f)(A), np.ones((2, 3)))


# -- a new shape in place ----------------------------------------------------------------------------------------------


def reshaped_after_views(x: Any) -> Any:
    y = x * 2.0
    v = y[1]
    w = y * y
    y.shape = (3, 2)
    y[0, 1] = x[0, 0]
    v[0] *= 3.0
    z = y * v[0]
    y.shape = -1
    y[3] = 0.0
    return np.sum(w) + np.sum(z * np.sin(y.reshape(3, 2)))


def reshaped_view(x: Any) -> Any:
    y = x * 2.0
    v = y[:, 1:].T[::-1].copy()
    u = y.ravel()[1:5]
    u.shape = (2, 2)
    u *= x[:, :2]
    v.shape = (4,)
    return np.sum(y * y) + np.sum(u @ u) + v[0]


def reshaped_constant(x: Any) -> Any:
    y = np.zeros(6)
    y.shape = 2, 3
    y[0] = x[1]
    y[:, 1] += x[:, 0]
    return np.sum(y**3)


@pytest.mark.parametrize("f", [reshaped_after_views, reshaped_view, reshaped_constant], ids=lambda f: f.__name__)
def test_shape_in_place(f: Callable[[Any], Any]) -> None:
    verify_first(f)


def test_shape_in_place_is_never_wrong() -> None:
    """Where elements were read or written one by one before, the trace knows the array in its old shape."""

    def f(x: Any) -> Any:
        y = x * 2.0
        y[0, 1] = x[1, 1]
        s = y[1, 1]
        y.shape = (3, 2)
        y[2, 1] = s * s
        return np.sum(y**3)

    with pytest.raises(AutodiffError, match="shape of this traced array"):
        grad(f)(A)
    with pytest.raises(AutodiffError, match="shape of this traced array"):
        grad(lambda x: np.sum(named(x, (6,)) ** 2))(A)
    with pytest.raises(AttributeError, match="Incompatible shape"):
        grad(lambda x: np.sum(named((x * 2).T, (6,))))(A)
