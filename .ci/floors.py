"""Print the oldest releases that pyproject.toml allows, as pip constraints: ``numpy==2.0.0`` for ``numpy>=2.0.0``.

python .ci/floors.py > floors.txt && pip install -c floors.txt -e '.[test]'
"""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
    name, operator, version = requirement.partition(">=")
    if not operator:
        raise SystemExit(f"{requirement}: no lower bound")
    print(f"{name}=={version}")
