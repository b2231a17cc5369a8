"""The console script ``gradcheck`` and ``python -m gradcheck``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command in a process of its own and end it with the exit code."""
    from gradcheck import cli

    try:
        code = cli.main(standalone=True)
    except KeyboardInterrupt:
        code = cli.INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
