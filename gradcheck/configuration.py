"""Where the options of a run come from: command line, environment, configured checks, configured defaults.

Floor of settings; above ``options.py``, which knows the names and types. Finds ``gradcheck.toml`` or the
``[tool.gradcheck]`` of a ``pyproject.toml`` from the working directory upward, reads it, and lays the layers over each
other: command line before environment before check before table before default. Every value keeps the place that it
came from, for ``--show-settings`` and for messages. Loads neither NumPy nor the user's code.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gradcheck.errors import Location
from gradcheck.frames import relative
from gradcheck.options import (
    EXPECTED,
    FIELDS,
    OF_CHECKS,
    OF_TABLE,
    convert,
    from_text,
    kebab,
    suggestion,
    variable,
)
from gradcheck.settings import RunOptions, Settings, SettingsError
from gradcheck.targets import split_spec

OWN_FILE, PROJECT_FILE, SECTION = "gradcheck.toml", "pyproject.toml", "tool.gradcheck"
# These say what a declared check is; all others are options.
CHECK_KEYS = ("target", "name", "expect")
# Values of several layers add up: what is ignored in one place is ignored.
ADDED_UP = ("ignore",)


class ConfigurationError(SettingsError):
    """A configuration file, an environment variable or a decorator says what cannot be understood."""

    code = "GC008"


class Value(NamedTuple):
    """A value and where it comes from: ``--seed``, ``GRADCHECK_SEED``, ``pyproject.toml:12``, ``default``."""

    value: Any
    source: str


@dataclass(frozen=True)
class DeclaredCheck:
    """A check that a configuration file or a decorator asks for.

    Attributes:
        target: the function, in paths that hold from the working directory.
        options: by field name, those that are said.
        name: for reports; "" for none.
        expect: the verdict that is right: ``pass``, ``fail`` or ``inconclusive``.
        source: file and line of the declaration.
        points: points as Python values, which only a decorator can give: mappings, tuples, functions, arrays.
    """

    target: str
    options: Mapping[str, Value]
    name: str = ""
    expect: str = "pass"
    source: str = ""
    points: tuple[Any, ...] = ()


def _same_arguments(shape: Value, at: Value) -> bool:
    """Whether shapes are said of an argument that points give: by its name, or if either gives no names."""
    names = [
        {part.partition("=")[0].strip() if "=" in part else "" for text in value.value for part in str(text).split(";")}
        for value in (shape, at)
    ]
    return "" in names[0] | names[1] or not names[0].isdisjoint(names[1])


@dataclass(frozen=True)
class Configuration:
    """The layers of a run.

    Attributes:
        given: on the command line; environment: in variables; table: in the configuration file.
        checks: those of the configuration file.
        file: that was read, or None.
        isolated: nothing but the command line counts, declarations for a function that it names neither.
        remarks: for stderr.
    """

    given: Mapping[str, Value] = field(default_factory=dict)
    environment: Mapping[str, Value] = field(default_factory=dict)
    table: Mapping[str, Value] = field(default_factory=dict)
    checks: tuple[DeclaredCheck, ...] = ()
    file: Path | None = None
    isolated: bool = False
    remarks: tuple[str, ...] = ()

    def values(self, own: Mapping[str, Value] | None = None) -> dict[str, Value]:
        """The value of every option, for a check that says ``own`` of itself."""
        layers = (self.given, self.environment, own or {}, self.table)
        found: dict[str, Value] = {}
        for name, row in FIELDS.items():
            said = [layer[name] for layer in layers if name in layer]
            if name in ADDED_UP and said:
                codes = dict.fromkeys(code for value in said for code in value.value)
                found[name] = Value(tuple(codes), ", ".join(dict.fromkeys(value.source for value in said)))
            else:
                found[name] = said[0] if said else Value(row.default, "default")
        # One says where, the other how many to find: the one that is said at the higher place counts.
        at, points = (next((i for i, layer in enumerate(layers) if n in layer), None) for n in ("at", "points"))
        if at is not None and points is not None and at != points:
            loser = "points" if at < points else "at"
            found[loser] = Value(FIELDS[loser].default, "default")
        shape = next((i for i, layer in enumerate(layers) if "shape" in layer), None)
        if at is not None and shape is not None and shape < at and _same_arguments(found["shape"], layers[at]["at"]):
            found["at"] = Value(FIELDS["at"].default, "default")
        return found

    def sources(self, own: Mapping[str, Value] | None = None) -> dict[str, str]:
        """Where the options of a check come from that were not typed: ``pyproject.toml:12``, ``GRADCHECK_AT``."""
        values = self.values(own)
        return {n: v.source for n, v in values.items() if v.source != "default" and not v.source.startswith("--")}

    def overruled(self, own: Mapping[str, Value] | None = None, source: str = "") -> tuple[str, ...]:
        """A note if points are given in one place, and how many to find in another that counts before it.

        Args:
            source: of points that a decorator gives as Python values.
        """
        layers = (self.given, self.environment, own or {}, self.table)
        given = [layer["at"].source for layer in layers if "at" in layer] + ([source] if source else [])
        values = self.values(own)
        above = {*self.given, *self.environment}
        if not given or values["at"].value:
            return ()
        points, shape = values["points"], values["shape"]
        for name, first in (("points", points), ("shape", shape)):
            if first.value not in (None, ()) and (name in above or not source):
                return (f"the points that {given[0]} gives were not used: {first.source} counts before them",)
        return ()

    def settings(self, own: Mapping[str, Value] | None = None) -> Settings:
        """Settings of a check; whether they agree with each other is for ``Settings.agreed`` to say."""
        values = self.values(own)
        return Settings(**{row.name: values[row.name].value for row in dataclasses.fields(Settings)})

    def run_options(self) -> RunOptions:
        """Options of the run as a whole."""
        values = self.values()
        return RunOptions(**{row.name: values[row.name].value for row in dataclasses.fields(RunOptions)})

    @property
    def plain(self) -> bool:
        """Whether the command line alone says what is to be done."""
        return not self.environment and not self.table


def load(
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    file: str | None = None,
    isolated: bool = False,
) -> Configuration:
    """The layers of a run that was started in the working directory.

    Args:
        given: options of the command line by field name, those that were given.
        environment: variables.
        file: ``--config``.
        isolated: ``--isolated``: read neither files nor variables.

    Raises:
        ConfigurationError: what is configured cannot be understood.
    """
    said = {name: Value(_frozen(value), f"--{kebab(name)}") for name, value in given.items() if name in FIELDS}
    if isolated:
        if file is not None:
            raise SettingsError("--isolated does not go with --config")
        return Configuration(said, isolated=True)
    variables, remarks = _variables(environment)
    named = file or environment.get("GRADCHECK_CONFIG") or None
    path = Path(named) if named else find(Path.cwd())
    if path is None:
        return Configuration(said, variables, remarks=remarks)
    reader = _Reader(path, _parsed(path))
    return Configuration(said, variables, reader.table(), tuple(reader.checks()), path, remarks=remarks)


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return str(value) if isinstance(value, Path) else value


def _variables(environment: Mapping[str, str]) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Options from the environment, and remarks on variables that look misspelt."""
    known = {variable(name): name for name in FIELDS}
    found: dict[str, Value] = {}
    remarks = []
    for name, text in environment.items():
        if name in known and text:
            try:
                found[known[name]] = Value(from_text(known[name], text), name)
            except SettingsError as err:
                raise ConfigurationError(err.message, hint=err.hint) from None
        elif name.startswith("GRADCHECK_") and name not in known and name != "GRADCHECK_CONFIG":
            close = difflib.get_close_matches(name, known, 1, cutoff=0.85)
            remarks += [f"the environment variable {name} is not known; did you mean {close[0]}?"] if close else []
    return found, tuple(remarks)


def find(start: Path) -> Path | None:
    """The configuration that holds in a folder: the nearest one upward; gradcheck.toml before pyproject.toml."""
    for folder in (start, *start.parents):
        if (folder / OWN_FILE).is_file():
            return folder / OWN_FILE
        project = folder / PROJECT_FILE
        if project.is_file() and _mentions(project) and "gradcheck" in _parsed(project).get("tool", {}):
            return project
    return None


def _mentions(path: Path) -> bool:
    """Whether the name stands in a file at all: TOML is not read otherwise, nor its mistakes told."""
    try:
        return b"gradcheck" in path.read_bytes()
    except OSError:
        return False


def _parsed(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except OSError as err:
        raise ConfigurationError(f"cannot read the configuration '{path}': {err.strerror or err}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the configuration '{path}' is not UTF-8") from None
    except tomllib.TOMLDecodeError as err:
        line = re.search(r"\(at line (\d+), column \d+\)", str(err))
        where = Location(relative(str(path)), int(line[1])) if line else None
        raise ConfigurationError(f"'{relative(str(path))}' is not valid TOML: {err}", where=where) from None


def _is_project(document: Mapping[str, Any]) -> bool:
    """Whether a file of another name has a [tool.gradcheck] as a pyproject.toml has, and no options outside of it."""
    tool = document.get("tool")
    beside = {"check", *map(kebab, OF_TABLE)} & set(document)
    return isinstance(tool, dict) and "gradcheck" in tool and not beside


class _Reader:
    """Reads one configuration file."""

    def __init__(self, path: Path, document: Mapping[str, Any]) -> None:
        self.path = path
        self.shown = relative(str(path))
        self.folder = path.resolve().parent
        project = path.name == PROJECT_FILE or _is_project(document)
        tool = document.get("tool", {}) if project else {}
        self.prefix = f"{SECTION}." if project else ""
        self.section: Any = tool.get("gradcheck", {}) if project else document
        if not isinstance(self.section, dict):
            raise ConfigurationError(f"{SECTION} in {self.shown} must be a table")
        rows = self.section.get("check", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.error("check must be a list of tables", "check", None, f"write [[{self.prefix}check]]")
        self.rows: list[dict[str, Any]] = rows
        self.lines = _lines(path.read_text(encoding="utf-8-sig"), self.prefix, len(rows))

    def table(self) -> dict[str, Value]:
        """The defaults of all checks, and the options of the run."""
        names = {kebab(name): name for name in OF_TABLE}
        known = [*names, "check"]
        found = {}
        for key, value in self.section.items():
            if key == "check":
                continue
            if key not in names:
                belongs = f"'{key}' belongs into a [[{self.prefix}check]]" if key in CHECK_KEYS else None
                raise self.error(f"unknown key '{key}'", key, None, belongs or suggestion(key, known))
            found[names[key]] = self.value(names[key], key, value, None)
        return found

    def checks(self) -> Iterator[DeclaredCheck]:
        """The checks of the file."""
        names = {kebab(name): name for name in OF_CHECKS}
        for at, row in enumerate(self.rows):
            for key in row:
                if key not in names and key not in CHECK_KEYS:
                    beside = [name for name in map(kebab, OF_TABLE) if name not in names]
                    hint = f"'{key}' belongs into the table above the checks" if key in beside else None
                    hint = hint or suggestion(key, [*CHECK_KEYS, *names])
                    raise self.error(f"unknown key '{key}' in a check", key, at, hint)
            for key in CHECK_KEYS:
                if key in row and not isinstance(row[key], str):
                    raise self.error(f"{key} must be text", key, at)
            if "target" not in row:
                example = 'target = "model.py:loss"'
                raise self.error("a check has no target", "", at, f"write {example}")
            if row.get("expect", "pass") not in EXPECTED:
                raise self.error(f"expect = {row['expect']!r}: not one of {', '.join(EXPECTED)}", "expect", at)
            yield DeclaredCheck(
                target=moved_spec(row["target"], self.folder),
                options={names[key]: self.value(names[key], key, row[key], at) for key in row if key in names},
                name=row.get("name", ""),
                expect=row.get("expect", "pass"),
                source=self.source("", at),
            )

    def value(self, name: str, key: str, value: Any, check: int | None) -> Value:
        try:
            return Value(moved(name, convert(name, value, key), self.folder), self.source(key, check))
        except SettingsError as err:
            raise self.error(err.message, key, check, err.hint) from None

    def source(self, key: str, check: int | None) -> str:
        line = self.lines.get((check, key))
        section = f"[[{self.prefix}check]] number {check + 1}" if check is not None else f"[{self.prefix[:-1]}]"
        return f"{self.shown}:{line}" if line else f"{self.shown} {section if section != '[]' else ''}".rstrip()

    def error(self, message: str, key: str, check: int | None, hint: str | None = None) -> ConfigurationError:
        line = getattr(self, "lines", {}).get((check, key))
        if line:
            return ConfigurationError(message, where=Location(self.shown, line), hint=hint)
        return ConfigurationError(
            f"{message}, in {self.source(key, check) if hasattr(self, 'lines') else self.shown}", hint=hint
        )


def placed(message: str, sources: Mapping[str, str]) -> str:
    """A message about options with the places where they stand, if they were not typed.

    >>> placed("--bounds: x has no pair", {"bounds": "pyproject.toml:12"})
    'bounds: x has no pair (of pyproject.toml:12)'
    >>> placed("--at: no such file", {"at": "GRADCHECK_AT"}), placed("--at: no such file", {})
    ('GRADCHECK_AT: no such file', '--at: no such file')
    """
    places: dict[str, None] = {}

    def written(option: re.Match[str]) -> str:
        source = sources.get(option[1].replace("-", "_"))
        if source is None:
            return option[0]
        if source.startswith("GRADCHECK_"):
            return source
        places[source] = None
        return option[1]

    ours, raised, theirs = message.partition(" raised ")  # the text of the user's exception stays as it is
    text = re.sub(r"(?<!\S)--([a-z][a-z-]*)", written, ours) + raised + theirs
    return f"{text} (of {', '.join(places)})" if places else text


_HEADER = re.compile(r"\s*\[(\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*["']?([\w-]+)["']?\s*=""")


def _lines(text: str, prefix: str, checks: int) -> dict[tuple[int | None, str], int]:
    """The line of each key, by number of the check (None: the table) and key; "" is the head of the check.

    tomllib does not tell lines. What is not laid out in the usual way is not found, rather than found elsewhere.
    """
    found: dict[tuple[int | None, str], int] = {}
    section: int | str | None = None if not prefix else "elsewhere"
    seen, quoted = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if quoted:
            quoted = "" if quoted in line else quoted
            continue
        header, key = _HEADER.fullmatch(line), _KEY.match(line)
        if header:
            name = re.sub(r"""["'\s]""", "", header[2])
            if header[1] and name == f"{prefix}check":
                section, seen = seen, seen + 1
                found[section, ""] = number
            elif name.startswith(f"{prefix}check.") and seen:
                section = "elsewhere"
                found.setdefault((seen - 1, name.removeprefix(f"{prefix}check.")), number)
            else:
                section = None if name == prefix[:-1] else "elsewhere"
        elif key and not isinstance(section, str):
            found.setdefault((section, key[1]), number)
        for mark in ('"""', "'''"):
            quoted = mark if line.count(mark) % 2 else quoted
    return found if seen == checks else {key: line for key, line in found.items() if key[0] is None}


_AT_FILE = re.compile(r"((?:^|[;=])\s*@)([^;]+)")
_AT_FUNCTION = re.compile(r"[\w./\\~-]+\.py::?[A-Za-z_][\w.]*")


def moved(name: str, value: Any, folder: Path) -> Any:
    """A value of a file in ``folder`` with its paths as they are from the working directory."""
    if isinstance(value, tuple):
        return tuple(moved(name, item, folder) for item in value)
    if not isinstance(value, str):
        return value
    if name in ("pythonpath", "output", "plot"):
        return moved_path(value, folder)
    if name == "report":
        format, equals, path = value.partition("=")
        return format + equals + moved_path(path, folder) if equals else value
    if name == "at":
        if _AT_FUNCTION.fullmatch(value.strip()):
            return moved_spec(value, folder)
        return _AT_FILE.sub(lambda found: found[1] + moved_path(found[2].strip(), folder), value)
    return moved_spec(value, folder) if ".py:" in value else value


def moved_spec(spec: str, folder: Path) -> str:
    """A target of a file in ``folder``, from the working directory."""
    head, attributes = split_spec(spec)
    if not (head.endswith(".py") or "/" in head or "\\" in head):
        return spec
    rest = spec.strip()[len(head) :]
    return moved_path(head, folder) + rest if attributes else moved_path(head, folder)


def moved_path(path: str, folder: Path) -> str:
    """A path that is meant from ``folder``, from the working directory.

    >>> moved_path("data/x.npy", Path.cwd()), moved_path("x.npy", Path.cwd() / "sub")
    ('data/x.npy', 'sub/x.npy')
    """
    full = Path(path).expanduser()
    if full.is_absolute() or folder == Path.cwd():
        return path
    try:
        return Path(os.path.relpath(folder / full)).as_posix()
    except ValueError:  # another drive
        return (folder / full).as_posix()


def shown_settings(configuration: Configuration) -> str:
    """Every option with its value and the place that it comes from, then the configured checks."""
    rows = [(kebab(name), _written(v.value), v.source) for name, v in configuration.values().items()]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    file = relative(str(configuration.file)) if configuration.file else "none"
    lines = [f"configuration file: {'not read (--isolated)' if configuration.isolated else file}", ""]
    lines += [f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}" for name, value, source in rows]
    for check in configuration.checks:
        lines += ["", f"check {check.target}  {check.source}"]
        own = [("name", _written(check.name))] if check.name else []
        own += [("expect", _written(check.expect))] if check.expect != "pass" else []
        lines += [f"  {name} = {value}" for name, value in own]
        merged = configuration.values(check.options)
        lines += [f"  {kebab(n)} = {_written(merged[n].value)}  {merged[n].source}" for n in check.options]
    return "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    import json

    return "none" if value is None else json.dumps(value, ensure_ascii=False)
