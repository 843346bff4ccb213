"""A file under a passphrase: chunks that are each sealed, numbered, and read in any order.

The key comes of the passphrase by argon2id with a salt of the file's own, so that chunk numbers
serve as nonces. The last chunk is marked: a file cut short, or with chunks moved, does not open.
"""

from __future__ import annotations

import io
import os
import struct
from typing import BinaryIO

from core.errors import Refused
from core.i18n import gettext as _

__all__ = ["MAGIC", "OpenEnvelope", "SealedEnvelope"]

MAGIC = b"DOUGONG-SEALED-1"
_HEADER = struct.Struct(">16s16sIII")
_CHUNK = 1 << 20
_TAG = 16
#: RFC 9106, second recommended choice: 64 MiB, three passes, four lanes.
_PASSES, _MEMORY, _LANES = 3, 64 * 1024, 4
#: What a hostile header may at most ask of this machine.
_MOST_PASSES, _MOST_MEMORY, _MOST_LANES = 16, 1024 * 1024, 16


class SealedEnvelope(io.RawIOBase):
    """Writes what it is given to ``target``, sealed; `close` writes the last chunk."""

    def __init__(self, target: BinaryIO, passphrase: str) -> None:
        self._target = target
        self._header = _HEADER.pack(MAGIC, os.urandom(16), _PASSES, _MEMORY, _LANES)
        self._cipher = _cipher(self._header, passphrase)
        self._pending = bytearray()
        self._number = 0
        target.write(self._header)

    def writable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def write(self, data: object) -> int:
        """Take any number of bytes."""
        view = memoryview(data)  # type: ignore[arg-type]
        self._pending += view
        while len(self._pending) > _CHUNK:  # the last chunk is only known at the end
            self._seal(bytes(self._pending[:_CHUNK]), last=False)
            del self._pending[:_CHUNK]
        return view.nbytes

    def close(self) -> None:
        """Write what is left as the last chunk; the target stays open."""
        if not self.closed:
            self._seal(bytes(self._pending), last=True)
        super().close()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        nonce = _nonce(self._number, last=last)
        self._target.write(self._cipher.encrypt(nonce, chunk, self._header))
        self._number += 1


class OpenEnvelope(io.RawIOBase):
    """Reads a sealed file from any place. Raises `Refused` for a wrong passphrase or a changed file."""

    def __init__(self, source: BinaryIO, passphrase: str) -> None:
        self._source = source
        self._header = source.read(_HEADER.size)
        if len(self._header) < _HEADER.size or not self._header.startswith(MAGIC):
            raise Refused(_("This is no sealed backup."))
        self._cipher = _cipher(self._header, passphrase)
        body = source.seek(0, io.SEEK_END) - _HEADER.size
        self._chunks = max(1, -(-body // (_CHUNK + _TAG)))
        self._size = body - self._chunks * _TAG
        self._at = 0
        self._known: tuple[int, bytes] = (-1, b"")
        self._chunk(self._chunks - 1)  # whole, and the right passphrase: known at once

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.RawIOBase`."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: object) -> int:
        """See `io.RawIOBase`."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._at >= self._size or not view.nbytes:
            return 0
        number, start = divmod(self._at, _CHUNK)
        part = self._chunk(number)[start : start + view.nbytes]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _chunk(self, number: int) -> bytes:
        from cryptography.exceptions import InvalidTag

        if self._known[0] != number:
            last = number == self._chunks - 1
            self._source.seek(_HEADER.size + number * (_CHUNK + _TAG))
            sealed = self._source.read(_CHUNK + _TAG)
            try:
                opened = self._cipher.decrypt(_nonce(number, last=last), sealed, self._header)
            except InvalidTag:
                raise Refused(
                    _("The passphrase is wrong, or the backup was changed or cut short.")
                ) from None
            self._known = (number, opened)
        return self._known[1]


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _cipher(header: bytes, passphrase: str):  # type: ignore[no-untyped-def]
    from argon2.low_level import Type, hash_secret_raw
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    _magic, salt, passes, memory, lanes = _HEADER.unpack(header)
    if not (
        1 <= passes <= _MOST_PASSES
        and 1 <= lanes <= _MOST_LANES
        and 8 * lanes <= memory <= _MOST_MEMORY
    ):
        raise Refused(_("This is no sealed backup."))
    key = hash_secret_raw(passphrase.encode(), salt, passes, memory, lanes, 32, Type.ID)
    return AESGCM(key)
