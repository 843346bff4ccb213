"""The file of a backup: a zip with a manifest, written in one pass and trusted in nothing.

Its comment is the SHA-256 of all before it, so that one changed bit anywhere is noticed; a sealed
file needs none, each of its chunks is authenticated.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

from core.backup.envelope import MAGIC, OpenEnvelope, SealedEnvelope
from core.errors import Refused
from core.i18n import gettext as _

__all__ = ["ArchiveReader", "ArchiveWriter", "damaged"]

MANIFEST = "manifest.json"
_LONGEST_MANIFEST = 64 << 20
_BLOCK = 1 << 20
_DIGITS = 64


def damaged(what: str) -> Refused:
    """The refusal of a file that is not what a backup writes."""
    return Refused(_("This backup cannot be used: %(what)s.", what=what))


class ArchiveWriter:
    """Writes ``path``, which appears only when all of it is on the disk."""

    def __init__(self, path: Path, passphrase: str | None) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file: BinaryIO = os.fdopen(descriptor, "w+b")
        self._sealed = SealedEnvelope(self._file, passphrase) if passphrase else None
        target = cast(IO[bytes], self._sealed or self._file)
        self._zip = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._zip.comment = b"0" * _DIGITS

    @contextmanager
    def member(self, name: str, *, packed: bool = True) -> Iterator[IO[bytes]]:
        """A stream for one member; members are written one after the other."""
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        entry.external_attr = 0o600 << 16
        with self._zip.open(entry, "w", force_zip64=True) as stream:
            yield stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            # What is given up writes its rest when it is closed, which a full disk refuses again.
            for each in (self._zip, self._sealed, self._file):
                with suppress(OSError, ValueError):
                    if each is not None:
                        each.close()
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._zip.close()
        if self._sealed is not None:
            self._sealed.close()
        else:
            end = self._file.seek(0, io.SEEK_END) - _DIGITS
            digest = _digest(self._file, end)
            self._file.seek(end)
            self._file.write(digest)
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(self._part, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class ArchiveReader:
    """Reads a backup. Whatever is wrong with the file is a `Refused` that says so."""

    def __init__(self, path: Path, passphrase: str | None) -> None:
        self._stack = ExitStack()
        try:
            file = self._stack.enter_context(path.open("rb"))
            is_sealed = file.read(len(MAGIC)) == MAGIC
            file.seek(0)
            if is_sealed and not passphrase:
                raise Refused(_("This backup is encrypted; give its passphrase."))
            if is_sealed:
                source: Any = io.BufferedReader(OpenEnvelope(file, passphrase or ""), _BLOCK)
            else:
                _check_digest(file)
                source = file
            with _complaints():
                self._zip = self._stack.enter_context(zipfile.ZipFile(source))
                self.sizes = self._check_names()
                self.manifest = self._read_manifest()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    @contextmanager
    def member(self, name: str) -> Iterator[IO[bytes]]:
        """A member to be read; it never gives more bytes than it says it has."""
        with _complaints(), self._zip.open(name) as stream:
            yield io.BufferedReader(cast(io.RawIOBase, stream), _BLOCK)

    def check_room(self, folder: Path) -> None:
        """Refuse what would not fit on the disk of ``folder`` when it is unpacked."""
        needed, free = sum(self.sizes.values()), shutil.disk_usage(folder).free
        if needed > free:
            room = _("it unpacks to %(needed)s MB, and %(free)s MB are free")
            raise damaged(room % {"needed": needed >> 20, "free": free >> 20})

    def _check_names(self) -> dict[str, int]:
        entries = self._zip.infolist()
        sizes = {entry.filename: entry.file_size for entry in entries}
        if len(sizes) != len(entries):
            raise damaged(_("a name occurs twice"))
        for entry in entries:
            if entry.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
                raise damaged(_("it is packed in an unknown way"))
        return sizes

    def _read_manifest(self) -> Any:
        if self.sizes.get(MANIFEST, _LONGEST_MANIFEST + 1) > _LONGEST_MANIFEST:
            raise damaged(_("it has no manifest"))
        with self._zip.open(MANIFEST) as stream:
            return json.loads(stream.read(_LONGEST_MANIFEST))


@contextmanager
def _complaints() -> Iterator[None]:
    import zlib

    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        KeyError,
    ) as error:
        raise damaged(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _check_digest(file: BinaryIO) -> None:
    end = file.seek(0, io.SEEK_END) - _DIGITS
    if end < 22:
        raise damaged(_("it is cut short"))
    file.seek(end)
    if file.read(_DIGITS) != _digest(file, end):
        raise damaged(_("it was changed or cut short after it was written"))
    file.seek(0)


def _digest(file: BinaryIO, end: int) -> bytes:
    digest, left = hashlib.sha256(), end
    file.seek(0)
    while left and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()
