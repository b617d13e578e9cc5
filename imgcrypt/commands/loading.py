"""The kernels, loaded while a command reads its files."""

from __future__ import annotations

import threading
from collections.abc import Callable

from imgcrypt import compiled


def warm_up(everything: bool = False) -> None:
    """Load the kernels that pictures need, or all there are."""
    from imgcrypt import cipher, protection
    from imgcrypt.codec import picture

    cipher.warm_up(everything)
    picture.warm_up()
    if everything:
        protection.warm_up()


class Kernels:
    """Loads the kernels in the background; says so where they have to be compiled, which takes long."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._misses = compiled.misses()
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            warm_up()
        except BaseException as error:
            self._error = error

    def wait(self, tell: Callable[[str], None]) -> None:
        """Until they are there.

        Raises:
            BaseException: what the loading raised.
        """
        while self._thread.is_alive() and compiled.misses() == self._misses:
            self._thread.join(0.05)
        if self._thread.is_alive():
            tell("compiling the cipher, as the first time on a machine; it takes about half a minute ...")
            self._thread.join()
        if self._error is not None:
            raise self._error
