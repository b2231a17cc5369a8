"""Names that are replaced for a while, and put back: the mechanics under ``scope.py``.

A swap replaces some names in one namespace: a module's or a function's globals, a class's own attributes, or the code
of a Python function, which reaches every name, container and closure that the function was bound to. What takes the
place of a class must pass for it: :func:`class_that_calls`.
"""

from __future__ import annotations

import operator
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

Namespace = dict[str, Any]

ABSENT = object()


class Swap:
    """The replacement of some names in one namespace, and the way back: a few dictionary operations in all.

    Counted, as traces nest and run in several threads: the first one installs, the last one restores.
    """

    __slots__ = ("added", "casts", "count", "new", "old", "present", "read", "space")

    def __init__(self, space: Any, new: dict[Any, Any]) -> None:
        self.space = space
        self.casts = False
        self.new: dict[Any, Any] = {}
        self.count = 0
        self.present: tuple[Any, ...] = ()
        self.old: dict[Any, Any] = {}
        self.added: list[Any] = []
        self.extend(new)

    def extend(self, more: dict[Any, Any]) -> None:
        """Replace further names of the namespace: at once, if the others are replaced now."""
        more = {name: value for name, value in more.items() if name not in self.new}
        self.new |= more
        self._find()
        if self.count:
            self.old |= {name: self.space.get(name, ABSENT) for name in more}
            self._note_added()
            self.space.update(more)

    def _find(self) -> None:
        """How to read the names, as fast as can be."""
        names = tuple(self.new)
        if type(self.space) is Codes:
            self.read: Callable[[Any], tuple[Any, ...]] = lambda _space: tuple([f.__code__ for f in names])
        elif len(names) > 1 and all(name in self.space for name in names):
            self.read = operator.itemgetter(*names)
        else:
            self.read = lambda space: tuple([space.get(name, ABSENT) for name in names])
        self.present = ()
        if not self.count:  # from now on there are as many references to the originals as there will be: see held.py
            self._look()

    def _look(self) -> None:
        """What the names are bound to."""
        present = self.read(self.space)
        if not _are_same(present, self.present):
            self.present = present
            self.old = dict(zip(self.new, present, strict=True))
            self._note_added()

    def _note_added(self) -> None:
        self.added = [name for name, value in self.old.items() if value is ABSENT]

    def install(self) -> None:
        self.count += 1
        if self.count > 1:
            return
        self._look()
        self.space.update(self.new)

    def restore(self) -> None:
        self.count -= 1
        if not self.count:
            self.take_back()

    def take_back(self) -> None:
        self.space.update(self.old)
        for name in self.added:
            del self.space[name]


def _are_same(present: tuple[Any, ...], known: tuple[Any, ...]) -> bool:
    """Whether both hold the same objects, or equal ones. (Comparing tuples looks for the same objects first, in a tenth
    of the time of a loop.)"""
    try:
        return bool(present == known)
    except Exception:  # what a name is bound to need not be comparable: an array, say
        return len(present) == len(known) and not any(map(operator.is_not, present, known))


class Members:
    """A class's own attributes as a namespace, so that a swap can replace methods as it replaces names."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def __contains__(self, name: str) -> bool:
        return name in vars(self.cls)

    def __getitem__(self, name: str) -> Any:
        return vars(self.cls)[name]

    def __delitem__(self, name: str) -> None:
        delattr(self.cls, name)

    def get(self, name: str, default: Any = None) -> Any:
        return vars(self.cls).get(name, default)

    def update(self, names: dict[str, Any]) -> None:
        for name, value in names.items():
            if value is not ABSENT:
                setattr(self.cls, name, value)


class Bound(Swap):
    """Names of a user's module that were bound to originals when it was looked through.

    Which of them still are, and to which originals, is looked at again before each trace: ``find(value)`` gives the
    replacement of what a name is bound to, or None.
    """

    __slots__ = ("find", "watched")

    def __init__(self, space: Namespace, new: dict[str, Any], find: Callable[[Any], Any]) -> None:
        self.find = find
        self.watched: dict[str, Any] = {}
        super().__init__(space, new)

    def extend(self, more: dict[str, Any]) -> None:
        for name, value in more.items():
            if name not in self.watched:
                now = self.space.get(name, ABSENT)
                self.watched[name] = value.__wrapped__ if now is value else now
        super().extend(more)

    def install(self) -> None:
        if not self.count:
            moved = [name for name, value in self.watched.items() if self.space.get(name, ABSENT) is not value]
            for name in moved:
                value = self.watched[name] = self.space.get(name, ABSENT)
                replacement = None if value is ABSENT else self.find(value)
                self.new.pop(name, None)
                if replacement is not None:
                    self.new[name] = replacement
            if moved:
                self._find()
        super().install()


class Codes:
    """The code of Python functions as a namespace: a name is a function.

    To replace it takes a tenth of the time of replacing a method, which makes Python forget what it knows of the class
    and of all classes derived from it.
    """

    def get(self, function: types.FunctionType, default: Any = None) -> Any:
        return function.__code__

    def update(self, codes: dict[types.FunctionType, types.CodeType]) -> None:
        for function, code in codes.items():
            function.__code__ = code


def code_that_calls(function: types.FunctionType, instead: Callable[..., Any]) -> types.CodeType:
    """Code for ``function`` that hands all arguments to ``instead``.

    >>> def f(x, scale=2.0):
    ...     return scale * x
    >>> f.__code__ = code_that_calls(f, lambda *args, **keywords: (args, keywords))
    >>> f(1.0, scale=3.0)
    ((1.0,), {'scale': 3.0})
    """
    free = function.__code__.co_freevars  # a function takes only code with as many of them as it has cells
    names = ", ".join(free)
    source = f"""
def outer({names}):
    def inner(*args, **keywords):
        return "instead"(*args, **keywords)
        ({names})
    return inner
"""
    space: Namespace = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # that a text is called; it is not one in the end
        exec(compile(source, "<gradcheck>", "exec"), space)
    outer = space["outer"].__code__
    inner = next(c for c in outer.co_consts if isinstance(c, types.CodeType))
    consts = tuple(instead if c == "instead" else c for c in inner.co_consts)
    return inner.replace(co_consts=consts, co_name=function.__code__.co_name)


class PassesFor(type):
    """The metaclass of a stand-in for a class, ``original``: it passes for that in ``isinstance``, ``issubclass``,
    comparisons of types and attributes. ``kinds`` are the classes whose instances count as the original's."""

    original: Any
    kinds: Any

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.kinds)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.kinds)

    def __eq__(cls, other: object) -> bool:
        return other is cls.original or other is cls

    def __hash__(cls) -> int:
        return hash(cls.original)

    def __repr__(cls) -> str:
        return repr(cls.original)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.original, name)


def class_that_calls(
    original: Any, instead: Callable[..., Any], members: dict[str, Any] | None = None, stands: Sequence[type] = ()
) -> Any:
    """A stand-in for a class: calling it is ``instead(*args, **keywords)``.

    Args:
        original: the class.
        instead: what is called.
        members: attributes of the stand-in that are not the original's.
        stands: further classes whose instances pass for the original's.

    >>> half = class_that_calls(float, lambda x: x / 2)
    >>> half(3), half == float, isinstance(3.0, half), half.fromhex("0x10")
    (1.5, True, True, 16.0)
    """

    class Meta(PassesFor):
        def __call__(cls, *args: Any, **keywords: Any) -> Any:
            return instead(*args, **keywords)

    space = {
        "original": original,
        "kinds": (original, *stands) if stands else original,
        "__wrapped__": original,
        "__doc__": original.__doc__,
        "__module__": original.__module__,
    }
    return Meta(original.__name__, (), space | (members or {}))


def twin(function: Any) -> Any:
    """The same function once more: it keeps its code when that of the original is replaced."""
    if type(function) is not types.FunctionType:
        return function
    new = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    new.__kwdefaults__ = function.__kwdefaults__
    new.__module__, new.__qualname__, new.__doc__ = function.__module__, function.__qualname__, function.__doc__
    new.__dict__.update(function.__dict__)
    return new
