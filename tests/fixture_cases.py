"""What every fixture must yield, one row for a function, an argument and an order: which entries are wrong.

The rows were established with complex-step derivatives, independently of gradcheck: right derivatives to
1e-10 relative, wrong ones off by half a percent or more in exactly the entries named. Tests of the command,
the pytest plugin and the reports share this table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

Index = tuple[int, ...]
ALL = "all"


@dataclass(frozen=True)
class Case:
    """One check of one fixture.

    Attributes:
        target: as on the command line, relative to the repository's root.
        derivative: attribute that holds the hand-written derivative; with ``grad="returned"`` the function.
        wrong: indices of the wrong entries (index into the value, then index into the argument), or ``ALL``;
            empty where the derivative is right.
        argnum: position of the argument.
        argname: its name.
        order: 1 or 2.
        grad: value for ``--grad``, or None where the derivative is found by name.
        first: for order 2, the attribute that holds the (right) first derivative.
        shapes: shapes of the arguments that have no default.
    """

    target: str
    derivative: str
    wrong: tuple[Index, ...] | str = ()
    argnum: int = 0
    argname: str = ""
    order: int = 1
    grad: str | None = None
    first: str = ""
    shapes: dict[str, Index] = field(default_factory=dict)

    def wrong_entries(self, shape: Index) -> Iterator[Index]:
        """The wrong entries of a derivative of the given shape."""
        if self.wrong == ALL:
            yield from product(*(range(n) for n in shape))
        else:
            for index in self.wrong:
                assert not isinstance(index, str)
                yield index


def pair(
    name: str,
    attr: str,
    derivative: str,
    wrong: tuple[Index, ...] | str,
    *,
    right: str | None = None,
    argnum: int = 0,
    argname: str = "",
    order: int = 1,
    grad: str | None = None,
    first: str = "",
    **shapes: Index,
) -> list[Case]:
    """The rows of a fixture and of its twin; ``grad`` is an attribute of the file, or "returned"."""
    rows = []
    for file, bad in ((right or name, ()), (f"{name}_wrong", wrong)):
        path = f"fixtures/{file}.py"
        option = f"{path}:{grad}" if grad not in (None, "returned") else grad
        rows.append(Case(f"{path}:{attr}", derivative, bad, argnum, argname, order, option, first, shapes))
    return rows


THREE = (3,)
TWO_BY_THREE = (2, 3)
BY_HAND = "founding_by_hand"
GREEKS = ("spot", "strike", "rate", "sigma", "maturity")

CASES: list[Case] = [
    *pair("founding", "h", "h_grad", (), right=BY_HAND, argnum=0, argname="x", x=THREE, t=THREE),
    *pair("founding", "h", "h_grad", ALL, right=BY_HAND, argnum=1, argname="t", x=THREE, t=THREE),
    *pair("logistic", "loss", "loss_grad", ((1,), (2,)), argname="w", w=THREE),
    *pair("softmax", "cross_entropy", "grad_cross_entropy", ALL, argname="W", W=TWO_BY_THREE),
    *pair("mlp", "loss", "loss_grad", ((6,), (7,), (8,)), argname="theta"),
    *(
        case
        for argnum, name in enumerate(GREEKS)
        for case in pair(
            "black_scholes", "call", "call_grad", ALL if name == "sigma" else (), argnum=argnum, argname=name
        )
    ),
    *pair("black_scholes", "call", "vega", ALL, argnum=3, argname="sigma", grad="vega"),
    *pair("black_scholes", "call", "gamma", (), argname="spot", order=2, grad="gamma", first="call_grad"),
    *pair("kalman", "nll", "nll_grad", ((2,),), argname="theta", theta=THREE),
    *pair(
        "lennard_jones",
        "energy",
        "energy_grad",
        tuple((atom, axis) for atom in (1, 2, 3) for axis in (0, 1, 2)),
        argname="positions",
    ),
    *pair("pde", "misfit", "misfit_grad", ALL, argname="m"),
    *pair("heat", "cost", "cost_grad", ALL, argname="u0"),
    *pair("rosenbrock_class", "Rosenbrock.fun", "Rosenbrock.jac", ((1,),), argname="x", x=THREE),
    *pair("peak_returned", "cost", "cost", ((1,),), argname="p", grad="returned", p=THREE),
    *pair(
        "decay",
        "residuals",
        "residuals_jac",
        tuple((i, 1) for i in range(1, 6)),
        argname="theta",
        theta=THREE,
    ),
    *pair("poisson", "nll", "nll_grad", (), argname="beta", beta=THREE),
    *pair(
        "poisson",
        "nll",
        "nll_hess",
        ((1, 0), (2, 0), (2, 1)),
        argname="beta",
        order=2,
        first="nll_grad",
        beta=THREE,
    ),
    *pair("gaussian_process", "objective", "objective_grad", ((2,),), argname="theta", theta=THREE),
    *pair("factor_analysis", "discrepancy", "grad_discrepancy", ALL, argname="W", W=TWO_BY_THREE),
    *pair("ratings", "loss", "loss_grad", (), argnum=0, argname="users", users=TWO_BY_THREE, items=TWO_BY_THREE),
    *pair("ratings", "loss", "loss_grad", ALL, argnum=1, argname="items", users=TWO_BY_THREE, items=TWO_BY_THREE),
    *pair("morse", "potential", "potential_prime", ALL, argname="r", r=()),
    *pair("quadrature", "f", "df", ((1,),), argname="u", u=THREE),
    *pair("pharmacokinetics", "misfit", "misfit_grad", ALL, argname="theta"),
    *pair("epidemic", "cost", "cost_der", ((1,),), argname="rates"),
]
# the Hessian of the class: its twin's mistake is in jac, not in hess
CASES.append(
    Case(
        "fixtures/rosenbrock_class.py:Rosenbrock.fun",
        "Rosenbrock.hess",
        argname="x",
        order=2,
        first="Rosenbrock.jac",
        shapes={"x": THREE},
    )
)
