"""Tables as text: frozen results in, lines out. Plain columns for the terminal, Markdown for the documents."""

from __future__ import annotations

import platform

from benchmarks.speed.gradients import Cell, Row
from benchmarks.speed.peers import PEERS, versions


def duration(seconds: float) -> str:
    """A time with three digits."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1.0:
            return f"{digits(seconds * scale)} {unit}"
    return f"{digits(seconds * 1e6)} µs"


def digits(value: float) -> str:
    """Three digits before or after the point, whole numbers above a hundred."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def grid(head: list[str], body: list[list[str]], markdown: bool) -> str:
    """A table; the first column left, the others right."""
    if markdown:
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    widths = [max(len(line[k]) for line in [head, *body]) for k in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in [head, *body]
    )


def _cell(cell: Cell) -> str:
    if cell.ratio is None:
        return cell.word
    half = (cell.ratio.high - cell.ratio.low) / 2.0
    return f"{digits(cell.ratio.median)} ±{digits(half)}"


def gradients(rows: list[Row], peers: list[str], markdown: bool) -> str:
    """The ratio table. A column in which nobody has anything to say (differences, without Jacobians) is left out."""
    shown = [name for name in peers if any(row.cells[name].ratio or row.cells[name].reason for row in rows)]
    head = ["", "plain f", *(PEERS[name].title for name in shown)]
    body = [[row.workload, duration(row.plain.median), *(_cell(row.cells[name]) for name in shown)] for row in rows]
    return grid(head, body, markdown)


def reasons(rows: list[Row], markdown: bool) -> str:
    """Why there is a word in the place of a ratio, a line for each peer and reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name, cell in row.cells.items():
            if cell.reason:
                found.setdefault((name, f"{cell.word}: {cell.reason}"), []).append(row.workload)
    together: dict[tuple[str, str], list[str]] = {}
    for (name, reason), workloads in found.items():
        where = "everywhere" if len(workloads) == len(rows) > 1 else "; ".join(workloads)
        together.setdefault((reason, where), []).append(PEERS[name].title)
    bullet = "- " if markdown else ""
    return "\n".join(f"{bullet}{' / '.join(who)}, {why} ({where})" for (why, where), who in together.items())


def environment(peers: list[str], threads: str) -> str:
    """Python and the versions in use."""
    used = ", ".join(f"{package} {number}" for package, number in versions(peers).items())
    return f"Python {platform.python_version()}, {used}; {threads}"
