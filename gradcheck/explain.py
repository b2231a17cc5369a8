"""What a code means, for ``gradcheck --explain``: the table of the check floor and the codes of the floors above it.

Floor of settings. Loads nothing heavy.
"""

from __future__ import annotations

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
}


def explain(code: str) -> str:
    """The explanation of a code as text of a few lines.

    Raises:
        SettingsError: there is no such code.

    >>> explain("gc005").splitlines()[0]
    'GC005 bad-point: the point given with --at or --shape cannot be read'
    """
    table = {**REQUEST_CODES, **CODES}
    wanted = code.strip().upper()
    if wanted not in table:
        raise SettingsError(f"--explain: there is no code '{code}'", hint="the codes are " + ", ".join(sorted(table)))
    row = table[wanted]
    return f"{wanted} {row.kind}: {row.title}\n\n{textwrap.fill(row.explanation, 88)}\n"
