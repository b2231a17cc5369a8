"""Values of options from files, decorators and the environment: their names, types and notation.

Floor of settings. What options there are is read from the fields of :class:`~gradcheck.settings.Settings` and
:class:`~gradcheck.settings.RunOptions`, so that a new field is known to configuration files, environment and
``@gradcheck.case`` without a line here, unless its values have a notation of their own. Loads nothing.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gradcheck.settings import RunOptions, Settings, SettingsError

# Options whose texts hold values of arguments, as in `x=[1, 2]; t=3`: a list of numbers is one such value.
VALUES = ("at", "shape", "bounds")
# Folders that belong to the process, not to one check.
RUN_ONLY = ("pythonpath",)
# Texts that may be written as a number.
NUMBER_TEXTS = ("budget",)
CHOICES = {"color": ("auto", "always", "never"), "order": (1, 2)}
EXPECTED = ("pass", "fail", "inconclusive")

TYPES = {
    "bool": "true or false",
    "bool | None": "true or false",
    "int": "a whole number",
    "int | None": "a whole number",
    "float | None": "a number",
    "str": "text",
    "str | None": "text",
    "tuple[str, ...]": "text, or a list of texts",
}

_CHECK = {field.name: field for field in dataclasses.fields(Settings)}
_RUN = {field.name: field for field in dataclasses.fields(RunOptions)}
FIELDS: dict[str, dataclasses.Field[Any]] = {**_CHECK, **_RUN}

OF_CHECKS = tuple(name for name in _CHECK if name not in RUN_ONLY)
OF_TABLE = tuple(FIELDS)


def kebab(name: str) -> str:
    """The name in files and on the command line.

    >>> kebab("allow_inconclusive")
    'allow-inconclusive'
    """
    return name.replace("_", "-")


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest one, else all of them."""
    known = list(known)
    close = difflib.get_close_matches(wrong.replace("_", "-"), known, 1) or difflib.get_close_matches(wrong, known, 1)
    return f"did you mean '{close[0]}'?" if close else "there are " + ", ".join(known)


def variable(name: str) -> str:
    """The environment variable of an option.

    >>> variable("allow_inconclusive")
    'GRADCHECK_ALLOW_INCONCLUSIVE'
    """
    return f"GRADCHECK_{name.upper()}"


def checked(name: str, value: Any, key: str) -> Any:
    """The value, if it is one that the option may have.

    Args:
        name: of the field.
        value: converted.
        key: how the user calls the option where the value stands.

    Raises:
        SettingsError: with the reason, naming ``key``.
    """
    choices = CHOICES.get(name)
    if choices and value not in choices:
        raise SettingsError(f"{key} = {value!r}: not one of {', '.join(map(str, choices))}")
    try:
        _ = Settings(**{name: value}) if name in _CHECK else RunOptions(**{name: value})
    except SettingsError as err:
        # The message names the option of the command line, which is not where the value came from.
        message = err.message.removeprefix(f"--{kebab(name)} ")
        raise SettingsError(f"{key}: {message}", hint=err.hint) from None
    return value


def convert(name: str, value: Any, key: str) -> Any:
    """A value from TOML or from a decorator as the field has it.

    Raises:
        SettingsError: it has another type; the message names ``key`` and both types.

    >>> convert("argnum", 1, "argnum"), convert("at", {"x": [1.0, 2.0], "t": 3}, "at"), convert("budget", 500, "budget")
    (('1',), ('x=[1.0, 2.0]; t=3',), '500')
    """
    kind = str(FIELDS[name].type)
    made = _CONVERTERS[kind](name, value)
    if made is _WRONG:
        raise SettingsError(f"{key} must be {TYPES[kind]}, not {_described(value)}")
    return checked(name, made, key)


_WRONG = object()


def _described(value: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list"}
    kind = "a table" if isinstance(value, Mapping) else names.get(type(value), f"a {type(value).__name__}")
    return f"{value!r} ({kind})" if isinstance(value, bool | int | float | str) else kind


def _flag(name: str, value: Any) -> Any:
    return value if isinstance(value, bool) else _WRONG


def _whole(name: str, value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else _WRONG


def _number(name: str, value: Any) -> Any:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else _WRONG


def _text(name: str, value: Any) -> Any:
    if callable(value):
        return function_text(value, name)
    if name in NUMBER_TEXTS and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return os.fspath(value) if isinstance(value, str | os.PathLike) else _WRONG


def _texts(name: str, value: Any) -> Any:
    if name in VALUES:
        return _value_texts(value)
    items = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
        return _WRONG
    return tuple(str(item) for item in items)


def _value_texts(value: Any) -> Any:
    """Texts of ``--at`` from TOML: a text or table is one, a list of them several; a list of numbers is one value."""
    several = isinstance(value, list) and bool(value) and all(isinstance(item, str | Mapping) for item in value)
    texts = [_value_text(item) for item in (value if several else [value])]
    return _WRONG if any(text is None for text in texts) else tuple(texts)


def _value_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        parts = {name: item if _is_file(item) else _literal(item) for name, item in value.items()}
        return None if any(part is None for part in parts.values()) else "; ".join(f"{n}={p}" for n, p in parts.items())
    return _literal(value)


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("@")


def _literal(value: Any) -> str | None:
    """Plain data in the notation of ``--at``, which is that of Python; None for what is not plain."""
    if isinstance(value, list | tuple):
        items = [_literal(item) for item in value]
        written = [item for item in items if item is not None]
        if len(written) < len(items):
            return None
        return "[" + ", ".join(written) + "]" if isinstance(value, list) else repr(tuple(value))
    return repr(value) if isinstance(value, bool | int | float | str) else None


_CONVERTERS: dict[str, Callable[[str, Any], Any]] = {
    "bool": _flag,
    "bool | None": _flag,
    "int": _whole,
    "int | None": _whole,
    "float | None": _number,
    "str": _text,
    "str | None": _text,
    "tuple[str, ...]": _texts,
}


def function_text(function: Any, option: str) -> str:
    """A function given as such, as the target that names it.

    Raises:
        SettingsError: it cannot be reached by a name (a lambda, a function within a function).

    >>> function_text(variable, "grad")
    'gradcheck.options:variable'
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not module or not name or "<" in name:
        raise SettingsError(
            f"{option}: {function!r} cannot be reached by a name",
            hint="define it with def at the top of a module, or give its name as text",
        )
    return f"{module}:{name}"


def from_text(name: str, text: str) -> Any:
    """The value of an environment variable.

    Flags are 1, true, yes, on or 0, false, no, off. Lists: codes and arguments are separated by commas, folders as in
    PATH, points and shapes by line breaks.

    Raises:
        SettingsError: the text is no such value.

    >>> from_text("seed", "3"), from_text("ignore", "GC3, GC201"), from_text("strict", "yes")
    (3, ('GC3', 'GC201'), True)
    """
    kind, key = str(FIELDS[name].type), variable(name)
    if kind.startswith("bool"):
        words = {**dict.fromkeys(("1", "true", "yes", "on"), True), **dict.fromkeys(("0", "false", "no", "off"), False)}
        if text.lower() not in words:
            raise SettingsError(f"{key}={text}: not one of {', '.join(words)}")
        return words[text.lower()]
    if kind == "tuple[str, ...]":
        separator = os.pathsep if name == "pythonpath" else "\n" if name in VALUES else ","
        return checked(name, tuple(part.strip() for part in text.split(separator) if part.strip()), key)
    if kind.startswith(("int", "float")):
        try:
            value = int(text) if kind.startswith("int") else float(text)
        except ValueError:
            raise SettingsError(f"{key}={text}: not {TYPES[kind]}") from None
        return checked(name, value, key)
    return checked(name, text, key)
