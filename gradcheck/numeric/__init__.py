"""Numeric derivatives: SciPy finite differences with an error bar on every number.

This floor measures. It knows functions of a flat float vector and lines through a point, nothing of analytic
derivatives or verdicts: those live one floor up, in ``check/``. The way of a measurement through it:
``scale`` (how long a step is natural), ``noise`` (how rough f is), ``lines`` (SciPy takes the steps, we keep
every value of f), ``ladder`` (values at several steps -> derivative, error bar, kink), ``directions``
(random lines for functions of many inputs).
"""
