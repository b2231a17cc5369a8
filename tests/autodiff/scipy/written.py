"""Cases written as user code: an expression in the arguments, with whatever names the test module has imported.

The text becomes a function of the test module, so the names in it are found, and replaced, as those of a user's are.
"""

from __future__ import annotations

from typing import Any

from tests.autodiff.checking import Case


class Written:
    """Collects cases.

    >>> import numpy as np
    >>> cases = Written(globals())
    >>> cases("np.sin(x) * y", x=1.0, y=2.0)
    >>> cases.all[0].id
    'np.sin(x) * y'
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.all: list[Case] = []

    def __call__(self, text: str, **options: Any) -> None:
        names = [k for k in options if k not in ("second", "single", "rtol")]
        args = tuple(options.pop(k) for k in names)
        function = eval(f"lambda {', '.join(names)}: {text}", self.namespace)
        taken = sum(case.id.split(" #")[0] == text for case in self.all)
        self.all.append(Case((text,), function, args, text + (f" #{taken + 1}" if taken else ""), **options))

    def each(self, text: str, *endings: str, **options: Any) -> None:
        """One case for each way to go on: ``each("f(x%s)", "", ", n=3", x=x)``."""
        for ending in endings or ("",):
            self(text % ending, **options)
