"""How rules for SciPy get hold of SciPy's functions: names, methods and classes that are replaced during a trace.

SciPy's ufuncs reach us by NumPy's protocol; everything else in SciPy is Python or compiled code that wants plain
arrays. So each public name of a part of SciPy is given a stand-in (``scope.py`` says when it takes its place). A
stand-in looks whether a traced value is among its arguments; without one it calls the original, so that SciPy's
own code, other threads and plain calls never notice. With one it goes to the handler that a rules module has
registered here. A public function without a handler is traced through if SciPy's own code allows that, and
differentiated numerically at that call otherwise (``fallback.py``).
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.autodiff import core
from gradcheck.autodiff.core import FLOAT_KINDS, TRACED, constant, is_active, plain_tree
from gradcheck.autodiff.entrypoints import called_by_user
from gradcheck.autodiff.errors import unsupported
from gradcheck.autodiff.fallback import through
from gradcheck.autodiff.rules.scipy.accuracy import ACCURACY
from gradcheck.autodiff.scope import ALWAYS, shadow, shadow_class
from gradcheck.autodiff.stores import watch
from gradcheck.autodiff.swaps import class_that_calls, twin

Handler = Callable[..., Any]
Space = Any  # a module or a class

# (module or class, name) -> "exact", "numeric" (or traced through), "plain" (not differentiable on purpose), or
# "refused: why"; ``support.py`` makes the catalogue of it.
STATUS: dict[tuple[Space, str], str] = {}
_ORIGINAL: dict[tuple[Space, str], Any] = {}


def original(space: Space, name: str) -> Any:
    """SciPy's own function or method, also while it is replaced."""
    return _ORIGINAL.get((space, name)) or getattr(space, name)


def holds_traced(x: Any) -> bool:
    """Whether x is a traced value, or a list, tuple, dict or object array with one inside."""
    kind = type(x)
    if kind in TRACED:
        return True
    if kind is np.ndarray:
        return x.dtype.hasobject and any(holds_traced(e) for e in x.flat)
    if isinstance(x, list | tuple):
        return any(holds_traced(e) for e in x)
    if kind is dict:
        return any(holds_traced(e) for e in x.values())
    return kind in _CARRIERS and _CARRIERS[kind](x)


# Classes of ours that stand for a SciPy object with traced values inside -> whether this one is such.
_CARRIERS: dict[type, Callable[[Any], bool]] = {}


def carrier(cls: type, holds: Callable[[Any], bool] = lambda _x: True) -> None:
    """Instances of ``cls`` (a stand-in for a SciPy object) count as traced arguments of SciPy's functions."""
    _CARRIERS[cls] = holds


def _active(x: Any) -> bool:
    if type(x) in TRACED:
        return is_active(x)
    if type(x) in _CARRIERS or (type(x) is np.ndarray and x.dtype.hasobject):
        return holds_traced(x)
    if isinstance(x, list | tuple):
        return any(_active(e) for e in x)
    return type(x) is dict and any(_active(e) for e in x.values())


def _noted(handler: Handler, name: str, accuracy: Callable[..., float]) -> Handler:
    """A handler that notes how accurate SciPy's own value is, where its derivative is asked for."""

    @functools.wraps(handler)
    def noting(*args: Any, **keywords: Any) -> Any:
        y = handler(*args, **keywords)
        if core.taken() is not None and _active(dict(y) if isinstance(y, dict) else y):
            core.note_approximate(name, accuracy(*args, **keywords))
        return y

    return noting


# What callbacks are, and what holds several of them.
_CALLBACKS = frozenset({types.FunctionType, types.MethodType, functools.partial, list, tuple, dict})


def _stand_in(function: Any, handler: Handler, always: bool) -> Any:
    name = getattr(function, "__name__", "")

    @functools.wraps(function)
    def replacement(*args: Any, **keywords: Any) -> Any:
        stack = core._state.stack
        if not stack:
            return function(*args, **keywords)
        if always:
            roots = [a for a in (*args, *keywords.values()) if type(a) in _CALLBACKS]
            if not roots:
                return handler(*args, **keywords)
            given = _active(args) or _active(keywords)
            return watch(
                lambda: handler(*args, **keywords),
                roots,
                lambda y: given or _active(dict(y) if isinstance(y, dict) else y),
            )
        if holds_traced(args) or (keywords and holds_traced(keywords)):
            if _active(args) or _active(keywords):
                return handler(*args, **keywords)
            args, keywords = plain_tree(args), plain_tree(keywords)
        y = function(*args, **keywords)
        # The function may go on to assign traced values to what it got.
        if type(y) is np.ndarray and stack[-1].generous and y.dtype.kind in FLOAT_KINDS and called_by_user(name):
            return constant(y)
        return y

    replacement.__wrapped__ = function
    return replacement


def replace(module: types.ModuleType, handlers: Mapping[str, Handler], always: Iterable[str] = ()) -> None:
    """What these public functions of a SciPy module do for traced arguments.

    Args:
        module: for instance ``scipy.linalg``.
        handlers: name -> handler, with SciPy's own signature. Names that this version of SciPy lacks are left out.
        always: names whose handler is called whenever a trace is live, whatever the arguments: functions with
            callbacks, which may close over traced values. Such a handler calls :func:`original` itself.
    """
    _register(module, handlers, set(always), "exact")


def _register(module: types.ModuleType, handlers: Mapping[str, Handler], always: set[str], status: str) -> None:
    names = {}
    for name, handler in handlers.items():
        if hasattr(module, name):
            if (module, name) in STATUS:
                raise ValueError(f"{module.__name__}.{name} has two rules")
            # A twin: the code of SciPy's own function may be replaced (``scope.replace_called``).
            _ORIGINAL[module, name] = twin(getattr(module, name))
            STATUS[module, name] = status
            accuracy = ACCURACY.get(module.__name__, {}).get(name)
            if accuracy is not None and status == "exact":
                handler = _noted(handler, f"{module.__name__}.{name}", accuracy)
            names[name] = _stand_in(_ORIGINAL[module, name], handler, name in always)
            names[name].__wrapped__ = getattr(module, name)
            if name in always and type(names[name].__wrapped__) is types.FunctionType:
                ALWAYS[names[name].__wrapped__] = names[name]
    if names:
        shadow(module, names)


def plain(module: types.ModuleType, names: Iterable[str]) -> None:
    """These functions are not differentiable on purpose (indices, counts, orders): they get plain values."""

    def make(name: str) -> Handler:
        def handler(*args: Any, **keywords: Any) -> Any:
            core.note_zero()
            return original(module, name)(*plain_tree(args), **plain_tree(keywords))

        return handler

    _register(module, {name: make(name) for name in names}, set(), "plain")


def refuse(module: types.ModuleType, names: Mapping[str, str]) -> None:
    """These functions are refused on purpose: name -> what to do instead."""

    def make(name: str, why: str) -> Handler:
        def handler(*_args: Any, **_keywords: Any) -> Any:
            raise unsupported(f"{module.__name__}.{name} of traced values is not supported", why)

        return handler

    _register(module, {name: make(name, why) for name, why in names.items()}, set(), "refused")
    STATUS.update({(module, name): f"refused: {why}" for name, why in names.items() if hasattr(module, name)})


def methods(cls: type, handlers: Mapping[str, Handler], *, always: Iterable[str] = (), eager: bool = False) -> None:
    """What methods of a SciPy class do for traced arguments: name -> ``handler(self, *args, **keywords)``.

    Methods whose names stand in the user's code (``spline.derivative``) are replaced for a trace; those that do not
    (``__call__``, ``__matmul__``) only after a traced value was refused, or from the start if ``eager``: where
    SciPy's own code refuses traced values in a way that we do not notice.
    """
    names = {}
    for name, handler in handlers.items():
        if not hasattr(cls, name):
            continue
        if (cls, name) in STATUS:
            raise ValueError(f"{cls.__module__}.{cls.__name__}.{name} has two rules")
        _ORIGINAL[cls, name] = twin(getattr(cls, name))
        STATUS[cls, name] = "exact"
        names[name] = _stand_in(_ORIGINAL[cls, name], handler, name in always)
        names[name].__wrapped__ = getattr(cls, name)
    shadow_class(cls, names, eager=eager)


def construct(
    module: types.ModuleType,
    name: str,
    handler: Handler,
    stands: Sequence[type] = (),
    members: Mapping[str, Handler] | None = None,
) -> None:
    """What calling a SciPy class with traced arguments makes.

    ``isinstance(x, module.<name>)`` and ``issubclass`` go on working while the class is replaced: an instance of the
    original is one, and so is one of the classes in ``stands``, which the handler makes. ``members`` are class methods
    (``Rotation.from_quat``), with handlers of their own.
    """
    if not hasattr(module, name):
        return
    cls: Any = getattr(module, name)
    call = _stand_in(cls, handler, False)
    own = {k: _stand_in(getattr(cls, k), h, False) for k, h in (members or {}).items() if hasattr(cls, k)}
    stand_in = class_that_calls(cls, call, own, stands)
    _ORIGINAL[module, name] = cls
    STATUS[module, name] = "exact"
    STATUS.update({(cls, k): "exact" for k in own})
    shadow(module, {name: stand_in})


def complete(module: types.ModuleType) -> None:
    """Whatever public function of the module has no rule yet is traced through, or differentiated numerically at the
    call."""
    handlers = {}
    for name in _public(module):
        value = getattr(module, name)
        if (module, name) not in STATUS and isinstance(value, types.FunctionType | types.BuiltinFunctionType):
            handlers[name] = through(value, f"{module.__name__}.{name}")
    _register(module, handlers, set(), "numeric")


def _public(module: types.ModuleType) -> list[str]:
    return [name for name in getattr(module, "__all__", dir(module)) if name[0] != "_" and hasattr(module, name)]
