"""The pictures that explain a number: error against step, analytic against measured, the error over a matrix.

Functions from the frozen result to SVG; used by the HTML report and by ``--plot``. Everything that they show was
computed by the check (``check/study.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gradcheck.check.result import Entry, Result, Step, StepStudy, Verdict
from gradcheck.report import numbers
from gradcheck.report.svg import Scale, axes, drawing, legend, log_scale, mark, signed_scale, tag, text_of

WIDTH = 560.0
#: Points of a scatter plot, and cells of a heat map along one side.
MOST_POINTS, MOST_CELLS = 600, 48
SHAPES = {Verdict.PASS: "dot", Verdict.FAIL: "cross", Verdict.INCONCLUSIVE: "diamond"}
CLASSES = {Verdict.PASS: "pass", Verdict.FAIL: "fail", Verdict.INCONCLUSIVE: "open"}
_WORDS = {Verdict.PASS: "passed", Verdict.FAIL: "wrong", Verdict.INCONCLUSIVE: "undecided"}


@dataclass(frozen=True)
class Picture:
    """A picture as SVG, what it is called, and what it says in words."""

    svg: str
    title: str
    caption: str


def steps_picture(study: StepStudy, prefix: str, note: str = "", head: str = "", heading: str = "") -> Picture:
    """Error against step size, both logarithmic.

    Args:
        study: of one entry.
        prefix: of the ids in it.
        note: what is remarkable about the entry.
        head: XML that comes first, for instance a style sheet.
        heading: what stands over it, for a picture without a page around it.
    """
    title = f"Error of the difference against the step: {study.label}"
    x, y = _step_scales(study)
    bottom = y.start
    parts = [axes(x, y, _step_name(study), f"distance from {_reference(study)}")]
    parts += _slopes(study, x, y) + _levels(study, x, y)
    parts += [_step_mark(step, x, y, bottom) for step in study.steps if step.error is not None]
    keys, height = legend(_keys(study), 70, bottom + 64, WIDTH - 80)
    caption = steps_caption(study, note)
    top = 28 if heading else 0
    over = [tag("text", text_of(heading), x=12, y=20, class_="name")] if heading else []
    content = tag("g", *parts, keys, transform=f"translate(0 {top})" if top else None)
    svg = drawing(prefix, title, caption, WIDTH, bottom + 64 + height + top, *over, content, head=head)
    return Picture(svg, title, caption)


def _step_name(study: StepStudy) -> str:
    return "step along the direction (in natural units of the inputs)" if study.natural else "step h"


def _reference(study: StepStudy) -> str:
    return "autodiff" if study.reference_from == "autodiff" else "the best extrapolation"


def _rounding(study: StepStudy, length: float) -> float:
    return study.rounding / length**study.order


def _step_scales(study: StepStudy) -> tuple[Scale, Scale]:
    lengths = [step.length for step in study.steps]
    errors = [step.error for step in study.steps if step.error]
    levels = [v for v in (study.claim_error, study.bar) if v and math.isfinite(v)]
    shown = errors + levels or [_rounding(study, length) for length in lengths]
    high, low = max(shown), max(min(shown), 1e-24 * max(shown))
    return log_scale([*lengths, 2 * lengths[-1]], 70, WIDTH - 12), log_scale([low, high], 290, 14)


def _slopes(study: StepStudy, x: Scale, y: Scale) -> list[str]:
    """The lines of rounding and truncation, as far as they are within the frame."""
    lines = [_line(lambda h: _rounding(study, h), "rounding", x, y)]
    factor = study.truncation
    if factor is not None:
        lines.append(_line(lambda h: factor * h * h, "truncation", x, y))
    return lines


def _line(value: Callable[[float], float], name: str, x: Scale, y: Scale) -> str:
    points = []
    for k in range(201):
        exponent = x.low + (x.high - x.low) * k / 200
        size = value(10.0**exponent)
        if size > 0 and y.low <= math.log10(size) <= y.high:
            points.append(f"{x(10.0**exponent):.5g},{y(size):.5g}")
    return tag("polyline", points=" ".join(points), class_=name) if points else ""


def _levels(study: StepStudy, x: Scale, y: Scale) -> list[str]:
    """The chosen step, the error bar, and how far off what is on trial is."""
    parts = []
    if study.bar:
        at = y(study.bar)
        parts.append(tag("rect", x=x.start, y=at, width=x.end - x.start, height=y.start - at, class_="within"))
        parts.append(tag("line", x1=x.start, x2=x.end, y1=at, y2=at, class_="bar"))
    if study.chosen is not None:
        at = x(study.chosen)
        parts.append(tag("line", x1=at, x2=at, y1=y.start, y2=y.end, class_="chosen"))
    if study.claim_error:
        at = y(study.claim_error)
        parts.append(tag("line", x1=x.start, x2=x.end, y1=at, y2=at, class_=_claim_class(study)))
    return parts


def _claim_class(study: StepStudy) -> str:
    return "claim beyond" if study.claim_error and study.claim_error > (study.bar or 0.0) else "claim"


def _step_mark(step: Step, x: Scale, y: Scale, bottom: float) -> str:
    if not step.error:
        return mark("down", x(step.length), bottom - 6, class_="used" if step.used else "")
    return mark("dot" if step.used else "ring", x(step.length), y(step.error), class_="used" if step.used else "")


def _keys(study: StepStudy) -> list[tuple[str, str]]:
    """The legend: what there is in the picture."""

    def line(name: str) -> str:
        return tag("line", x1=0, x2=24, y1=-4, y2=-4, class_=name)

    keys = [(mark("dot", 12, -4, class_="used"), "step of the verdict")]
    if any(not step.used for step in study.steps):
        keys.append((mark("ring", 12, -4), "step for this picture"))
    if any(step.error == 0 for step in study.steps):
        keys.append((mark("down", 12, -4), "no distance at all"))
    keys.append((line("rounding"), f"rounding of f: r/h{'²' * (study.order == 2)}"))
    if study.truncation is not None:
        keys.append((line("truncation"), "truncation: c·h²"))
    if study.chosen is not None:
        keys.append((line("chosen"), f"chosen step {study.chosen:.1e}"))
    if study.bar:
        keys.append((line("bar"), f"error bar {numbers.bar(study.bar)}"))
    if study.claim_error:
        keys.append((line(_claim_class(study)), f"{study.on_trial} is {study.claim_error:.2g} away"))
    return keys


def steps_caption(study: StepStudy, note: str = "") -> str:
    """The picture in words."""
    used = sum(step.used for step in study.steps)
    more = f" ({study.evaluations} evaluations more for this picture)" if study.evaluations else ""
    parts = [f"{note[:1].upper()}{note[1:]}."] if note else []
    parts.append(f"Differences at {len(study.steps)} steps, {used} of them the verdict's{more}.")
    if study.chosen is not None and study.bar is not None and not note.startswith(("kink", "jump")):
        known = f"knows the derivative to ± {numbers.bar(study.bar)}"
        parts.append(f"The verdict rests on the step {study.chosen:.1e} and {known}.")
    if study.truncation is not None:
        parts.append("Shorter steps drown in the rounding of f, at longer ones its curvature shows.")
    elif any(step.error for step in study.steps):
        parts.append("At no range of steps the error was seen to grow as h².")
    else:
        parts.append("At no step there is any distance.")
    if study.claim_error is not None and study.on_trial != study.reference_from:
        times = f", {study.claim_error / study.bar:.2g} times the error bar" if study.bar and study.claim_error else ""
        apart = f"{study.claim_error:.2g} away from" if study.claim_error else "the same as"
        parts.append(f"{study.on_trial.capitalize()} is {apart} {_reference(study)}{times}.")
    elif study.claim is None:
        parts.append(f"{study.on_trial.capitalize()} is not finite.")
    return " ".join(parts)


def _claim(entry: Entry) -> float | None:
    value = entry.autodiff if entry.yours is None else entry.yours
    return float(value.real) if value is not None and math.isfinite(abs(value)) else None


def scatter_picture(result: Result, prefix: str) -> Picture | None:
    """What is on trial against what was measured: right entries lie on the diagonal. None for fewer than two."""
    known = [
        (float(e.measured.real), claim, e)
        for e in result.located
        if e.measured is not None and math.isfinite(abs(e.measured)) and (claim := _claim(e)) is not None
    ]
    shown = _thinned(known)
    if len(shown) < 2:
        return None
    trial = "yours" if any(e.yours is not None for _, _, e in shown) else "autodiff"
    values = [v for a, b, _ in shown for v in (a, b)]
    # A measured zero is as large as its noise, which is no size that an axis need resolve.
    clear = [v if abs(v) > (e.error or 0.0) else 0.0 for a, b, e in shown for v in (a, b)]
    x, y = signed_scale(clear, 84, 384), signed_scale(clear, 314, 14)
    parts = [axes(x, y, "measured", trial)]
    ends = (min(*values, 0.0), max(*values, 0.0))
    parts.append(tag("line", x1=x(ends[0]), y1=y(ends[0]), x2=x(ends[1]), y2=y(ends[1]), class_="diagonal"))
    parts += [mark(SHAPES[e.verdict], x(a), y(b), 4.0, CLASSES[e.verdict]) for a, b, e in shown]
    keys = [(tag("line", x1=0, x2=24, y1=-4, y2=-4, class_="diagonal"), "equal")]
    found = {e.verdict for _, _, e in shown}
    keys += [(mark(SHAPES[v], 12, -4, 4.0, CLASSES[v]), _WORDS[v]) for v in _WORDS if v in found]
    drawn, _ = legend(keys, 404, 30, 150, columns=1)
    title = f"{trial.capitalize()} against measured"
    counted = ", ".join(f"{sum(e.verdict is v for _, _, e in known)} {_WORDS[v]}" for v in _WORDS if v in found)
    points = f" at {len(result.points)} points" if len(result.points) > 1 else ""
    caption = f"{len(known)} entries{points}: {counted}. A right entry lies on the diagonal."
    if len(shown) < len(known):
        caption += f" {len(shown)} are drawn, all that did not pass among them."
    if x.transform is not float:
        caption += " Both axes are logarithmic on both sides of zero."
    return Picture(drawing(prefix, title, caption, WIDTH, 360, *parts, drawn), title, caption)


def _thinned(known: Sequence[tuple[float, float, Entry]]) -> list[tuple[float, float, Entry]]:
    """What did not pass, and of the rest so many that there are not too many points."""
    bad = [k for k in known if k[2].verdict is not Verdict.PASS][:MOST_POINTS]
    good = [k for k in known if k[2].verdict is Verdict.PASS]
    room = max(MOST_POINTS - len(bad), 50)
    return good[:: max(math.ceil(len(good) / room), 1)] + bad


def heat_picture(result: Result, at: int, prefix: str) -> Picture | None:
    """The relative difference of every entry of a matrix at one point; None for what is no matrix."""
    cells, rows, columns, names = _matrix([e for e in result.located if e.point == at], result.order)
    if rows < 2 or columns < 2:
        return None
    block = max(math.ceil(max(rows, columns) / MOST_CELLS), 1)
    grid: dict[tuple[int, int], list[Entry]] = {}
    for (i, j), entries in cells.items():
        grid.setdefault((i // block, j // block), []).extend(entries)
    high, wide = math.ceil(rows / block), math.ceil(columns / block)
    side = min(360.0 / wide, 320.0 / high, 56.0)
    left, top = 64.0, 46.0
    parts = [tag("rect", x=left, y=top, width=wide * side, height=high * side, class_="frame unknown")]
    for (i, j), entries in grid.items():
        parts.append(_cell(entries, left + j * side, top + i * side, side))
    parts.append(tag("text", text_of(names[1]), x=left + wide * side / 2, y=16, class_="name", text_anchor="middle"))
    middle = top + high * side / 2
    turned = f"translate(14 {middle:.6g}) rotate(-90)"
    parts.append(tag("text", text_of(names[0]), x=0, y=0, class_="name", text_anchor="middle", transform=turned))
    parts += _edges(rows, columns, left, top, wide * side, high * side)
    every = [entry for found in grid.values() for entry in found]
    signs = _heat_keys(every, len(cells) < rows * columns)
    drawn, keys = legend(signs, left + wide * side + 18, top + 12, 150, columns=1)
    title = f"Relative difference over the {rows} × {columns} matrix"
    caption = f"Each cell is an entry{f' (the worst of {block} × {block})' if block > 1 else ''}: {_counts(every)}."
    if len(cells) < rows * columns:
        caption += f" {rows * columns - len(cells)} entries were not compared."
    height = max(top + high * side + 14, top + 12 + keys)
    return Picture(drawing(prefix, title, caption, WIDTH, height, *parts, drawn), title, caption)


def _matrix(
    entries: Iterable[Entry], order: int
) -> tuple[dict[tuple[int, int], list[Entry]], int, int, tuple[str, str]]:
    """Entries by row and column, the shape, and what rows and columns are; of complex outputs two share a cell."""
    found = list(entries)
    if not found:
        return {}, 0, 0, ("", "")
    if order == 2:
        half = len(found[0].index) // 2
        pairs = [(e.index[:half], e.index[half:]) for e in found]
        names = ("first input", "second input")
    elif found[0].output and found[0].index:
        pairs = [(e.output, e.index) for e in found]
        names = ("output", "input")
    elif len(found[0].index) == 2:
        pairs = [(e.index[:1], e.index[1:]) for e in found]
        names = ("row", "column")
    else:
        return {}, 0, 0, ("", "")
    rows = {key: k for k, key in enumerate(sorted({row for row, _ in pairs}))}
    columns = {key: k for k, key in enumerate(sorted({column for _, column in pairs}))}
    cells: dict[tuple[int, int], list[Entry]] = {}
    for (row, column), entry in zip(pairs, found, strict=True):
        cells.setdefault((rows[row], columns[column]), []).append(entry)
    return cells, len(rows), len(columns), names


def _heat(entry: Entry) -> int:
    """0 to 4: relative differences up to 1e-9, 1e-6, 1e-3, 0.1 and more."""
    difference = entry.difference
    if difference is None or difference != difference:
        return 4
    return sum(difference > limit for limit in (1e-9, 1e-6, 1e-3, 1e-1))


def _cell(entries: Sequence[Entry], x: float, y: float, side: float) -> str:
    rank = {Verdict.FAIL: 2, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 0}
    worst = max(entries, key=lambda e: (rank[e.verdict], e.difference or 0.0))
    parts = [tag("rect", x=x, y=y, width=side, height=side, class_=f"cell heat{_heat(worst)}")]
    if worst.verdict is not Verdict.PASS and side >= 6:
        shape = SHAPES[worst.verdict]
        parts.append(mark(shape, x + side / 2, y + side / 2, min(side / 4, 6.0), CLASSES[worst.verdict]))
    name = text_of(f"{worst.label}: {_WORDS[worst.verdict]}, relative difference {numbers.relative(worst.difference)}")
    return tag("g", tag("title", name), *parts)


def _edges(rows: int, columns: int, left: float, top: float, width: float, height: float) -> list[str]:
    """The numbers of the first and the last row and column."""
    return [
        tag("text", "0", x=left - 6, y=top + 12, class_="tick", text_anchor="end"),
        tag("text", str(rows - 1), x=left - 6, y=top + height - 3, class_="tick", text_anchor="end"),
        tag("text", "0", x=left + 2, y=top - 5, class_="tick"),
        tag("text", str(columns - 1), x=left + width - 2, y=top - 5, class_="tick", text_anchor="end"),
    ]


def _heat_keys(entries: Sequence[Entry], partly: bool) -> list[tuple[str, str]]:
    """The legend: shades, and those marks that there are."""
    words = ("up to 1e-9", "up to 1e-6", "up to 1e-3", "up to 0.1", "more")
    keys = [(tag("rect", x=4, y=-12, width=16, height=16, class_=f"cell heat{k}"), w) for k, w in enumerate(words)]
    if partly:
        keys.append((tag("rect", x=4, y=-12, width=16, height=16, class_="frame unknown"), "not compared"))
    shown = [v for v in (Verdict.FAIL, Verdict.INCONCLUSIVE) if any(e.verdict is v for e in entries)]
    return keys + [(mark(SHAPES[v], 12, -4, 5.0, CLASSES[v]), _WORDS[v]) for v in shown]


def _counts(entries: Iterable[Entry]) -> str:
    found = list(entries)
    each = ((sum(e.verdict is v for e in found), word) for v, word in _WORDS.items())
    return ", ".join(f"{count} {word}" for count, word in each if count)
