"""The line of a mistake: named where the evidence leaves no doubt, and never otherwise; the audit of rules.

``benchmarks/blame.py`` measures the same on all mutants of the fixtures.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcheck import check, defjvp, defvjp, primitive
from gradcheck.autodiff.edges import Without, explain

ROOT = Path(__file__).resolve().parent.parent
LINES = {f"GC14{n}" for n in range(1, 6)}

# What the twins of the fixtures have wrong: target, code, line of the function, and what is quoted.
TWINS = [
    ("logistic_wrong.py:loss", "GC141", 14, "lacks the term `0.5 * lam * np.sum(w[1:] ** 2)`"),
    ("heat_wrong.py:cost", "GC141", 14, "in pass 1 of 12"),
    ("gaussian_process_wrong.py:objective", "GC144", 21, "the term `noise ** 2 * np.eye(len(X))` 0.5 times"),
    ("decay_wrong.py:residuals", "GC145", 12, "the chain factor of `amplitude * np.exp(-rate * t)`"),
    ("lennard_jones_wrong.py:energy", "GC142", 21, "the term `positions[j]` with the wrong sign"),
    ("pharmacokinetics_wrong.py:misfit", "GC141", 69, "lacks the term `normalisation`"),
    ("quadrature_wrong.py:f", "GC144", 12, "`inner *= 2.0` 0.5 times"),
    ("softmax_wrong.py:cross_entropy", "GC141", 14, "lacks the term `shifted`"),
    ("morse_wrong.py:potential", "GC145", 7, "lacks the factor `stiffness`"),
]
# Twins whose mistake is none of a single term of the function: a transposed matrix, a sum over samples that is
# overwritten.
SILENT = ["pde_wrong.py:misfit", "mlp_wrong.py:loss"]


@cache
def checks() -> dict[str, dict[str, Any]]:
    """The twins' checks, by target, through the command."""
    targets = [f"fixtures/{target}" for target, *_ in TWINS] + [f"fixtures/{target}" for target in SILENT]
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", "-f", "json", *targets],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return {c["target"]: c for c in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize(("target", "code", "line", "quoted"), TWINS)
def test_the_line_of_a_twins_mistake(target: str, code: str, line: int, quoted: str) -> None:
    (found,) = [f for f in checks()[f"fixtures/{target}"]["findings"] if f["code"] in LINES]
    assert found["code"] == code
    assert found["where"]["line"] == line
    assert found["where"]["file"].endswith(target.partition(":")[0])
    assert quoted in found["message"]
    assert "wrong entries at" in found["hint"]


@pytest.mark.parametrize("target", SILENT)
def test_no_line_for_what_no_line_explains(target: str) -> None:
    found = checks()[f"fixtures/{target}"]
    assert found["verdict"] == "fail"
    assert not LINES & {f["code"] for f in found["findings"]}


def test_the_report_quotes_the_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", "fixtures/pharmacokinetics_wrong.py:misfit"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "GC141 missing-term: your derivative lacks the term `normalisation` " in text
    assert "(fixtures/pharmacokinetics_wrong.py:69)" in text
    assert "the same flows through line 64: `0.5 * np.sum(np.log(variance))`" in text


# -- one function, many mistakes -----------------------------------------------------------------------------------

A = np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 0.8], [0.7, 0.1, 1.9]])
X = np.array([0.4, -0.7, 1.2])


def penalty(x: Any, lam: float) -> Any:
    return lam * np.sum(x**4)


def model(x: Any) -> Any:
    z = A @ x
    total = np.sum(np.exp(np.sin(z)))
    total += penalty(x, 0.3)
    for k in range(3):
        total = total + 0.1 * z[k] ** 3
    return total - np.cos(x[0] * x[1])


def parts(x: np.ndarray) -> dict[str, np.ndarray]:
    """The terms of the derivative of model."""
    z = A @ x
    s = x[0] * x[1]
    return {
        "exp": A.T @ (np.exp(np.sin(z)) * np.cos(z)),
        "penalty": 1.2 * x**3,
        "cube": A.T @ (0.3 * z**2),
        "cos": np.sin(s) * np.array([x[1], x[0], 0.0]),
    }


def line_of(text: str) -> int:
    """The line of this file that holds a piece of model."""
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    (found,) = [n for n, line in enumerate(source, 1) if line.strip() == text]
    return found


HOME = {
    "exp": "total = np.sum(np.exp(np.sin(z)))",
    "penalty": "total += penalty(x, 0.3)",
    "cube": "total = total + 0.1 * z[k] ** 3",
    "cos": "return total - np.cos(x[0] * x[1])",
}


def blamed(f: Callable[..., Any], x: Any, grad: Callable[..., Any]) -> list[tuple[str, int]]:
    result = check(f, x, grad=grad)
    assert result.verdict == "fail"
    return [(f.code, f.where.line) for f in result.findings if f.code in LINES and f.where]


@pytest.mark.parametrize(("q", "code"), [(0.0, "GC141"), (-1.0, "GC142"), (2.0, "GC143"), (0.5, "GC144")])
@pytest.mark.parametrize("term", ["penalty", "cube", "cos"])
def test_a_term_with_a_wrong_factor(term: str, q: float, code: str) -> None:
    def wrong(x: np.ndarray) -> np.ndarray:
        return sum((q if name == term else 1.0) * part for name, part in parts(x).items())  # type: ignore[return-value]

    assert blamed(model, X, wrong) == [(code, line_of(HOME[term]))]


def test_chain_factors() -> None:
    def without_cos(x: np.ndarray) -> np.ndarray:
        z = A @ x
        return sum(parts(x).values()) - parts(x)["exp"] + A.T @ np.exp(np.sin(z))

    def without_exp(x: np.ndarray) -> np.ndarray:
        return sum(parts(x).values()) - parts(x)["exp"] + A.T @ np.cos(A @ x)

    for wrong in (without_cos, without_exp):
        assert blamed(model, X, wrong) == [("GC145", line_of(HOME["exp"]))]


@pytest.mark.parametrize(
    ("first", "second"),
    [(("penalty", 0.0), ("cos", -1.0)), (("penalty", 2.0), ("cube", 0.0)), (("cube", -1.0), ("cos", 2.0))],
)
def test_two_mistakes_at_once(first: tuple[str, float], second: tuple[str, float]) -> None:
    how = dict([first, second])

    def wrong(x: np.ndarray) -> np.ndarray:
        return sum(how.get(name, 1.0) * part for name, part in parts(x).items())  # type: ignore[return-value]

    codes = {0.0: "GC141", -1.0: "GC142", 2.0: "GC143"}
    expected = {(codes[q], line_of(HOME[term])) for term, q in how.items()}
    assert set(blamed(model, X, wrong)) == expected


def flow(x: Any) -> Any:
    s = x[0] * x[1]
    rate = x[1] * s / (x[2] ** 2 + s)
    return rate + np.sin(x[2])


def flow_parts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Its derivative through the factor x[1], through s above and below, and through x[2] beside the sine."""
    s, ds = x[0] * x[1], np.array([x[1], x[0], 0.0])
    below = x[2] ** 2 + s
    return np.array([0.0, s / below, 0.0]), x[1] * ds / below, -x[1] * s * ds / below**2, np.array([0.0, 0.0, 2 * x[2]])


def test_a_factor_that_stands_in_the_expression() -> None:
    """One that the local derivative does not consist of: it is a part of the value, or was divided by twice."""
    line = line_of("rate = x[1] * s / (x[2] ** 2 + s)")

    def derivative(x: np.ndarray, lacking: float) -> np.ndarray:
        outer, above, below, last = flow_parts(x)
        s = x[0] * x[1]
        last = -x[1] * s / (x[2] ** 2 + s) ** 2 * last
        return outer + above + lacking * (below + last) + np.array([0.0, 0.0, np.cos(x[2])])

    def root(x: np.ndarray) -> float:
        return float(x[2] ** 2 + x[0] * x[1])

    x = np.array([0.7, 1.3, 1.1])
    assert blamed(flow, x, lambda x: derivative(x, 1.0 / (x[0] * x[1]))) == [("GC145", line)]
    assert blamed(flow, x, lambda x: derivative(x, root(x))) == [("GC145", line)]
    assert blamed(flow, x, lambda x: derivative(x, root(x) ** 2)) == [("GC145", line)]
    assert blamed(flow, x, lambda x: derivative(x, 1.0 + 0.1 * np.sin(x[0]))) == []


def test_the_other_operand_of_a_product_of_matrices() -> None:
    def f(x: Any) -> Any:
        hidden = np.tanh(A @ x[:3])
        return np.sum(x**2) + hidden @ x[3:]

    def wrong(x: np.ndarray) -> np.ndarray:  # lacks x[3:] in the derivative of hidden
        hidden = np.tanh(A @ x[:3])
        return 2 * x + np.concatenate([A.T @ (1.0 - hidden**2), hidden])

    x = np.array([0.4, -0.7, 1.2, 0.3, -0.6, 0.9])
    assert blamed(f, x, wrong) == [("GC145", line_of("return np.sum(x**2) + hidden @ x[3:]"))]


def test_one_wrong_row_of_a_jacobian() -> None:
    def curve(x: Any) -> Any:
        return A @ np.sin(x) + x**2

    def jacobian(x: np.ndarray) -> np.ndarray:
        rows = A * np.cos(x) + 2 * np.diag(x)
        rows[1, 1] -= 2 * x[1]  # forgotten in this row, right in the others
        return rows

    result = check(curve, X, grad=jacobian)
    (found,) = [f for f in result.findings if f.code in LINES]
    assert found.message == "your derivative lacks the term `x ** 2`, in row 1"
    assert found.where is not None
    assert found.where.line == line_of("return A @ np.sin(x) + x**2")


def test_one_wrong_entry_of_a_gradient() -> None:
    def peak(p: Any) -> Any:
        offset = np.linspace(-1.0, 2.0, 7) - p[1]
        shape = np.exp(-(offset**2) / p[2] ** 2)
        return np.sum((p[0] * shape - 1.0) ** 2)

    def gradient(p: np.ndarray) -> np.ndarray:
        offset = np.linspace(-1.0, 2.0, 7) - p[1]
        shape = np.exp(-(offset**2) / p[2] ** 2)
        r = 2.0 * (p[0] * shape - 1.0)
        # the second lacks the factor p[0]
        return np.array(
            [r @ shape, r @ (shape * 2 * offset / p[2] ** 2), r @ (p[0] * shape * 2 * offset**2 / p[2] ** 3)]
        )

    result = check(peak, np.array([1.4, 0.3, 0.8]), grad=gradient)
    (found,) = [f for f in result.findings if f.code in LINES]
    assert found.where is not None
    assert found.where.line == line_of("return np.sum((p[0] * shape - 1.0) ** 2)")
    assert found.message.endswith(", in entry 1")


def test_what_is_looked_up_for_factors_has_no_effects() -> None:
    calls = []

    def scale(x: Any) -> Any:
        calls.append(1)
        return 1.0 + 0.0 * x[0]

    def f(x: Any) -> Any:
        return np.sum(x**2) + scale(x) * x[1] * np.exp(x[0])

    def wrong(x: np.ndarray) -> np.ndarray:
        return 2 * x + np.array([np.exp(x[0]), np.exp(x[0]), 0.0]) * (1.0 + x[2])

    check(f, X, grad=wrong, budget=200)
    once = len(calls)
    calls.clear()
    assert blamed(f, X, wrong) == []
    assert len(calls) == once


def test_weak_evidence_says_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=3)

    def whole(x: np.ndarray) -> np.ndarray:
        return sum(parts(x).values())  # type: ignore[return-value]

    mistakes: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda x: whole(x) + noise,
        lambda x: whole(x) * (1.0 + 1e-3 * x),
        lambda x: 2.0 * whole(x),  # the kinds' affair
        lambda x: whole(x) - parts(x)["penalty"] * 1.001 + 1e-4 * x,
        lambda x: whole(x) - parts(x)["penalty"] - 2.0 * parts(x)["cos"] + parts(x)["cube"],  # three mistakes
        lambda x: whole(x)[::-1],
        lambda x: whole(x) * np.array([1.0, 1.01, 1.0]),
    ]
    for wrong in mistakes:
        assert blamed(model, X, wrong) == []


def test_terms_that_cannot_be_told_apart_are_not_named() -> None:
    def twice(x: Any) -> Any:
        a = np.sum(x**2)
        b = np.sum(x**2)
        return a + np.sum(np.sin(x)) + b

    assert blamed(twice, X, lambda x: np.cos(x) + 2 * x) == []


def test_a_sum_is_told_where_its_terms_are_added() -> None:
    def path(x: Any) -> Any:
        total = 0.0
        for k in range(3):
            total = total + np.sin(x[k]) * x[0]
        return total + 0.5 * np.sum(x**3)

    found = blamed(path, X, lambda x: 1.5 * x**2)  # lacks the whole of `total`
    assert found == [("GC141", line_of("total = total + np.sin(x[k]) * x[0]"))]


def test_a_value_that_is_used_in_several_places_is_not_named() -> None:
    def spread(x: Any) -> Any:
        e = np.exp(x[0])
        a = e * np.sum(x[1:] ** 2)
        return a + np.sin(e) * x[1]

    def wrong(x: np.ndarray) -> np.ndarray:  # forgets e, where it is made or wherever it is used
        e = np.exp(x[0])
        return np.array([0.0, 2 * e * x[1] + np.sin(e), 2 * e * x[2]])

    assert blamed(spread, X, wrong) == []


def test_values_with_many_entries() -> None:
    def curves(x: Any) -> Any:
        y = np.outer(np.sin(x), x)
        return y + np.exp(x)

    def jacobian(x: np.ndarray) -> np.ndarray:
        n = np.eye(3)
        out = np.einsum("i,ik,j->ijk", np.cos(x), n, x) + np.einsum("i,jk->ijk", np.sin(x), n)
        return out - np.einsum("j,jk->jk", np.exp(x), n)[None]

    (found,) = blamed(curves, X, jacobian)
    assert found == ("GC142", line_of("return y + np.exp(x)"))


def test_nothing_is_said_where_autodiff_is_no_witness() -> None:
    def hidden(x: Any) -> Any:
        return np.sum(x**2) + (int(x[0] * 2.0**53) / 2.0**53) ** 2

    assert blamed(hidden, X, lambda x: 2 * x * np.array([2.0, 1.0, 0.0])) == []


def test_single_precision_and_second_order_say_nothing() -> None:
    x = X.astype(np.float32)
    assert blamed(lambda v: np.sum(v**2) + np.sum(np.sin(v)), x, lambda v: 2 * v) == []
    result = check(lambda v: np.sum(v**4), X, grad=lambda v: np.diag(v**2), order=2)
    assert not LINES & {f.code for f in result.findings}


# -- the trail ------------------------------------------------------------------------------------------------------


def test_edges_changed_one_by_one_add_up() -> None:
    """What flows through the operands of the last sum is the whole derivative."""
    trail = explain(model, 0, (X,))
    whole = trail.cotangents(1.0)
    assert whole == pytest.approx(sum(parts(X).values()), rel=1e-12)
    last = [e for e in trail.edges if e.record == trail.edges[-1].record]
    assert len(last) == 2
    without = [trail.cotangents(1.0, {e: 0.0}) for e in last]
    assert np.sum(without, axis=0) == pytest.approx(whole, rel=1e-12)
    assert trail.cotangents(1.0, dict.fromkeys(trail.edges, 1.0)) == pytest.approx(whole, rel=1e-14)


def test_edges_of_code_that_works_in_place() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(3)
        y[:] = x
        y[1:] += 2.0 * x[:-1]
        y[0] = y[0] * 3.0
        return np.sum(y)

    trail = explain(f, 0, (X,))
    assert trail.cotangents(1.0).tolist() == [5.0, 3.0, 1.0]
    added = [e for e in trail.edges if e.kind == "increment"]
    assert [e.operand for e in added] == [0, 1]
    assert trail.cotangents(1.0, {added[0]: 0.0}).tolist() == [5.0, 2.0, 0.0]
    assert trail.cotangents(1.0, {added[1]: -1.0}).tolist() == [1.0, -1.0, 1.0]
    written = [e for e in trail.edges if e.kind == "write"]
    assert trail.cotangents(1.0, {written[-1]: 0.5}).tolist() == [3.5, 3.0, 1.0]
    (factor,) = [e for e in trail.edges if trail.possible(e, Without(0)) and "y[0] * 3.0" in _text(e)]
    assert trail.cotangents(1.0, {factor: Without(0)}).tolist() == [3.0, 3.0, 1.0]


def _text(edge: Any) -> str:
    place = edge.stack[0]
    return Path(place.file).read_text(encoding="utf-8").splitlines()[place.line - 1]


# -- rules of the user's own ----------------------------------------------------------------------------------------

RULES = """
import numpy as np
from gradcheck import defjvp, defvjp, primitive


@primitive
def softplus(x):
    return np.logaddexp(0.0, x)


defvjp(softplus, lambda ans, x: lambda g: g / (1.0 + np.exp(-x)))


@primitive
def wave(x, a):
    return a * np.sin(x)


defvjp(
    wave,
    lambda ans, x, a: lambda g: g * a * np.cos(x),
    lambda ans, x, a: lambda g: np.sum(g * np.cos(x)),
)


def right(x):
    return np.sum(softplus(x) + wave(x, 1.3))


def wrong(x):
    return np.sum(wave(softplus(x), 2.0)) + np.sum(wave(x, np.sum(x)))


def wrong_der(x):
    s, p = np.logaddexp(0, x), 1 / (1 + np.exp(-x))
    return 2 * np.cos(s) * p + np.sum(x) * np.cos(x) + np.sum(np.sin(x))
"""


def command(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    (folder / "rules.py").write_text(RULES, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradcheck", "-f", "json", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (found,) = json.loads(done.stdout)["checks"]
    return done.returncode, found


def test_the_first_wrong_rule_is_named_with_its_line_and_that_of_the_call(tmp_path: Path) -> None:
    code, found = command(tmp_path, "rules.py:wrong", "--grad", "none", "--at", "x=[0.4, -0.7, 1.2]")
    assert code == 1
    (rule,) = [f for f in found["findings"] if f["code"] == "GC146"]
    lines = RULES.splitlines()
    assert "lambda g: np.sum(g * np.cos(x))" in lines[rule["where"]["line"] - 1]
    call = 1 + next(n for n, line in enumerate(lines) if "wave(softplus(x)" in line)
    assert rule["message"].startswith(
        f"the vjp of wave for argument 1 is wrong: in call 3 at rules.py:{call} it gives "
    )
    # Nobody asks for the rule of an argument that is a constant.
    code, found = command(tmp_path, "rules.py:right", "--grad", "none", "--at", "x=[0.4, -0.7, 1.2]")
    assert (code, found["findings"]) == (0, [])


def test_a_wrong_rule_does_not_make_a_right_derivative_wrong(tmp_path: Path) -> None:
    code, found = command(tmp_path, "rules.py:wrong", "--at", "x=[0.4, -0.7, 1.2]")
    assert code == 3
    (alone,) = [f for f in found["findings"] if f["code"] == "GC303"]
    assert alone["hint"].startswith("the vjp of wave for argument 1 is wrong")
    assert "GC146" not in {f["code"] for f in found["findings"]}


def test_a_wrong_jvp_is_found_where_the_modes_disagree() -> None:
    @primitive
    def cube(x: Any) -> Any:
        return x**3

    defvjp(cube, lambda ans, x: lambda g: g * 3 * x**2)
    defjvp(cube, lambda g, ans, x: g * 2 * x**2)
    result = check(lambda x: np.sum(cube(x)), X)
    assert result.verdict == "fail"
    (found,) = [f for f in result.findings if f.code == "GC146"]
    assert found.message.startswith("the jvp of cube for argument 0 is wrong: in call 1 at ")
