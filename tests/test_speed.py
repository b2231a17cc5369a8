"""The speed benchmark: what it times are the right derivatives, and its table says what could not be timed.

Every workload is a realistic program, so the comparison with central differences is a test of autodiff, too.
python -m benchmarks.speed      runs it
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.speed import check, documents, gradients, table, timing
from benchmarks.speed.peers import PEERS, Ready, gradcheck
from benchmarks.speed.workload import Problem, Workload
from benchmarks.speed.workloads import WORKLOADS, chosen

ROOT = Path(__file__).resolve().parent.parent
# One row of each family: rows of one family have the same small problem.
FAMILIES = list({w.small: w for w in WORKLOADS}.values())


def vector(x: Any) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in x]) if isinstance(x, list) else np.ravel(np.asarray(x, float))


def shaped(z: np.ndarray, like: Any) -> Any:
    """The numbers z as an argument like this one."""
    if isinstance(like, list):
        parts = np.split(z, np.cumsum([part.size for part in like])[:-1])
        return [part.reshape(old.shape) for part, old in zip(parts, like, strict=True)]
    return z.reshape(like.shape) if isinstance(like, np.ndarray) else float(z[0])


def differences(f: Any, x: Any, direction: np.ndarray, h: float) -> np.ndarray:
    """Central differences of f along one direction, of fourth order."""
    z = vector(x)
    near = vector(f(shaped(z + h * direction, x))) - vector(f(shaped(z - h * direction, x)))
    far = vector(f(shaped(z + 2 * h * direction, x))) - vector(f(shaped(z - 2 * h * direction, x)))
    return (8.0 * near - far) / (12.0 * h)


def expected(problem: Problem) -> np.ndarray:
    """The derivative by differences of f, for second derivatives by differences of differences."""
    f, x = problem.plain, problem.x
    unit = np.eye(vector(x).size)
    if problem.operation in ("gradient", "jacobian"):
        return np.stack([differences(f, x, e, 1e-3) for e in unit], axis=-1)

    def slope(z: Any) -> np.ndarray:
        return np.concatenate([differences(f, z, e, 1e-3) for e in unit])

    directions = unit if problem.operation == "hessian" else [problem.vector]
    return np.stack([differences(slope, x, e, 1e-3) for e in directions], axis=-1)


@pytest.mark.parametrize("workload", FAMILIES, ids=lambda w: w.name)
def test_what_is_timed_is_the_derivative(workload: Workload) -> None:
    problem = workload.small_problem()
    ready = gradcheck(problem)
    found = vector(ready.arrays(ready.run()))
    right = expected(problem).ravel()
    assert found.shape == right.shape
    assert np.max(np.abs(found - right)) <= 1e-6 * np.max(np.abs(right))


def small(name: str) -> Workload:
    (found,) = (w for w in WORKLOADS if w.name == name)
    return Workload(found.name, found.small, found.small)


def test_peers_that_fail_are_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(problem: Problem) -> Ready:
        ready = gradcheck(problem)
        return Ready(lambda: ready.run() * (1.0 + 1e-5))

    def broken(problem: Problem) -> Ready:
        raise TypeError("no such loop\nand a second line")

    monkeypatch.setitem(PEERS, "missing", gradients.Peer("absent", "no_such_package_", broken))
    monkeypatch.setitem(PEERS, "wrong", gradients.Peer("liar", "gradcheck", wrong))
    monkeypatch.setitem(PEERS, "broken", gradients.Peer("broken", "gradcheck", broken))
    peers = ["gradcheck", "missing", "wrong", "broken", "scipy"]
    row = gradients.row(small("Rosenbrock n = 100"), peers, 0.001, 60.0)
    rows = [row]
    assert row.cells["gradcheck"].ratio is not None
    assert [row.cells[name].word for name in peers[1:]] == ["–", "WRONG", "fails", "–"]
    text = table.gradients(rows, peers, markdown=False)
    assert "SciPy" not in text  # differences are for Jacobians
    head, line = text.splitlines()
    assert line.startswith("Rosenbrock n = 100")
    assert line.split()[-3:] == ["–", "WRONG", "fails"]
    below = table.reasons(rows, markdown=False)
    assert "absent, –: not installed (No module named 'no_such_package_')" in below
    assert "liar, WRONG: off by 1.0e-05 of the largest entry" in below
    assert "broken, fails: TypeError: no such loop (" in below
    assert head.split()[:2] == ["plain", "f"]
    assert len(table.gradients(rows, peers, markdown=True).splitlines()) == 3


def test_differences_stand_beside_jacobians() -> None:
    row = gradients.row(small("Jacobian 100 x 100"), ["gradcheck", "scipy", "central"], 0.001, 60.0)
    assert all(cell.ratio is not None and cell.ratio.median > 0.0 for cell in row.cells.values())


def test_too_slow_a_peer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(problem: Problem) -> Ready:
        while True:
            pass

    monkeypatch.setitem(PEERS, "endless", gradients.Peer("endless", "gradcheck", endless))
    row = gradients.row(small("Rosenbrock n = 100"), ["endless"], 0.001, 0.2)
    assert row.cells["endless"].word == "> 0.2 s"


def test_ratios_are_taken_round_by_round() -> None:
    base, other = timing.Times((1.0, 2.0, 4.0)), timing.Times((3.0, None, 12.0))
    assert timing.ratio(other, base) == timing.Ratio(3.0, 3.0, 3.0)


def test_every_candidate_is_timed_in_turn() -> None:
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) for name in ("plain", "a", "b")}
    times = timing.interleaved(runs, 0.0)
    assert all(len(t.samples) == timing.SLOW_SAMPLES for t in times.values())
    changes = [name for k, name in enumerate(order) if k == 0 or order[k - 1] != name]
    first_calls, to_find_how_many_make_a_sample = 2, 1
    assert changes == ["plain", "a", "b"] * (first_calls + to_find_how_many_make_a_sample + timing.SLOW_SAMPLES)


def test_sets() -> None:
    assert len(chosen([], "readme")) == 7
    assert {w.name for w in chosen(["n = 10^7"])} == set()
    assert {w.name for w in chosen(["n = 10^7"], large=True)} == {"Rosenbrock n = 10^7"}
    assert {w.name for w in chosen(["Rosenbrock n = 10^7"])} == {"Rosenbrock n = 10^7"}
    assert len({w.name for w in WORKLOADS}) == len(WORKLOADS)


def test_tables_go_between_their_markers() -> None:
    text = "a\n<!-- x: begin (how) -->\nold\n<!-- x: end -->\nb\n"
    assert documents.replaced(text, "x", "new") == "a\n<!-- x: begin (how) -->\nnew\n<!-- x: end -->\nb\n"
    with pytest.raises(ValueError, match="'y' found 0 times"):
        documents.replaced(text, "y", "new")


def test_the_documents_have_the_markers() -> None:
    for path, names in (
        (documents.README, ["speed"]),
        (documents.PERFORMANCE, [f"speed {n}" for n in ("gradients, one thread", "memory", "check", "startup")]),
    ):
        for name in names:
            assert documents.replaced(path.read_text(encoding="utf-8"), name, "new")


def test_a_check_of_the_busy_function_passes_and_is_counted() -> None:
    verdict, evaluations, wall = check.once("gradcheck", inputs=10, seconds=0.0)
    assert verdict == "pass"
    assert evaluations > 10
    assert wall > 0.0


def test_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", "--peers", "gradcheck,central", "--only", "Jacobian 10 x",
         "--seconds", "0.001", "--markdown"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("|  | plain f | gradcheck | central differences |\n| --- | ---: | ---: | ---: |\n")
    assert "| Jacobian 10 x 1000 | " in done.stdout
    assert "one thread" in done.stdout


def test_an_unknown_peer_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", "--peers", "gradchek"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no peer gradchek" in done.stderr
