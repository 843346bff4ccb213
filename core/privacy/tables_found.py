"""Uploaded and exported tables that hold a person's number or address: imports, reports, exports."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import or_, select

from core.files.storage import FileMissing
from core.privacy.finding import stored_columns

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["find_tables"]

_BLOCK = 1 << 20
#: A workbook's parts are read to here; a larger one is treated as if it held the key.
_LARGEST_PART = 200_000_000


def find_tables(uow: UnitOfWork, keys: set[str]) -> Iterator[Any]:
    """Rows of the file table: files of no record, and results of jobs, with a key in them."""
    spec = uow.snapshot.installed_entities["file"]
    table = spec.table
    loose = or_(table.c.entity.is_(None), table.c.entity.startswith("-"))
    # Numbers and addresses are ASCII, which is the same bytes in every encoding of a CSV but UTF-16.
    wanted = [key.encode(coding) for key in keys for coding in ("utf-8", "utf-16-le")]
    for row in uow.execute(select(*stored_columns(spec)).where(loose)).all():
        try:
            with uow.runtime.storage.open(row.storage_key) as stream:
                if _holds(stream, wanted):
                    yield row
        except FileMissing:
            continue


def _holds(stream: BinaryIO, wanted: list[bytes]) -> bool:
    if zipfile.is_zipfile(stream):
        try:
            with zipfile.ZipFile(stream) as book:
                return any(_in_part(book, part, wanted) for part in book.infolist())
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return False
    stream.seek(0)
    return _in_stream(stream, wanted)


def _in_part(book: zipfile.ZipFile, part: zipfile.ZipInfo, wanted: list[bytes]) -> bool:
    if not part.filename.endswith((".xml", ".csv", ".txt", ".json")):
        return False
    if part.file_size > _LARGEST_PART:
        return True
    with book.open(part) as stream:
        return _in_stream(stream, wanted)


def _in_stream(stream: Any, wanted: list[bytes]) -> bool:
    overlap = max(map(len, wanted), default=1)
    rest = b""
    while block := stream.read(_BLOCK):
        text = rest + block.lower()
        if any(each in text for each in wanted):
            return True
        rest = text[-overlap:]
    return False
