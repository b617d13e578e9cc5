"""The ``imgcrypt`` command, and ``python -m imgcrypt``: ends without a traceback where loading it is interrupted."""

from __future__ import annotations

import os

from imgcrypt import exitcodes


def main() -> None:
    """Run the command."""
    try:
        from imgcrypt import cli

        cli.main()
    except KeyboardInterrupt:
        # At once: another thread may be compiling, and would still do so while the interpreter is taken down.
        os._exit(exitcodes.INTERRUPTED)


if __name__ == "__main__":
    main()
