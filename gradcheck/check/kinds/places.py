"""Where the wrong entries are, whatever is wrong with them: one entry, one row, one column."""

from __future__ import annotations

import numpy as np

from gradcheck.check.evidence import Pool, Told


def place(pool: Pool) -> Told | None:
    """One entry, or one line of entries, is wrong and all others are right."""
    if not pool.uniform:
        return None
    rows, columns = pool.shape
    known = _any(pool, pool.known)
    wrong = _any(pool, pool.scope)
    right = int(np.sum(known & ~wrong))
    evidence: dict[str, float | str] = {"wrong": int(np.sum(wrong)), "right": right}
    at = f" at all {len(pool.points)} points" if len(pool.points) > 1 else ""
    of = "" if np.all(known) else f"of the {int(np.sum(known))} entries that could be compared one by one "
    if np.sum(wrong) == 1:
        if not right:
            return None
        row, column = (int(i[0]) for i in np.nonzero(wrong))
        others = f"other {right}{' entries' * (not of)} are" if right > 1 else "other one is"
        text = f"{of}only {_label(pool, row, column)} is wrong, the {others} right{at}"
        return Told("GC114", text, evidence)
    shape = (*pool.first.outer, *pool.first.inner)
    m = len(pool.first.outer)
    groups: list[tuple[tuple[int, ...], tuple[int, ...], int, bool]] = []
    if min(rows, columns) > 1:
        groups = [(pool.first.outer, (rows, columns), 0, True), (pool.first.inner, (rows, columns), 1, True)]
    if pool.first.scene.value.complex:  # half of a column is a real part
        groups = groups[1:]
    elif len(shape) > 2 or not groups:
        groups += [(shape, shape, axis, False) for axis in range(len(shape))]
    for names, view, axis, joined in groups:
        lines = np.moveaxis(wrong.reshape(view), axis, 0).reshape(view[axis], -1)
        seen = np.moveaxis(known.reshape(view), axis, 0).reshape(view[axis], -1)
        hit = np.flatnonzero(lines.any(axis=1))
        if view[axis] < 2 or hit.size != 1 or lines.shape[1] < 2 or right < 2:
            continue
        line = int(hit[0])
        if 2 * np.sum(lines[line]) < np.sum(seen[line]) or not np.any(np.delete(seen, line, axis=0)):
            continue
        if joined:
            index = _brackets(tuple(int(i) for i in np.unravel_index(line, names)))
            what = f"of df{index}" if axis == 0 else f"with respect to {pool.argname}{index}"
        else:
            slots = [":"] * (m if axis < m else len(shape) - m)
            slots[axis if axis < m else axis - m] = str(line)
            what = f"of {'df' if axis < m else pool.argname}[{', '.join(slots)}]"
        text = f"{of}only the entries {what} are wrong: {int(np.sum(wrong))} of {int(np.sum(known))}, and no others{at}"
        return Told("GC129", text, evidence)
    return None


def _any(pool: Pool, mask: np.ndarray) -> np.ndarray:
    """Where a mask is true at any point, (rows, columns)."""
    return np.asarray(np.any(mask.reshape(len(pool.points), *pool.shape), axis=0))


def _label(pool: Pool, row: int, column: int) -> str:
    """The entry as the report calls it."""
    p = pool.first
    index = tuple(int(i) for i in np.unravel_index(column, p.inner)) if p.inner else ()
    if p.request.order == 2:
        other = tuple(int(i) for i in np.unravel_index(row, p.inner)) if p.inner else ()
        return f"d2f/d{pool.argname}{_brackets(other)}d{pool.argname}{_brackets(index)}"
    output, part = p.scene.value.output(row)
    return f"{part}df{_brackets(output)}/d{pool.argname}{_brackets(index)}"


def _brackets(index: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, index))}]" if index else ""
