"""The report as one HTML file for a CI artifact: no network, no further files, works without scripts.

Summary; for each check findings with their explanation, the entries, the point, how to reproduce it, and the pictures
that explain the numbers (``pictures.py``). Style sheets and script stand beside this file and are put into it. The
user's text is escaped everywhere.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Sequence

from gradcheck._version import __version__
from gradcheck.check.codes import CODES
from gradcheck.check.result import Result, StepStudy
from gradcheck.explain import REQUEST_CODES
from gradcheck.outcomes import Outcome, Run, Status
from gradcheck.report import numbers
from gradcheck.report.common import (
    NAMES,
    SET_ASIDE,
    VALUE_ROWS,
    Issue,
    Row,
    aside,
    calls_text,
    compared,
    entry_of,
    extra_text,
    headline,
    issues,
    ordered,
    place,
    point_text,
    reason_text,
    shown_point,
    sort_of,
    summary,
    title,
    word,
    worst_first,
)
from gradcheck.report.pictures import Picture, heat_picture, scatter_picture, steps_picture
from gradcheck.report.style import Style
from gradcheck.report.svg import tag, text_of

#: Rows of entries that did not pass, and checks that are written out; a file must open in a browser.
MOST_ROWS, MOST_CHECKS = 200, 400
_SIGNS = {
    "PASS": "✓",
    "FAIL": "✗",
    "INCONCLUSIVE": "?",
    "ERROR": "!",
    "UNEXPECTED": "≠",
    "IGNORED": "–",
    "EXPECTED": "=",
}


def render(run: Run, style: Style) -> str:
    """The whole run as a page; verbosity and width do not change it."""
    shown = ordered(run)[:MOST_CHECKS]
    head = tag("h1", "gradcheck report") + tag("button", "Dark colours", id="theme", type="button", hidden="hidden")
    if run.interrupted:
        head += tag("p", "This run was stopped: checks are missing below.", class_="total stopped")
    head += tag("p", text_of(summary(run)), tag("span", f" ({run.seconds:.1f} s)", class_="soft"), class_="total")
    body = [
        tag("a", "Skip to the checks", class_="skip", href="#checks"),
        tag("header", head),
        tag("nav", _overview(shown, len(run.outcomes)), aria_label="Checks"),
        tag("main", *[_check(number, outcome) for number, outcome in shown], " ", id="checks", tabindex="-1"),
        tag("footer", _footer(run)),
        tag("div", " ", id="said", role="status", class_="soft"),
        f"<script>{_part('html.js')}</script>",
    ]
    name = text_of(f"gradcheck: {summary(run)}")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>\n{picture_style()}{_part('html.css')}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _part(name: str) -> str:
    """A file that stands beside this one."""
    return importlib.resources.files("gradcheck.report").joinpath(name).read_text(encoding="utf-8")


def picture_style() -> str:
    """The style sheet of the pictures, which one that stands alone needs, too."""
    return _part("pictures.css")


def _footer(run: Run) -> str:
    wanted = "each code of a finding is explained by " + tag("code", "gradcheck --explain CODE")
    return tag("p", text_of(f"gradcheck {__version__}, seed {run.settings.seed}, exit code {run.exit_code}; "), wanted)


def _badge(verdict: str) -> str:
    # The sign is for the eye; the word beside it is what is read out.
    return tag("span", tag("span", _SIGNS[verdict], aria_hidden="true"), f" {verdict}", class_=f"badge {verdict}")


def _overview(shown: Sequence[tuple[int, Outcome]], total: int) -> str:
    """All checks, each with a link."""
    if not shown:
        return tag("p", "Nothing was checked.")
    items = []
    for number, outcome in shown:
        link = tag("a", text_of(title(outcome)), href=f"#check-{number}")
        items.append(tag("li", tag("span", _badge(word(outcome))), link, tag("span", text_of(headline(outcome)))))
    more = tag("p", f"The first {len(shown)} of {total} checks; the JSON report has all.") if total > len(shown) else ""
    return tag("ul", *items, class_="overview", role="list") + more


def _table(caption: str, heads: Sequence[str], rows: Sequence[str], label: str, numeric: Sequence[str] = ()) -> str:
    """A table that scrolls sideways where it is too wide, by keyboard as well."""
    cells = (tag("th", text_of(h), scope="col", class_="n" if h in numeric else None) for h in heads)
    table = tag("table", caption, tag("thead", tag("tr", *cells)), tag("tbody", *rows))
    return tag("div", table, class_="scroll", role="group", aria_label=label, tabindex="0")


def _check(number: int, outcome: Outcome) -> str:
    """One check: folded if it passed, or did not and that is all right."""
    anchor = f"check-{number}"
    heading = tag("h2", text_of(title(outcome)))
    parts = [tag("p", text_of(headline(outcome))), *_context(outcome)]
    parts += [*_findings(outcome), *_aside(outcome)]
    if outcome.result is not None:
        parts += _entries(outcome.result) + _point(outcome.result)
    if outcome.reproduce:
        parts.append(tag("h3", "Reproduce"))
        copy = tag("button", "Copy", type="button", class_="copies", hidden="hidden", aria_label="Copy this command")
        parts.append(tag("div", tag("pre", tag("code", text_of(outcome.reproduce))), copy, class_="copy"))
    if outcome.result is not None:
        parts += _pictures(outcome.result, anchor)
    if outcome.status in (Status.PASSED, *SET_ASIDE):
        kind = "passed" if outcome.status is Status.PASSED else "aside"
        return tag("details", tag("summary", _badge(word(outcome)), heading), *parts, id=anchor, class_=kind)
    top = tag("div", _badge(word(outcome)), heading, class_="title")
    return tag("section", top, *parts, id=anchor)


def _context(outcome: Outcome) -> list[str]:
    """What was compared, and remarks."""
    result, parts = outcome.result, []
    if result is not None:
        what = f"Compared: {compared(result) or 'nothing'}; f at "
        spent = f"; {result.evaluations} evaluations{extra_text(result)}"
        parts.append(tag("p", text_of(what), tag("code", text_of(place(result))), text_of(spent), class_="soft"))
        if result.calls is not None:
            parts.append(tag("p", text_of(f"Autodiff: {calls_text(result.calls)}"), class_="soft"))
    if outcome.name or outcome.source != "command line":
        expected = f'; expect = "{outcome.expect}"' if outcome.expect != "pass" else ""
        parts.append(tag("p", "Asked for at ", tag("code", text_of(outcome.source)), text_of(expected), class_="soft"))
    parts += [tag("p", text_of(f"Note: {note}")) for note in outcome.notes]
    return parts


def _findings(outcome: Outcome) -> list[str]:
    found = issues(outcome)
    if not found:
        return []
    details = outcome.problem.details if outcome.problem else ()
    parts = [tag("h3", "Findings"), tag("ul", *[_finding(issue) for issue in found], class_="findings")]
    if details:
        parts.append(tag("ul", *[tag("li", text_of(detail)) for detail in details]))
    if outcome.problem and outcome.problem.traceback:
        shown = tag("pre", tag("code", text_of(outcome.problem.traceback)))
        parts.append(tag("details", tag("summary", "Traceback"), shown))
    return parts


def _aside(outcome: Outcome) -> list[str]:
    """What does not count, folded."""
    found = aside(outcome)
    if not found:
        return []
    what = "as expected" if outcome.status is Status.EXPECTED else "ignored"
    title = f"{len(found)} finding{'s' * (len(found) != 1)} {what}"
    return [tag("details", tag("summary", title), tag("ul", *[_finding(issue) for issue in found], class_="findings"))]


def _finding(issue: Issue) -> str:
    where = " (" + tag("code", text_of(str(issue.where))) + ")" if issue.where and issue.known else ""
    row = (REQUEST_CODES | CODES).get(issue.code)
    parts = [
        text_of(f"{sort_of(issue.code)[0]} "),
        tag("strong", text_of(f"{issue.code} {issue.kind}")),
        text_of(f": {issue.text}") + where,
    ]
    if issue.reason:
        parts.append(tag("span", text_of(reason_text(issue.reason)), class_="hint"))
    elif issue.hint:
        parts.append(tag("span", text_of(f"Hint: {issue.hint}"), class_="hint soft"))
    if row is not None:
        meaning = tag("p", tag("strong", text_of(row.title)), text_of(f". {row.explanation}"))
        parts.append(tag("details", tag("summary", f"What {issue.code} means"), meaning))
    return tag("li", *parts)


def _entries(result: Result) -> list[str]:
    """The entries that did not pass, and of the others those at the point looked at first."""
    bad = worst_first(result.entries)
    at = result.worst_point
    labels = {row.entry.label for row in bad}
    good = [Row(e, 1) for e in result.entries if e.point == at and e.label not in labels]
    parts = []
    if bad:
        caption = "Entries that did not pass, each at its worst point" + _cut(len(bad), MOST_ROWS)
        parts += [tag("h3", "Entries"), _entry_table(bad[:MOST_ROWS], result, caption)]
    if good:
        where = f" at point {at + 1}" if len(result.points) > 1 else ""
        table = _entry_table(good[:VALUE_ROWS], result, f"Entries that passed{where}" + _cut(len(good), VALUE_ROWS))
        parts.append(tag("details", tag("summary", f"Entries that passed{where}"), table) if bad else table)
    return parts if bad or not good else [tag("h3", "Entries"), *parts]


def _cut(count: int, most: int) -> str:
    return f" (the first {most} of {count}; the JSON report has all)" if count > most else ""


def _entry_table(rows: Sequence[Row], result: Result, caption: str) -> str:
    entries = [row.entry for row in rows]
    witnesses = [name for name in ("yours", "autodiff") if any(getattr(e, name) is not None for e in entries)]
    several = len(result.points) > 1 and any(row.points > 1 for row in rows)
    noted = any(e.note for e in entries)
    numeric = [*witnesses, "measured ± error", "rel. diff.", "points"]
    heads = ["entry", *witnesses, "measured ± error", "rel. diff.", *["points"] * several, "verdict", *["note"] * noted]
    lines = [_entry_row(row, witnesses, several, noted) for row in rows]
    return _table(tag("caption", text_of(caption)), heads, lines, caption, numeric)


def _entry_row(row: Row, witnesses: Iterable[str], several: bool, noted: bool) -> str:
    entry, digits = row.entry, numbers.digits_for(row.entry)
    error = f" ± {numbers.bar(entry.error)}" if entry.error is not None else ""
    texts = [numbers.number(getattr(entry, name), digits) for name in witnesses]
    texts += [numbers.measured(entry.measured, entry.error, digits) + error, numbers.relative(entry.difference)]
    texts += [str(row.points)] * several
    verdict = NAMES[entry.verdict]
    cells = [tag("th", tag("code", text_of(entry.label)), scope="row")]
    cells += [tag("td", text_of(text) or "–", class_="n") for text in texts]
    cells.append(tag("td", f"{_SIGNS[verdict]} {verdict}", class_=f"v {verdict}"))
    return tag("tr", *cells, *[tag("td", text_of(entry.note) or " ", class_="note")] * noted)


def _point(result: Result) -> list[str]:
    at = shown_point(result)
    if at is None:
        return []
    written, how = point_text(at[1], result)
    value = result.value[result.worst_point] if result.worst_point < len(result.value) else ""
    shown = tag("p", text_of("f is "), tag("code", text_of(value)), " there.") if value else ""
    name = at[0].capitalize() + (f" of {len(result.points)}" if len(result.points) > 1 else "")
    return [tag("h3", name), tag("pre", tag("code", text_of(written))), tag("p", text_of(how), class_="how"), shown]


def _pictures(result: Result, anchor: str) -> list[str]:
    found = [
        _figure(steps_picture(study, f"{anchor}-steps-{k}", entry_of(result, study).note), study)
        for k, study in enumerate(result.studies)
    ]
    others = [scatter_picture(result, f"{anchor}-scatter"), heat_picture(result, result.worst_point, f"{anchor}-heat")]
    found += [_figure(picture) for picture in others if picture is not None]
    return [tag("h3", "Pictures"), tag("div", *found, class_="pictures")] if found else []


def _figure(picture: Picture, study: StepStudy | None = None) -> str:
    parts = [tag("h4", text_of(picture.title)), picture.svg, tag("figcaption", text_of(picture.caption))]
    if study is not None:
        parts.append(tag("details", tag("summary", "The steps as numbers"), _steps_table(study), class_="numbers"))
    return tag("figure", *parts)


def _steps_table(study: StepStudy) -> str:
    rows = []
    for step in study.steps:
        texts = [numbers.number(step.value, 10), numbers.bar(step.noise), numbers.bar(step.error)]
        cells = [tag("td", text_of(text) or "–", class_="n") for text in texts]
        use = "verdict" if step.used else "picture"
        rows.append(tag("tr", tag("th", f"{step.length:.3e}", scope="row", class_="n"), *cells, tag("td", use)))
    heads = ("step", "difference", "rounding", "distance", "for the")
    caption = tag("caption", text_of(f"Differences of {study.label} at each step"))
    return _table(caption, heads, rows, f"Steps of {study.label}", heads[:4])
