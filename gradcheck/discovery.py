"""What a run checks: from the targets of the command line, configured and declared checks, to a plan.

Above targets, configuration and ``scan.py``; below the runner, which takes the plan as it is. A target that names a
function is that function, with what is declared for it; a file or a folder stands for the checks that are configured
for it, declared in it with ``@gradcheck.case``, or found there by the name of a derivative; no target for all that is
configured. A file is loaded once, and only if its syntax says that it declares something.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradcheck.configuration import (
    CHECK_KEYS,
    Configuration,
    ConfigurationError,
    DeclaredCheck,
    Value,
    moved_path,
    placed,
)
from gradcheck.declared import Case, cases
from gradcheck.errors import GradcheckError, Location
from gradcheck.frames import relative
from gradcheck.loading import TargetError, extend_path, is_file_spec, load_file, load_module
from gradcheck.options import EXPECTED, OF_CHECKS, convert, suggestion
from gradcheck.partners import PRODUCT, find_partner
from gradcheck.settings import Settings, SettingsError
from gradcheck.targets import resolve, split_spec

if TYPE_CHECKING:
    from gradcheck.scan import Pair, Scan

# Folders in which nothing of the user's own stands.
SKIPPED = ("__pycache__", "node_modules", "site-packages", "build", "dist")


@dataclass(frozen=True)
class Check:
    """One thing to check, which is one outcome for each argument that it names.

    Attributes:
        target: the function.
        settings: all its options.
        name: for reports; "" for none. expect: the verdict that is right.
        source: where it was asked for: ``command line``, ``pyproject.toml:12``, ``model.py:8``.
        points: points as Python values, from a decorator; () for those of ``settings.at``.
        ignore: codes that the declaration itself ignores: it is told if they ignore nothing.
        isolated: a command line that repeats it must not read configurations.
        studies: of how many of the worst entries the result tells how they depend on the step; some formats need that
            for their pictures.
        sources: where options stand that were not typed, by field name.
        notes: for the report.
    """

    target: str
    settings: Settings
    name: str = ""
    expect: str = "pass"
    source: str = "command line"
    points: tuple[Any, ...] = field(default=(), compare=False)
    ignore: tuple[str, ...] = ()
    isolated: bool = False
    studies: int = 0
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A target that could not be turned into checks, and why."""

    target: str
    error: Exception
    argument: str = ""
    source: str = "command line"


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        items: in order. remarks: for stderr. nothing: why there are no items, a sentence; hint: what to do then.
    """

    items: tuple[Check | Failed, ...]
    remarks: tuple[str, ...] = ()
    nothing: str = ""
    hint: str | None = None

    def studied(self, studies: int) -> Plan:
        """The same plan with so many studies of each check."""
        items = (replace(item, studies=studies) if isinstance(item, Check) else item for item in self.items)
        return replace(self, items=tuple(items))


def discover(targets: Sequence[str], configuration: Configuration) -> Plan:
    """Make the plan of a run. Loads the modules of targets; what goes wrong there is in the plan.

    Raises:
        SettingsError: options contradict each other.
    """
    return _Discovery(configuration).plan(targets)


class _Discovery:
    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.options = configuration.run_options()
        self.base = configuration.settings()
        # A declared check may say what makes the rest agree; nothing mends a command line that contradicts itself.
        for fields, error in self.base.contradictions():
            if set(fields) <= set(configuration.given):
                raise error
        self.items: list[Check | Failed] = []
        self.remarks: list[str] = []
        self.empty: list[tuple[str, Scan]] = []
        self.files: set[Path] = set()
        self.taken: set[tuple[str, str]] = set()

    def plan(self, targets: Sequence[str]) -> Plan:
        if not targets:
            for check in self.configuration.checks:
                self.add_configured(check)
        for text in targets:
            head, attributes = split_spec(text)
            if not head or (not attributes and text.rstrip().endswith(":")):
                raise TargetError(
                    f"'{text}' names no {'function' if head else 'file or module'}",
                    hint="a file, a folder, module:function or path/to/file.py:function",
                )
            if not attributes and Path(head).is_dir() and "::" not in text:
                for file in python_files(Path(head)):
                    self.file(file, lenient=True)
            elif not attributes and head.endswith(".py"):
                self.file(Path(head), lenient=self.options.allow_empty)
            else:
                self.function(text, head, attributes)
        if self.items:
            self.remarks += [f"nothing to check in {name}" for name, _ in self.empty if not self.options.allow_empty]
        return Plan(tuple(self.items), tuple(self.remarks), *self.why_nothing(targets))

    def why_nothing(self, targets: Sequence[str]) -> tuple[str, str | None]:
        if self.items:
            return "", None
        if not self.empty:
            folders = ", ".join(f"'{name}'" for name in targets)
            return f"no check is declared in {folders}", "declare one with @gradcheck.case above a function"
        name, found = self.empty[0]
        more = f" (nor in {len(self.empty) - 1} more)" if len(self.empty) > 1 else ""
        known = ", ".join(f"{name}:{function}" for function in found.functions[:3])
        return (
            f"{name} declares no check, and no `def` at its top level has a derivative beside it by its name{more}",
            f"name a function: {known}"
            if known
            else f"name what is made otherwise, {name}:f, or declare a check with @gradcheck.case",
        )

    # one target

    def function(self, text: str, head: str, attributes: str) -> None:
        """A function by name, with what is declared for it."""
        if self.configuration.isolated or not attributes or not head:
            self.add_plain(text)
            return
        module = self.load(head, text)
        if module is None:
            return
        file = Path(getattr(module, "__file__", None) or "").resolve()
        declared = [case for case in cases(module) if case.function == attributes]
        configured = []
        for check in self.configuration.checks:
            where, name = split_spec(check.target)
            if name == attributes and (where == head or self.is_in(where, file)):
                configured.append(check)
                self.add_configured(check)
        for case in declared:
            self.add_case(case, text)
        if not configured and not declared:
            self.add_plain(text)

    def add_plain(self, text: str) -> None:
        """A function for which nothing is declared."""
        try:
            settings = self.base.agreed()
        except SettingsError as err:
            raise SettingsError(placed(err.message, self.configuration.sources()), hint=err.hint) from None
        self.items.append(
            Check(
                text,
                settings,
                isolated=not self.configuration.plain,
                sources=self.configuration.sources(),
                notes=self.configuration.overruled(),
            )
        )

    def file(self, path: Path, *, lenient: bool) -> None:
        """All that is configured for a file, declared in it or found in it by name."""
        full = path.resolve()
        if full in self.files:
            return
        self.files.add(full)
        before = len(self.items)
        attributes = set()
        for check in self.configuration.checks:
            where, name = split_spec(check.target)
            if self.is_in(where, full):
                attributes.add(name)
                self.add_configured(check)
        found = self.scanned(path, lenient)
        if found is not None and (found.cases or self.wanted(found, attributes)):
            module = self.load(path.as_posix(), path.as_posix())
            if module is not None:
                for case in cases(module) if found.cases else ():
                    attributes.add(case.function)
                    self.add_case(case, f"{path.as_posix()}:{case.function}")
                for pair in self.wanted(found, attributes):
                    self.add_pair(pair, path)
        if len(self.items) == before and found is not None and not (lenient and not self.options.allow_empty):
            self.empty.append((path.as_posix(), found))

    def wanted(self, found: Scan, declared: set[str]) -> list[Pair]:
        """The pairs to check: a function with a declared check is left to its declarations."""
        if self.options.no_partners:
            return []
        return [pair for pair in found.pairs if pair.function not in declared]

    def scanned(self, path: Path, lenient: bool) -> Scan | None:
        """What the syntax of a file says; None where it cannot be read, which is an item then."""
        source = b""
        try:
            if path.is_file():
                source = path.read_bytes()
            else:
                load_file(path)  # says that there is no such file, and which is similar
            from gradcheck.scan import scan

            return scan(source)
        except SyntaxError as err:
            if lenient and b"gradcheck" not in source:
                self.remarks.append(f"{path.as_posix()} is not valid Python, and was passed over")
                return None
            where = Location(relative(str(path)), err.lineno or 1)
            error: Exception = TargetError(f"{type(err).__name__}: {err.msg}", where=where, code="GC003")
        except OSError as err:
            error = TargetError(f"cannot read '{path}': {err.strerror or err}")
        except TargetError as err:
            error = err
        self.items.append(Failed(path.as_posix(), error))
        return None

    def load(self, head: str, text: str) -> ModuleType | None:
        """The module of a target; None where it cannot be loaded, which is an item then."""
        try:
            extend_path(self.base.pythonpath)
            return load_file(Path(head)) if is_file_spec(head) else load_module(head)
        except Exception as err:
            self.items.append(Failed(text, err, ", ".join(self.base.argnum) if text != head else ""))
            return None

    def is_in(self, head: str, file: Path) -> bool:
        """Whether the module or path of a target is this file."""
        if is_file_spec(head):
            return Path(head).resolve() == file
        return head in module_names(file, [*self.base.pythonpath, ".", *self.root()])

    def root(self) -> tuple[str, ...]:
        """The folder of the configuration file, from which its modules can be imported."""
        file = self.configuration.file
        if file is None or file.resolve().parent == Path.cwd():
            return ()
        return (moved_path(".", file.resolve().parent),)

    # one check

    def add_configured(self, check: DeclaredCheck) -> None:
        """A check of the configuration file, whose modules can be imported from where the file is."""
        self.add_declared(check, folders=self.root())

    def add_declared(self, check: DeclaredCheck, folders: tuple[str, ...] = ()) -> None:
        settings = self.settings(check)
        if settings is None or (check.source, check.target) in self.taken:
            return
        self.taken.add((check.source, check.target))
        # What the command line or the environment says of points counts before what a decorator does.
        above = {*self.configuration.given, *self.configuration.environment}
        points = () if above & {"at", "points", "shape"} else check.points
        if points:
            settings = replace(settings, at=(), points=None)
        ignore = check.options.get("ignore")
        sources = self.configuration.sources(check.options) | ({"at": check.source} if points else {})
        self.items.append(
            Check(
                target=check.target,
                settings=replace(settings, pythonpath=(*settings.pythonpath, *folders)),
                name=check.name,
                expect=check.expect,
                source=check.source,
                points=points,
                ignore=ignore.value if ignore else (),
                isolated=True,
                sources=sources,
                notes=self.configuration.overruled(check.options, check.source if check.points else ""),
            )
        )

    def settings(self, check: DeclaredCheck) -> Settings | None:
        try:
            return self.configuration.settings(check.options).agreed()
        except SettingsError as err:
            message = placed(err.message, self.configuration.sources(check.options))
            message = f"{message}, in the check of {check.source}"
            error = ConfigurationError(message, hint=err.hint)
            self.items.append(Failed(check.target, error, source=check.source))
            return None

    def add_case(self, case: Case, target: str) -> None:
        try:
            self.add_declared(read_case(case, target))
        except GradcheckError as err:
            self.items.append(Failed(target, err, source=f"{relative(case.file)}:{case.line}"))

    def add_pair(self, pair: Pair, path: Path) -> None:
        """A function with a derivative beside it, if it turns out to be one."""
        target = f"{path.as_posix()}:{pair.function}"
        try:
            found = resolve(target, self.base.pythonpath)
        except TargetError as err:
            self.remarks.append(f"{target} was passed over: {err.message}")
            return
        argument = pair.argument or (found.parameters[0].name if found.parameters else "")
        partner, _ = find_partner(found, argument, pair.order)
        if partner is None and pair.order == 2:
            partner, _ = find_partner(found, argument, PRODUCT)
        if partner is None:
            return
        source = f"{path.as_posix()}:{pair.line} with {partner.name}"
        own = {"order": Value(pair.order, source)}
        if pair.argument:
            own["argnum"] = Value((pair.argument,), source)
        self.add_declared(DeclaredCheck(target, own, source=f"{source}, {argument}, {pair.order}"))
        added = self.items[-1]
        if isinstance(added, Check):
            self.items[-1] = replace(added, source=source, isolated=not self.configuration.plain)


def read_case(case: Case, target: str) -> DeclaredCheck:
    """A decorator's note as a declared check.

    Raises:
        GradcheckError: an option that there is not, or one with a value that it cannot have.
    """
    where = Location(relative(case.file), case.line)
    source = str(where)
    if "<" in case.function:
        how = "is a lambda" if case.function.endswith("<lambda>") else "is made by a function"
        hint = "declare it on a function with a name, at the top of the module"
        raise TargetError(f"{case.function} {how}, and cannot be reached by name", where=where, hint=hint)
    options: dict[str, Value] = {}
    points: tuple[Any, ...] = ()
    for key, value in case.options.items():
        if key in ("name", "expect"):
            if not isinstance(value, str) or (key == "expect" and value not in EXPECTED):
                wanted = "text" if key == "name" else "one of " + ", ".join(EXPECTED)
                raise ConfigurationError(f"@gradcheck.case: {key} must be {wanted}, not {value!r}", where=where)
        elif key not in OF_CHECKS:
            hint = suggestion(key, [*CHECK_KEYS[1:], *OF_CHECKS])
            raise ConfigurationError(f"@gradcheck.case has no option '{key}'", where=where, hint=hint)
        elif key == "at" and not _is_text(value):
            points = points_of(value)
        elif value is not None:
            try:
                options[key] = Value(convert(key, value, key), source)
            except SettingsError as err:
                raise ConfigurationError(f"@gradcheck.case: {err.message}", where=where, hint=err.hint) from None
    if points and "points" in options:
        raise ConfigurationError("@gradcheck.case: points does not go with at", where=where)
    return DeclaredCheck(
        target, options, case.options.get("name", ""), case.options.get("expect", "pass"), source, points
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)
    )


def points_of(value: Any) -> tuple[Any, ...]:
    """The points that ``at=`` of a decorator means: several for a list of points, else one.

    >>> points_of([1.0, 2.0]), points_of([{"x": 1.0}, "x=2"]), points_of((1.0, 2.0))
    (([1.0, 2.0],), ({'x': 1.0}, 'x=2'), ((1.0, 2.0),))
    """
    several = isinstance(value, list) and all(isinstance(v, str | Mapping | tuple) or callable(v) for v in value)
    return tuple(value) if several and value else (value,)


def python_files(folder: Path) -> Iterator[Path]:
    """The Python files below a folder, sorted; not those of environments, caches and hidden folders."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _is_skipped(Path(root) / name))
        yield from (Path(root) / name for name in sorted(files) if name.endswith(".py") and not name.startswith("."))


def _is_skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in SKIPPED or (folder / "pyvenv.cfg").is_file()


def module_names(file: Path, roots: Sequence[str]) -> set[str]:
    """The dotted names under which a file can be imported: in its package, and from each of the roots."""
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    names = {".".join(parts)}
    for root in roots:
        base = Path(root).resolve()
        if file.is_relative_to(base):
            names.add(".".join(file.relative_to(base).with_suffix("").parts))
    return {name.removesuffix(".__init__") for name in names}
