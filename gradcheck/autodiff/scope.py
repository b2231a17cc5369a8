"""Where protocols do not reach: names that are replaced while a trace is running, and put back whatever happens.

NumPy's protocols catch every call that gets a traced value as an argument of its own. They never see ``np.array([x0, x1])``,
``np.zeros(n)`` that traced values will be assigned to, ``math.sin(x)`` or ``float(x)``. Those few names are replaced for the time
of a trace:

* in ``numpy`` and ``math`` themselves, so that any user code finds them. A call that comes from NumPy's, SciPy's or our
  own code, or from a thread that is not tracing, goes straight to the original.
* in the user's modules, where they were bound by ``from numpy import array`` or ``from math import sin``;
* ``float`` and ``np.float64`` as casts: only in the user's modules, and only in those whose code uses the name, since
  they are types and everybody compares types.

The module of the function itself is looked through before the trace. Any other module is looked through when a traced value was
refused there (``escalate``): the trace is then run again with that module's names replaced. So a process with a thousand modules
pays for the one that matters. Installing is counted: the first trace of any thread installs, the last one restores.
"""

from __future__ import annotations

import math
import operator
import site
import sys
import sysconfig
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gradcheck.autodiff import scalars
from gradcheck.autodiff.core import FLOAT_KINDS, FUNCTIONS, TRACED, any_active, constant, plain_tree, stack
from gradcheck.autodiff.errors import LIBRARIES
from gradcheck.autodiff.rules.shape import reshape

Namespace = dict[str, Any]


def _from_library() -> bool:
    """Whether the call comes from NumPy's, SciPy's or our own code."""
    name = sys._getframe(2).f_globals.get("__name__", "")
    return name.partition(".")[0] in LIBRARIES and not name.startswith("gradcheck.numpy")


def _has_traced(x: Any) -> bool:
    if type(x) in TRACED:
        return True
    return isinstance(x, list | tuple) and any(_has_traced(e) for e in x)


def _fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that makes a new array (``zeros``, ``linspace``): the array can take traced values."""

    def replacement(*args: Any, **keywords: Any) -> Any:
        if not stack() or _from_library():
            return function(*args, **keywords)
        y = function(*plain_tree(args), **plain_tree(keywords)) if not any_active(args) else function(*args, **keywords)
        return constant(y) if type(y) is np.ndarray and y.dtype.kind in FLOAT_KINDS else y

    return _named(replacement, function)


def _named(replacement: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    replacement.__name__ = original.__name__
    replacement.__doc__ = original.__doc__
    replacement.__wrapped__ = original  # type: ignore[attr-defined]
    return replacement


_array, _asarray, _full = np.array, np.asarray, np.full


def array(object: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, **keywords: Any) -> Any:
    if not _has_traced(object):
        y = _array(object, dtype, copy=copy, ndmin=ndmin, **keywords)
        if not stack() or y is object or y.dtype.kind not in FLOAT_KINDS or _from_library():
            return y
        return constant(y)
    y = FUNCTIONS[np.array](object) if copy or not type(object) in TRACED else _as_array(object)
    return _ndmin(_to_dtype(y, dtype), ndmin)


def _ndmin(y: Any, ndmin: int) -> Any:
    return reshape(y, (1,) * (ndmin - y.ndim) + y.shape) if y.ndim < ndmin else y


def _to_dtype(y: Any, dtype: Any) -> Any:
    return y if dtype is None else y.astype(dtype, copy=False)


def _as_array(object: Any) -> Any:
    if type(object) in TRACED:
        return object if isinstance(object, np.ndarray) else reshape(object, ())
    return FUNCTIONS[np.array](object)


def _as(function: Callable[..., Any]) -> Callable[..., Any]:
    """``asarray`` and its kin: a traced array is itself, a list with traced values becomes one."""

    def replacement(a: Any, dtype: Any = None, *args: Any, **keywords: Any) -> Any:
        if _has_traced(a):
            y = _to_dtype(_as_array(a), dtype)
            return _ndmin(y, 1) if function in (np.ascontiguousarray, np.asfortranarray) else y
        y = function(a, dtype, *args, **keywords)
        if y is a or not stack() or isinstance(a, np.ndarray) or y.dtype.kind not in FLOAT_KINDS or _from_library():
            return y
        return constant(y)

    return _named(replacement, function)


def full(shape: Any, fill_value: Any, dtype: Any = None, **keywords: Any) -> Any:
    if not stack() or _from_library():
        return _full(shape, fill_value, dtype, **keywords)
    if not _has_traced(fill_value):
        y = _full(plain_tree(shape), fill_value, dtype, **keywords)
        return constant(y) if y.dtype.kind in FLOAT_KINDS else y
    y = constant(np.zeros(plain_tree(shape), float if dtype is None else dtype))
    y[...] = fill_value
    return y


_CREATE = ("zeros", "ones", "empty", "linspace", "logspace", "geomspace", "arange", "eye", "identity", "zeros_like",
           "ones_like", "empty_like", "full_like", "copy", "fromfunction", "loadtxt", "genfromtxt")  # fmt: skip
_AS = ("asarray", "asanyarray", "ascontiguousarray", "asfortranarray")


def _replacements() -> list[tuple[types.ModuleType, dict[str, Any]]]:
    numpy_names: dict[str, Any] = {name: _fresh(getattr(np, name)) for name in _CREATE}
    numpy_names |= {name: _as(getattr(np, name)) for name in _AS}
    numpy_names |= {"array": _named(array, np.array), "full": _named(full, np.full)}
    return [(np, numpy_names), (math, dict(scalars.REPLACEMENTS))]


# (module, its replacements): the autodiff rules for SciPy add to this when SciPy's part of them has been loaded.
SHADOWED: list[tuple[types.ModuleType, dict[str, Any]]] = _replacements()



class _Swap:
    """The replacement of some names in one namespace, and the way back: a few dictionary operations in all."""

    __slots__ = ("new", "old", "present", "read", "space")

    def __init__(self, space: Namespace, new: dict[str, Any]) -> None:
        self.space = space
        self.new = new
        names = tuple(new)
        if all(name in space for name in names) and len(names) > 1:
            self.read: Callable[[Namespace], tuple[Any, ...]] = operator.itemgetter(*names)
        else:
            self.read = lambda space: tuple(space.get(name, _ABSENT) for name in names)
        self.present: tuple[Any, ...] = ()
        self.old: dict[str, Any] = {}

    def install(self) -> None:
        present = self.read(self.space)
        if present != self.present:
            self.present = present
            self.old = dict(zip(self.new, present, strict=True))
        self.space.update(self.new)

    def restore(self) -> None:
        self.space.update(self.old)
        if self.present[0] is _ABSENT or _ABSENT in self.present:
            for name, original in self.old.items():
                if original is _ABSENT:
                    del self.space[name]


_ABSENT = object()
_SWAPS = [_Swap(vars(module), names) for module, names in SHADOWED]


def shadow(module: types.ModuleType, names: dict[str, Any]) -> None:
    """Replace these names of a module (and wherever users have bound them) while a trace is running."""
    SHADOWED.append((module, names))
    _SWAPS.append(_Swap(vars(module), names))
    _known.clear()


# -- the user's modules ------------------------------------------------------------------------------------------------

_FOLDERS = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")} | set(site.getsitepackages())
)


def _codes(namespace: Namespace) -> Iterator[types.CodeType]:
    """All code of the functions and classes that a module defines."""
    todo: list[Any] = []
    for value in list(namespace.values()):
        if isinstance(value, types.FunctionType):
            todo.append(value.__code__)
        elif isinstance(value, type) and value.__module__ == namespace.get("__name__"):
            for member in vars(value).values():
                inner = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if isinstance(inner, types.FunctionType):
                    todo.append(inner.__code__)
    while todo:
        code = todo.pop()
        yield code
        todo.extend(c for c in code.co_consts if isinstance(c, types.CodeType))


def _bindings(namespace: Namespace) -> dict[str, Any]:
    """What must be replaced in a user's module: names bound to originals, and casts that its code uses."""
    by_id = {id(getattr(m, name)): new for m, names in SHADOWED for name, new in names.items()}
    by_id |= {id(getattr(np, name)): cast for name, cast in scalars.NUMPY_CASTS.items()}
    found = {name: by_id[id(value)] for name, value in list(namespace.items()) if id(value) in by_id}
    if (namespace.get("__file__") or "").startswith(_FOLDERS):
        return found  # an installed package may compare types in ways that a script does not
    used = {name for code in _codes(namespace) for name in code.co_names}
    if "float" in used and "float" not in namespace:
        found["float"] = scalars.Float
    if used & set(scalars.NUMPY_CASTS):
        found |= {name: _numpy_with_casts() for name, value in list(namespace.items()) if value is np}
    return found


_shadow_numpy: types.ModuleType | None = None


def _numpy_with_casts() -> types.ModuleType:
    """A module with NumPy's names, the replaced ones among them, whose ``float64(x)`` keeps derivatives."""
    global _shadow_numpy
    if _shadow_numpy is None:
        _shadow_numpy = types.ModuleType("numpy", np.__doc__)
        _shadow_numpy.__dict__.update(vars(np))
        _shadow_numpy.__dict__.update(SHADOWED[0][1])
        _shadow_numpy.__dict__.update(scalars.NUMPY_CASTS)
    return _shadow_numpy


_lock = threading.RLock()
_installed = 0
# id of a namespace that was looked through -> (its length then, itself, its replacements or None)
_known: dict[int, tuple[int, Namespace, _Swap | None]] = {}
_user_swaps: list[_Swap] = []


def _look_through(namespace: Namespace) -> bool:
    """Find what is to be replaced in a module, unless it is known. True if there is something new. No trace may be running."""
    known = _known.get(id(namespace))
    if known is not None and known[0] == len(namespace) and known[1] is namespace:
        return False
    if namespace.get("__name__", "").partition(".")[0] in LIBRARIES:
        return False
    bindings = _bindings(namespace)
    swap = _Swap(namespace, bindings) if bindings else None
    _known[id(namespace)] = (len(namespace), namespace, swap)
    _user_swaps[:] = [s for _, _, s in _known.values() if s is not None]
    return swap is not None and (known is None or known[2] is None or known[2].new != swap.new)


def escalate(namespace: Namespace | None) -> bool:
    """After a traced value was refused in a module's code: whether replacing names in it could help, and do so.

    Called between two runs of the function; the names of an enclosing trace are installed then, so they are taken out for the look.
    """
    if namespace is None:
        return False
    with _lock:
        if id(namespace) in _known:
            return False
        if _installed:
            _restore()
        try:
            return _look_through(namespace)
        finally:
            if _installed:
                _install()


class tracing:  # noqa: N801  (used as a function: ``with tracing(f):``)
    """Replace the names for the time of one trace of ``function``.

    >>> import math
    >>> original = math.sin
    >>> with tracing(None):
    ...     math.sin is original
    False
    >>> math.sin is original
    True
    """

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __enter__(self) -> None:
        global _installed
        with _lock:
            if not _installed:
                own = getattr(getattr(self.function, "__func__", self.function), "__globals__", None)
                if own is not None:
                    _look_through(own)
                _install()
            _installed += 1

    def __exit__(self, *_: object) -> None:
        global _installed
        with _lock:
            _installed -= 1
            if not _installed:
                _restore()


def _install() -> None:
    for swap in _SWAPS:
        swap.install()
    for swap in _user_swaps:
        swap.install()


def _restore() -> None:
    for swap in _SWAPS:
        swap.restore()
    for swap in _user_swaps:
        swap.restore()
