"""Every kind of mistake has a fixture, and the command calls it by its name, with the numbers.

``fixtures/kinds.py`` holds small functions with realistic mistakes; some of the twins of ``fixtures/`` show a kind,
too. ``test_kinds.py`` has random functions.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from gradcheck.check.codes import CODES

from .test_fixtures import Run, gradcheck

FILE = "fixtures/kinds.py"

# function -> the codes of its diagnosis, and what the sentences must say
KINDS: dict[str, tuple[list[str], str]] = {
    "log_likelihood": (["GC111"], "the wrong sign: all 15 ratios are −1.000000"),
    "squares": (["GC112"], "1/2 times the right one: all 15 ratios are 0.500000"),
    "mean_square": (["GC112"], "8 times the right one: all 15 ratios are 8.000000"),
    "layer": (["GC113"], "transposed: put back, all 45 entries are right"),
    "chain": (["GC114"], "only df/dx[3] is wrong, the other 3 entries are right"),
    "line": (["GC115", "GC114"], "all 5 wrong entries are exactly 0"),
    "ridge": (
        ["GC116"],
        "0.05·Σw², or has it with another weight: all 15 differences to the right ones are −0.100000·w",
    ),
    "lasso": (["GC116"], "0.2·Σ|w|, or has it with another weight: all 5 differences .* are −0.200000·sign(w)"),
    "entropy": (["GC117"], "off by a constant: all 4 differences to the right ones are 1.000000"),
    "circle": (["GC118"], "entry i holds what belongs to entry i − 1: put back, all 4 entries are right"),
    "gaussian": (["GC119"], "entries 1 and 2 of p are interchanged: put back, all 3 are right"),
    "outer": (["GC120"], "axes of the value are in the wrong order: [1, 0] instead of [0, 1]"),
    "bilinear": (["GC121"], "the other memory order (Fortran, not C) of W: put back, all 6 entries are right"),
    "squash": (["GC122"], "lacks the factor (1 − tanh(x)²): yours times it is right, all 15 entries agree"),
    "length": (["GC122"], "lacks the factor 1/f: yours times it is right, all 15 entries agree"),
    "samples": (["GC124"], "all 15 entries equal the contribution of the last of 8 samples alone"),
    "gather": (["GC124"], "all 2 wrong entries equal the contribution of the last occurrence of each index in index"),
    "rating": (["GC125"], "that with respect to b, not a: all 3 entries agree with df/db"),
    "weighted": (["GC126"], "precision of float32: all 15 of its entries are float32 numbers"),
    "leaky": (["GC127"], "wrong where x[i] < 0, right where x[i] > 0"),
    "phase": (["GC128"], "complex conjugate .*: the ratios of all 45 imaginary parts are −1.000000"),
    "pendulum": (["GC129"], "only the entries of df[1] are wrong: 3 of 9"),
    "softmax": (["GC130"], "only the diagonal is there, .* all 30 that are wrong are exactly zero"),
    "normal": (["GC131"], "the diagonal is missing: all 15 that are wrong are exactly zero"),
    "ascent": (["GC132"], "the right direction, and its length is 1.000000 at all points"),
    "square": (["GC133"], "the value of f, not its derivative: all 5 entries equal it"),
}


def diagnosis(check: dict[str, Any]) -> list[dict[str, Any]]:
    return [f for f in check["findings"] if "GC111" <= f["code"] <= "GC139"]


def run_all() -> Run:
    return gradcheck("--format", "json", *(f"{FILE}:{name}" for name in (*KINDS, "biased")))


def says(message: str, sentence: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in sentence.split(".*"))
    return re.search(pattern, message) is not None


@pytest.mark.parametrize("function", KINDS)
def test_the_kind_and_its_numbers(function: str) -> None:
    run = run_all()
    assert run.code == 1, run.stderr
    check = run.check(f"{FILE}:{function}")
    assert check["verdict"] == "fail"
    codes, sentence = KINDS[function]
    found = diagnosis(check)
    assert [f["code"] for f in found] == codes, found
    assert says(found[0]["message"], sentence), found[0]["message"]
    assert found[0]["where"]["file"] == FILE
    for finding in found:
        assert finding["kind"] == CODES[finding["code"]].kind
        assert finding["evidence"], finding


def test_a_gradient_that_is_not_summed_over_the_batch() -> None:
    check = run_all().check(f"{FILE}:biased")
    codes = [f["code"] for f in check["findings"]]
    assert codes == ["GC102", "GC123"]
    assert "after a sum over it all 3 entries are right" in check["findings"][1]["message"]
    assert check["findings"][1]["evidence"] == {"axis": 0, "reduction": "sum"}


def test_a_hessian() -> None:
    run = gradcheck("--format", "json", "--order", "2", f"{FILE}:coupled")
    assert run.code == 1
    (found,) = diagnosis(run.check(f"{FILE}:coupled"))
    assert found["code"] == "GC134"
    assert "the entries below the diagonal are missing: all 15 that are wrong are exactly zero" in found["message"]


def test_a_derivative_that_f_returns() -> None:
    run = gradcheck("--format", "json", "--grad", "returned", f"{FILE}:returned")
    assert run.code == 1
    (found,) = diagnosis(run.check(f"{FILE}:returned"))
    assert (found["code"], found["evidence"]["ratio"]) == ("GC112", 0.5)


def test_the_report_for_people() -> None:
    run = gradcheck(f"{FILE}:log_likelihood")
    assert run.code == 1
    sentence = "the derivative has the wrong sign: all 15 ratios are −1.000000"
    assert f"wrong GC111 sign-flipped: {sentence} (fixtures/kinds.py:19)" in run.stdout


TWINS = {
    "logistic_wrong.py:loss": ["GC116"],
    "decay_wrong.py:residuals": ["GC122", "GC129"],
    "kalman_wrong.py:nll": ["GC114"],
    "morse_wrong.py:potential": ["GC122"],
    "quadrature_wrong.py:f": ["GC112", "GC114"],
    "softmax_wrong.py:cross_entropy": [],
    "heat_wrong.py:cost": [],
}


@pytest.mark.parametrize("twin", TWINS)
def test_what_the_numbers_say_of_the_twins(twin: str) -> None:
    run = gradcheck("--format", "json", *(f"fixtures/{each}" for each in TWINS))
    found = diagnosis(run.check(f"fixtures/{twin}"))
    assert [f["code"] for f in found] == TWINS[twin], found


@pytest.mark.parametrize("code", sorted(c for c in CODES if "GC111" <= c <= "GC199"))
def test_every_kind_is_explained(code: str) -> None:
    run = gradcheck("--explain", code)
    assert run.code == 0
    assert CODES[code].kind in run.stdout


def test_every_kind_has_a_fixture() -> None:
    shown = {code for codes, _ in KINDS.values() for code in codes} | {"GC123", "GC134"}
    assert shown == {code for code in CODES if "GC111" <= code <= "GC139"}
