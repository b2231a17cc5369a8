"""Counting: outcomes and labels to the table.

A false alarm is a fail on a right gradient (or subgradient), a miss a pass on a bug that f's values decide. Of
inconclusive ones only those count that f's values decide, too.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.detection.adapters import Measured
from benchmarks.detection.cases import Case, Label
from benchmarks.detection.problem import Problem
from benchmarks.detection.verify import complex_step

#: What may be said of a kind of bug. Kinds that only the code could tell (a missing term, a wrong conjugate inside) are
#: not scored.
KINDS: dict[str, set[str]] = {
    "sign": {"sign-flipped"},
    "factor": {"constant-factor"},
    "transposed": {"transposed", "axes-swapped", "memory-order", "permuted-index"},
    "shifted": {"shifted-index", "permuted-index"},
    "permuted": {"permuted-index", "shifted-index"},
    "swapped": {"swapped-arguments", "permuted-index"},
    "detached": {"detached"},
    "regulariser": {"missing-regulariser", "constant-offset", "missing-term"},
    "chain": {"missing-chain-factor", "constant-factor", "missing-local-factor"},
    "broadcast": {"missing-reduction"},
    "overwritten": {"overwritten"},
    "branch": {"wrong-branch", "detached"},
    "single": {"single-entry"},
    "nan": {"nan-derivative"},
    "stale": {"call-order", "same-everywhere"},
}
#: What says where, or that something is wrong, may stand beside each of them.
NEUTRAL = {"wrong-derivative", "single-entry", "one-line", "outside-subdifferential"}
#: These name the operand of f that makes the difference, which there is for many bugs of other names.
NEUTRAL |= {"missing-term", "flipped-term", "double-counted-term", "scaled-term", "missing-local-factor"}
NEUTRAL |= {"same-everywhere"}


@dataclass(frozen=True)
class Row:
    """One checker on one case. ``bars``: entries within their error bar, entries, and the worst of error over bar."""

    case: Label
    verdict: str
    said: tuple[str, ...]
    evaluations: int
    seconds: float
    bars: tuple[int, int, float]
    outside: tuple[str, ...] = ()
    note: str = ""

    @property
    def per_entry(self) -> float:
        """Calls of f for each input, preflight and traces included."""
        return self.evaluations / self.case.inputs

    @property
    def complaint(self) -> str:
        """What is wrong with the verdict, or ""."""
        case = self.case
        if case.cls in ("right", "kink") and self.verdict == "fail":
            return "false alarm"
        if case.cls in ("bug", "marginal") and self.verdict == "pass":
            return "miss" if case.decidable else "marginal bug passed"
        if self.verdict == "inconclusive" and case.decidable:
            return "inconclusive" if not self.note.startswith("no verdict") else "no verdict"
        return ""

    @property
    def kind_right(self) -> bool | None:
        """Whether the kind of bug is right; None where it is not scored."""
        accepted = KINDS.get(self.case.kind)
        if accepted is None or self.case.cls != "bug" or self.verdict != "fail":
            return None
        if self.case.entries == 1 and self.case.kind not in (
            "sign",
            "detached",
            "nan",
        ):  # a number is wrong in one way only
            return None
        if self.case.wrong == 1:  # then that is right to say whatever the bug is, and so is the ratio
            accepted = accepted | {"single-entry", "constant-factor"}
        said = set(self.said)
        return bool(said & accepted) and not said - accepted - NEUTRAL


def truth(p: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The derivative, (m, n), and how well it is known: by how much gradient and complex step differ."""
    exact = p.exact()
    with np.errstate(all="ignore"):
        doubt = np.abs(exact - complex_step(p))
    doubt[:, [*p.edges]] = 0.0
    return exact, np.maximum(doubt, 4 * np.finfo(float).eps * np.abs(exact))


def within(
    case: Case, measured: Sequence[Measured], exact: np.ndarray, doubt: np.ndarray
) -> tuple[tuple[int, int, float], tuple[str, ...]]:
    """How many true errors are no larger than their error bars, of how many, and the worst ratio; which are not."""
    p, inside, count, worst, outside = case.problem, 0, 0, 0.0, []
    shape = np.shape(p.f(p.x.copy()))
    for m in measured:
        if m.right is not None:
            if case.label.kind != "right":
                continue
            error, known = abs(m.value - m.right), 1e-14 * float(np.max(np.abs(exact))) * exact.shape[1] ** 0.5
        else:
            i = int(np.ravel_multi_index(m.output, shape)) if shape else 0
            j = int(np.ravel_multi_index(m.index, p.x.shape)) if p.x.ndim else 0
            if j in p.kinks:
                continue
            error, known = abs(m.value - exact[i, j]), doubt[i, j]
        excess = max(error - known, 0.0)
        count += 1
        inside += excess <= m.bar
        ratio = excess / m.bar if m.bar > 0 else (0.0 if excess == 0 else np.inf)
        if not excess <= m.bar:
            outside.append(f"{m.output}{m.index}: {m.value:.16g} off by {error:.1e} ({ratio:.3g} bars of {m.bar:.1e})")
        worst = max(worst, ratio)
    return (inside, count, worst), tuple(outside)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of one checker."""
    complaints = Counter(r.complaint for r in rows)
    right = [r for r in rows if r.case.kind == "right"]
    bugs = [r for r in rows if r.case.cls == "bug"]
    decidable = [r for r in rows if r.case.decidable]
    open_ = [r for r in decidable if r.verdict == "inconclusive"]
    kinds = [r.kind_right for r in rows if r.kind_right is not None]
    spent = [r.per_entry for r in right if r.case.cls == "right"] or [float("nan")]
    count = sum(r.bars[1] for r in rows)
    return {
        "right": len(right),
        "bugs": len(bugs),
        "false alarms": complaints["false alarm"],
        "misses": complaints["miss"],
        "inconclusive right": sum(r.case.kind == "right" for r in open_),
        "inconclusive wrong": sum(r.case.kind != "right" for r in open_),
        "inconclusive percent": 100 * len(open_) / max(len(decidable), 1),
        "no verdict": sum(r.note.startswith("no verdict") for r in rows),
        "evaluations mean": statistics.fmean(spent),
        "evaluations median": statistics.median(spent),
        "kinds scored": len(kinds),
        "kind right percent": 100 * sum(kinds) / len(kinds) if any(r.said for r in rows) and kinds else None,
        "error bars": count,
        "within bar percent": 100 * sum(r.bars[0] for r in rows) / count if count else None,
        "worst over bar": max((r.bars[2] for r in rows), default=0.0) if count else None,
        "seconds": sum(r.seconds for r in rows),
    }


HEADER = (
    "checker | false alarms | misses | inconclusive: right + wrong | evaluations: mean, median | kind right | "
    "error within bar | CPU time"
)


def _percent(value: float | None, digits: int = 1) -> str:
    """Rounded down: 100 % is said of all only."""
    if value is None:
        return ""
    scale = 10**digits
    return f"{np.floor(value * scale) / scale:.{digits}f} %"


def table(found: dict[str, dict[str, Any]], absent: dict[str, str]) -> str:
    """Markdown. ``found``: title to figures; ``absent``: title to why there are none."""
    lines = [f"| {HEADER} |", "|" + " --- |" * len(HEADER.split("|"))]
    for title, s in found.items():
        bar = _percent(s["within bar percent"], 2)
        undecided = f"{s['inconclusive right']} + {s['inconclusive wrong']} ({s['inconclusive percent']:.1f} %)"
        cells = [
            title,
            f"{s['false alarms']} of {s['right']}",
            f"{s['misses']} of {s['bugs']}",
            undecided,
            f"{s['evaluations mean']:.1f}, {s['evaluations median']:.1f}",
            _percent(s["kind right percent"]),
            bar and f"{bar}, worst {s['worst over bar']:.3g}",
            f"{s['seconds']:.0f} s",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"| {title} | {why} |" + " |" * (len(HEADER.split("|")) - 2) for title, why in absent.items()]
    return "\n".join(lines)
