"""What there is to do: the walk through the sources, what is done already, and the rest in shards."""

from __future__ import annotations

import collections
import dataclasses
import fnmatch
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from imgcrypt import naming
from imgcrypt.batch import manifest, stores, work
from imgcrypt.batch.manifest import KEPT, Account, Result
from imgcrypt.batch.stores import Listed, Place
from imgcrypt.batch.work import Settings
from imgcrypt.errors import ImgcryptError

AHEAD = 100_000
"""Files that the walk runs ahead of the work, so that the time left can be told: some 40 MB."""
MOST = 256
"""Files of a shard."""
LEAST = 4
"""Files of a shard, where there are enough for every worker: each shard is a manifest more."""
LATER = 900_000
"""Numbers of shards that are made of what another shard left undone begin here."""
PICTURES = naming.PICTURE_SUFFIXES | {".heic", ".jxl"}


@dataclasses.dataclass(frozen=True)
class Item:
    """A file that is to be worked on."""

    source: str
    name: str
    """In the tree, relative."""
    size: int
    stamp: str
    content: bytes = b""
    """Digest of the content that it had when its output, which is there, was made; see manifest.Account."""
    ours: tuple[str, ...] = ()
    """Outputs of it that are there and that a run made: they may be replaced."""
    refused: str = ""
    """Why it is not worked on at all."""
    sealed: str = ""
    """SHA-256 that a file to be checked should have."""
    tries: int = 0
    """How many workers died of it."""

    def result(self, status: str, error: str | None = None) -> Result:
        """What is said of it without working on it."""
        return Result(self.source, self.name, status, bytes_in=self.size, stamp=self.stamp, error=error)


@dataclasses.dataclass(frozen=True)
class Shard:
    """Files that are one task."""

    number: int
    items: tuple[Item, ...]


class Plan:
    """Walks through the sources, and hands out what is to be done in shards.

    ``kept`` are results of files that are done already, to be taken and told; ``skipped`` counts what is no picture.

    Args:
        sources: paths and URLs of files and folders.
        target: of the outputs.
        settings: what is to be done.
        glob: names that are taken, instead of those of pictures.
        force: do everything anew.

    Raises:
        ImgcryptError: a source is not there, or two would be written under the same name.
    """

    def __init__(
        self, sources: Sequence[str], target: Place, settings: Settings, glob: str | None, force: bool
    ) -> None:
        self._target, self._settings, self._glob, self._force = target, settings, glob, force
        self._encrypting = settings.action == work.ENCRYPT
        places = [(source, stores.place(source)) for source in sources]
        self._roots: list[tuple[Place, str, str]] = []
        for source, place in places:
            kind = stores.kind(place)
            if kind is None:
                raise ImgcryptError(f"cannot read {source}: there is no such file or folder")
            own = PurePosixPath(place.path).name
            # One folder's contents become the target's; several folders keep their names.
            self._roots.append((place, kind, own if kind != "directory" or len(places) > 1 else ""))
        names = [self._key(name) for _, _, name in self._roots]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ImgcryptError(f"two sources are called {twice}, and both would become it: name them in two runs")
        self._known = manifest.known(target)
        self._ahead: collections.deque[Item] = collections.deque()
        self.kept: collections.deque[Result] = collections.deque()
        self.skipped = 0
        self.found = 0
        """Files so far that are to be worked on."""
        self.complete = False
        """Whether the walk is at its end, and ``found`` is all."""
        self._items = self._walk()

    def shards(self, workers: Callable[[], int]) -> Iterator[Shard]:
        """What is to be done. Shards become smaller towards the end, so that all workers end together.

        Args:
            workers: how many there are, as far as known.
        """
        number = 0
        while True:
            self.look_ahead()
            if not self._ahead:
                return
            count = max(1, workers())
            least = max(1, min(LEAST, self.found // count))
            size = max(least, min(MOST, len(self._ahead) // (4 * count)))
            yield Shard(number, tuple(self._ahead.popleft() for _ in range(min(size, len(self._ahead)))))
            number += 1

    def look_ahead(self) -> None:
        """Walk on, to the end or until AHEAD files wait."""
        while not self.complete and len(self._ahead) < AHEAD:
            item = next(self._items, None)
            if item is None:
                self.complete = True
            else:
                self.found += 1
                self._ahead.append(item)

    def _walk(self) -> Iterator[Item]:
        for place, kind, own in self._roots:
            if kind != "directory":
                there = self._there("")
                yield from self._item(place, own, stores.file(place), there)
                continue
            # A stack, not recursion: trees are as deep as anybody makes them.
            rest = [own]
            while rest:
                relative = rest.pop()
                inside = relative.removeprefix(own).strip("/")
                folder = place.child(inside)
                try:
                    listed = stores.listing(folder)
                except ImgcryptError as error:
                    yield Item(str(folder), relative or ".", 0, "", refused=str(error))
                    continue
                there = self._there(relative)
                below = []
                for each in listed:
                    name = f"{relative}/{each.name}" if relative else each.name
                    if each.kind == "directory":
                        if each.name != manifest.FOLDER and not self._is_target(folder.child(each.name)):
                            below.append(name)
                    elif each.kind == "file" and self._wanted(each.name):
                        yield from self._item(folder.child(each.name), name, each, there)
                    else:
                        self.skipped += 1
                rest.extend(reversed(below))

    def _item(self, place: Place, name: str, listed: Listed, there: dict[str, int]) -> Iterator[Item]:
        """The file, if there is anything to do for it; what is done is put to ``kept``."""
        item = Item(str(place), name, listed.size, listed.stamp)
        stem = self._key(name)
        if not stem:
            yield dataclasses.replace(item, refused=f"its name is no picture's with {naming.SUFFIX} behind it")
            return
        folder = f"{PurePosixPath(name).parent}/".removeprefix("./")
        own = PurePosixPath(stem).name
        # Decrypted pictures may have a suffix more than their ciphertext's name says.
        possible = [own] if self._encrypting else [own, *(own + suffix for suffix in (".png", ".tif", ".bmp", ".jpg"))]
        present = [folder + each for each in possible if each in there]
        sizes = {folder + each: there[each] for each in possible if each in there}
        account = self._known.get(manifest.short(name))
        ours = tuple(each for each in present if account and account.made in (b"", manifest.made(each, sizes[each])))
        if account and ours and account.made and not self._force:
            self._check_settings(account, ours[0])
            if account.seen == manifest.seen(listed.size, listed.stamp):
                self.kept.append(dataclasses.replace(item.result(KEPT), target=ours[0], bytes_out=sizes[ours[0]]))
                return
            item = dataclasses.replace(item, content=account.content)
        if self._encrypting and present and not ours and not self._force:
            there_is = f"{self._target.child(present[0])} exists, and no manifest tells of it"
            item = dataclasses.replace(item, refused=f"{there_is}; --force (force=True) replaces it")
        yield dataclasses.replace(item, ours=ours)

    def _check_settings(self, account: Account, name: str) -> None:
        if account.settings != manifest.short(self._settings.text()):
            raise ImgcryptError(
                f"{self._target.child(name)} was made with other settings, or for other recipients: give the same "
                "again, or another target, or --force (force=True), which makes all anew"
            )

    def _key(self, name: str) -> str:
        """The output's name, but for a suffix that shows later; empty if it can have none."""
        return name + naming.SUFFIX if self._encrypting else naming.stripped(name) or ""

    def _wanted(self, name: str) -> bool:
        if name.startswith(".imgcrypt-") and name.endswith(".part"):
            return False
        lower = name.lower()
        if not self._encrypting:
            return lower.endswith(naming.SUFFIX) and (self._glob is None or fnmatch.fnmatch(name, self._glob))
        if self._glob is not None:
            return fnmatch.fnmatch(name, self._glob)
        if self._settings.exact:
            return not lower.endswith(naming.SUFFIX)
        return PurePosixPath(lower).suffix in PICTURES

    def _is_target(self, folder: Place) -> bool:
        return folder.fs == self._target.fs and folder.path.rstrip("/") == self._target.path.rstrip("/")

    def _there(self, folder: str) -> dict[str, int]:
        return {each.name: each.size for each in stores.listing(self._target.child(folder)) if each.kind != "directory"}
