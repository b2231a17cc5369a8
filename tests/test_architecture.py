"""The map, docs/architecture.md, names only what exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py(?::[\w.]+)?|[\w/]+/)`", MAP)))


@pytest.mark.parametrize("name", NAMED)
def test_what_the_map_names_exists(name: str) -> None:
    path, _, attribute = name.partition(":")
    inside = not path.startswith(("tests/", "fixtures/", "gradcheck/", "benchmarks/"))
    assert (ROOT / "gradcheck" / path if inside else ROOT / path).exists()
    if attribute:
        thing = import_module("gradcheck." + path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        for part in attribute.split("."):
            thing = getattr(thing, part)


def test_the_map_names_every_file_of_the_check() -> None:
    files = {path.name for path in (ROOT / "gradcheck" / "check").glob("*.py")}
    named = {name.removeprefix("check/").partition(":")[0] for name in NAMED if name.startswith("check/")}
    assert files - named <= {"__init__.py", "spaces.py"}
