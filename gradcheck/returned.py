"""What a call of the user's function gave back: a value, a value with its derivative, a message that names sizes.

Helpers of the search for points (``search.py``) and of the runner, on their floor. Nothing here calls the user's
code.
"""

from __future__ import annotations

import re
from typing import Any

PAIR_HINT = (
    "if it returns value and derivative: --grad returned; if a number and something that is none beside it: --grad none"
)


def returns_gradient(result: Any, argument: Any) -> bool:
    """Whether a value looks like (f, derivative): a pair of a number and an array of the argument's shape, or of a
    vector and a Jacobian.

    >>> import numpy as np
    >>> x = np.ones(3)
    >>> returns_gradient((1.0, x), x), returns_gradient((np.ones(2), np.ones((2, 3))), x), returns_gradient((x, x), x)
    (True, True, False)
    """
    import numpy as np

    if not isinstance(result, tuple | list) or len(result) != 2:
        return False
    try:
        value, gradient = np.asarray(result[0]), np.asarray(result[1])
    except ValueError:
        return False
    numeric = value.dtype.kind in "fc" and gradient.dtype.kind in "fc"
    return numeric and gradient.ndim > value.ndim and gradient.shape == value.shape + np.shape(argument)


def may_return_derivative(result: Any, argument: Any) -> bool:
    """Whether a tuple that is no clear pair, see :func:`returns_gradient`, could hold value and derivative.

    Two numbers for a number, or two arrays for an array of the same shape (``return np.sin(x), np.cos(x)``).

    >>> may_return_derivative((1.0, 2.0), 0.5), may_return_derivative([1.0, 2.0], 0.5)
    (True, False)
    """
    import numpy as np

    if not isinstance(result, tuple) or len(result) < 2:
        return False
    try:
        first, second = np.shape(result[0]), np.shape(result[1])
    except ValueError:
        return False
    return bool(second == first + np.shape(argument) or first == second == np.shape(argument))


def has_auxiliary(result: Any) -> bool:
    """Whether a tuple is a number and something else beside it, which no array of numbers could be made of.

    >>> import numpy as np
    >>> has_auxiliary((1.0, np.ones(3))), has_auxiliary((1.0, {"n": 2})), has_auxiliary((1.0, 2.0))
    (True, True, False)
    """
    import numpy as np

    if (
        not isinstance(result, tuple)
        or len(result) < 2
        or np.ndim(result[0])
        or np.asarray(result[0]).dtype.kind not in "fc"
    ):
        return False
    try:
        return np.asarray(result).dtype.kind not in "fciu"
    except ValueError:  # ragged
        return True


def describe_value(result: Any) -> str:
    """What f returned, for a message: the shapes of the parts of a short tuple, so that a pair can be recognised."""
    import numpy as np

    name = type(result).__name__
    noun = f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
    if not isinstance(result, tuple | list) or not 1 < len(result) <= 4:
        return noun
    parts = []
    for part in result:
        try:
            array = np.asarray(part)
        except ValueError:
            return noun
        if array.dtype.kind not in "fciu":
            return noun
        parts.append(f"shape {array.shape}" if array.ndim else "a number")
    return f"{noun} of {', '.join(parts[:-1])} and {parts[-1]}"


def sizes_in(text: str) -> list[int]:
    """Sizes in an error message: ``size 3 is different from 2``, ``expected 5``, ``into shape (4, 5)``."""
    sizes: list[int] = []
    if "reshape" in text:
        into = re.search(r"into shape \(([\d, ]+)\)", text)
        if into:
            product = 1
            for number in re.findall(r"\d+", into.group(1)):
                product *= int(number)
            sizes.append(product)
    elif "out of bounds" in text:
        sizes += [int(number) + 1 for number in re.findall(r"index (\d+)", text)]
    elif re.search(r"shape|size|unpack|aligned|broadcast|dimension|length|expected", text):
        sizes += [int(number) for number in re.findall(r"(?<![\w.])\d+(?![\w.]*\w)", text)]
    return [size for size in sizes if 1 < size <= 64]
