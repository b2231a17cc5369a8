"""``--plot FILE``: error against step of the worst entry of a run, alone: SVG of our own, PNG by matplotlib.

The SVG is the picture of the HTML report with the style sheet in it. Matplotlib is an extra, loaded for PNG only.
"""

from __future__ import annotations

import io
from xml.sax.saxutils import escape

from gradcheck.check.result import StepStudy
from gradcheck.errors import GradcheckError
from gradcheck.outcomes import Run
from gradcheck.report import numbers
from gradcheck.report.common import title, worst_study
from gradcheck.report.html import picture_style
from gradcheck.report.pictures import steps_caption, steps_picture


def plot(run: Run, suffix: str) -> bytes:
    """The picture as the content of a file; ``suffix`` is ``.svg`` or ``.png``.

    Raises:
        GradcheckError: no entry was measured, or matplotlib is missing.
    """
    found = worst_study(run)
    if found is None:
        raise GradcheckError("there is nothing to draw: no entry was measured")
    outcome, study = found
    name = f"{title(outcome)}: {study.label}"
    return _png(study, name) if suffix == ".png" else _svg(study, name)


def _svg(study: StepStudy, name: str) -> bytes:
    background = "<style>" + escape(picture_style()) + "svg { background: var(--card); }</style>"
    return (steps_picture(study, "plot", head=background, heading=name).svg + "\n").encode()


def _png(study: StepStudy, name: str) -> bytes:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise GradcheckError("a PNG needs matplotlib", hint="pip install 'gradcheck[plot]', or write an .svg") from None
    figure = Figure(figsize=(7.0, 5.0), layout="constrained")
    axes = figure.subplots()
    lengths = [step.length for step in study.steps]
    for used, face, label in ((True, "C0", "step of the verdict"), (False, "none", "step for this picture")):
        shown = [step for step in study.steps if step.used == used and step.error]
        if shown:
            points = [step.length for step in shown], [step.error for step in shown]
            axes.plot(*points, "o", color="C0" if used else "0.4", markerfacecolor=face, label=label)
    low, high = _limits(study)
    axes.plot(lengths, [study.rounding / h**study.order for h in lengths], ":", color="C4", label="rounding of f")
    if study.truncation is not None:
        axes.plot(lengths, [study.truncation * h * h for h in lengths], "--", color="C2", label="truncation: c·h²")
    if study.bar:
        axes.axhline(study.bar, color="C0", ls=(0, (4, 2)), label=f"error bar {numbers.bar(study.bar)}")
    if study.chosen is not None:
        axes.axvline(study.chosen, color="C0", lw=1, label=f"chosen step {study.chosen:.1e}")
    if study.claim_error:
        axes.axhline(study.claim_error, color="C3", ls="-.", label=f"{study.on_trial} is {study.claim_error:.2g} away")
    source = "autodiff" if study.reference_from == "autodiff" else "the best extrapolation"
    axes.set(xscale="log", yscale="log", ylim=(low, high), xlabel="step", ylabel=f"distance from {source}")
    # A dollar would begin a formula.
    axes.set_title(name.replace("$", r"\$"), fontsize=10)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=150, metadata={"Description": steps_caption(study)})
    return written.getvalue()


def _limits(study: StepStudy) -> tuple[float, float]:
    """The range of what is shown, some room around it."""
    known = [step.error for step in study.steps if step.error] + [v for v in (study.bar, study.claim_error) if v]
    known = known or [study.rounding / step.length**study.order for step in study.steps]
    return 0.3 * min(known), 3.0 * max(known)
