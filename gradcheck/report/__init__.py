"""The formats of a report: one module each, a function from a frozen :class:`~gradcheck.outcomes.Run` to text.

Above the runner, below the command line. Nothing here computes or writes anything; a renderer gets the run
and a :class:`~gradcheck.report.style.Style` and returns the whole report. A further format is one file with a
function ``render`` and one line in ``FORMATS``.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from gradcheck.report.style import Style

if TYPE_CHECKING:
    from gradcheck.outcomes import Run

# Name for --format, and the module that holds its `render(run, style) -> str`; loaded when it is used.
FORMATS = {
    "full": "gradcheck.report.full",
    "concise": "gradcheck.report.concise",
    "json": "gradcheck.report.json",
    "junit": "gradcheck.report.junit",
    "sarif": "gradcheck.report.sarif",
    "github": "gradcheck.report.github",
    "markdown": "gradcheck.report.markdown",
    "html": "gradcheck.report.html",
}

# Formats that say in themselves that they are UTF-8, or are read as that by whoever reads files.
UNICODE = ("junit", "html", "markdown")

# Formats with pictures: of so many of the worst entries the check takes down how they depend on the step.
STUDIES = {"html": 3}


def render(name: str, run: Run, style: Style) -> str:
    """Render a run in one of ``FORMATS``; the text ends with a line break, or is empty.

    Raises:
        KeyError: there is no such format.
    """
    text: str = load(name).render(run, style)
    return text


def load(name: str) -> ModuleType:
    """The module of a format. Before the user's code runs this finds the standard library; after it, perhaps theirs.

    Raises:
        KeyError: there is no such format.
    """
    return importlib.import_module(FORMATS[name])
