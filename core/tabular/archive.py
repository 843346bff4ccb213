"""Checks a zipped workbook before a parser sees it, by unpacking it once without keeping it.

Nothing the file says about itself is believed: sizes are counted while inflating, and a directory
that two zip readers could read differently is refused.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from core.i18n import lazy_gettext as _l
from core.tabular.errors import TableError, TableLimits
from core.tabular.sheetscan import SheetScan

__all__ = ["check_workbook"]

_CHUNK = 1 << 20
_PACKED_CHUNK = 1 << 16
_END = b"PK\x05\x06"
_END_SIZE = 22
_ZIP64_LOCATOR = b"PK\x06\x07"
_MAX_COMMENT = 0xFFFF
#: A directory record has 46 bytes, a name and extra fields; workbooks stay far below this.
_DIRECTORY_RECORD = 512
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ENCRYPTED = 0x1
_SMALL = 1 << 20


def check_workbook(path: Path, limits: TableLimits) -> None:
    """Raise `TableError` unless ``path`` is a harmless .xlsx or .xlsm within ``limits``."""
    with path.open("rb") as file:
        _check_directory_size(file, limits)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, UnicodeError) as error:
            raise _damaged() from error
        _check_entries(entries, limits)
        _check_contents(file, entries, limits)


def _damaged() -> TableError:
    return TableError(
        _l("The workbook is damaged or incomplete. Open it in Excel, save it again and retry."),
        "damaged",
    )


def _check_directory_size(file: IO[bytes], limits: TableLimits) -> None:
    """Read the end record, so that a directory of millions of entries is never loaded."""
    size = file.seek(0, 2)
    start = max(0, size - _END_SIZE - _MAX_COMMENT)
    file.seek(start)
    tail = file.read()
    at = tail.find(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise _damaged()
    directory_size, directory_at, comment = struct.unpack("<IIH", tail[at + 12 : at + _END_SIZE])
    if directory_size > limits.entries * _DIRECTORY_RECORD:
        raise _too_many_entries(limits)
    one_end = tail.count(_END) == 1 and at + _END_SIZE + comment == len(tail)
    adjoins = directory_at + directory_size == start + at and _ZIP64_LOCATOR not in tail[:at][-20:]
    if not (one_end and adjoins):
        raise _damaged()


def _too_many_entries(limits: TableLimits) -> TableError:
    return TableError(
        _l(
            "The workbook holds more than %(count)s inner files. "
            "Copy the rows you need into a new workbook and retry.",
            count=limits.entries,
        ),
        "too_many_entries",
    )


def _check_entries(entries: list[zipfile.ZipInfo], limits: TableLimits) -> None:
    if len(entries) > limits.entries:
        raise _too_many_entries(limits)
    names = {entry.filename.lower() for entry in entries}
    if len(names) != len(entries) or any(_is_odd_path(entry.orig_filename) for entry in entries):
        raise TableError(
            _l("The workbook is not packed the way Excel packs it. Save it again in Excel."),
            "bad_package",
        )
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise TableError(
            _l("The workbook has a password. Save it without a password and retry."), "password"
        )
    if "xl/workbook.xml" not in names or names & {"xl/workbook.bin", "content.xml"}:
        raise TableError(
            _l("This is not an Excel workbook. Save it as .xlsx or .csv and retry."), "format"
        )
    if sum(entry.file_size for entry in entries) > limits.unpacked:
        raise _too_large(limits)
    for entry in entries:
        _check_declared(entry, limits)


def _is_odd_path(name: str) -> bool:
    return (
        name.startswith("/")
        or "\\" in name
        or "\0" in name
        or ":" in name
        or ".." in name.split("/")
    )


def _check_declared(entry: zipfile.ZipInfo, limits: TableLimits) -> None:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise TableError(
            _l("The workbook is not packed the way Excel packs it. Save it again in Excel."),
            "bad_package",
        )
    if entry.file_size > max(_SMALL, entry.compress_size * limits.ratio):
        raise TableError(
            _l(
                "The workbook unpacks to far more than its size and is refused as unsafe. "
                "Delete empty rows and columns, or save it as .csv."
            ),
            "ratio",
        )


def _too_large(limits: TableLimits) -> TableError:
    return TableError(
        _l(
            "The workbook unpacks to more than %(size)s MB. Split it into smaller files.",
            size=limits.unpacked // 1_000_000,
        ),
        "too_large",
    )


def _check_contents(file: IO[bytes], entries: list[zipfile.ZipInfo], limits: TableLimits) -> None:
    scan = SheetScan(limits)
    for entry in entries:
        inspect = scan.entry(entry.filename)
        for chunk in _unpacked(file, entry):
            inspect.feed(chunk)
        inspect.close()
    irregular = scan.needs_second_look()
    # The shared strings come first: the references to them are weighed in the second pass.
    for entry in sorted(entries, key=lambda entry: not scan.is_shared_strings(entry.filename)):
        if entry.filename in irregular:
            scan.look_again(entry.filename, _unpacked(file, entry))


def _unpacked(file: IO[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of ``entry``, at most as much as it declares; anything else is refused.

    ``zipfile`` itself stops silently at the declared size, where other readers go on.
    """
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
        raise _damaged()
    name_length, extra_length = _LOCAL_HEADER.unpack(header)[-2:]
    if file.read(name_length) != entry.orig_filename.encode(
        "utf-8" if entry.flag_bits & 0x800 else "cp437"
    ):
        raise _damaged()
    file.seek(extra_length, 1)
    total, checksum = 0, 0
    for chunk in _inflate(file, entry):
        total += len(chunk)
        if total > entry.file_size:
            raise TableError(
                _l("The workbook hides its true size and is refused as unsafe."), "lying_size"
            )
        checksum = zlib.crc32(chunk, checksum)
        yield chunk
    if total != entry.file_size or checksum != entry.CRC:
        raise _damaged()


def _inflate(file: IO[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    left = entry.compress_size
    if entry.compress_type == zipfile.ZIP_STORED:
        while left > 0 and (data := file.read(min(left, _CHUNK))):
            left -= len(data)
            yield data
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pending = b""
    try:
        while not inflater.eof:
            if not pending:
                pending = file.read(min(left, _PACKED_CHUNK))
                left -= len(pending)
                if not pending:
                    raise _damaged()
            if data := inflater.decompress(pending, _CHUNK):
                yield data
            pending = inflater.unconsumed_tail
    except zlib.error as error:
        raise _damaged() from error
    if left or inflater.unused_data:
        raise _damaged()
