"""How ``gradcheck --help`` is laid out, and what is told to somebody who names nothing.

Part of the command line; the options with their texts are in ``cli.py``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from typer.core import TyperCommand

WHAT, WHERE, VERDICT, REPORT, OTHER = (
    *("What to check", "Where to check it", "Verdict", "Report"),
    "Other",
)

TARGET = "TARGET"
TARGET_HELP = (
    "module:function, path/to/file.py:function, or with Class.method after the colon; a file or a folder: all"
    " that is declared there, or has a derivative beside it; none: what the configuration says."
)

NOT_CONFIGURED = "no check is configured (pyproject.toml, gradcheck.toml)"
NO_TARGET = (
    "",
    "  gradcheck model.py:loss    check the derivative of a function",
    "  gradcheck model.py         check what is declared in a file, or has a derivative beside it",
    "  gradcheck -h               all options",
)


class GroupedHelp(TyperCommand):
    """typer's plain help with the options under the headings that ``rich_help_panel`` names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Asked to explain, and not what: all that there is.
        return super().parse_args(ctx, [*args, "all"] if args[-1:] == ["--explain"] else args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", f"[{TARGET}]..."]  # typer before 0.29 leaves out the dots

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if param.param_type_name == "argument":
                record = (TARGET, TARGET_HELP)
            if record is not None:
                # The other way round of a flag is there to undo a configuration, and needs no line.
                record = (record[0].partition(" / ")[0], record[1])
                groups[getattr(param, "rich_help_panel", None) or OTHER].append(record)
        for title in (WHAT, WHERE, VERDICT, REPORT, OTHER):
            with formatter.section(title):
                formatter.write_dl(groups[title])
