"""Where protocols do not reach: names that are replaced while a trace is running, and put back whatever happens.

NumPy's protocols catch every call that gets a traced value as an argument of its own. They never see ``np.array([x0, x1])``,
``np.zeros(n)`` that traced values will be assigned to, ``math.sin(x)`` or ``float(x)``. Those few names are replaced for the time
of a trace:

* in ``numpy`` and ``math`` themselves, so that any user code finds them. A call that comes from NumPy's, SciPy's or our
  own code, or from a thread that is not tracing, goes straight to the original.
* in the user's modules, where they were bound by ``from numpy import array`` or ``from math import sin``;
* ``float`` and ``np.float64`` as casts: only in the user's modules, and only in those whose code uses the name, since
  they are types and everybody compares types.

Installing is counted: the first trace of any thread installs, the last one restores.
"""

from __future__ import annotations

import builtins
import math
import site
import sys
import sysconfig
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def shadow(module: types.ModuleType, names: dict[str, Any]) -> None:
    """Replace these names of a module (and wherever users have bound them) while a trace is running."""
    SHADOWED.append((module, names))
    _scanned.clear()


# -- the user's modules ------------------------------------------------------------------------------------------------


def _library_folders() -> tuple[str, ...]:
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(f for f in {*folders, *site.getsitepackages()} if f)


_FOLDERS = _library_folders()
_SKIP = LIBRARIES | sys.stdlib_module_names
# id of a module's namespace -> (its length when it was scanned, what is to be replaced in it)
_scanned: dict[int, tuple[int, list[tuple[str, Any]]]] = {}
_modules_seen = 0


def _codes(namespace: Namespace) -> Iterator[types.CodeType]:
    """All code of the functions and classes that a module defines."""
    todo: list[Any] = []
    for value in namespace.values():
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


def _bindings(namespace: Namespace) -> list[tuple[str, Any]]:
    """What must be replaced in a user's module: names bound to originals, and casts that its code uses."""
    by_id = {id(getattr(m, name)): new for m, names in SHADOWED for name, new in names.items()}
    found = [(name, by_id[id(value)]) for name, value in list(namespace.items()) if id(value) in by_id]
    for cast in scalars.NUMPY_CASTS.values():
        found += [(name, cast) for name, value in list(namespace.items()) if value is getattr(np, cast.__name__)]
    file = namespace.get("__file__") or ""
    if file.startswith(_FOLDERS):
        return found
    used = {name for code in _codes(namespace) for name in code.co_names}
    if "float" in used and "float" not in namespace:
        found.append(("float", scalars.Float))
    if used & set(scalars.NUMPY_CASTS):
        found += [(name, _numpy_with_casts()) for name, value in list(namespace.items()) if value is np]
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


def _scan(own: Namespace) -> None:
    """Look through the user's modules that are new or have grown since the last trace."""
    global _modules_seen
    namespaces = [own]
    if len(sys.modules) != _modules_seen:
        _modules_seen = len(sys.modules)
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] not in _SKIP and isinstance(module, types.ModuleType):
                namespaces.append(vars(module))
    for namespace in namespaces:
        known = _scanned.get(id(namespace))
        if known is None or known[0] != len(namespace):
            if namespace.get("__name__", "").partition(".")[0] in LIBRARIES:
                continue
            _scanned[id(namespace)] = (len(namespace), _bindings(namespace))
            _namespaces[id(namespace)] = namespace


_namespaces: dict[int, Namespace] = {}
_lock = threading.RLock()
_installed = 0
_undo: list[tuple[Namespace, dict[str, Any]]] = []
_ABSENT = object()


@contextmanager
def tracing(function: Any) -> Iterator[None]:
    """Replace the names for the time of one trace of ``function``.

    >>> import math
    >>> original = math.sin
    >>> with tracing(None):
    ...     math.sin is original
    False
    >>> math.sin is original
    True
    """
    global _installed
    own = getattr(getattr(function, "__func__", function), "__globals__", None)
    with _lock:
        if own is not None and id(own) in _scanned and _scanned[id(own)][0] == len(own) + _added(own) and (
            len(sys.modules) == _modules_seen
        ):
            pass
        elif not _installed:
            _scan({} if own is None else own)
        if not _installed:
            _install()
        _installed += 1
    try:
        yield
    finally:
        with _lock:
            _installed -= 1
            if not _installed:
                _restore()


def _added(own: Namespace) -> int:
    return 0


def _install() -> None:
    for module, names in SHADOWED:
        space = vars(module)
        _undo.append((space, {name: space[name] for name in names}))
        space.update(names)
    for key, (_, bindings) in _scanned.items():
        if bindings:
            space = _namespaces[key]
            _undo.append((space, {name: space.get(name, _ABSENT) for name, _ in bindings}))
            space.update(bindings)


def _restore() -> None:
    while _undo:
        space, originals = _undo.pop()
        for name, original in originals.items():
            if original is _ABSENT:
                space.pop(name, None)
            else:
                space[name] = original


_ = builtins
