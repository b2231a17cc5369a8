"""The pytest plugin: options, the ``gradcheck`` fixture, checks as test items, and failures with the command's table.

Top floor, a host of checks beside the command. pytest loads this file in every run of an environment that has
gradcheck, so it holds hooks only and imports nothing but pytest: items are in ``pytest_items.py``, the fixture's
function in ``pytest_fixture.py``, what is shown in ``pytest_report.py``, all loaded when they have something to do.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradcheck.integrations.pytest_fixture import Checker
    from gradcheck.integrations.pytest_items import CheckFile, Project
    from gradcheck.outcomes import Outcome

#: The test that is running, and what was checked in it without raising.
CURRENT: pytest.StashKey[pytest.Item] = pytest.StashKey()
CHECKED: pytest.StashKey[list[Outcome]] = pytest.StashKey()
PROJECT: pytest.StashKey[Project] = pytest.StashKey()

MARK = (
    "gradcheck(**options): a gradient check; on a test, options of its gradcheck fixture, as in"
    " @pytest.mark.gradcheck(rtol=1e-6, allow_inconclusive=True)"
)


# options


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--gradcheck`` and ``--gradcheck-partners``."""
    group = parser.getgroup("gradcheck", "gradient checks")
    group.addoption(
        "--gradcheck",
        action="store_true",
        help="collect the gradient checks of [tool.gradcheck], and those declared with @gradcheck.case",
    )
    group.addoption(
        "--gradcheck-partners",
        action="store_true",
        help="and the functions that have a derivative beside them by its name (f_grad, grad_f, f_jac ...)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the configuration of the project, if its checks are to be collected.

    Raises:
        pytest.UsageError: it cannot be understood.
    """
    config.addinivalue_line("markers", MARK)
    if config.option.gradcheck or config.option.gradcheck_partners:
        from gradcheck.integrations.pytest_items import Project

        config.stash[PROJECT] = Project(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which configuration counts, and what is odd about it."""
    project = config.stash.get(PROJECT, None)
    return [f"gradcheck: {line}" for line in project.header()] if project else []


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what the terminal can show, which it does not see."""
    from gradcheck.integrations.pytest_report import terminal_of

    node.workerinput["gradcheck"] = terminal_of(node.config)


# checks as items


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CheckFile | None:
    """The checks of a file, if it has any."""
    project = parent.config.stash.get(PROJECT, None)
    return project.collector(file_path, parent) if project else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """For ``model.py::gradcheck::loss[w]`` pytest would import model.py and look for tests in it, too: it need not."""
    project = parent.config.stash.get(PROJECT, None)
    return project.stand_in(module_path, parent) if project else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the configured checks whose files pytest has not come across."""
    project = config.stash.get(PROJECT, None)
    if project:
        project.complete(session, items)


# the fixture


@pytest.fixture(name="gradcheck", scope="session")
def gradcheck_fixture(pytestconfig: pytest.Config) -> Checker:
    """Check a derivative: gradcheck(f, x, grad=f_grad), the arguments of gradcheck.check; fails unless it is right."""
    # Of the session, so that it can be used with hypothesis and by fixtures of any scope.
    from gradcheck.integrations.pytest_fixture import Checker

    return Checker(pytestconfig)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note which test is running, for the fixture."""
    item.config.stash[CURRENT] = item


# what is shown


@pytest.hookimpl(specname="pytest_runtest_makereport")
def pytest_before_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Take the inside of gradcheck out of what a test raised, when pytest's unittest has told of it, too."""
    # Without this module nothing of ours can have been raised.
    if "gradcheck.errors" in sys.modules and call.excinfo is not None:
        from gradcheck.integrations.pytest_report import before_report

        before_report(item, call)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a wrong derivative as the command does."""
    report = yield
    if "gradcheck.errors" not in sys.modules:
        return report
    from gradcheck.integrations.pytest_report import after_report

    checked = item.stash.get(CHECKED, None)
    after_report(item, call, report, checked or [])
    item.stash[CHECKED] = []
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_from_serializable() -> Generator[None, Any, Any]:
    """A report that comes from another process has the texts, but not the object that shows them."""
    report = yield
    if hasattr(report, "gradcheck"):
        from gradcheck.integrations.pytest_report import dress

        dress(report)
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport, config: pytest.Config) -> Any:
    """With ``-v``, what was compared beside PASSED."""
    data = getattr(report, "gradcheck", {})
    if "detail" in data and report.passed and config.option.verbose > 0:
        detail = data["details" if config.option.verbose > 1 else "detail"]
        return "passed", ".", (f"PASSED ({detail})", {"green": True})
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """``gradcheck: 3 checks, 1 wrong, 2 passed``."""
    if PROJECT not in config.stash and "gradcheck.errors" not in sys.modules:
        return
    from gradcheck.integrations.pytest_report import summary_lines

    for line in summary_lines(terminalreporter, config.stash.get(PROJECT, None)):
        terminalreporter.write_line(f"gradcheck: {line}")
