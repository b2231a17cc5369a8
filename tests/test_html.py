"""The HTML report: structure and what it must not hold everywhere, and a look at it in a real browser where one is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import html5lib
import pytest

from gradcheck.check.result import Verdict
from gradcheck.report import html, render
from gradcheck.report.pictures import heat_picture, scatter_picture, steps_picture
from gradcheck.report.style import Style
from gradcheck.runner import Run
from gradcheck.settings import Settings
from tests.report_runs import judged_run, nasty_run, real_run, working_in

SVG = "{http://www.w3.org/2000/svg}"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("html")
    with working_in(folder):
        return real_run(folder)


def parsed(text: str) -> ET.Element:
    """The page by the rules of HTML5; anything malformed is an error."""
    page: ET.Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    return page


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("judged")
    with working_in(folder):
        return judged_run(folder)


@pytest.fixture(params=["real", "judged", "nasty", "empty"])
def page(request: pytest.FixtureRequest, real: Run, judged: Run) -> ET.Element:
    run = {"real": real, "judged": judged, "nasty": nasty_run(), "empty": Run((), Settings())}[request.param]
    return parsed(render("html", run, Style()))


# structure


def test_one_h1_and_no_level_left_out(page: ET.Element) -> None:
    levels = [int(e.tag[1]) for e in page.iter() if isinstance(e.tag, str) and re.fullmatch(r"h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ids_are_unique_and_references_lead_somewhere(page: ET.Element) -> None:
    ids = Counter(e.get("id") for e in page.iter() if e.get("id"))
    assert set(ids.values()) <= {1}
    for element in page.iter():
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((element.get(name) or "").split()) <= set(ids)
        if element.tag == "a":
            assert element.get("href", "")[1:] in ids


def test_landmarks(page: ET.Element) -> None:
    for name in ("header", "nav", "main", "footer"):
        assert len(list(page.iter(name))) == 1
    assert page.get("lang") == "en"
    assert page.findtext("head/title", "").startswith("gradcheck: ")


def test_nothing_from_elsewhere(real: Run) -> None:
    text = render("html", real, Style())
    page = parsed(text)
    tags = {e.tag for e in page.iter() if isinstance(e.tag, str)}
    assert not tags & {"link", "img", "iframe", "object", "embed", "base", "audio", "video"}
    for element in page.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            if name in ("src", "href", "action", "data", "srcset", "poster"):
                assert value.startswith("#")
    assert not re.search(r"@import|url\(", text)
    assert set(re.findall(r"https?://[^\s\"<]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_tables_have_headings_with_a_scope(page: ET.Element) -> None:
    for table in page.iter("table"):
        assert table.find("caption") is not None
        heads = list(table.iterfind("thead/tr/th"))
        assert {h.get("scope") for h in heads} == {"col"}
        for row in table.iterfind("tbody/tr"):
            assert [c.get("scope") for c in row.iter("th")] == ["row"]
            assert len(list(row)) == len(heads)


def test_pictures_have_names_and_descriptions(page: ET.Element) -> None:
    for svg in page.iter(f"{SVG}svg"):
        assert svg.get("role") == "img"
        assert len((svg.get("aria-labelledby") or "").split()) == 2
        assert svg.findtext(f"{SVG}title")
        assert svg.findtext(f"{SVG}desc")


def test_the_users_text_is_text() -> None:
    text = render("html", nasty_run(), Style())
    assert len(re.findall(r"<script\b", text)) == 1
    page = parsed(text)
    assert "<script>alert(1)</script> </details></title>" in "".join(page.itertext())
    text.encode()  # a lone surrogate cannot be written


def test_every_check_is_there(real: Run) -> None:
    page = parsed(render("html", real, Style()))
    sections, folded = list(page.iter("section")), [d for d in page.iter("details") if d.get("class") == "passed"]
    passed = real.count(Verdict.PASS)
    assert passed > 0
    assert (len(sections), len(folded)) == (len(real.outcomes) - passed, passed)
    assert len(list(page.iterfind(".//nav/ul/li"))) == len(real.outcomes)
    words = Counter(badge[-1].tail.strip() for s in sections for badge in s.iterfind(".//span[@class]") if len(badge))
    assert {"FAIL", "INCONCLUSIVE", "ERROR"} <= set(words)
    commands = [e.text for e in page.iterfind(".//div[@class='copy']/pre/code")]
    assert len(commands) == sum(bool(o.reproduce) for o in real.outcomes)


def test_what_does_not_count_is_folded(judged: Run) -> None:
    page = parsed(render("html", judged, Style()))
    folded = [d for d in page.iter("details") if d.get("class") == "aside"]
    words = [badge.get("class", "").split()[-1] for d in folded for badge in d.findall("summary/span")]
    assert Counter(words) == {"EXPECTED": 3, "IGNORED": 3}
    texts = ["".join(d.itertext()) for d in folded]
    assert any("ignored by the comment at judged.py:23: the kink is meant" in text for text in texts)
    assert any('Asked for at judged.py:6; expect = "fail"' in text for text in texts)
    assert [s for s in page.iter("section") if "UNEXPECTED" in "".join(s.itertext())]
    careless = next(d for d in page.iter("details") if "judged.py:careless" in "".join(d.itertext()))
    assert "1 finding ignored" in [s.text for s in careless.iterfind("details/summary")]
    assert "This run was stopped" in "".join(page.itertext())


def test_what_is_left_out_of_many_checks_is_said(real: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MOST_CHECKS", 5)
    text = render("html", real, Style())
    assert f"The first 5 of {len(real.outcomes)} checks; the JSON report has all." in text
    assert len(list(parsed(text).iterfind(".//nav/ul/li"))) == len(list(parsed(text).iter("section"))) == 5


# pictures


def test_pictures_are_well_formed_and_within_their_frame(real: Run) -> None:
    drawn = []
    for outcome in (o for o in real.outcomes if o.result):
        assert outcome.result is not None
        found = [steps_picture(s, f"s{k}") for k, s in enumerate(outcome.result.studies)]
        found += [p for p in (scatter_picture(outcome.result, "a"), heat_picture(outcome.result, 0, "b")) if p]
        drawn += found
    assert len(drawn) > 15
    for picture in drawn:
        root = ET.fromstring(picture.svg)
        _, _, width, height = map(float, (root.get("viewBox") or "").split())
        for element in root.iter():
            for name in ("cx", "x1", "x2"):
                assert 0 <= float(element.get(name, "0")) <= width
            for name in ("cy", "y1", "y2"):
                assert -20 <= float(element.get(name, "0")) <= height
        assert not re.search(r"\b(nan|inf)\b", picture.svg.partition("</desc>")[2])


def test_the_heat_map_marks_what_is_wrong(real: Run) -> None:
    (jacobian,) = [o.result for o in real.outcomes if o.target == "odd.py:jac"]
    assert jacobian is not None
    picture = heat_picture(jacobian, 0, "h")
    assert picture is not None
    root = ET.fromstring(picture.svg)
    cells = [g for g in root.iter(f"{SVG}g") if g.find(f"{SVG}title") is not None]
    assert len(cells) == 30
    crossed = {g.findtext(f"{SVG}title", "").partition(":")[0] for g in cells if g.find(f"{SVG}path") is not None}
    assert crossed == {"df[2]/dx[3]", *(f"df[4]/dx[{j}]" for j in range(6))}
    assert picture.caption == "Each cell is an entry: 23 passed, 7 wrong."


# colours


def _palettes() -> list[dict[str, str]]:
    """The variables of each block of the style sheet that sets them."""
    style = re.findall(r"<style>(.*?)</style>", render("html", Run((), Settings()), Style()), re.DOTALL)[0]
    blocks = re.findall(r"\{([^{}]*--page:[^{}]*)\}", style)
    return [dict(re.findall(r"(--[a-z]+):\s*(#[0-9a-f]+)", block)) for block in blocks]


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) > 4 else "".join(c * 2 for c in color[1:])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast() -> None:
    light, dark, chosen_dark, paper = _palettes()
    assert dark == chosen_dark
    assert light.keys() == dark.keys() == paper.keys()
    for palette in (light, dark, paper):
        for ground in ("--page", "--card"):
            for text in ("--ink", "--soft", "--link", "--good", "--bad", "--open"):  # WCAG 2.2, 1.4.3
                assert _contrast(palette[ground], palette[text]) >= 4.5, (ground, text)
            for line in ("--used", "--rounding", "--truncation", "--heat"):  # 1.4.11
                assert _contrast(palette[ground], palette[line]) >= 3.0, (ground, line)


# a browser


def _browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    return found


def _open(page: Path, *options: str, timeout: float = 300.0) -> str:
    """What Chromium prints when it opens a page without a screen."""
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [_browser(), *quiet, profile, *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
    return done.stdout


@pytest.mark.parametrize(("name", "theme", "width"), [("light", "light", 1200), ("narrow-dark", "dark", 500)])
def test_screenshots(
    name: str, theme: str, width: int, real: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _browser()
    folder = Path(os.environ.get("GRADCHECK_ARTIFACTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page = tmp_path / "report.html"
    text = render("html", real, Style())
    page.write_text(text.replace('<html lang="en">', f'<html lang="en" data-theme="{theme}">'), encoding="utf-8")
    picture = folder / f"report-{name}.png"
    _open(page, f"--window-size={width},2400", f"--screenshot={picture}")
    content = picture.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(content[16:20], "big") == width
    assert len(content) > 30_000  # not an empty page
    with capsys.disabled():
        print(f"\nscreenshot of the HTML report: {picture}")


_PROBE = """<script>
const seen = {};
const theme = document.getElementById("theme");
seen.wide = document.documentElement.scrollWidth > innerWidth;
seen.hidden = theme.hidden;
const before = getComputedStyle(document.body).backgroundColor;
theme.click();
seen.changed = before !== getComputedStyle(document.body).backgroundColor;
theme.click();
seen.back = before === getComputedStyle(document.body).backgroundColor;
seen.copies = [...document.querySelectorAll("button.copies")].every((b) => !b.hidden);
location.hash = document.querySelector("details.passed").id;
dispatchEvent(new HashChangeEvent("hashchange"));
seen.opened = document.querySelector("details.passed").open;
dispatchEvent(new Event("beforeprint"));
seen.unfolded = document.querySelector("details:not([open]):not(.numbers)") === null;
seen.loaded = performance.getEntriesByType("resource").length;
document.title = JSON.stringify(seen);
</script></body>"""


def test_the_page_in_a_browser(real: Run, tmp_path: Path) -> None:
    page = tmp_path / "probe.html"
    page.write_text(render("html", real, Style()).replace("</body>", _PROBE), encoding="utf-8")
    title = re.findall(r"<title>(\{.*?\})</title>", _open(page, "--window-size=500,900", "--dump-dom"))
    assert title == [
        '{"wide":false,"hidden":false,"changed":true,"back":true,"copies":true,"opened":true,"unfolded":true,"loaded":0}'
    ]
