"""The small helpers of ``autograd.util`` that code written for it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gradcheck.test_util import check_grads

__all__ = ["func", "quick_grad_check", "subval", "subvals"]


def subvals(x: Sequence[Any], ivs: Iterable[tuple[int, Any]]) -> tuple[Any, ...]:
    """A tuple of x's entries, some replaced.

    >>> subvals((1, 2, 3), [(0, 5), (2, 7)])
    (5, 2, 7)
    """
    new = list(x)
    for i, v in ivs:
        new[i] = v
    return tuple(new)


def subval(x: Sequence[Any], i: int, v: Any) -> tuple[Any, ...]:
    """A tuple of x's entries, one replaced.

    >>> subval((1, 2, 3), 1, 5)
    (1, 5, 3)
    """
    return subvals(x, [(i, v)])


def func(f: Callable[..., Any]) -> Callable[..., Any]:
    """A method's function; here f itself.

    >>> func(len) is len
    True
    """
    return f


def quick_grad_check(
    fun: Callable[..., Any],
    arg0: Any,
    extra_args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
) -> None:
    """Assert that the gradient in the first argument agrees with differences; ``check_grads`` in newer code.

    (autograd's steps and tolerances are not among the arguments: they are chosen by the error that is measured.)

    >>> import math
    >>> quick_grad_check(math.sin, 0.3)
    """
    check_grads(fun, 0, modes=["rev"], order=1)(arg0, *extra_args, **(kwargs or {}))
