"""Configured and declared checks as pytest's items: ``model.py::gradcheck::loss[w]``.

Beside ``pytest_plugin.py``, and loaded with ``--gradcheck``. What is checked is decided by ``discovery.py`` and carried
out by ``runner.py``, as for the command; here each argument of a check gets a node id, under the file of its
function. A check whose function stands in no file of the project is under the configuration file.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradcheck.configuration import Configuration, DeclaredCheck, find, load
from gradcheck.discovery import Check, Failed, Plan, discover, module_names
from gradcheck.errors import GradcheckError, Location
from gradcheck.frames import relative
from gradcheck.integrations.pytest_plugin import CHECKED
from gradcheck.integrations.pytest_report import CheckFailed, accepted, aside, properties, text_of
from gradcheck.loading import is_file_spec
from gradcheck.outcomes import Outcome, Status
from gradcheck.points import argument_position, parameters_of
from gradcheck.report.style import escaped
from gradcheck.runner import Running
from gradcheck.scan import scan
from gradcheck.settings import SettingsError
from gradcheck.targets import resolve, split_spec

GROUP = "gradcheck"


def configuration_of(config: pytest.Config, **given: Any) -> Configuration:
    """The configuration that holds in pytest's rootdir, paths from the working directory.

    Raises:
        ConfigurationError: it cannot be understood.
    """
    named = None if os.environ.get("GRADCHECK_CONFIG") else find(config.rootpath)
    return load(given, os.environ, file=None if named is None else str(named))


class Project:
    """What one run of pytest collects.

    Attributes:
        configuration: of the project.
        homes: the configured checks, by the file under which they are collected.
        seen: files that pytest has come across.
        remarks: for the end of the run.

    Raises:
        pytest.UsageError: the configuration cannot be understood.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.partners = bool(config.option.gradcheck_partners)
        self.folder = Path.cwd()
        self.remarks: list[str] = []
        self.seen: set[Path] = set()
        try:
            self.configuration = configuration_of(config, allow_empty=True, no_partners=not self.partners)
            self.configuration.settings()
        except GradcheckError as err:
            raise pytest.UsageError(f"gradcheck: {err}") from None
        self.homes: dict[Path, list[DeclaredCheck]] = {}
        for check in self.configuration.checks:
            self.homes.setdefault(self.home(check), []).append(check)

    def header(self) -> list[str]:
        """For the head of the run."""
        file = self.configuration.file
        checks = len(self.configuration.checks)
        known = f"{relative(str(file))}, {checks} check{'s' * (checks != 1)} configured" if file else "not configured"
        return [known, *self.configuration.remarks]

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """The folder from which paths are meant; what loading a target does to ``sys.path`` is undone."""
        path = list(sys.path)
        try:
            with contextlib.chdir(self.folder):
                yield
        finally:
            sys.path[:] = path

    # which file a check belongs to

    def home(self, check: DeclaredCheck) -> Path:
        """The file of the function of a configured check, else the configuration file. Nothing is imported."""
        file = self.configuration.file
        if file is None:
            raise AssertionError("checks are configured in a file")
        head, _ = split_spec(check.target)
        if is_file_spec(head):
            return Path(head).resolve() if Path(head).is_file() else file.resolve()
        roots = [*self.configuration.settings().pythonpath, ".", str(file.resolve().parent)]
        for root in [*roots, *sys.path]:
            base = Path(root or ".").resolve().joinpath(*head.split("."))
            for found in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
                ours = found.is_file() and found.is_relative_to(self.config.rootpath)
                if ours and "site-packages" not in found.parts and head in module_names(found, roots):
                    return found
        return file.resolve()

    # what pytest asks

    def collector(self, path: Path, parent: pytest.Collector) -> CheckFile | None:
        """The collector of a file, if there is something for it to collect."""
        full = path.resolve()
        if full in self.homes or self.declares(path):
            self.seen.add(full)
            return self.file(path, parent)
        return None

    def declares(self, path: Path) -> bool:
        """Whether the syntax of a file says that it declares a check, or has a pair of names that is asked for."""
        if path.suffix != ".py":
            return False
        try:
            source = path.read_bytes()
            found = scan(source) if self.partners or b"gradcheck" in source else None
        except (OSError, SyntaxError):
            # discover() says so, if checks were meant to be there.
            return path.is_file() and b"gradcheck.case" in path.read_bytes()
        return found is not None and (found.cases or (self.partners and bool(found.pairs)))

    def file(self, path: Path, parent: pytest.Collector) -> CheckFile:
        more: Any = {}
        if not path.is_relative_to(self.config.rootpath):
            # pytest has no id for these that would lead back to them.
            more["nodeid"] = Path(os.path.relpath(path, self.config.rootpath)).as_posix()
        made: CheckFile = CheckFile.from_parent(parent, path=path, project=self, **more)
        return made

    def stand_in(self, path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """A module without tests, if nothing but our own items is wanted of a file."""
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in self.config.getini("python_files")):
            return None
        wanted = [arg.partition("[")[0] for arg in self.config.args]
        folder = self.config.invocation_params.dir
        own = [arg for arg in wanted if (folder / arg.partition("::")[0]).resolve() == path.resolve()]
        if own and all(f"::{GROUP}" in arg for arg in own):
            module: pytest.Module = NoTests.from_parent(parent, path=path)
            return module
        return None

    def complete(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Add the configured checks of files that pytest has not come across, unless it was told where to look."""
        if self.config.args_source is pytest.Config.ArgsSource.ARGS:
            return
        for path in [path for path in self.homes if path not in self.seen]:
            self.seen.add(path)
            if not self.is_ignored(path, session):
                items += session.genitems(self.file(path, session))

    def is_ignored(self, path: Path, session: pytest.Session) -> bool:
        """Whether the user has told pytest to ignore a file; the folders that it passes over by itself do not count."""
        folders = [(self.config.invocation_params.dir / name).resolve() for name in self.config.option.ignore or ()]
        hook = session.gethookproxy(path).pytest_ignore_collect
        return any(map(path.is_relative_to, folders)) or bool(hook(collection_path=path, config=self.config))

    # what there is

    def plan(self, path: Path) -> Plan:
        """The checks of a file: configured for it, declared in it, found in it by name."""
        full = path.resolve()
        own = replace(self.configuration, checks=tuple(self.homes.get(full, ())))
        with self.at_home():
            try:
                plan = discover([relative(str(path))] if path.suffix == ".py" else [], own)
            except SettingsError as err:
                raise pytest.UsageError(f"gradcheck: {err}") from None
        self.remarks += plan.remarks
        return plan

    def named(self, item: Check | Failed, path: Path) -> Iterator[tuple[str, Check | Failed, Location | None]]:
        """The items of a check, one for each argument that it names: name, check, place."""
        function = split_spec(item.target)[1] or "import"
        if path.suffix != ".py":
            function = item.target.replace("::", ":")
        if isinstance(item, Failed):
            yield escaped(function), item, None
            return
        extra = "-order2" * (item.settings.order == 2) + f"-{item.name}" * bool(item.name)
        arguments, where = self.arguments(item)
        for text, name in arguments.items():
            one = replace(item, settings=replace(item.settings, argnum=(text,)))
            yield escaped(f"{function}[{name}{extra}]").replace("::", ":"), one, where

    def arguments(self, check: Check) -> tuple[dict[str, str], Location | None]:
        """The arguments of a check, as they are said and by name where that is known, and the place of the function."""
        said = check.settings.argnum
        with self.at_home():
            try:
                target = resolve(check.target, check.settings.pythonpath)
                at = [None if text == "all" else argument_position(text, target) for text in said]
            except Exception:
                # Whatever it is, the check will run into it, and tell.
                return dict(zip(said, said, strict=True)), None
        names = [
            text if place is None else parameters_of(target, place + 1)[place].name
            for text, place in zip(said, at, strict=True)
        ]
        found = {name: text for text, name in reversed(list(zip(said, names, strict=True)))}
        return {found[name]: name for name in dict.fromkeys(names)}, target.where


class NoTests(pytest.Module):
    """A module of which only the checks are wanted: it is not imported."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        return []


class CheckFile(pytest.File):
    """A file with checks."""

    def __init__(self, *, project: Project, **more: Any) -> None:
        super().__init__(**more)
        self.project = project

    def collect(self) -> Iterator[pytest.Collector]:
        yield CheckGroup.from_parent(self, name=GROUP)


class CheckGroup(pytest.Collector):
    """All checks of a file: ``model.py::gradcheck``."""

    parent: CheckFile

    def collect(self) -> Iterator[pytest.Item]:
        project, path = self.parent.project, self.parent.path
        seen: Counter[str] = Counter()
        for planned in project.plan(path).items:
            for name, check, where in project.named(planned, path):
                seen[name] += 1
                # Several checks of one function: at other points, with other derivatives.
                number = f"#{seen[name]}" if seen[name] > 1 else ""
                name = name[:-1] + number + "]" if number and name.endswith("]") else name + number
                # Said in full: pytest takes the id apart at the bracket, which it would not do for a child's name.
                nodeid: Any = f"{self.nodeid}::{name}"
                more = {"check": check, "where": where, "project": project}
                yield CheckItem.from_parent(self, name=name, nodeid=nodeid, **more)


class CheckItem(pytest.Item):
    """One check of one argument."""

    def __init__(self, *, check: Check | Failed, where: Location | None, project: Project, **more: Any) -> None:
        super().__init__(**more)
        self.check = check
        self.where = where
        self.project = project
        self.outcomes: list[Outcome] = []
        self.add_marker("gradcheck")

    def runtest(self) -> None:
        """Carry out the check.

        Raises:
            CheckFailed: it did not pass, nor was that expected, ignored or allowed.
        """
        running = Running(Plan((self.check,)), None)
        with self.project.at_home():
            running.item(self.check)
        self.outcomes = self.stash[CHECKED] = outcomes = running.outcomes
        self.user_properties += properties(outcomes)
        failed = [outcome for outcome in outcomes if not accepted(outcome, outcome.allow_inconclusive)]
        if failed:
            raise CheckFailed(failed)
        self.set_aside(outcomes)

    def set_aside(self, outcomes: list[Outcome]) -> None:
        """Report as xfailed what failed as it should, as skipped what does not count: neither has passed."""
        reason = "; ".join(filter(None, map(aside, outcomes)))
        if any(outcome.status in (Status.IGNORED, Status.INCONCLUSIVE) for outcome in outcomes):
            pytest.skip(reason)
        if reason:
            pytest.xfail(reason)
            # Only with --runxfail, which wants to see it fail.
            raise CheckFailed([outcome for outcome in outcomes if outcome.status is Status.EXPECTED])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What pytest shows of a check that failed as it should (``--xfail-tb``); of the others the report does."""
        if isinstance(excinfo.value, CheckFailed | pytest.xfail.Exception):
            return text_of(self.outcomes)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File, line (from 0) and a title. Where that ends the node id, pytest would show its dots as ``::``."""
        title = f"gradcheck {self.name}"
        if self.where is None:
            return self.path, 0, title
        return (self.project.folder / self.where.file), self.where.line - 1, title
