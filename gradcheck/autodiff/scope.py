"""Where protocols do not reach: names that are replaced while a trace is running, and put back whatever happens.

NumPy's protocols catch every call that gets a traced value as an argument of its own. They never see ``np.array([x0,
x1])``, ``np.zeros(n)`` that traced values will be assigned to, ``math.sin(x)`` or ``float(x)``. Those few names are
replaced for the time of a trace:

* in ``numpy`` and ``math`` themselves, so that any user code finds them. A call that does not come from Python
  code of the user's (but from NumPy's, SciPy's, our own, or a compiled extension), or from a thread that is not
  tracing, goes straight to the original.
* in the user's modules, where they were bound by ``from numpy import array`` or ``from math import sin``;
* ``float`` and ``np.float64`` as casts: only in the user's modules, and only in those whose code uses the name, since
  they are types and everybody compares types.

Only what the function's own module uses is replaced. Any other module is looked through when a traced value was
refused there (``escalate``), and the trace is run again: a process with a thousand modules pays for the one that
matters.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradcheck.autodiff import compiled, entrypoints, guards, rules, scalars
from gradcheck.autodiff.codes import ByCode
from gradcheck.autodiff.core import Trace, _state
from gradcheck.autodiff.errors import LIBRARIES, AutodiffError
from gradcheck.autodiff.held import newly_held, note_ours
from gradcheck.autodiff.reach import FOLDERS, codes_of, compares_types, names_in, neighbours, same_author
from gradcheck.autodiff.rules import LOCK, load_for_loaded_modules
from gradcheck.autodiff.swaps import Bound, Codes, Members, Namespace, Swap, code_that_calls

# (module, its replacements): the autodiff rules for SciPy add to this when SciPy's part of them has been loaded.
SHADOWED: list[tuple[types.ModuleType | type, dict[str, Any]]] = [*entrypoints.replacements()]


_SWAPS = [Swap(vars(space), names) for space, names in SHADOWED]


# Those that are made only after a traced value was refused, as they are seldom needed, and those that always are.
_ON_DEMAND: list[Swap] = []
_EAGER: list[Swap] = []
# The one of them that replaces the code of methods.
_EAGER_CODES = Swap(Codes(), {})


def shadow(module: types.ModuleType, names: dict[str, Any], *, on_demand: bool = False) -> None:
    """Replace these names of a module (and wherever users have bound them) while a trace is running.

    ``on_demand``: only after a traced value was refused in code that uses one of the names, and from then on.
    """
    with LOCK:
        SHADOWED.append((module, names))
        _SWAPS.append(Swap(vars(module), names))
        if on_demand:
            _ON_DEMAND.append(_SWAPS[-1])
        _forget_known()


def shadow_class(cls: type, names: dict[str, Any], *, eager: bool = False) -> None:
    """Replace these methods of a class while a trace is running.

    Those with special names (``__call__``) only after a traced value was refused, or all in every trace if ``eager``:
    then it is the code of the methods that is replaced, all in one swap.
    """
    own = vars(cls)
    coded = {name: value for name, value in names.items() if eager and type(own.get(name)) is types.FunctionType}
    assert len({id(own[name]) for name in coded}) == len(coded), "one code for two names"
    special = {name: value for name, value in names.items() if name.startswith("__") and name not in coded}
    named = {name: value for name, value in names.items() if name not in special and name not in coded}
    with LOCK:
        for part in filter(None, (coded, special, named)):
            SHADOWED.append((cls, part))
            if part is coded:
                methods = {own[name]: new for name, new in part.items()}
                _EAGER_CODES.extend({method: code_that_calls(method, new) for method, new in methods.items()})
                _SWAPS.append(_EAGER_CODES)
            else:
                _SWAPS.append(Swap(Members(cls), part))
            if eager and _SWAPS[-1] not in _EAGER:
                _EAGER.append(_SWAPS[-1])
            elif part is special and not eager:
                _ON_DEMAND.append(_SWAPS[-1])
        _forget_known()


class _Inside:
    """Stands in ``SHADOWED`` for a module of a library, whose own names no user's code has bound."""


def shadow_inside(module: types.ModuleType, names: dict[str, Any]) -> None:
    """Replace what a library's own module finds under these names, after a traced value was refused anywhere.

    Its Python code is then traced like the user's.
    """
    with LOCK:
        SHADOWED.append((_Inside, {}))
        _SWAPS.append(Swap(vars(module), names))
        _ON_DEMAND.append(_SWAPS[-1])
        _forget_known()


# -- the user's modules ------------------------------------------------------------------------------------------------


def _replacements(kind: type = object) -> Iterator[Any]:
    """The stand-ins for all names that are replaced, or for those of modules only."""
    return (new for space, names in SHADOWED if isinstance(space, kind) for new in names.values())


def _by_original(kind: type = object) -> dict[int, Any]:
    """:func:`_replacements` by the id of what they take the place of."""
    return {id(new.__wrapped__): new for new in _replacements(kind)}


@functools.lru_cache(maxsize=1)
def _functions(_count: int) -> dict[int, Any]:
    """The stand-ins for functions of modules when there were so many names to replace."""
    return _by_original(types.ModuleType)


def _bindings(namespace: Namespace) -> dict[str, Any]:
    """Names of a user's module that are bound to originals."""
    by_id = _by_original()
    found = {name: by_id[id(value)] for name, value in list(namespace.items()) if id(value) in by_id}
    for name, value in list(namespace.items()):
        if compiled.python_of(value) is not None:
            found[name] = compiled.stand_in(value, name, suspended)
        elif isinstance(value, types.MethodType):
            new = _method(value, by_id)
            if new is not None:
                found[name] = new
    return found


def _method(value: types.MethodType, by_id: dict[int, Any]) -> Any:
    """The stand-in of a bound method (``logpdf = stats.norm.logpdf``); None if it has none."""
    new = by_id.get(id(value.__func__))
    return None if new is None else types.MethodType(new, value.__self__)


def stand_in(function: Any) -> Any:
    """What is called in the place of a library's function that a transform was handed itself: no name leads to it, so
    no name can be replaced. A bound method is looked up again, and a partial looked into.

    >>> import math
    >>> stand_in(math.sin) is math.sin, stand_in(len) is len
    (False, True)
    """
    if isinstance(function, functools.partial):
        inner = stand_in(function.func)
        return function if inner is function.func else functools.partial(inner, *function.args, **function.keywords)
    load_for_loaded_modules()
    if isinstance(function, types.MethodType):
        owner, name = function.__self__, function.__name__
        if (type(owner).__module__ or "").partition(".")[0] in LIBRARIES and hasattr(owner, name):
            return lambda *args, **keywords: getattr(owner, name)(*args, **keywords)
        return function
    return _functions(sum(len(names) for _, names in SHADOWED)).get(id(function), function)


def _replacement_of(value: Any) -> Any:
    """What takes the place of a function to which a user's name is bound; None if nothing does."""
    if compiled.python_of(value) is not None:
        return compiled.stand_in(value, getattr(value, "__name__", "function"), suspended)
    if isinstance(value, types.MethodType):
        return _method(value, _by_original())
    try:
        new = stand_in(value)
    except TypeError:  # it cannot be asked
        return None
    return None if new is value else new


def _casts(namespace: Namespace, used: set[str], demand: bool) -> dict[str, Any]:
    """Types that a module uses as casts; of an installed package only on demand, as it may compare types in ways that
    a script does not."""
    if not demand and (namespace.get("__file__") or "").startswith(FOLDERS):
        return {}
    by_id = {id(getattr(np, name)): cast for name, cast in scalars.NUMPY_CASTS.items()}
    found = {name: by_id[id(value)] for name, value in list(namespace.items()) if id(value) in by_id}
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
        _shadow_numpy = types.ModuleType("numpy")
        _shadow_numpy.__dict__.update(vars(np))
        for module, names in SHADOWED:
            if module is np:
                _shadow_numpy.__dict__.update(names)
        _shadow_numpy.__dict__.update(scalars.NUMPY_CASTS)
    return _shadow_numpy


class _Known:
    """Which swaps a function needs, and for which state of its module that was found out."""

    __slots__ = ("_escalations", "_whole", "compares_types", "length", "namespace", "swaps")

    def __init__(self, namespace: Namespace, swaps: tuple[Swap, ...], compares_types: bool) -> None:
        self.compares_types = compares_types
        self.namespace = namespace
        self.length = len(namespace)
        self.swaps = self._whole = swaps
        self._escalations = 0

    def whole(self) -> tuple[Swap, ...]:
        """The swaps, and those that other modules turned out to need."""
        count = len(_escalated)
        if count != self._escalations:
            plain_types = self.namespace if self.compares_types else None
            self._whole = self.swaps + tuple(
                s for s in _escalated if s not in self.swaps and not (s.casts and s.space is plain_types)
            )
            self._escalations = count
        return self._whole


# By code object; and the same where all that may be needed was asked for.
_known = ByCode()
_demanded = ByCode()
# The swaps of a user's namespace, by its id: one of names that are bound to originals, one of casts. They do not
# overlap: two that did could not both be taken back.
_user_swaps: dict[tuple[int, bool], Swap] = {}
# Swaps that modules other than the traced function's own turned out to need: installed for every trace from then on,
# so there are ever more of them.
_escalated: list[Swap] = []


def _forget_known() -> None:
    """What functions need is to be found out again: there is more that may be replaced."""
    _known.clear()
    _demanded.clear()


def _look_through(namespace: Namespace, code: types.CodeType, demand: bool = False) -> _Known:
    """The swaps that a function of this namespace needs; with ``demand`` all that any code of its module may need."""
    table = _demanded if demand else _known
    known: _Known | None = table.get(id(code))
    # While its names are replaced a namespace may be longer, which says nothing of its state.
    if (
        known is not None
        and known.namespace is namespace
        and (known.length == len(namespace) or any(swap.count for swap in known.swaps))
    ):
        return known
    if namespace.get("__name__", "").partition(".")[0] in LIBRARIES:
        return _Known(namespace, (), False)
    codes = list(codes_of(namespace, code))
    used = names_in(codes)
    compares = compares_types(codes)
    if demand:
        used |= names_in(codes_of(namespace, None))
    modules = {id(value) for value in list(namespace.values()) if isinstance(value, types.ModuleType)}
    roots = {name.partition(".")[0] for name in used}  # `import scipy.linalg` within a function is one name
    swaps = list(_EAGER)
    for swap, (space, names) in zip(_SWAPS, SHADOWED, strict=True):
        if isinstance(space, type):
            needed = demand if swap in _ON_DEMAND else bool(used & names.keys())
        else:
            name = space.__name__
            reachable = name.partition(".")[0] in ("numpy", *roots) or id(space) in modules  # np.linalg without import
            needed = reachable and bool(used & names.keys()) and (demand or swap not in _ON_DEMAND)
        if needed and swap not in swaps:
            swaps.append(swap)
    # Code that compares x.__class__ would see that the casts are stand-ins. (For type(x) see guards.py.)
    kinds = (_bindings(namespace), {} if compares else _casts(namespace, used, demand))
    for casts, names in enumerate(kinds):
        own = _user_swaps.get((id(namespace), bool(casts)))
        if names and own is None:
            own = Swap(namespace, names) if casts else Bound(namespace, names, _replacement_of)
            own.casts = bool(casts)
            _user_swaps[id(namespace), bool(casts)] = own
        elif names and own is not None:
            own.extend(names)
        if own is not None and not (casts and compares):
            swaps.append(own)
    swaps += _guards(namespace, used)
    known = _Known(namespace, tuple(swaps), compares)
    table.note(code, known)
    return known


# A namespace's swap of guards, by its id.
_guard_swaps: dict[int, Swap] = {}


def _guards(namespace: Namespace, used: set[str]) -> list[Swap]:
    """The swaps of ``type``, ``hasattr`` and ``isinstance`` for code with these names, and for the modules of the same
    author that it uses: a guard that takes the other branch does so in silence."""
    swaps = []
    package = namespace.get("__name__", "").partition(".")[0]
    todo, seen = [(namespace, used)], {id(namespace)}
    while todo:
        space, names = todo.pop()
        new = guards.needed(names)
        if "type" in names:
            known = _guard_swaps.get(id(space))
            new["type"] = (known and known.new.get("type")) or _type_in(space)
        new = {name: value for name, value in new.items() if name not in space or space[name] is value}
        if new:
            swap = _guard_swaps.setdefault(id(space), Swap(space, {}))
            swap.extend(new)
            swaps.append(swap)
        for other in neighbours(space, names):
            if id(other) not in seen and same_author(other, package):
                seen.add(id(other))
                todo.append((other, names_in(codes_of(other, None))))
    return swaps


def _type_in(namespace: Namespace) -> Any:
    def casts() -> Namespace:
        swap = _user_swaps.get((id(namespace), True))
        return swap.new if swap is not None and swap.count else {}

    return guards.stand_in_for_type(casts)


def escalate(error: AutodiffError, used: tuple[Swap, ...]) -> bool:
    """After a traced value was refused: whether names can be replaced where that was that were not; see to it."""
    return escalate_at(error.frame, used)


def escalate_at(frame: tuple[Namespace, types.CodeType] | None, used: tuple[Swap, ...]) -> bool:
    """:func:`escalate` for a place in the user's code: its globals and code."""
    sizes = {id(swap): len(swap.new) for swap in (*used, *_escalated)}
    with LOCK:
        for needed in _that_may_help(frame):
            _escalated.extend(swap for swap in needed if id(swap) not in sizes)
            if any(len(swap.new) != sizes.get(id(swap)) for swap in needed):
                return True
    return False


def _that_may_help(frame: tuple[Namespace, types.CodeType] | None) -> Iterator[tuple[Swap, ...]]:
    """The swaps to try after a refusal: those of modules that have the names that the refusing code uses (a closure may
    have led to them), then all that code of its module may need.

    Without a frame of the user's it was a library's own function that is differentiated: then everything helps.
    """
    if frame is None:
        yield tuple(_SWAPS)
        return
    names = set(frame[1].co_names)
    spaces = zip(_SWAPS, SHADOWED, strict=True)
    yield tuple(swap for swap, (space, new) in spaces if not isinstance(space, type) and names & new.keys())
    yield _look_through(*frame, demand=True).swaps


@contextmanager
def suspended() -> Iterator[None]:
    """Take all replaced names back for a while."""
    with LOCK:
        known = {id(s): s for s in (*_SWAPS, *_user_swaps.values(), *_code_swaps.values())}
        installed = [swap for swap in known.values() if swap.count]
        for swap in installed:
            swap.take_back()
        try:
            yield
        finally:
            for swap in installed:
                swap.space.update(swap.new)


def replace_compiled(error: BaseException) -> bool:
    """After a call with traced values has failed: whether that was a compiled function of the user's that a stand-in
    can take the place of; see to it."""
    found = compiled.find(error)
    if found is None:
        return False
    namespace, name, function = found
    with LOCK:
        known = _user_swaps.get((id(namespace), False))
        new = {name: compiled.stand_in(function, name, suspended)}
        if known is None:
            known = _user_swaps[id(namespace), False] = Bound(namespace, new, _replacement_of)
        elif name in known.new:
            return False
        else:
            known.extend(new)
        if known not in _escalated:
            _escalated.append(known)
    return True


# The swap of a library function's code, by the function's id.
_code_swaps: dict[int, Swap] = {}
# Functions with callbacks and their stand-ins. A callback that decides by a traced value and returns a plain number
# raises no error that would have them replaced: who holds them is found out beforehand (held.py).
ALWAYS: dict[types.FunctionType, Any] = {}


def _replace_code(function: types.FunctionType, new: Any) -> None:
    with LOCK:
        # SciPy looks at the signatures of its own functions (brute at that of fmin): it stays what it was.
        function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        swap = Swap(Codes(), {function: code_that_calls(function, new)})
        _code_swaps[id(function)] = swap
        _escalated.append(swap)


def _replace_held() -> None:
    """Replace the code of the functions with callbacks that a trace could call by another way than by their names."""
    if _replace_those(newly_held(ALWAYS, _own_holders)):
        note_ours(ALWAYS)


def _replace_those(functions: list[types.FunctionType]) -> bool:
    """(A function of its own, as its variables hold functions, too.)"""
    for function in functions:
        if id(function) not in _code_swaps:
            _replace_code(function, ALWAYS[function])
    return bool(functions)


def _own_holders() -> Iterator[Any]:
    for function in ALWAYS:  # SciPy's own defaults: brute looks at the signature of fmin
        yield function.__defaults__
    for swap in (*_SWAPS, *_user_swaps.values()):
        yield from (swap.old, swap.present)
        if isinstance(swap, Bound):
            yield swap.watched


def replace_called(error: BaseException) -> bool:
    """After a call with traced values has failed in Python code of SciPy's: see to it that what runs that code is
    replaced, by whatever name, container or attribute it was called; whether there is such a function.

    The code of the function itself is made to call the stand-in. And all names of the parts of SciPy that the failed
    call went through are replaced: ``getattr(scipy.fft, name)(x)``.
    """
    codes, parts = set(), set()
    place = error.__traceback__
    while place is not None:
        name = place.tb_frame.f_globals.get("__name__", "")
        if name.partition(".")[0] == "scipy":
            codes.add(place.tb_frame.f_code)
            parts.add(".".join(name.split(".")[:2]))
        place = place.tb_next
    found = False
    for swap, (space, names) in zip(list(_SWAPS), list(SHADOWED), strict=True) if codes else ():
        if isinstance(space, types.ModuleType) and space.__name__ in parts and swap not in _escalated:
            _escalated.append(swap)
            found = True
        for new in names.values() if isinstance(space, types.ModuleType) else ():
            function = getattr(new, "__wrapped__", None)
            if type(function) is types.FunctionType and function.__code__ in codes and id(function) not in _code_swaps:
                _replace_code(function, new)
                found = True
    return found


def replaces_nothing(function: Any) -> bool | None:
    """Whether a trace of a Python function is known to replace no names; None if it is more than that: one within
    another, or one of which something is noted, or of something else that can be called."""
    if type(function) is not types.FunctionType:
        return None
    state = vars(_state)  # of this thread: each attribute of it would be looked for
    if state["stack"] or state["notes"] is not None or state["pages"]:
        return None
    known = _known.get(id(function.__code__))
    space = function.__globals__
    if known is None or known.namespace is not space or known.length != len(space):
        return None if (function.__module__ or "").startswith("scipy") else False
    return len(sys.modules) == rules.modules_seen and not known.swaps and not _escalated and not ALWAYS


class tracing:  # noqa: N801  (used as a function: ``with tracing(f, trace):``)
    """Make a trace live, with the names replaced that ``function`` needs replaced, for the time of one run of it.

    >>> import math
    >>> from gradcheck.autodiff.tape import Tape
    >>> original = math.sin
    >>> with tracing(None, Tape()):  # nothing known of the function: all names
    ...     math.sin is original
    False
    >>> math.sin is original
    True
    """

    __slots__ = ("function", "modules", "swaps", "trace")

    def __init__(self, function: Any, trace: Trace) -> None:
        self.function = function
        self.trace = trace
        self.swaps: tuple[Swap, ...] = ()

    def __enter__(self) -> tracing:
        load_for_loaded_modules()
        self.modules = len(sys.modules)
        function = self.function
        if type(function) is not types.FunctionType:
            while isinstance(function, functools.partial):
                function = function.func
            function = getattr(function, "__func__", function)
            if not isinstance(function, types.FunctionType):
                function = getattr(type(function), "__call__", None)  # noqa: B004  (an instance that can be called)
        if type(function) is types.FunctionType:
            space = function.__globals__
            known: _Known | None = _known.get(id(function.__code__))
            if known is None or known.namespace is not space or known.length != len(space):
                with LOCK:
                    known = _look_through(space, function.__code__)
        else:
            known = None
        if ALWAYS and not _state.stack:
            _replace_held()
        self.swaps = known.whole() if known is not None else tuple(dict.fromkeys((*_usual(), *_escalated)))
        if self.swaps:
            with LOCK:
                for swap in self.swaps:
                    swap.install()
        self.trace.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.trace.__exit__()
        if self.swaps:
            with LOCK:
                for swap in self.swaps:
                    swap.restore()
            if len(sys.modules) != self.modules:
                _clean_new_modules(len(sys.modules) - self.modules)


def _usual() -> tuple[Swap, ...]:
    """All swaps but those on demand."""
    return tuple(dict.fromkeys(swap for swap in _SWAPS if swap not in _ON_DEMAND))


@contextmanager
def every_name() -> Iterator[None]:
    """Replace all names, whatever the user's function names: while a trace runs through SciPy's own code."""
    with LOCK:
        swaps = _usual()
        for swap in swaps:
            swap.install()
    try:
        yield
    finally:
        with LOCK:
            for swap in swaps:
                swap.restore()


def _clean_new_modules(count: int) -> None:
    """Modules that were imported in the course of a trace have bound replaced names: give them the originals."""
    replaced = {id(new): new.__wrapped__ for new in _replacements()}
    for module in list(sys.modules.values())[-max(count, 0) :]:
        if isinstance(module, types.ModuleType):
            for name, value in list(vars(module).items()):
                if id(value) in replaced:
                    setattr(module, name, replaced[id(value)])
