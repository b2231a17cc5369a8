"""``np.einsum``: any product of arrays, summed over any labels.

The vjp is an einsum of the same kind with the labels in another order; contractions of many operands follow NumPy's
own planner.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcheck.autodiff.core import (
    TRACED,
    Primitive,
    implements,
    is_array,
    plain,
    shape_of,
    unbroadcast,
)
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.rules.elementwise import astype
from gradcheck.autodiff.rules.picking import SCATTER
from gradcheck.autodiff.rules.reductions import (
    as_traced,
    into,
)
from gradcheck.autodiff.rules.shape import view

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _explicit(subscripts: str, shapes: list[tuple[int, ...]]) -> tuple[list[str], str]:
    """Operand and output labels of an einsum, with the ellipsis spelt out and the implicit output made explicit."""
    subscripts = subscripts.replace(" ", "")
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError("einsum: number of operands does not match the subscripts")
    free = [c for c in _LETTERS if c not in subscripts]
    widest = max(
        (len(s) - len(t.replace("...", "")) for t, s in zip(terms, shapes, strict=True) if "..." in t), default=0
    )
    dots = "".join(free[:widest])

    def spell(term: str, ndim: int) -> str:
        n = ndim - len(term.replace("...", ""))
        return term.replace("...", dots[len(dots) - n :] if n else "")

    labels = [spell(t, len(s)) for t, s in zip(terms, shapes, strict=True)]
    if arrow:
        return labels, right.replace("...", dots)
    counted = "".join(t.replace("...", "") for t in terms)
    return labels, dots + "".join(c for c in sorted(set(counted)) if counted.count(c) == 1)


def _einsum(*operands: Any, labels: tuple[str, ...], output: str, optimize: bool) -> Any:
    return np.einsum(",".join(labels) + "->" + output, *operands, optimize=optimize)


# From so many multiplications on a product of matrices is faster than einsum's own loop.
_MANY = 1 << 14


def _contracted(terms: str, operands: list[Any]) -> Any:
    """An einsum of distinct labels; of two plain arrays as a product of (stacks of) matrices where it is one."""
    if len(operands) == 2 and all(type(a) is np.ndarray and a.dtype.kind == "f" for a in operands):
        sizes: dict[str, int] = {}
        (first, second), target = (part := terms.partition("->"))[0].split(","), part[2]
        for labels, a in ((first, operands[0]), (second, operands[1])):
            for c, n in zip(labels, a.shape, strict=True):
                if sizes.setdefault(c, n) != n:
                    return np.einsum(terms, *operands)
        both = set(first) & set(second)
        summed = [c for c in first if c in both and c not in target]
        distinct = len(set(first)) == len(first) and len(set(second)) == len(second)
        if summed and distinct and set(first) ^ set(second) <= set(target) and math.prod(sizes.values()) >= _MANY:
            return _as_matrices(operands, (first, second, target), summed, sizes)
    return np.einsum(terms, *operands)


def _as_matrices(operands: list[Any], labels: tuple[str, str, str], summed: list[str], sizes: dict[str, int]) -> Any:
    first, second, target = labels
    batch = [c for c in first if c in second and c in target]
    rows, columns = [c for c in first if c not in second], [c for c in second if c not in first]

    def shape(*groups: list[str]) -> list[int]:
        return [sizes[c] for c in batch] + [math.prod(sizes[c] for c in group) for group in groups]

    a = operands[0].transpose([first.index(c) for c in [*batch, *rows, *summed]]).reshape(shape(rows, summed))
    b = operands[1].transpose([second.index(c) for c in [*batch, *summed, *columns]]).reshape(shape(summed, columns))
    order = [*batch, *rows, *columns]
    y = np.matmul(a, b).reshape([sizes[c] for c in order])
    return y.transpose([order.index(c) for c in target])


def _einsum_vjp(k: int, _y: Any, *operands: Any, labels: tuple[str, ...], output: str, optimize: bool) -> Any:
    mine, shape = labels[k], shape_of(operands[k])
    unique = "".join(dict.fromkeys(mine))
    others = [(lab, op) for i, (lab, op) in enumerate(zip(labels, operands, strict=True)) if i != k]
    seen = set(output).union(*(lab for lab, _ in others)) if others else set(output)
    sizes = dict(zip(mine, shape, strict=True))
    for lab, op in zip(labels, operands, strict=True):
        for c, n in zip(lab, shape_of(op), strict=True):
            sizes[c] = max(sizes.get(c, 1), n)
    # A label that only this operand has is summed over in the value: its cotangent is spread evenly.
    alone = [c for c in unique if c not in seen]
    ones = [np.ones(sizes[c]) for c in alone]
    terms = ",".join([output, *(lab for lab, _ in others), *alone]) + "->" + unique
    rest = [op for _, op in others]
    full = tuple(sizes[c] for c in unique)

    def pull(g: Any) -> Any:
        d = _contracted(terms, [g, *rest, *ones])
        own = tuple(shape[mine.index(c)] for c in unique)
        if own != full:
            d = unbroadcast(d, own)
        if unique == mine:
            return d
        index = dict(zip(unique, np.ogrid[tuple(slice(n) for n in own)], strict=True))
        return SCATTER(d, key=tuple(index[c] for c in mine), shape=shape)

    return pull


def _einsum_jvp(k: int, t: Any, _y: Any, *operands: Any, **how: Any) -> Any:
    return _einsum(*operands[:k], t, *operands[k + 1 :], **how)


EINSUM = Primitive(_einsum, _einsum_vjp, _einsum_jvp, name="einsum")


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, **keywords: Any) -> Any:
    dtype = keywords.pop("dtype", None)
    for layout in ("order", "casting"):
        keywords.pop(layout, None)
    if keywords:
        raise unsupported(f"np.einsum: keyword {', '.join(keywords)} is not supported for traced values")
    if not isinstance(operands[0], str):
        operands = _from_sublists(operands)
    subscripts, *arrays = operands
    parts = [as_traced(a) if dtype is None else astype(as_traced(a), dtype, copy=False) for a in arrays]
    labels, output = _explicit(subscripts, [shape_of(a) for a in parts])
    if len(parts) == 1 and set(output) == set(labels[0]) and is_array(parts[0]) and type(parts[0]) in TRACED:
        y = view(
            parts[0], lambda b: np.einsum(f"{labels[0]}->{output}", b)
        )  # a diagonal or a transpose: NumPy gives a view
    elif len(parts) > 2 and optimize is not False:
        y = _einsum_in_order(parts, labels, output, optimize)
    else:
        y = _one_step(parts, labels, output, optimize is not False)
    return into(y, out)


def _one_step(parts: list[Any], labels: list[str], output: str, optimize: bool) -> Any:
    """A contraction in one go; of two operands as NumPy does it with or without ``optimize``, by BLAS or by its own
    loop, so that values are the same to the last digit."""
    return EINSUM(*parts, labels=tuple(labels), output=output, optimize=optimize and len(parts) == 2)


def _einsum_in_order(parts: list[Any], labels: list[str], output: str, optimize: Any) -> Any:
    """Pairwise contractions in the order that NumPy's own planner gives for ``optimize``."""
    text = ",".join(labels) + "->" + output
    path = np.einsum_path(text, *(plain(p) for p in parts), optimize=optimize)[0][1:]
    parts, labels = list(parts), list(labels)
    for step in path:
        taken = [(parts.pop(i), labels.pop(i)) for i in sorted(step, reverse=True)]
        taken.reverse()  # of a pair NumPy takes the second first, as it will of these two again
        needed = set(output).union(*labels) if labels else set(output)
        mine = {c: n for p, lab in taken for c, n in zip(lab, shape_of(p), strict=True)}
        # NumPy lays an intermediate result out with its longest axes last.
        target = output if not labels else "".join(sorted(needed & mine.keys(), key=lambda c: (mine[c], c)))
        parts.append(_one_step([p for p, _ in taken], [lab for _, lab in taken], target, True))
        labels.append(target)
    return parts[0]


def _from_sublists(operands: Any) -> tuple[Any, ...]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` in letters."""
    pairs = list(zip(operands[0::2], operands[1::2], strict=False))

    def spell(sub: Any) -> str:
        return "".join("..." if s is Ellipsis else _LETTERS[s] for s in sub)

    text = ",".join(spell(sub) for _, sub in pairs)
    if len(operands) % 2:
        text += "->" + spell(operands[-1])
    return (text, *(a for a, _ in pairs))
