"""Ordinary Python on traced values: every guard takes the branch of plain input, every builtin and tool of the standard
library gives plain Python's value, with the derivative."""

from __future__ import annotations

import asyncio
import collections
import collections.abc
import copy
import dataclasses
import functools
import heapq
import itertools
import math
import numbers
import operator
import random
from collections.abc import Callable, Iterable, Sized
from typing import Any

import numpy as np
import pytest

from gradcheck.autodiff import grad, jvp, vjp

from . import guarded_module as other
from .checking import assert_close, difference

X = 1.37
A = np.array([0.31, -0.83, 1.27, 0.59])
Function = Callable[[Any], Any]
NUMERIC = (float, int)


def scaled(twice: bool, x: Any) -> Any:
    return x * 2.0 if twice else x * 3.0


BY_TYPE: dict[Any, Function] = {float: lambda x: x * 2.0, np.ndarray: lambda x: x * 3.0, np.float64: lambda x: x * 5.0}


def iterable_by_trial(x: Any) -> Any:
    try:
        return sum(x) * 2.0
    except TypeError:
        return x * 3.0


def matched(x: Any) -> Any:
    match x:
        case float():
            return x * 2.0
        case _:
            return x * 3.0


def matched_list(x: Any) -> Any:
    match list(x):
        case [a, b, *rest]:
            return a * b + rest[0]
        case _:
            return x * 3.0


@functools.singledispatch
def dispatched(x: Any) -> Any:
    return x * 3.0


@dispatched.register(float)
def _(x: Any) -> Any:
    return x * 2.0


def casts_and_compares(x: Any) -> Any:
    y = float(x) * x
    return y * 2.0 if type(y) is float and type(x) == float and type(X) in NUMERIC else y * 3.0  # noqa: E721


def numpy_casts_and_compares(x: Any) -> Any:
    y = np.float64(x[0]) * x
    return y * 2.0 if type(x[0]) is np.float64 else y * 3.0


GUARDS: dict[str, Function] = {
    "type is": lambda x: x * 2.0 if type(x) is float else x * 3.0,
    "type equals": lambda x: x * 2.0 if type(x) == float else x * 3.0,  # noqa: E721
    "type in": lambda x: x * 2.0 if type(x) in (float, int) else x * 3.0,
    "type in a constant": lambda x: x * 2.0 if type(x) in NUMERIC else x * 3.0,
    "type as key": lambda x: BY_TYPE[type(x)](x),
    "name of the type": lambda x: x * 2.0 if type(x).__name__ == "float" else x * 3.0,
    "type of another": lambda x: scaled(isinstance(2.0, type(x)), x),
    "made by type": lambda x: x * type("Two", (), {"value": 2.0}).value,  # type: ignore[attr-defined]
    "cast by type": lambda x: type(x)(x) * x,
    "cast and compare": casts_and_compares,
    "class": lambda x: x * 2.0 if x.__class__ is float else x * 3.0,
    "length": lambda x: x * 2.0 if hasattr(x, "__len__") else x * 3.0,
    "iteration": lambda x: x * 2.0 if hasattr(x, "__iter__") else x * 3.0,
    "items": lambda x: x * 2.0 if hasattr(x, "__getitem__") else x * 3.0,
    "array": lambda x: x * 2.0 if hasattr(x, "__array__") else x * 3.0,
    "shape": lambda x: x * 2.0 if hasattr(x, "shape") else x * 3.0,
    "method": lambda x: x * 2.0 if hasattr(x, "sum") else x * 3.0,
    "Number": lambda x: scaled(isinstance(x, numbers.Number), x),
    "Real": lambda x: scaled(isinstance(x, numbers.Real), x),
    "Integral": lambda x: scaled(isinstance(x, numbers.Integral), x),
    "Iterable": lambda x: scaled(isinstance(x, Iterable), x),
    "Sized": lambda x: scaled(isinstance(x, Sized), x),
    "Sequence": lambda x: scaled(isinstance(x, collections.abc.Sequence), x),
    "Hashable": lambda x: scaled(isinstance(x, collections.abc.Hashable), x),
    "callable": lambda x: x * 2.0 if callable(x) else x * 3.0,
    "np.isscalar": lambda x: scaled(np.isscalar(x), x),
    "np.ndim": lambda x: x * 2.0 if np.ndim(x) else x * 3.0,
    "by trial": iterable_by_trial,
    "match": matched,
    "singledispatch": dispatched,
    "in another module": lambda x: other.by_type(x),
    "length in another module": lambda x: other.as_list(x),
    "class in another module": lambda x: other.Scaler()(x),
}
ON_ARRAYS: dict[str, Function] = {
    "type is": lambda x: x * 2.0 if type(x) is np.ndarray else x * 3.0,
    "type of an element": lambda x: x * 2.0 if type(x[0]) is np.float64 else x * 3.0,
    "type as key": lambda x: BY_TYPE[type(x)](x) + BY_TYPE[type(x[0])](x),
    "numpy casts and compares": numpy_casts_and_compares,
    "length": lambda x: x * 2.0 if hasattr(x, "__len__") else x * 3.0,
    "Iterable": lambda x: scaled(isinstance(x, Iterable), x),
    "Sequence": lambda x: scaled(isinstance(x, collections.abc.Sequence), x),
    "Hashable": lambda x: scaled(isinstance(x, collections.abc.Hashable), x),
    "in another module": lambda x: other.Scaler()(x) + other.as_list(x),
    "match": matched_list,
}


def check(f: Function, x: Any, direction: Any) -> None:
    expected = f(x)
    value, tangent = jvp(f, (x,), (direction,))
    assert np.array_equal(value, expected)
    measured = difference(f, (x,), (direction,))[0]
    assert_close(tangent, measured, 1e-7, "forward")
    value, pull = vjp(f, x)
    assert np.array_equal(value, expected)
    ones = np.ones(np.shape(value)) if isinstance(value, np.ndarray) else 1.0
    assert_close(np.sum(pull(ones)[0] * direction), np.sum(measured), 1e-7, "reverse")


@pytest.mark.parametrize("name", GUARDS, ids=str)
def test_guard_on_a_number(name: str) -> None:
    check(GUARDS[name], X, 1.0)


@pytest.mark.parametrize("name", ON_ARRAYS, ids=str)
def test_guard_on_an_array(name: str) -> None:
    check(ON_ARRAYS[name], A, np.cos(np.arange(4.0)))


def test_builtins_are_put_back() -> None:
    grad(GUARDS["type is"])(X)
    grad(GUARDS["length in another module"])(X)
    for module in (globals(), vars(other)):
        assert not {"type", "hasattr", "isinstance", "float"} & module.keys()


# -- the standard library ----------------------------------------------------------------------------------------------


Record = collections.namedtuple("Record", "a b")


@dataclasses.dataclass
class Pair:
    a: Any
    b: Any = 2.0


def dataclass(x: Any) -> Any:
    p = Pair(x)
    q = dataclasses.replace(p, b=p.a * 2.0)
    return sum(dataclasses.astuple(q)) * dataclasses.asdict(q)["a"]


def coroutine(x: Any) -> Any:
    def run() -> Any:
        total: Any = 0.0
        while True:
            v = yield total
            total += v * v

    it = run()
    next(it)
    return [it.send(v) for v in x][-1]


def asynchronous(x: Any) -> Any:
    async def square(v: Any) -> Any:
        await asyncio.sleep(0)
        return v * v

    async def total() -> Any:
        return sum(await asyncio.gather(*[square(v) for v in x]))

    return asyncio.run(total())


def in_order(x: Any) -> Any:
    items = list(x)
    items.sort()
    return items


def counted(x: Any) -> Any:
    totals: collections.Counter[str] = collections.Counter()
    totals["a"] += x[0]
    totals["a"] += x[1] * x[0]
    return totals["a"]


def nested(x: Any) -> Any:
    def f(n: int) -> Any:
        return x[0] if n == 0 else f(n - 1) * x[1] + x[2]

    return f(5)


def in_place_operators(x: Any) -> Any:
    y = x.copy()
    iadd: Any = operator.iadd
    imul: Any = operator.imul
    y = imul(iadd(y, x), x)
    operator.setitem(y, 0, x[1])
    return y


def gaussian(x: Any) -> Any:
    return random.Random(1).gauss(x[0], 1.0) * x


LIBRARY: dict[str, Function] = {
    "sum": lambda x: sum(x, start=x[0]) * x,
    "min and max": lambda x: max(x) * min(x[0], x[1]) * max([x[0], x[2]], key=lambda v: -v),
    "sorted": lambda x: sorted(x)[0] * sorted(x, reverse=True)[1] * x[sorted(range(4), key=lambda i: x[i])[3]],
    "list.sort": lambda x: functools.reduce(operator.sub, in_order(x)),
    "reversed": lambda x: sum(v * i for i, v in enumerate(reversed(list(x)))),
    "zip and map": lambda x: sum(a * b for a, b in itertools.pairwise(x)) + sum(map(lambda a, b: a * b, x, x)),
    "filter": lambda x: sum(filter(lambda v: v > 0, x)),
    "divmod": lambda x: divmod(x[2], 0.4)[1] * x + divmod(5.0, x[2])[0],
    "pow": lambda x: pow(x[2], 3) * pow(2.0, x),
    "round": lambda x: round(x[0], 1) * x * round(x[2]),
    "abs": lambda x: abs(x) * x,
    "accumulate": lambda x: list(itertools.accumulate(x, operator.mul))[-1] + sum(itertools.accumulate(x)),
    "product": lambda x: sum(a * b for a, b in itertools.product(x, x)),
    "combinations": lambda x: sum(a * b for a, b in itertools.combinations(x, 2)),
    "chain": lambda x: sum(a * a for a in itertools.chain(x, x[:2])),
    "starmap": lambda x: sum(itertools.starmap(pow, [(v + 2, 2) for v in x])),
    "reduce": lambda x: functools.reduce(operator.mul, x),
    "partial": lambda x: functools.partial(math.pow, x[2])(2),
    "getters": lambda x: operator.itemgetter(0, 2)(x)[1] * operator.attrgetter("T")(x),
    "methodcaller": lambda x: operator.methodcaller("sum")(x) ** 2,
    "operators": lambda x: operator.add(x, x) * operator.mul(x, 2) - operator.truediv(x, 3) + operator.neg(x) ** 2,
    "in-place operators": in_place_operators,
    "heap": lambda x: heapq.nsmallest(2, x)[1] * sum(heapq.nlargest(2, x)),
    "deque": lambda x: sum(collections.deque(x, maxlen=3)) ** 2,
    "counter": counted,
    "namedtuple": lambda x: Record(x[0], x)._asdict()["b"] ** 2,
    "dataclass": lambda x: dataclass(x[0]),
    "coroutine": coroutine,
    "asyncio": asynchronous,
    "recursion": nested,
    "deepcopy": lambda x: copy.deepcopy({"a": [x, x * 2]})["a"][1] * x,
    "unpacking": lambda x: (lambda a, *b: a * b[-1] + b[0])(*x),
    "fsum and prod": lambda x: math.fsum(v * v for v in x) * math.prod(v + 2 for v in x),
    "dist and hypot": lambda x: math.dist(x[:2], x[2:]) * math.hypot(*x),
    "random.gauss": gaussian,
    "walrus": lambda x: (y := x * x) * y,
    "index by value": lambda x: x * list(x).index(x[2]),
    "dictionary of values": lambda x: sum({"a": x[0]}.values()) * x,
    "range": lambda x: sum(x[2] for _ in range(int(x[2] * 3))),
    "ndenumerate": lambda x: sum(i[0] * v for i, v in np.ndenumerate(x)),
    "complex": lambda x: ((x + 1j) * (x - 2j)).imag * x.conjugate(),
}


@pytest.mark.parametrize("name", LIBRARY, ids=str)
def test_library(name: str) -> None:
    check(LIBRARY[name], A, np.cos(np.arange(4.0)))
