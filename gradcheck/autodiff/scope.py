"""Where protocols do not reach: names that are replaced while a trace is running, and put back whatever happens.

NumPy's protocols catch every call that gets a traced value as an argument of its own. They never see ``np.array([x0, x1])``,
``np.zeros(n)`` that traced values will be assigned to, ``math.sin(x)`` or ``float(x)``. Those few names are replaced for the time
of a trace:

* in ``numpy`` and ``math`` themselves, so that any user code finds them. A call that comes from NumPy's, SciPy's or our
  own code, or from a thread that is not tracing, goes straight to the original.
* in the user's modules, where they were bound by ``from numpy import array`` or ``from math import sin``;
* ``float`` and ``np.float64`` as casts: only in the user's modules, and only in those whose code uses the name, since
  they are types and everybody compares types.

Only what the function's own module uses is replaced. Any other module is looked through when a traced value was refused there
(``escalate``), and the trace is run again: a process with a thousand modules pays for the one that matters.
"""

from __future__ import annotations

import functools
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
from gradcheck.autodiff.rules.reductions import as_traced
from gradcheck.autodiff.rules.shape import copy as copy_traced
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
    y = copy_traced(object) if copy and type(object) in TRACED and isinstance(object, np.ndarray) else _as_array(object)
    return _ndmin(_to_dtype(y, dtype), ndmin)


def _ndmin(y: Any, ndmin: int) -> Any:
    return reshape(y, (1,) * (ndmin - y.ndim) + y.shape) if y.ndim < ndmin else y


def _to_dtype(y: Any, dtype: Any) -> Any:
    return y if dtype is None else y.astype(dtype, copy=False)


def _as_array(object: Any) -> Any:
    if type(object) in TRACED:
        return object if isinstance(object, np.ndarray) else reshape(object, ())
    return as_traced(object)


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
    """The replacement of some names in one namespace, and the way back: a few dictionary operations in all.

    Counted, as traces nest and run in several threads: the first one installs, the last one restores.
    """

    __slots__ = ("count", "new", "old", "present", "read", "space")

    def __init__(self, space: Namespace, new: dict[str, Any]) -> None:
        self.space = space
        self.new = new
        self.count = 0
        names = tuple(new)
        if len(names) > 1 and all(name in space for name in names):
            self.read: Callable[[Namespace], tuple[Any, ...]] = operator.itemgetter(*names)
        else:
            self.read = lambda space: tuple([space.get(name, _ABSENT) for name in names])
        self.present: tuple[Any, ...] = ()
        self.old: dict[str, Any] = {}

    def install(self) -> None:
        self.count += 1
        if self.count > 1:
            return
        present = self.read(self.space)
        if present != self.present:
            self.present = present
            self.old = dict(zip(self.new, present, strict=True))
        self.space.update(self.new)

    def restore(self) -> None:
        self.count -= 1
        if self.count:
            return
        self.space.update(self.old)
        for name, original in self.old.items():
            if original is _ABSENT:
                del self.space[name]


_ABSENT = object()
_SWAPS = [_Swap(vars(module), names) for module, names in SHADOWED]


def shadow(module: types.ModuleType, names: dict[str, Any]) -> None:
    """Replace these names of a module (and wherever users have bound them) while a trace is running."""
    with _lock:
        SHADOWED.append((module, names))
        _SWAPS.append(_Swap(vars(module), names))
        _known.clear()


# -- the user's modules ------------------------------------------------------------------------------------------------

_FOLDERS = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")} | set(site.getsitepackages())
)


def _codes(namespace: Namespace, code: types.CodeType | None) -> Iterator[types.CodeType]:
    """All code of the functions and classes that a module defines, and of one more function."""
    todo: list[Any] = [] if code is None else [code]
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


def _bindings(namespace: Namespace, used: set[str]) -> dict[str, Any]:
    """What must be replaced in a user's module: names bound to originals, and casts that its code uses."""
    by_id = {id(getattr(new, "__wrapped__", None)): new for _, names in SHADOWED for new in names.values()}
    by_id |= {id(getattr(np, name)): cast for name, cast in scalars.NUMPY_CASTS.items()}
    found = {name: by_id[id(value)] for name, value in list(namespace.items()) if id(value) in by_id}
    if (namespace.get("__file__") or "").startswith(_FOLDERS):
        return found  # an installed package may compare types in ways that a script does not
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


class _Known:
    """What is known of a user's namespace: which swaps its code needs, and for which state of it that was found out."""

    __slots__ = ("codes", "length", "namespace", "swaps")

    def __init__(self, namespace: Namespace, swaps: tuple[_Swap, ...]) -> None:
        self.namespace = namespace
        self.length = len(namespace)
        self.codes: set[types.CodeType] = set()
        self.swaps = swaps


_lock = threading.RLock()
_known: dict[int, _Known] = {}
# Swaps that modules other than the traced function's own turned out to need: installed for every trace from then on.
_escalated: list[_Swap] = []


def _look_through(namespace: Namespace, code: types.CodeType | None = None) -> tuple[_Swap, ...]:
    """The swaps that code in this namespace needs. ``code``: a function of it that may not be found from there."""
    known = _known.get(id(namespace))
    if known is not None and known.length == len(namespace) and known.namespace is namespace:
        if code is None or code in known.codes:
            return known.swaps
    elif known is not None and any(swap.count for swap in known.swaps):
        return known.swaps  # its names are replaced just now, so that its length says nothing
    if namespace.get("__name__", "").partition(".")[0] in LIBRARIES:
        return ()
    used = {name for c in _codes(namespace, code) for name in c.co_names}
    values = {id(value) for value in list(namespace.values()) if isinstance(value, types.ModuleType)}
    swaps = []
    own = known.swaps if known is not None and known.namespace is namespace else ()
    bindings = _bindings(namespace, used)
    for swap, (module, names) in zip(_SWAPS, SHADOWED, strict=True):
        if used & names.keys() and (module is not math or id(math) in values or "math" in used):
            swaps.append(swap)
    if bindings:
        same = [swap for swap in own if swap.space is namespace and swap.new == bindings]
        swaps.append(same[0] if same else _Swap(namespace, bindings))
    codes = {code} if code is not None else set()
    found = _Known(namespace, tuple(swaps))
    found.codes = codes | (known.codes if known is not None and known.namespace is namespace else set())
    _known[id(namespace)] = found
    return found.swaps


def escalate(namespace: Namespace | None, used: tuple[_Swap, ...]) -> bool:
    """After a traced value was refused in a module's code: whether names can be replaced there that were not; see to it."""
    if namespace is None:
        return False
    with _lock:
        new = [s for s in _look_through(namespace) if s not in used and s not in _escalated]
        _escalated.extend(new)
        return bool(new)


class tracing:  # noqa: N801  (used as a function: ``with tracing(f):``)
    """Replace the names that ``function`` needs replaced for the time of one trace.

    >>> import math
    >>> original = math.sin
    >>> with tracing(lambda x: math.sin(x)):
    ...     math.sin is original
    False
    >>> math.sin is original
    True
    """

    __slots__ = ("function", "swaps")

    def __init__(self, function: Any) -> None:
        self.function = function
        self.swaps: tuple[_Swap, ...] = ()

    def __enter__(self) -> tracing:
        function = self.function
        while isinstance(function, functools.partial):
            function = function.func
        function = getattr(function, "__func__", function)
        if not isinstance(function, types.FunctionType):
            function = getattr(type(function), "__call__", None)  # an instance with a __call__ of its own
        with _lock:
            if isinstance(function, types.FunctionType):
                self.swaps = _look_through(function.__globals__, function.__code__)
            else:
                self.swaps = tuple(_SWAPS)
            if _escalated:
                self.swaps += tuple(s for s in _escalated if s not in self.swaps)
            for swap in self.swaps:
                swap.install()
        return self

    def __exit__(self, *_: object) -> None:
        if self.swaps:
            with _lock:
                for swap in self.swaps:
                    swap.restore()
