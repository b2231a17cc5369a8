"""What a run of gradcheck was asked to do: the options of the command with their defaults, frozen.

Floor of targets and points. ``configuration.py`` fills it in from command line, environment and files, each of
which learns the options from the fields here: a field is an option everywhere. The runner reads it. It loads
nothing heavy, so that ``gradcheck --help`` stays fast.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass

from gradcheck.check.codes import CODES
from gradcheck.errors import GradcheckError


class SettingsError(GradcheckError):
    """An option has a value that it cannot have."""

    code = "GC001"


@dataclass(frozen=True)
class Settings:
    """Options of a run; each attribute is the command-line option of the same name.

    Attributes:
        argnum: arguments to check, by position or name; ``all`` for every one that holds floats.
        grad: ``auto``, ``none``, ``returned``, or a target.
        order: 1 for gradients and Jacobians, 2 for Hessians.
        hessp: for Hessians, the product with a vector: ``auto``, ``none``, or a target.
        at: points, one text each.
        shape: trial shapes.
        bounds: of arguments: f is not evaluated outside of them.
        vectorized: f takes many points in one call.
        points: how many points, or None for as many as the way in which they are found wants.
        seed: of everything random.
        rtol, atol: tolerances, or None for those of the verdict.
        allow_inconclusive: an inconclusive check does not change the exit code.
        strict: autodiff refuses functions without a derivative rule instead of differentiating such a call numerically.
        no_autodiff: the hand-written derivative is compared with the measurement alone.
        shrink: after a failure look for a simpler point; None: where the point was found, not given.
        budget: what a check may cost, evaluations or time, or None.
        pythonpath: folders that come first on ``sys.path``.
        ignore: codes of findings that do not count, or beginnings of codes (``GC3``).

    Raises:
        SettingsError: from the constructor, for a value that makes no sense by itself.

    >>> Settings().argnum, Settings(order=2).order
    (('0',), 2)
    """

    argnum: tuple[str, ...] = ("0",)
    grad: str = "auto"
    order: int = 1
    hessp: str = "auto"
    at: tuple[str, ...] = ()
    shape: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    vectorized: bool = False
    points: int | None = None
    seed: int = 0
    rtol: float | None = None
    atol: float | None = None
    allow_inconclusive: bool = False
    strict: bool = False
    no_autodiff: bool = False
    budget: str | None = None
    shrink: bool | None = None
    pythonpath: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.order not in (1, 2):
            raise SettingsError(f"--order {self.order}: only 1 (gradient, Jacobian) and 2 (Hessian) are checked")
        if self.points is not None and self.points < 1:
            raise SettingsError(f"--points {self.points}: at least one point is needed")
        if self.seed < 0:
            raise SettingsError(f"--seed {self.seed}: a seed is not negative")
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if value is not None and not (math.isfinite(value) and value >= 0.0):
                raise SettingsError(f"--{name} {value}: a tolerance is a finite number, zero or more")
        if self.budget is not None:
            from gradcheck.check.budget import Budget

            try:
                Budget.parse(self.budget)
            except ValueError:
                hint = "a number of evaluations of f, or a time such as 30s or 2min"
                raise SettingsError(f"--budget {self.budget}", hint=hint) from None
        for code in self.ignore:
            refuse_unignorable(code)

    def agreed(self) -> Settings:
        """The settings themselves, of which no two contradict each other: to be asked of all layers together.

        Raises:
            SettingsError: they do.

        >>> Settings(order=2, hessp="f_hp").agreed().hessp
        'f_hp'
        """
        for _, error in self.contradictions():
            raise error
        return self

    def contradictions(self) -> Iterator[tuple[tuple[str, ...], SettingsError]]:
        """Options that do not go together, with the reason."""
        if self.points is not None and self.at:
            hint = "repeat --at for more points"
            yield ("points", "at"), SettingsError("--points does not go with --at", hint=hint)
        if self.no_autodiff and self.grad == "none" and self.hessp in ("auto", "none"):
            text = "--no-autodiff does not go with --grad none: there would be nothing to check"
            yield ("no_autodiff", "grad", "hessp"), SettingsError(text)
        if self.order != 2 and self.hessp != "auto":
            yield ("hessp", "order"), SettingsError(f"--hessp {self.hessp} goes with --order 2 only")
        if self.order == 2 and self.grad == "returned":
            text = "--grad returned does not go with --order 2: f returns its gradient, not its Hessian"
            hint = "name a function that returns the Hessian"
            yield ("order", "grad"), SettingsError(text, hint=hint)


@dataclass(frozen=True)
class RunOptions:
    """Options of a run as a whole, beside those of each check; fields are options here, too.

    Attributes:
        no_partners: in files and folders only declared checks are run, not derivatives that are found by name.
        allow_empty: that nothing was there to check is no error.
        jobs: how many checks at a time; 0 for one on each processor.
        format: of the report.
        output: file for the report, or None for stdout.
        report: further reports, as ``junit=report.xml``.
        plot: file for a picture of the worst entry, or None.
        color: ``auto``, ``always`` or ``never``.
        quiet: 0; 1 for findings only; 2 for nothing but the exit code.
        verbose: 0; 1 for all partial derivatives; 2 for however many.
        traceback: of errors in the user's code, whole.

    Raises:
        SettingsError: from the constructor, for a value that makes no sense.
    """

    no_partners: bool = False
    allow_empty: bool = False
    jobs: int = 1
    format: str = "full"
    output: str | None = None
    report: tuple[str, ...] = ()
    plot: str | None = None
    color: str = "auto"
    quiet: int = 0
    verbose: int = 0
    traceback: bool = False

    def __post_init__(self) -> None:
        for name in ("jobs", "quiet", "verbose"):
            if getattr(self, name) < 0:
                raise SettingsError(f"--{name} {getattr(self, name)}: not negative")


def refuse_unignorable(code: str) -> None:
    """Refuse what cannot be ignored: no code, or one that says that nothing was checked.

    Raises:
        SettingsError: with the reason.

    >>> refuse_unignorable("GC3"), refuse_unignorable("GC201")
    (None, None)
    """
    if not code.startswith("GC") or not any(known.startswith(code) for known in CODES):
        close = difflib.get_close_matches(code.upper(), CODES, 1)
        hint = f"did you mean {close[0]}?" if close else "a code such as GC201, or the beginning of codes, GC3"
        raise SettingsError(f"--ignore {code}: there is no such code", hint=hint)
    if code.startswith("GC0") or code == "GC":
        hint = "GC1xx, GC2xx and GC3xx can be ignored"
        raise SettingsError(f"--ignore {code}: GC0xx says that nothing was checked, which cannot be ignored", hint=hint)
