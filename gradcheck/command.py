"""What the command does once its options are known: the configuration, the checks, the reports, the exit code.

Below ``cli.py``, which knows typer's options and nothing of this; ``watch.py`` comes here for each of its runs. Like
there, nothing loads NumPy, SciPy or rich before a check runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gradcheck.collecting import as_usual
from gradcheck.errors import GradcheckError
from gradcheck.report import FORMATS, UNICODE, load, render
from gradcheck.report.style import Style, escaped
from gradcheck.settings import RunOptions, SettingsError
from gradcheck.streams import Output, OutputError, can_write, report_output, stays_alive, wants_color

if TYPE_CHECKING:
    from gradcheck.configuration import Configuration, Value
    from gradcheck.discovery import Plan
    from gradcheck.outcomes import Run
    from gradcheck.outputs import Destination

OK, WRONG, COULD_NOT_RUN, BUG, NOTHING, INTERRUPTED = 0, 1, 2, 4, 5, 130


def configured_by(given: dict[str, Any], file: str | None, isolated: bool) -> Configuration:
    """The layers of the run, whose values can be.

    Raises:
        GradcheckError: they cannot.
    """
    from gradcheck.configuration import load as load_configuration

    configuration = load_configuration(given, os.environ, file=file, isolated=isolated)
    values = configuration.values()
    _one_of(values["format"], tuple(FORMATS))
    _one_of(values["color"], ("auto", "always", "never"))
    configuration.settings()
    return configuration


def files_of(configuration: Configuration) -> Sequence[Destination]:
    """Where reports are to be written."""
    from gradcheck.outputs import destinations

    options, values = configuration.run_options(), configuration.values()
    sources = {name: values[name].source for name in ("report", "output", "plot")}
    return destinations(options.report, _path(options.output), options.format, _path(options.plot), sources)


def _one_of(value: Value, choices: tuple[str, ...]) -> None:
    if value.value not in choices:
        raise SettingsError(f"{value.source}: {value.value} is not one of {', '.join(choices)}")


def complain(err: GradcheckError) -> None:
    """Tell a mistake in the options: two lines on stderr."""
    place = f" ({err.where})" if err.where else ""
    code = f"{err.code}: " if err.code else ""
    typer.echo(escaped(f"gradcheck: {code}{err.message}{place}"), err=True)
    if err.hint:
        typer.echo(escaped(f"  hint: {err.hint}"), err=True)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def check(
    targets: list[str],
    configuration: Configuration,
    options: RunOptions,
    files: Sequence[Destination] = (),
    *,
    listed: bool = False,
    narrow: Callable[[Plan], Plan] | None = None,
    standalone: bool = False,
) -> int:
    """Run the checks and write the reports, or list the checks; returns the exit code.

    Args:
        narrow: makes another plan of the plan.
        standalone: the process ends afterwards, stdout need not be given back.
    """
    with report_output(restore=not standalone) as stdout, stays_alive(restore=not standalone):
        from gradcheck.discovery import discover
        from gradcheck.outputs import studies_for
        from gradcheck.runner import listing

        # Before the user's folder is first on the path.
        load(options.format)
        for file in files:
            file.load()
        try:
            plan = discover(targets, configuration).studied(studies_for(files, options.format))
        except GradcheckError as err:
            complain(err)
            return COULD_NOT_RUN
        plan = narrow(plan) if narrow else plan
        _remarks(plan, options)
        if listed:
            stdout.write(listing(plan))
            return _listed(plan, options)
        result = _run(plan, targets, configuration, options)
        unwritten = _write(result, options, files, stdout)
        if result.interrupted:
            typer.echo(escaped(f"gradcheck: {result.interrupted}"), err=True)
        # A wrong derivative, a bug or an interrupt is still that.
        return COULD_NOT_RUN if unwritten and result.exit_code not in (WRONG, BUG, INTERRUPTED) else result.exit_code


def again(
    targets: list[str], given: dict[str, Any], file: str | None, isolated: bool, narrow: Callable[[Plan], Plan]
) -> None:
    """One of the runs of a watch, in a process of its own, with the configuration as it is now."""
    try:
        configuration = configured_by(given, file, isolated)
        options = configuration.run_options()
        check(targets, configuration, options, files_of(configuration), narrow=narrow, standalone=True)
    except GradcheckError as err:
        complain(err)
    except Exception as err:
        own_bug(err)


def _run(plan: Plan, targets: list[str], configuration: Configuration, options: RunOptions) -> Run:
    """Carry out the plan, with a bar if it takes long."""
    from gradcheck.progress import ProgressBar, wanted
    from gradcheck.runner import run

    with ProgressBar(color=wants_color(options.color, True, os.environ)) as bar:
        show = bar.update if wanted(options.quiet) else None
        jobs = options.jobs or os.cpu_count() or 1
        if jobs > 1 and len(plan.items) > 1:
            from gradcheck.jobs import run_in_processes

            request = (targets, configuration)
            return run_in_processes(plan, configuration.settings(), request, jobs, show, stays_alive)
        if plan.items:
            import gradcheck.check.core  # noqa: F401  the last that is loaded, but for rules and the report
        as_usual()
        return run(plan, configuration.settings(), show, allow_empty=options.allow_empty)


def _write(result: Run, options: RunOptions, files: Sequence[Destination], stdout: Output) -> bool:
    """Write all reports; whether one could not be written, which is told."""
    from gradcheck.outputs import write_all

    unwritten = write_all(result, files, _style(options, None), stdout)
    try:
        if options.output is None:
            text = render(options.format, result, _style(options, stdout))
            stdout.write(text, "utf-8" if options.format in UNICODE and not stdout.is_terminal else None)
    except OutputError as err:
        unwritten.append(err)
    for each in unwritten:
        complain(each)
    return bool(unwritten)


def _listed(plan: Plan, options: RunOptions) -> int:
    """Tell the targets that cannot be listed; returns the exit code."""
    from gradcheck.runner import problems_of

    for problem in problems_of(plan):
        place = f" ({problem.where})" if problem.where else ""
        typer.echo(escaped(f"gradcheck: {problem.code}: {problem.message}{place}"), err=True)
    if any(problem.bug for problem in problems_of(plan)):
        return BUG
    nothing = OK if options.allow_empty else NOTHING
    return COULD_NOT_RUN if problems_of(plan) else OK if plan.items else nothing


def _remarks(plan: Plan, options: RunOptions) -> None:
    """Tell on stderr what is not in the report: files without checks, and that nothing is there at all."""
    if options.quiet >= 2:
        return
    for remark in plan.remarks:
        typer.echo(escaped(f"gradcheck: {remark}"), err=True)
    if plan.nothing and not options.allow_empty:
        complain(SettingsError(f"nothing was checked: {plan.nothing}", hint=plan.hint, code=""))


def _style(options: RunOptions, stdout: Output | None) -> Style:
    """How the report looks at its destination; None is a file."""
    terminal = stdout is not None and stdout.is_terminal
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() and int(columns) > 0 else stdout.columns if stdout else None
    return Style(
        color=wants_color(options.color, terminal, os.environ if stdout else {}),
        width=(width or 80) if terminal else None,
        ascii=stdout is not None and not can_write("±×─", stdout.encoding),
        verbose=options.verbose,
        quiet=options.quiet,
        traceback=options.traceback,
    )


def own_bug(err: Exception) -> int:
    """Something of ours failed outside a check: a report format, the command line itself."""
    import traceback

    asked = "--traceback" in sys.argv
    text = "".join(traceback.format_exception(err)) if asked else f"gradcheck failed: {type(err).__name__}: {err}\n"
    sys.stderr.write(text)
    sys.stderr.write("  hint: this is a bug in gradcheck; please report it with the output of --traceback\n")
    return BUG
