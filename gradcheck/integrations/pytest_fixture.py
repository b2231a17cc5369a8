"""The ``gradcheck`` fixture: ``gradcheck.check`` with the options of the project and of the test, and an assertion.

Beside ``pytest_plugin.py``, and loaded with the first test that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gradcheck.check import Result, WrongDerivative, check
from gradcheck.errors import GradcheckError
from gradcheck.ignores import Reason, comments_of, sort_out
from gradcheck.integrations.pytest_items import configuration_of
from gradcheck.integrations.pytest_plugin import CHECKED, CURRENT
from gradcheck.integrations.pytest_report import accepted
from gradcheck.outcomes import Outcome
from gradcheck.settings import refuse_unignorable

#: What the project says of *how* to check; what is checked is said by the test. ``shrink`` has another default there.
SHARED = ("rtol", "atol", "seed", "strict", "budget", "shrink", "allow_inconclusive", "ignore")


class Checker:
    """The value of the fixture: a function.

    Options come from the call, else from ``@pytest.mark.gradcheck(...)`` of the test, its class or its module (the
    nearest), else from the environment and ``[tool.gradcheck]``.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.project: Mapping[str, Any] | None = None

    def __call__(
        self,
        f: Callable[..., Any],
        *args: Any,
        allow_inconclusive: bool | None = None,
        ignore: str | tuple[str, ...] | list[str] = (),
        **options: Any,
    ) -> Result:
        """Check a derivative of f at one point, and fail the test unless it is right.

        Args:
            f, args, options: as for :func:`gradcheck.check`.
            allow_inconclusive: what could not be decided is no failure.
            ignore: codes of findings that do not count, or beginnings of codes (``GC3``).

        Raises:
            WrongDerivative: it is wrong or, unless that is allowed, inconclusive.
            CheckError: the check could not be carried out.
        """
        __tracebackhide__ = True
        merged = {**self.defaults(), **options}
        codes = (*_codes(merged.pop("ignore", ())), *_codes(ignore))
        for code in codes:
            refuse_unignorable(code)
        allowed = merged.pop("allow_inconclusive", False)
        allowed = allowed if allow_inconclusive is None else allow_inconclusive
        result = check(f, *args, **merged)
        reasons = [comment.reason for comment in comments_of(f) if not comment.problem]
        reasons += [Reason(code, "the option ignore") for code in codes]
        sorted_out, ignored = sort_out(result, reasons)
        outcome = Outcome(result.target, result.argname, result=sorted_out, ignored=ignored)
        if not accepted(outcome, allowed):
            raise WrongDerivative(sorted_out)
        current = self.config.stash.get(CURRENT, None)
        if current is not None:
            current.stash.setdefault(CHECKED, []).append(outcome)
        return result

    def __repr__(self) -> str:
        return "<the fixture gradcheck>"

    def defaults(self) -> dict[str, Any]:
        """The options that neither the call nor the function says."""
        if self.project is None:
            self.project = _shared(self.config)
        found = dict(self.project)
        current = self.config.stash.get(CURRENT, None)
        for mark in reversed(list(current.iter_markers("gradcheck")) if current else []):
            if mark.args:
                raise pytest.UsageError("@pytest.mark.gradcheck takes options by name only, as in rtol=1e-6")
            found |= mark.kwargs
        return found


def _codes(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _shared(config: pytest.Config) -> dict[str, Any]:
    """The options of the project, by their names in :func:`gradcheck.check`."""
    try:
        settings = configuration_of(config).settings()
    except GradcheckError as err:
        raise pytest.UsageError(f"gradcheck: {err}") from None
    shared = {name: getattr(settings, name) for name in SHARED}
    # A point that a test gives is not made simpler unless that is asked for.
    return shared | {"shrink": bool(settings.shrink), "autodiff": not settings.no_autodiff}
