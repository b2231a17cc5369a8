"""How often the line that a wrong derivative has wrong is found, on mutants of the fixtures' right derivatives.

    python benchmarks/blame.py [--blind] [--show wrong,silent,right] [--every N] [FIXTURE ...]

Every hand-written derivative of the fixtures is mutated term by term in its source: a summand dropped, its sign
flipped, counted twice, a factor dropped or scaled. Which line of the function is then the right answer was worked out
by hand, term by term, and stands in ``blame_labels.py``: it knows nothing of how gradcheck finds it. A
mutant that no single line explains (everything is wrong by one factor; the hand-written formula has been simplified, so
that no operation of the function corresponds to its terms) must be met with silence.

With ``--blind`` it is functions that nothing was made for, in ``blind/``, and labels that were written before gradcheck
had seen them, in ``blind_labels.py``: how well it does on code that it does not know.

Prints, by kind of mutation: how many got the right line, a wrong one, none.
"""

from __future__ import annotations

import argparse
import ast
import copy
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.check.core import check_points
from gradcheck.check.result import CheckError, Point, Verdict

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"


@dataclass(frozen=True)
class Subject:
    """A function and its hand-written derivative.

    Attributes:
        file: the fixture.
        function, derivative: names of attributes of the module.
        mutated: names of the functions whose source is mutated.
        args: the point; None for the defaults.
        argnum: the argument.
        grad: "returned" if the function returns both.
        folder: where the file is.
    """

    file: str
    function: str
    derivative: str
    mutated: tuple[str, ...]
    args: tuple[Any, ...]
    argnum: int = 0
    grad: str = ""
    folder: Path = FIXTURES

    @property
    def path(self) -> Path:
        return self.folder / f"{self.file}.py"


_PHARMA = ("rates_tangent", "concentrations_tangent", "misfit_grad")


def _points() -> list[Subject]:
    rng = np.random.default_rng(1)

    def u(*shape: int) -> Any:
        return rng.uniform(0.3, 1.7, shape)

    return [
        Subject("black_scholes", "call", "call_grad", ("call_grad", "vega", "rho"), (100.0, 105.0, 0.03, 0.25, 0.5), k)
        for k in range(5)
    ] + [
        Subject("decay", "residuals", "residuals_jac", ("residuals_jac",), (u(3),)),
        Subject("epidemic", "cost", "cost_der", ("cost_der",), (np.array([0.55, 0.15]),)),
        Subject("factor_analysis", "discrepancy", "grad_discrepancy", ("grad_discrepancy",), (u(2, 3),)),
        Subject("founding_by_hand", "h", "h_grad", ("h_grad",), (u(3), u(3)), 0),
        Subject("founding_by_hand", "h", "h_grad", ("h_grad",), (u(3), u(3)), 1),
        Subject("gaussian_process", "objective", "objective_grad", ("objective_grad",), (u(3),)),
        Subject("heat", "cost", "cost_grad", ("cost_grad",), ()),
        Subject("kalman", "nll", "nll_grad", ("nll_grad",), (u(3),)),
        Subject("lennard_jones", "energy", "energy_grad", ("forces", "energy_grad"), ()),
        Subject("logistic", "loss", "loss_grad", ("loss_grad",), (u(3),)),
        Subject("mlp", "loss", "loss_grad", ("loss_grad",), ()),
        Subject("morse", "potential", "potential_prime", ("potential_prime",), (1.13,)),
        Subject("pde", "misfit", "misfit_grad", ("misfit_grad",), ()),
        Subject("peak_returned", "cost", "cost", ("cost",), (u(3),), 0, "returned"),
        Subject("poisson", "nll", "nll_grad", ("nll_grad",), (u(3),)),
        Subject("quadrature", "f", "df", ("df",), (u(5),)),
        Subject("ratings", "loss", "loss_grad", ("loss_grad",), (u(2, 3), u(2, 3)), 0),
        Subject("ratings", "loss", "loss_grad", ("loss_grad",), (u(2, 3), u(2, 3)), 1),
        Subject("rosenbrock_class", "Rosenbrock.fun", "Rosenbrock.jac", ("jac",), (u(4),)),
        Subject("pharmacokinetics", "misfit", "misfit_grad", _PHARMA, ()),
        Subject("softmax", "cross_entropy", "grad_cross_entropy", ("grad_cross_entropy",), (u(2, 3),)),
    ]


BLIND = [
    Subject("regression", "loss", "loss_grad", ("loss_grad",), (), folder=HERE / "blind"),
    Subject("pendulum", "misfit", "misfit_grad", ("misfit_grad",), (), folder=HERE / "blind"),
    Subject("garch", "nll", "nll_grad", ("nll_grad",), (), folder=HERE / "blind"),
]


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        kind: of mutation.
        line: of the fixture, where it was made.
        part: the source of what was dropped, flipped, doubled or scaled.
        tree: the module with the mistake.
    """

    kind: str
    line: int
    part: str
    tree: ast.Module


def _variants(node: ast.AST) -> Iterator[tuple[str, ast.expr, ast.AST | None]]:
    """Kind, the part that is hit, and what to put in the place of the node; None deletes a statement."""
    two, factor = ast.Constant(2.0), ast.Constant(1.7)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        minus = isinstance(node.op, ast.Sub)
        other: ast.operator = ast.Add() if minus else ast.Sub()
        yield "drop", node.right, node.left
        yield "drop", node.left, ast.UnaryOp(ast.USub(), node.right) if minus else node.right
        yield "flip", node.right, ast.BinOp(node.left, other, node.right)
        yield "flip", node.left, ast.BinOp(ast.UnaryOp(ast.USub(), node.left), node.op, node.right)
        yield "double", node.right, ast.BinOp(node.left, node.op, ast.BinOp(two, ast.Mult(), node.right))
        yield "double", node.left, ast.BinOp(ast.BinOp(two, ast.Mult(), node.left), node.op, node.right)
        yield "scale", node.right, ast.BinOp(node.left, node.op, ast.BinOp(factor, ast.Mult(), node.right))
        yield "scale", node.left, ast.BinOp(ast.BinOp(factor, ast.Mult(), node.left), node.op, node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        yield "factor", node.right, node.left
        if isinstance(node.op, ast.Mult):
            yield "factor", node.left, node.right
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        minus = isinstance(node.op, ast.Sub)
        yield "drop", node.value, None
        yield "flip", node.value, ast.AugAssign(node.target, ast.Add() if minus else ast.Sub(), node.value)
        yield "double", node.value, ast.AugAssign(node.target, node.op, ast.BinOp(two, ast.Mult(), node.value))
        yield "scale", node.value, ast.AugAssign(node.target, node.op, ast.BinOp(factor, ast.Mult(), node.value))
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult | ast.Div):
        yield "factor", node.value, None
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "flip", node.operand, node.operand


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST | None) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        if node is self.old:
            return ast.copy_location(self.new, node) if self.new is not None else ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def _indices(nodes: list[ast.AST]) -> set[int]:
    """What stands in an index or in the limits of a loop: no terms of anything."""
    roots = [n.slice for n in nodes if isinstance(n, ast.Subscript)]
    roots += [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "range"]
    return {id(n) for root in roots for n in ast.walk(root)}


def mutants(path: Path, names: tuple[str, ...]) -> Iterator[Mutant]:
    """All mutants of the functions of these names."""
    tree = ast.parse(path.read_text())
    count = sum(1 for _ in ast.walk(tree))
    for i in range(count):
        for j in range(8):
            fresh = copy.deepcopy(tree)
            nodes = list(ast.walk(fresh))
            inside = {id(n) for f in nodes if isinstance(f, ast.FunctionDef) and f.name in names for n in ast.walk(f)}
            if id(nodes[i]) not in inside - _indices(nodes):
                break
            variants = list(_variants(nodes[i]))
            if j >= len(variants):
                break
            kind, part, new = variants[j]
            text = ast.unparse(part)
            line = getattr(nodes[i], "lineno", 0)
            yield Mutant(kind, line, text, ast.fix_missing_locations(_Replace(nodes[i], new).visit(fresh)))


def _attribute(space: dict[str, Any], name: str) -> Callable[..., Any]:
    head, _, rest = name.partition(".")
    found = space[head]
    return getattr(found(), rest) if rest else found


def _loaded(subject: Subject, tree: ast.Module) -> dict[str, Any]:
    """The module's names, compiled under the fixture's own file name."""
    space: dict[str, Any] = {"__name__": subject.file}
    exec(compile(tree, str(subject.path), "exec"), space)
    return space


def outcome(subject: Subject, mutant: Mutant) -> tuple[str, set[int], str]:
    """The verdict, the lines that are blamed, and the message."""
    right = _loaded(subject, ast.parse(subject.path.read_text()))
    wrong = _loaded(subject, mutant.tree)
    f = _attribute(right, subject.function)
    own = _attribute(wrong, subject.derivative)
    if subject.grad:
        value = f

        def f(*args: Any) -> Any:
            return value(*args)[0]

        def derivative(*args: Any) -> Any:
            return own(*args)[1]
    else:
        derivative = own
    args = subject.args or tuple(getattr(f, "__defaults__", ()))
    try:
        result = check_points(f, [Point(args)], argnum=subject.argnum, grad=derivative)
    except CheckError:
        return "error", set(), ""
    found = [x for x in result.findings if "GC141" <= x.code <= "GC145"]
    lines = {x.where.line for x in found if x.where}
    return result.verdict.value, lines, "; ".join(x.message for x in found)


def judged(right: tuple[int, ...], level: str, lines: set[int]) -> str:
    """ "right", "wrong" or "silent"; "as wanted" where nothing should be said."""
    if not lines:
        return "silent" if level == "term" else "as wanted"
    return "right" if lines <= set(right) else "wrong"


def main() -> int:
    """Print the table; 1 if a target is missed."""
    from blame_labels import ROWS, label
    from blind_labels import BLIND_ROWS

    parser = argparse.ArgumentParser()
    parser.add_argument("--blind", action="store_true", help="the functions that nothing was made for")
    parser.add_argument("--show", default="wrong,silent", help="outcomes of which every mutant is printed")
    parser.add_argument("--every", type=int, default=1, help="take every n-th mutant only")
    parser.add_argument("fixtures", nargs="*")
    options = parser.parse_args()
    counts: Counter[tuple[str, str, str]] = Counter()
    rows = BLIND_ROWS if options.blind else ROWS
    for subject in BLIND if options.blind else _points():
        if options.fixtures and subject.file not in options.fixtures:
            continue
        for mutant in itertools.islice(mutants(subject.path, subject.mutated), 0, None, options.every):
            verdict, lines, message = outcome(subject, mutant)
            if verdict != Verdict.FAIL:
                continue
            right, level = label(subject.file, mutant.line, mutant.kind, mutant.part, rows)
            found = judged(right, level, lines)
            counts[level, mutant.kind, found] += 1
            if found in options.show.split(","):
                place = f"{subject.file}:{mutant.line} {mutant.kind} `{mutant.part}`"
                print(f"{found}: {place}: {sorted(right)}, got {sorted(lines)} {message}", flush=True)
    return _report(counts)


def _report(counts: Counter[tuple[str, str, str]]) -> int:
    outcomes = ("right", "silent", "as wanted", "wrong")
    print(f"{'level':8} {'kind':8}" + "".join(f"{name:>10}" for name in outcomes))
    for level, kind in sorted({key[:2] for key in counts}):
        print(f"{level:8} {kind:8}" + "".join(f"{counts[level, kind, name]:10}" for name in outcomes))
    asked = sum(n for key, n in counts.items() if key[0] == "term")
    right = sum(n for key, n in counts.items() if key[0] == "term" and key[2] == "right")
    pure = [(key, n) for key, n in counts.items() if key[0] == "term" and key[1] != "factor"]
    of_pure = sum(n for _, n in pure)
    right_pure = sum(n for key, n in pure if key[2] == "right")
    every = sum(counts.values())
    wrong = sum(n for key, n in counts.items() if key[2] == "wrong")
    print(f"terms dropped, flipped, doubled, scaled: right line {right_pure} of {of_pure}, {right_pure / of_pure:.1%}")
    print(f"with factors dropped: right line {right} of {asked}, {right / asked:.1%}")
    print(f"all mutants: wrong line {wrong} of {every}, {wrong / every:.1%}")
    return 0 if right_pure >= 0.9 * of_pure and wrong <= 0.01 * every else 1


if __name__ == "__main__":
    sys.exit(main())
