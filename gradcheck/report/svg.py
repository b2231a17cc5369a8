"""Drawing: elements of SVG as text, scales from numbers to places, and axes. Used by ``pictures.py``.

Colours are classes, which the style sheet of the page (or of a picture that stands alone) gives a value for light and
for dark; no meaning is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from gradcheck.report.style import escaped

#: Of a signed axis, left free at both ends.
ROOM = 0.04


def text_of(plain: str) -> str:
    """Plain text as XML.

    >>> text_of("a < b")
    'a &lt; b'
    """
    return escape(escaped(plain))


def tag(name: str, *content: str, **attributes: object) -> str:
    """An element; ``content`` is XML already. An attribute ``class_`` is ``class``, ``font_size`` is ``font-size``.

    >>> tag("text", "x", x=1.25, class_="label")
    '<text x="1.25" class="label">x</text>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(escaped(_value(value)))}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(content)}</{name}>" if content else f"<{name}{written}/>"


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Scale:
    """Numbers to places along one axis.

    Attributes:
        low, high: the ends, already transformed.
        start, end: where these are.
        transform: of a number before it is placed; of a logarithmic axis ``math.log10``.
        ticks: number and label each.
    """

    low: float
    high: float
    start: float
    end: float
    transform: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]

    def __call__(self, value: float) -> float:
        part = (self.transform(value) - self.low) / (self.high - self.low)
        return self.start + min(max(part, 0.0), 1.0) * (self.end - self.start)


def log_scale(values: Sequence[float], start: float, end: float, most: int = 7) -> Scale:
    """Decades that hold all the values, which are positive.

    >>> log_scale([0.02, 30.0], 0, 100).ticks
    ((0.01, '0.01'), (0.1, '0.1'), (1.0, '1'), (10.0, '10'), (100.0, '100'))
    """
    exponents = [math.log10(v) for v in values]
    low, high = math.floor(min(exponents) + 1e-9), math.ceil(max(exponents) - 1e-9)
    high = max(high, low + 1)
    every = math.ceil((high - low) / most)
    short = max(abs(low), abs(high)) <= 3
    ticks = tuple((10.0**k, f"{10.0**k:g}" if short or abs(k) < 2 else f"1e{k}") for k in range(low, high + 1, every))
    return Scale(low, high, start, end, math.log10, ticks)


def signed_scale(values: Sequence[float], start: float, end: float) -> Scale:
    """An axis for numbers of both signs: linear, or logarithmic on both sides of zero where sizes differ much."""
    sizes = sorted(abs(v) for v in values if v)
    if not sizes:
        return Scale(-1.0, 1.0, start, end, float, ((0.0, "0"),))
    low, high = min(*values, 0.0), max(*values, 0.0)
    if sizes[-1] <= 1e3 * sizes[0]:
        room = ROOM * (high - low)
        return Scale(low - room, high + room, start, end, float, _round_ticks(low, high))
    # Below the unit it is linear: nothing smaller than twelve decades under the largest is told from zero.
    unit = max(sizes[0], 1e-12 * sizes[-1])

    def fold(value: float) -> float:
        return math.copysign(math.log10(1.0 + abs(value) / unit), value)

    room = ROOM * (fold(high) - fold(low))
    ends = tuple((v, f"{v:.1e}") for v in (low, high) if v)
    return Scale(fold(low) - room, fold(high) + room, start, end, fold, (*ends, (0.0, "0")))


def _round_ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """Some five round numbers between two numbers.

    >>> [label for _, label in _round_ticks(-0.38, 0.52)]
    ['-0.2', '0', '0.2', '0.4']
    """
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(power * k for k in (1, 2, 5, 10) if (high - low) / (power * k) <= 6)
    return tuple((k * step, f"{k * step:g}") for k in range(math.ceil(low / step), math.floor(high / step) + 1))


def axes(x: Scale, y: Scale, x_label: str, y_label: str) -> str:
    """Frame, grid lines, tick labels and the names of both axes."""
    left, right, bottom, top = x.start, x.end, y.start, y.end
    parts = [tag("rect", x=left, y=top, width=right - left, height=bottom - top, class_="frame")]
    for value, label in x.ticks:
        at = x(value)
        parts.append(tag("line", x1=at, x2=at, y1=top, y2=bottom, class_="grid"))
        parts.append(tag("text", text_of(label), x=at, y=bottom + 18, class_="tick", text_anchor="middle"))
    for value, label in y.ticks:
        at = y(value)
        parts.append(tag("line", x1=left, x2=right, y1=at, y2=at, class_="grid"))
        parts.append(tag("text", text_of(label), x=left - 7, y=at + 4, class_="tick", text_anchor="end"))
    middle = (top + bottom) / 2
    parts.append(
        tag("text", text_of(x_label), x=(left + right) / 2, y=bottom + 38, class_="name", text_anchor="middle")
    )
    parts.append(
        tag(
            "text",
            text_of(y_label),
            x=0,
            y=0,
            class_="name",
            text_anchor="middle",
            transform=f"translate(14 {middle:.6g}) rotate(-90)",
        )
    )
    return tag("g", *parts)


def mark(shape: str, x: float, y: float, size: float = 4.0, class_: str = "") -> str:
    """A marker; each meaning has a shape of its own: dot, ring, cross, diamond, down."""
    if shape in ("dot", "ring"):
        return tag("circle", cx=x, cy=y, r=size, class_=f"{shape} {class_}".strip())
    paths = {
        "cross": f"M{x - size:.6g} {y - size:.6g}l{2 * size:g} {2 * size:g}m0 {-2 * size:g}l{-2 * size:g} {2 * size:g}",
        "diamond": f"M{x:.6g} {y - size:.6g}l{size:g} {size:g}l{-size:g} {size:g}l{-size:g} {-size:g}z",
        "down": f"M{x - size:.6g} {y - size:.6g}l{2 * size:g} 0l{-size:g} {1.5 * size:g}z",
    }
    return tag("path", d=paths[shape], class_=f"{shape} {class_}".strip())


def legend(
    items: Sequence[tuple[str, str]], left: float, top: float, width: float, columns: int = 2
) -> tuple[str, float]:
    """Samples, as XML about (12, -4), and words beside them; returns the height as well."""
    parts = []
    for at, (sample, words) in enumerate(items):
        x, y = left + at % columns * width / columns, top + at // columns * 20
        parts.append(
            tag("g", sample, tag("text", text_of(words), x=30, y=0, class_="key"), transform=f"translate({x:g} {y:g})")
        )
    return tag("g", *parts), 20.0 * math.ceil(len(items) / columns)


def drawing(
    prefix: str, title: str, description: str, width: float, height: float, *content: str, head: str = ""
) -> str:
    """The whole picture, with a name and a description for those who do not see it."""
    return tag(
        "svg",
        tag("title", text_of(title), id=f"{prefix}-title"),
        tag("desc", text_of(description), id=f"{prefix}-desc"),
        head,
        *content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{prefix}-title {prefix}-desc",
        class_="picture",
    )
