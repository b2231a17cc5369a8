"""The console script ``gradcheck`` and ``python -m gradcheck``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command in a process of its own and end it with the exit code."""
    # `python -m` puts the working directory first: a typer.py or rich.py of the user's must not be taken for
    # ours. Where targets are loaded it comes back (loading.extend_path), and such a file is refused by name.
    if __name__ == "__main__" and not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
        del sys.path[0]
    from gradcheck import collecting

    collecting.seldom()
    from gradcheck import cli
    from gradcheck.command import INTERRUPTED

    try:
        code = cli.main(standalone=True)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
