"""The kinds of mistakes that the numbers of a wrong derivative can show, one function a kind.

Part of the check floor. Every function takes the evidence of all points, a ``Pool`` of ``check/evidence.py``, and
returns what it has to tell or None. Nothing is told that does not hold in every known entry to within its error bar,
and that chance or the free numbers of the pattern could explain (``Pool.fits``).
"""
