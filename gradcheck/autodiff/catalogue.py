"""A live catalogue of what can be differentiated, read from the tables of rules themselves.

It knows nothing that the rules do not know: a function is in the catalogue as exact because a rule for it is
registered, as zero by nature because it is registered as such, and so on. ``gradcheck.support()`` prints it.
"""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from gradcheck.autodiff.core import FUNCTIONS, UFUNCS, Elementwise
from gradcheck.autodiff.rules import load_for_loaded_modules, plain
from gradcheck.autodiff.scalars import REPLACEMENTS as MATH
from gradcheck.autodiff.scope import SHADOWED

EXACT, ZERO, NUMERIC, REFUSED = "exact", "zero by nature", "numeric", "refused"
STATUSES = (EXACT, ZERO, NUMERIC, REFUSED)

# NumPy's public names, by where users find them; functions and ufuncs only.
NAMESPACES = (
    "numpy", "numpy.linalg", "numpy.fft", "numpy.emath", "numpy.strings", "numpy.lib.stride_tricks",
    "numpy.lib.recfunctions", "numpy.polynomial.polynomial", "numpy.polynomial.chebyshev",
    "numpy.polynomial.legendre", "numpy.polynomial.hermite", "numpy.polynomial.hermite_e", "numpy.polynomial.laguerre",
)  # fmt: skip

# Functions that no traced value can be given as a number to differentiate, and why.
_NO_OPERAND = {
    "reads a file, text or bytes": "frombuffer fromfile fromstring fromregex genfromtxt load loadtxt from_dlpack",
    "about types, shapes and settings": """
        base_repr binary_repr broadcast_shapes can_cast datetime_data format_float_positional format_float_scientific
        get_include get_printoptions getbufsize geterr geterrcall info isdtype isfortran isscalar issubdtype iterable
        mintypecode nested_iters printoptions promote_types set_printoptions setbufsize seterr seterrcall show_config
        show_runtime test typename
    """,
    "made of whole numbers": """
        bartlett blackman diag_indices hamming hanning indices mask_indices tri_indices tril_indices triu_indices
    """,
}
_ZERO_NAMES = {name: why for why, names in _NO_OPERAND.items() for name in names.split()}
_REFUSED_NAMES = {
    "asmatrix": "np.matrix: use np.array and @", "bmat": "np.matrix: use np.block",
    "as_strided": "memory as such: use sliding_window_view or indexing",
}  # fmt: skip
# Followed without an entry in a table: composed of functions that have one.
_FOLLOWED_NAMES = frozenset({"fftfreq", "rfftfreq", "frompyfunc", "row_stack", "trapz"})


@dataclass(frozen=True)
class Entry:
    """What happens to derivatives in one function.

    Attributes:
        name: dotted, as users write it.
        status: one of ``STATUSES``.
        note: why, where there is something to say.
    """

    name: str
    status: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.status}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True, repr=False)
class Support:
    """The catalogue. ``print`` it for all of it; its ``repr`` counts."""

    entries: tuple[Entry, ...]

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(
            f"{name} is not in the catalogue, which has functions (no methods of SciPy's classes), of "
            "SciPy those of the parts that are loaded: support('scipy.stats')"
        )

    def __contains__(self, name: object) -> bool:
        return any(entry.name == name for entry in self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def counts(self, package: str = "") -> dict[str, int]:
        """How many functions have each status, of all or of those whose name begins with ``package``."""
        found = Counter(e.status for e in self.entries if f"{e.name}.".startswith(f"{package}." if package else ""))
        return {status: found[status] for status in STATUSES}

    def packages(self) -> list[str]:
        """The modules that the functions are in."""
        return list(dict.fromkeys(e.name.rpartition(".")[0] for e in self.entries))

    def __repr__(self) -> str:
        roots = dict.fromkeys(p.partition(".")[0] for p in self.packages())
        lines = [f"{_version(root)}: {_told(self.counts(root))}" for root in roots]
        if "scipy" not in roots:
            lines.append("SciPy: a part is listed when it is loaded, as by support('scipy.stats')")
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = [repr(self)]
        for package in self.packages():
            mine = [e for e in self.entries if e.name.rpartition(".")[0] == package]
            for status in STATUSES:
                names = [
                    e.name.rpartition(".")[2] + (f" ({e.note})" if e.note and status in (REFUSED, EXACT) else "")
                    for e in mine
                    if e.status == status
                ]
                if names:
                    how = f"{status}, unless its own Python code can be traced" if status == NUMERIC else status
                    lines.append(f"\n{package}, {how} ({len(names)})\n  " + ", ".join(names))
        return "\n".join(lines)


def _version(root: str) -> str:
    version = getattr(sys.modules.get(root), "__version__", None)
    return f"{root} {version}" if version else root


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {status}" for status, n in counts.items() if n)


def status_of(function: Any, name: str = "") -> tuple[str, str] | None:
    """The status of one of NumPy's functions and a note; None if no table knows it.

    >>> status_of(np.exp), status_of(np.argsort)
    (('exact', ''), ('zero by nature', 'piecewise constant'))
    """
    load_for_loaded_modules()
    name = name or getattr(function, "__name__", "")
    rule: Any = UFUNCS.get(function) if isinstance(function, np.ufunc) else FUNCTIONS.get(function)
    if rule is None:
        rule = FUNCTIONS.get(function)
    if type(rule) is Elementwise:
        if all(partial is None for partial in rule.partials):
            return ZERO, "piecewise constant"
        if rule.numeric:
            operands = ", ".join(str(k) for k in rule.numeric)
            whole = len(rule.numeric) == len(rule.partials)
            return (NUMERIC, "") if whole else (EXACT, f"numeric in operand {operands}")
        return EXACT, ""
    if rule is not None:
        if rule in plain.HANDLERS:
            return ZERO, plain.HANDLERS[rule]
        return (REFUSED, plain.REFUSED[rule]) if rule in plain.REFUSED else (EXACT, "")
    if name in _ZERO_NAMES:
        return ZERO, _ZERO_NAMES[name]
    if name in _REFUSED_NAMES:
        return REFUSED, _REFUSED_NAMES[name]
    replaced = {
        id(getattr(new, "__wrapped__", None))
        for _, names in SHADOWED
        for new in names.values()
        if new not in FUNCTIONS  # those for lists only pass on to a rule
    }
    if id(function) in replaced or name in _FOLLOWED_NAMES:
        return EXACT, ""
    # The variants with like= that NumPy registers beside some functions have the same name as those.
    public = getattr(np, name, None)
    if public is None or public is function or getattr(function, "__module__", "") != "numpy":
        return None
    return status_of(public)


def _numpy_entries() -> Iterator[Entry]:
    for space in NAMESPACES:
        module: Any = np.emath if space == "numpy.emath" else importlib.import_module(space)
        for name in sorted(getattr(module, "__all__", dir(module))):
            function = getattr(module, name, None)
            if name[0] == "_" or not callable(function) or isinstance(function, type):
                continue
            if space.startswith("numpy.polynomial"):
                yield Entry(f"{space}.{name}", EXACT)  # its own Python code is traced
                continue
            known = status_of(function, name)
            yield Entry(f"{space}.{name}", *(known or (NUMERIC, "")))


def _scipy_entries() -> Iterator[Entry]:
    registry = sys.modules.get("gradcheck.autodiff.rules.scipy.registry")
    found: dict[str, Entry] = {}
    for (space, name), status in getattr(registry, "STATUS", {}).items():
        head, _, why = status.partition(": ")
        home = space.__name__ if isinstance(space, ModuleType) else f"{space.__module__}.{space.__name__}"
        found[f"{home}.{name}"] = Entry(f"{home}.{name}", {"plain": ZERO}.get(head, head), why)
    special = sys.modules.get("scipy.special")
    for name, function in vars(special).items() if special is not None else ():
        if isinstance(function, np.ufunc) and name[0] != "_" and f"scipy.special.{name}" not in found:
            found[f"scipy.special.{name}"] = Entry(
                f"scipy.special.{name}", *(status_of(function, f"scipy.special.{name}") or (NUMERIC, ""))
            )
    yield from (found[name] for name in sorted(found))


def support(*modules: str) -> Support:
    """The functions that autodiff knows, and how: exact, zero by nature, numeric at that call, or refused and why.

    Args:
        modules: parts of SciPy that are imported first. Their rules are loaded with them; without that only the parts
            that the process has loaded are listed.

    Returns:
        A frozen catalogue: ``support()["numpy.exp"].status``, ``support().counts("numpy")``.

    Raises:
        ImportError: no such module.

    >>> catalogue = support()
    >>> catalogue["numpy.exp"].status, catalogue["numpy.argsort"].status
    ('exact', 'zero by nature')
    >>> catalogue.counts("numpy")["numeric"]
    0
    """
    for module in modules:
        importlib.import_module(module)
    load_for_loaded_modules()
    steps = {"ceil", "floor", "trunc", "isclose", "isfinite", "isinf", "isnan", "ulp"}
    maths = (Entry(f"math.{name}", ZERO if name in steps else EXACT) for name in sorted(MATH))
    return Support((*_numpy_entries(), *maths, *_scipy_entries()))
