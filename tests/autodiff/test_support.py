# ruff: noqa: E501  (tables: a case a line)
"""The catalogue, and NumPy's own list of functions: none is forgotten, and those without a derivative have none."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.char
import numpy.fft
import numpy.lib.recfunctions
import numpy.polynomial
import numpy.strings
import pytest
from numpy.testing import overrides

import gradcheck
from gradcheck import AutodiffError, grad, jvp
from gradcheck import support as support_function
from gradcheck.autodiff.catalogue import EXACT, NUMERIC, REFUSED, STATUSES, ZERO, status_of, support
from gradcheck.autodiff.core import FUNCTIONS, UFUNCS
from gradcheck.autodiff.rules import plain

FUNCTION_LIST = sorted(overrides.get_overridable_numpy_array_functions(), key=lambda f: (f.__module__, f.__name__))
UFUNC_LIST = sorted(overrides.get_overridable_numpy_ufuncs(), key=lambda u: u.__name__)
V = np.array([0.7, -1.3, 2.1])
M = np.array([[0.7, -1.3, 2.1], [0.2, 1.9, -0.4]])


def test_no_function_of_numpys_list_is_unclassified() -> None:
    assert len(FUNCTION_LIST) > 300
    assert [f"{f.__module__}.{f.__name__}" for f in FUNCTION_LIST if status_of(f) is None] == []


def test_no_ufunc_of_numpys_list_is_unclassified() -> None:
    assert len(UFUNC_LIST) > 80
    assert [u.__name__ for u in UFUNC_LIST if status_of(u) is None] == []


def test_nothing_of_numpy_is_numeric() -> None:
    assert [entry.name for entry in support() if entry.status == NUMERIC and entry.name.startswith("numpy.")] == []


def test_what_is_refused_in_numpy_is_refused_on_purpose() -> None:
    refused = {
        e.name.rpartition(".")[2]: e.note for e in support() if e.status == REFUSED and e.name.startswith("numpy")
    }
    expected = {"asmatrix", "bmat", "as_strided", *plain.FILES.split(), *numpy.lib.recfunctions.__all__}
    assert set(refused) == expected - {"MaskedRecords"}
    assert all(refused.values())


# -- what has no derivative: NumPy's answer, and a derivative of zero --------------------------------------------------------

DATES = np.array(["2024-01-05", "2024-03-01"], dtype="M8[D]")
CALLS: dict[str, Callable[..., Any]] = {
    "allclose": lambda x: np.allclose(x, x), "isclose": lambda x: np.isclose(x, 1.0),
    "array_equal": lambda x: np.array_equal(x, x), "array_equiv": lambda x: np.array_equiv(x, x),
    "argpartition": lambda x: np.argpartition(x, 1), "can_cast": lambda x: np.can_cast(x.dtype, int),
    "digitize": lambda x: np.digitize(x, [0.0, 1.0]), "searchsorted": lambda x: np.searchsorted(np.sort(x), x),
    "isin": lambda x: np.isin(x, [2.1]), "in1d": lambda x: np.isin(x, [2.1]), "lexsort": lambda x: np.lexsort((x, x > 0)),
    "shares_memory": lambda x: np.shares_memory(x, x), "may_share_memory": lambda x: np.may_share_memory(x, x),
    "tril_indices_from": lambda x: np.tril_indices_from(np.outer(x, x)), "triu_indices_from": lambda x: np.triu_indices_from(np.outer(x, x)),
    "diag_indices_from": lambda x: np.diag_indices_from(np.outer(x, x)), "matrix_rank": lambda x: np.linalg.matrix_rank(np.outer(x, x)),
    "einsum_path": lambda x: np.einsum_path("i,i,i->", x, x, x)[0],
    "busday_count": lambda x: np.busday_count(DATES[0], DATES[1]), "busday_offset": lambda x: np.busday_offset(DATES, 1),
    "is_busday": lambda x: np.is_busday(DATES), "datetime_as_string": lambda x: np.datetime_as_string(DATES),
    "packbits": lambda x: np.packbits(x > 0), "unpackbits": lambda x: np.unpackbits(np.packbits(x > 0)),
    "ravel_multi_index": lambda x: np.ravel_multi_index(np.nonzero(x > 0), (3,)),
    "unravel_index": lambda x: np.unravel_index(np.argmax(x), (3, 1)),
}  # fmt: skip
ANSWERS = [
    f
    for f in FUNCTION_LIST
    if FUNCTIONS.get(f) in plain.HANDLERS and plain.HANDLERS[FUNCTIONS[f]] != "text" and f.__name__ != "fix"
]


@pytest.mark.parametrize("function", ANSWERS, ids=lambda f: f.__name__)
def test_answers_are_numpys_and_carry_no_derivative(function: Any) -> None:
    call = CALLS.get(function.__name__, function)
    seen = []

    def f(x: Any) -> Any:
        answer = call(x)
        seen.append(repr(answer))
        return np.sum(x * x)

    assert np.array_equal(grad(f)(V), 2 * V)
    assert jvp(f, (V,), (np.ones(3),))[1] == pytest.approx(2 * V.sum())
    assert set(seen) == {repr(call(V))}


@pytest.mark.parametrize("ufunc", plain.PLAIN_UFUNCS, ids=lambda u: u.__name__)
def test_ufuncs_without_a_derivative(ufunc: Any) -> None:
    whole = any(t[0] in "l?" for t in ufunc.types) and not any(t[0] == "d" for t in ufunc.types)
    operands = (lambda x: [np.array([5, 3, 1])] * ufunc.nin) if whole else (lambda x: [x] * ufunc.nin)
    if ufunc is np.isnat:
        with pytest.raises(TypeError, match="isnat"):  # of numbers NumPy does not know it
            grad(lambda x: np.sum(np.isnat(x)))(V)
        return
    seen = []

    def f(x: Any) -> Any:
        answer = ufunc(*operands(x))
        seen.append(repr(answer))
        return np.sum(x * answer)

    expected = ufunc(*operands(V))
    assert np.array_equal(grad(f)(V), expected * 1.0)
    assert set(seen) == {repr(expected)}


def test_frexp() -> None:
    """x = m·2ᵉ: the derivative of the mantissa is 2⁻ᵉ."""
    mantissa, exponent = np.frexp(V)
    assert np.array_equal(grad(lambda x: np.sum(np.frexp(x)[0]))(V), 0.5**exponent)
    assert np.array_equal(jvp(lambda x: np.ldexp(*np.frexp(x)), (V,), (np.ones(3),))[1], np.ones(3))
    assert np.array_equal(np.ldexp(mantissa, exponent), V)


def test_texts() -> None:
    def f(x: Any) -> Any:
        words = np.array(["a", "bb"])
        return x * np.sum(np.strings.str_len(words)) * len(np.char.upper(words))

    assert grad(f)(0.5) == 6.0


def test_structured_arrays_are_refused() -> None:
    with pytest.raises(AutodiffError, match="structured arrays"):
        grad(lambda x: np.lib.recfunctions.unstructured_to_structured(x)["f0"][0])(M)


def alone(code: str) -> list[str]:
    """What code prints in a process of its own: what modules this one has loaded is not known."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_structured_arrays_are_refused_where_the_function_itself_imports_them() -> None:
    code = """
import numpy as np, gradcheck
def f(x):
    from numpy.lib import recfunctions
    return recfunctions.unstructured_to_structured(x)["f0"][0]
try:
    gradcheck.grad(f)(np.ones((2, 3)))
except gradcheck.AutodiffError as error:
    print("structured arrays" in str(error))
"""
    assert alone(code) == ["True"]


def test_parts_of_numpy_that_it_loads_on_first_use_are_not_loaded() -> None:
    code = "import sys, numpy; had = set(sys.modules); import gradcheck.autodiff; print(*set(sys.modules) - had)"
    assert not {"numpy.random", "numpy.ma", "numpy.lib.recfunctions"} & set(alone(code))


def test_likes_are_arrays_that_can_be_written_to() -> None:
    for like in (np.zeros_like, np.ones_like, np.empty_like):

        def f(x: Any, like: Any = like) -> Any:
            y = like(x)
            y[:] = x * x
            return np.sum(y)

        assert np.array_equal(grad(f)(V), 2 * V)


# -- the catalogue -------------------------------------------------------------------------------------------------------


def test_the_catalogue_is_of_the_tables() -> None:
    catalogue = gradcheck.support()
    assert catalogue["numpy.exp"].status == EXACT
    assert catalogue["numpy.argsort"].status == ZERO
    assert catalogue["numpy.linalg.eig"].status == EXACT
    assert catalogue["numpy.bmat"].status == REFUSED
    assert "numpy.fft.rfft" in catalogue
    assert "numpy.nothing" not in catalogue
    with pytest.raises(KeyError):
        catalogue["numpy.nothing"]
    assert {e.status for e in catalogue} <= set(STATUSES)
    assert sum(catalogue.counts().values()) == len(catalogue) == len({e.name for e in catalogue})


def test_it_is_live() -> None:
    assert status_of(np.trapezoid) == (EXACT, "")
    handler = FUNCTIONS.pop(np.trapezoid)
    try:
        assert status_of(np.trapezoid) is None
    finally:
        FUNCTIONS[np.trapezoid] = handler
    assert UFUNCS[np.exp] is not None


def test_it_is_frozen_and_prints() -> None:
    catalogue = support_function()
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalogue.entries = ()
    head = repr(catalogue).splitlines()[0]
    counts = catalogue.counts("numpy")
    assert head == f"numpy {np.__version__}: " + ", ".join(f"{n} {s}" for s, n in counts.items() if n)
    text = str(catalogue)
    assert "numpy.fft, exact" in text
    assert "structured arrays cannot hold traced values" in text
    assert str(catalogue["numpy.shape"]) == "numpy.shape: zero by nature (piecewise constant)"


def test_parts_of_scipy_are_listed_when_they_are_loaded() -> None:
    code = (
        "import gradcheck; a = gradcheck.support(); b = gradcheck.support('scipy.special');"
        "print(any(e.name.startswith('scipy.special') for e in a), b['scipy.special.gammaln'].status)"
    )
    assert alone(code) == ["False", "exact"]
