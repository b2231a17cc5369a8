"""Many inputs: directions that cover them all, and the way from one that fails to the entries that make it fail.

Part of the check floor. The directions are taken one after another. Where one is off, halves of it are measured by two
evaluations each, and what the other half is off by is the rest, since derivatives along directions add up; so on down
to single coordinates, which are judged like all others. One wrong entry of n costs about 2·log2(n) evaluations and not
n. Entries that are found wrong are taken out of all directions, so that these tell of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.check import judge
from gradcheck.check.compare import Measured
from gradcheck.check.sampling import SUSPECTS, all_coordinates
from gradcheck.numeric.lines import Line, along
from gradcheck.numeric.scale import Array

if TYPE_CHECKING:
    from gradcheck.check.witnesses import Witnesses

#: Halves that may be measured, for all directions together.
BUDGET = 1200
#: The rungs at which a half is looked at where one difference does not show that it is wrong.
CLOSELY = (-1, 0, 1, 2)
#: Where so many coordinates of what is wrong are right, it is nothing but rounding.
ROUNDED = 3
#: Errors are dense, and not looked for one by one, where more than this part of the sampled entries is wrong.
DENSE = 0.25
#: What is said of an error by subtraction is measured where its error bar is no longer small beside it.
CLEAR = 10.0


@dataclass
class Part:
    """Some components of a direction.

    Attributes:
        vector: the direction, zero elsewhere.
        off: claim − derivative along it, (m,).
        bar: error bar of that.
    """

    vector: Array
    off: Array
    bar: Array

    @property
    def wrong(self) -> bool:
        """Whether something in it must be."""
        with np.errstate(all="ignore"):
            return bool(np.any(np.abs(self.off) > judge.BARS * self.bar))

    @property
    def clear(self) -> bool:
        """Whether that is plain, either way."""
        with np.errstate(all="ignore"):
            size = np.abs(self.off)
            return bool(np.all((size > CLEAR * self.bar) | (size <= 0.1 * self.bar)))


class Search:
    """Judges a sampled argument.

    Attributes:
        singles: column -> what was found of it.
        wrong: the columns found wrong.
    """

    def __init__(self, witnesses: Witnesses) -> None:
        self.witnesses = witnesses
        self.x, self.dtype = witnesses.scene.x, witnesses.scene.space.dtype
        self.singles: dict[int, Measured] = {}
        self.budget = BUDGET

    def run(self, lines: Sequence[Line]) -> list[Measured]:
        """Judge coordinates, then directions without those that are wrong; directions first in what is returned."""
        few = self.witnesses.few
        passed = self.witnesses.at_first_sight(few)
        if few and len(passed) == len(few):  # two derivatives and a measurement that saw every entry agree
            return [passed[id(line)] for line in few]
        coordinates = [line for line in lines if line.direction is None]
        for line, m in zip(coordinates, self.witnesses.judged(coordinates), strict=True):
            self.singles[int(line.column or 0)] = m
        suspects = set(self.witnesses.suspects.tolist())
        sampled = set(self.singles) - suspects
        dense = len(sampled & set(self.wrong)) > DENSE * len(sampled) or len(suspects) > SUSPECTS
        vectors = [line.direction for line in lines if line.direction is not None]
        if dense:
            vectors = vectors[:1]
        directions = self._directions(vectors, dense)
        for m in directions:
            self._forgive(m)
        return [*directions, *(self.singles[column] for column in sorted(self.singles))]

    @property
    def wrong(self) -> list[int]:
        against = {judge.FAIL, judge.NAN, judge.OUTSIDE}
        return [column for column, m in self.singles.items() if not against.isdisjoint(m.state.tolist())]

    def _directions(self, vectors: Sequence[Array], dense: bool) -> list[Measured]:
        """All directions: at once, where nothing is in doubt, the others one after the other."""
        right = not any(np.any(m.state != judge.PASS) for m in self.singles.values())
        lines = [along(self.x, v, self.dtype) for v in vectors] if right else []
        passed = self.witnesses.at_first_sight(lines)
        found = [passed.get(id(line)) for line in lines] or [None] * len(vectors)
        return [self._direction(v, dense) if m is None else m for v, m in zip(vectors, found, strict=True)]

    def _direction(self, vector: Array, dense: bool) -> Measured:
        """One direction without the entries that are wrong, once all of those are found that it tells of."""
        while True:
            vector = vector.copy()
            known = self.wrong
            if not dense:
                vector[known] = 0.0
            line = along(self.x, vector, self.dtype) if np.any(vector) else None
            if line is None:  # nothing else is in it: say so of what is wrong
                restored = np.zeros_like(vector)
                restored[known] = 1.0
                return self.witnesses.judged([along(self.x, restored, self.dtype)], settle=False)[0]
            if not dense and self.budget > 0:
                part = self._seen(line)
                if part.wrong:
                    self._split(part)
                    if len(self.wrong) > len(known):
                        continue
            m = self.witnesses.judged([line])[0]
            if not dense and self.budget > 0 and np.any(m.state == judge.FAIL):  # by less than one difference shows
                self._split(Part(vector, m.trial.claim - m.estimate.value, m.estimate.bar), CLOSELY)
                if len(self.wrong) > len(known):
                    continue
            return m

    def _seen(self, line: Line, rungs: Sequence[int] = (0,)) -> Part:
        """What the differences at these rungs say of a direction."""
        assert line.direction is not None
        self.budget -= len(rungs)
        trial, e = self.witnesses.glance(line, rungs)
        return Part(line.direction, trial.claim - e.value, e.bar)

    def _split(self, whole: Part, rungs: Sequence[int] = (0,)) -> None:
        """Halve what is wrong until its coordinates are known, the budget is spent, or they turn out to be right:
        then it is rounding, of float32 say, in all of them."""
        queue, right = [whole], 0
        while queue and self.budget > 0 and right < ROUNDED:
            part = queue.pop()
            moving = np.flatnonzero(part.vector)
            if moving.size == 1:
                column = int(moving[0])
                if column not in self.singles:
                    self.singles[column] = self.witnesses.judged(all_coordinates(self.x, self.dtype, [column]))[0]
                right += column not in self.wrong
                continue
            left, rest = np.zeros_like(part.vector), part.vector.copy()
            half = moving[: moving.size // 2]
            left[half], rest[half] = part.vector[half], 0.0
            first = self._seen(along(self.x, left, self.dtype), rungs)
            second = Part(rest, part.off - first.off, part.bar + first.bar)
            if not second.clear:
                second = self._seen(along(self.x, rest, self.dtype), rungs)
            queue += [p for p in (first, second) if p.wrong]

    def _forgive(self, m: Measured) -> None:
        """Pass a direction that is off by less than the precision floor of single entries: rounding, of float32 say."""
        failing = m.state == judge.FAIL
        with np.errstate(all="ignore"):
            size = judge.magnitude(m.trial, m.estimate.value)
            slight = np.abs(m.trial.claim - m.estimate.value) <= self.witnesses.floor * size
        m.state[failing & slight] = judge.PASS
