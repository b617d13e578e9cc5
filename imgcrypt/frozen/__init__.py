"""Tells PyInstaller what a frozen program needs of this package; it asks by the entry point ``pyinstaller40``."""

from __future__ import annotations

from pathlib import Path


def hook_folders() -> list[str]:
    """The folder with ``hook-imgcrypt.py``."""
    return [str(Path(__file__).parent)]
