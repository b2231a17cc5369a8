"""The JSON schema of ``[tool.gradcheck]``, for editors and for validate-pyproject.

Made from the fields of the settings, so that it says what ``configuration.py`` accepts; ``gradcheck.schema.json`` is
what it makes, shipped for editors, and a test keeps the two the same. Written anew by

    python -m gradcheck.schema
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from gradcheck.options import CHOICES, EXPECTED, NUMBER_TEXTS, OF_CHECKS, OF_TABLE, VALUES, kebab
from gradcheck.report import FORMATS
from gradcheck.settings import RunOptions, Settings

FILE = Path(__file__).with_name("gradcheck.schema.json")
ID = "urn:gradcheck:configuration:1"

_TEXTS = {"anyOf": [{"type": ["string", "integer"]}, {"type": "array", "items": {"type": ["string", "integer"]}}]}
_TYPES: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "bool | None": {"type": "boolean"},
    "int": {"type": "integer"},
    "int | None": {"type": "integer"},
    "float | None": {"type": "number"},
    "str": {"type": "string"},
    "str | None": {"type": "string"},
    "tuple[str, ...]": _TEXTS,
}
# Lower bounds that the settings demand.
_LEAST = {"points": 1, "seed": 0, "rtol": 0, "atol": 0, "quiet": 0, "verbose": 0, "jobs": 0}


def tool_schema(tool: str = "gradcheck") -> dict[str, Any]:
    """The schema; the entry point ``validate_pyproject.tool_schema`` calls it with the name of the tool.

    >>> sorted(tool_schema()["properties"]["check"]["items"]["properties"])[:5]
    ['allow-inconclusive', 'argnum', 'at', 'atol', 'bounds']
    """
    own = {
        "target": {"type": "string", "description": "The function: module:function or path/to/file.py:function."},
        "name": {"type": "string", "description": "A name for reports."},
        "expect": {
            "enum": list(EXPECTED),
            "description": "The verdict that is right; another one is an error.",
            "default": "pass",
        },
    }
    check = {
        "type": "object",
        "additionalProperties": False,
        "required": ["target"],
        "properties": {**own, **{kebab(name): _property(name) for name in OF_CHECKS}},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": ID,
        "title": "Configuration of gradcheck",
        "description": f"[tool.{tool}] of pyproject.toml, or gradcheck.toml. The options of the command line.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{kebab(name): _property(name) for name in OF_TABLE},
            "check": {"type": "array", "items": check, "description": "A declared check; repeat the table for more."},
        },
    }


def _property(name: str) -> dict[str, Any]:
    field = next(f for f in (*dataclasses.fields(Settings), *dataclasses.fields(RunOptions)) if f.name == name)
    made = dict(_TYPES[str(field.type)])
    if name in VALUES:
        made = {"type": ["string", "number", "array", "object"]}
    if name in NUMBER_TEXTS:
        made = {"type": ["string", "integer"]}
    if name in CHOICES or name == "format":
        made = {"enum": list(CHOICES.get(name, tuple(FORMATS)))}
    if name in _LEAST:
        made["minimum"] = _LEAST[name]
    description = _DESCRIPTIONS[name]
    made["description"] = description[0].upper() + description[1:]
    if field.default is not None and not isinstance(field.default, tuple):
        made["default"] = field.default
    return made


def _described(cls: type) -> dict[str, str]:
    """What the docstring of a class says of its attributes; ``rtol, atol: ...`` is said of both."""
    text = (cls.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^        (\w[\w, ]*): (.*(?:\n            .*)*)", text, re.MULTILINE)
    return {name: " ".join(said.split()).replace("``", "") for names, said in rows for name in names.split(", ")}


_DESCRIPTIONS = {**_described(Settings), **_described(RunOptions)}


def written() -> str:
    """The schema as the file has it."""
    return json.dumps(tool_schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
