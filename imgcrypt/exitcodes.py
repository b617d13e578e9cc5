"""How the commands end. ``imgcrypt --help`` tells it."""

from __future__ import annotations

WHOLE = 0
ERROR = 1
USAGE = 2
"""As click and argparse have it."""
COARSER = 3
"""A picture was written from what is left of a file: authentic, but not all of it."""
UNPROVEN = 4
"""A picture was written of which not all is authentic."""
INTERRUPTED = 130
"""By Ctrl-C: 128 and the signal's number, as shells count."""
