"""Puts tables between the markers of the documents: ``<!-- NAME: begin (...) -->`` and ``<!-- NAME: end -->``."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PERFORMANCE = ROOT / "docs" / "performance.md"
README = ROOT / "README.md"


def replaced(text: str, name: str, content: str) -> str:
    """The text with new content between the markers of this name.

    Raises:
        ValueError: the markers are not there exactly once.
    """
    pattern = re.compile(rf"(<!-- {re.escape(name)}: begin [^\n]*-->\n).*?(<!-- {re.escape(name)}: end -->)", re.DOTALL)
    new, count = pattern.subn(lambda found: f"{found[1]}{content}\n{found[2]}", text)
    if count != 1:
        raise ValueError(f"markers of {name!r} found {count} times, not once")
    return new


def update(path: Path, name: str, content: str) -> None:
    """Write the content between the markers of a file."""
    path.write_text(replaced(path.read_text(encoding="utf-8"), name, content), encoding="utf-8")
