"""What a code means, for ``gradcheck --explain``: the table of the check floor and the codes of the floors above it.

Floor of settings. Loads nothing heavy.
"""

from __future__ import annotations

import difflib
import textwrap

from gradcheck.check.codes import CODES, Code
from gradcheck.settings import SettingsError

# Mistakes in the request, found before any check runs.
REQUEST_CODES: dict[str, Code] = {
    "GC000": Code(
        "bug",
        "gradcheck itself failed",
        "This is a bug in gradcheck, not in your code; the exit code is 4. Please report it with the output of"
        " the same command with --traceback.",
    ),
    "GC002": Code(
        "no-target",
        "the target cannot be found",
        "A target is module:function, path/to/file.py:function, or either with Class.method or object.method"
        " after the colon. The module is searched in --pythonpath, the working directory and the active"
        " environment. A method needs an object: of a class that takes no arguments one is made, otherwise"
        " expose one at module level and name its method.",
    ),
    "GC003": Code(
        "import-failed",
        "the target's module cannot be imported",
        "Importing the module raised an exception, called sys.exit, or needs a package that the running"
        " interpreter does not have. The message shows the line in your file; --traceback shows all of them.",
    ),
    "GC004": Code(
        "no-derivative-function",
        "the function named by --grad cannot be used",
        "--grad takes auto, none, returned, a target, or the name of a function beside f. A derivative is called"
        " with the arguments of f, by name where the names agree, otherwise by position.",
    ),
    "GC005": Code(
        "bad-point",
        "the point given with --at or --shape cannot be read",
        "Values are literals ([0.5, 1.2]), array constructors (zeros(3), linspace(0, 1, 5), randn(2, 3)) and"
        " arithmetic on them, by name and separated by semicolons (x=[1, 2]; t=0.5) or in the order of the"
        " parameters. @file reads .json, .csv, .npy and .npz; module:function is called for the values.",
    ),
    "GC006": Code(
        "no-point",
        "no point is given and none was found",
        "Without --at the defaults of the parameters are used, and trial shapes for the others. The function ran"
        " at none of them. Give the point with --at, or the shapes with --shape.",
    ),
    "GC007": Code(
        "bad-argument",
        "the argument named by --argnum cannot be checked",
        "The function has no such argument, or it holds no floats: an integer, a flag or text has no derivative.",
    ),
    "GC008": Code(
        "bad-configuration",
        "a configuration cannot be understood",
        "[tool.gradcheck] of a pyproject.toml, a gradcheck.toml, an environment variable GRADCHECK_* or a decorator"
        " @gradcheck.case has an option that there is not, or a value that the option cannot have. Nothing is run on a"
        " configuration that is only half understood.",
    ),
}


TABLE: dict[str, Code] = {**REQUEST_CODES, **CODES}


def explain(code: str) -> str:
    """The explanation of a code as text: what it is, why it comes about, an example, and what to do.

    Args:
        code: as it stands in a report, or its name.

    Raises:
        SettingsError: there is no such code.

    >>> explain("gc005").splitlines()[0]
    'GC005 bad-point: the point given with --at or --shape cannot be read'
    """
    wanted = code.strip().upper()
    wanted = next((known for known, row in TABLE.items() if row.kind.upper() == wanted), wanted)
    if wanted not in TABLE:
        raise SettingsError(f"--explain: there is no code '{code}'", hint=_hint(wanted))
    from gradcheck.examples import HELP

    row, more = TABLE[wanted], HELP[wanted]
    example = textwrap.indent(more.example, "  ")
    return "\n\n".join(
        (
            f"{wanted} {row.kind}: {row.title}",
            textwrap.fill(row.explanation, 88),
            f"Example:\n{example}",
            textwrap.fill(f"What to do: {more.remedy}", 88) + "\n",
        )
    )


def _hint(wanted: str) -> str:
    """Codes that begin alike, or that are nearly the same; else how to see them all."""
    alike = [code for code in TABLE if wanted and code.startswith(wanted)]
    names = {row.kind.upper(): code for code, row in TABLE.items()}
    near = difflib.get_close_matches(wanted, [*TABLE, *names], 3, cutoff=0.7)
    found = alike or [names.get(name, name) for name in near]
    listed = [f"{code} ({TABLE[code].kind})" for code in found[:12]]
    return "did you mean " + ", ".join(listed) + "?" if listed else "the codes are listed by --explain all"


def listed() -> str:
    """All codes with their titles, a line each."""
    return "".join(f"{code}  {TABLE[code].kind:<34} {TABLE[code].title}\n" for code in sorted(TABLE))
