"""What a backup says of itself, read with the distrust that a file from anywhere deserves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from zoneinfo import available_timezones

from core.backup.archive import damaged
from core.db.portable import ColumnShape
from core.db.structure import ForeignKey, TableIndex, TableShape
from core.errors import Refused
from core.i18n import gettext as _

__all__ = ["FORMAT", "BackupManifest", "FileList", "Owner", "TableContent"]

#: Raised when an older version could not read what this one writes.
FORMAT = 1
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KINDS = frozenset({"integer", "boolean", "moment", "date", "json", "text", "decimal", "bytes"})
_ON_DELETE = frozenset({None, "CASCADE", "SET NULL", "RESTRICT", "NO ACTION"})
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Owner:
    """The core or a plugin: the version of its code, and the revision of its tables."""

    version: str
    revision: str | None


@dataclass(frozen=True)
class TableContent:
    """A table, how many rows it has, the SHA-256 of their lines, and the last number it gave."""

    shape: TableShape
    rows: int
    sha256: str
    last_id: int


@dataclass(frozen=True)
class FileList:
    """How many stored files there are, and the SHA-256 of the list of them."""

    count: int
    sha256: str
    #: Keys that the database mentions and the store did not have.
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackupManifest:
    """The whole of it."""

    made_at: str
    database: str
    owners: Mapping[str, Owner]
    files: FileList
    with_key: bool
    format: int = FORMAT
    #: The company's time zone; None in a backup of before it was written down.
    timezone: str | None = None
    tables: Mapping[str, TableContent] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Any) -> BackupManifest:
        """Raises `Refused` for another format, and for anything that is not as it must be."""
        if not isinstance(given, dict) or type(given.get("format")) is not int:
            raise damaged(_("it has no manifest"))
        if given["format"] != FORMAT:
            message = _("This backup has the format %(given)s; this version reads %(own)s.")
            raise Refused(message % {"given": given["format"], "own": FORMAT})
        try:
            return cls(
                made_at=str(given["made_at"]),
                database=str(given["database"]),
                owners={
                    _name(name): Owner(str(each["version"]), _revision(each["revision"]))
                    for name, each in given["owners"].items()
                },
                files=_files(given["files"]),
                with_key=given["with_key"] is True,
                timezone=_zone(given.get("timezone")),
                tables={_name(name): _table(name, e) for name, e in given["tables"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise damaged(_("its manifest is not as it must be")) from error


def _zone(given: Any) -> str | None:
    if given is None:
        return None
    if given not in available_timezones():
        raise ValueError(given)
    return str(given)


def _table(name: str, given: Mapping[str, Any]) -> TableContent:
    shape = given["shape"]
    if shape["name"] != name:
        raise ValueError(name)
    return TableContent(
        TableShape(
            name,
            tuple(_column(each) for each in shape["columns"]),
            _names(shape["key"]),
            tuple(_reference(each) for each in shape["references"]),
            tuple(_index(each) for each in shape["indexes"]),
        ),
        _count(given["rows"]),
        _digest(given["sha256"]),
        _count(given["last_id"]),
    )


def _column(given: Mapping[str, Any]) -> ColumnShape:
    size, precision = given["size"], given["precision"]
    if given["kind"] not in _KINDS:
        raise ValueError(given["kind"])
    return ColumnShape(
        _name(given["name"]),
        given["kind"],
        None if size is None else _count(size),
        None if precision is None else _count(precision),
        given["nullable"] is True,
    )


def _reference(given: Mapping[str, Any]) -> ForeignKey:
    if given["on_delete"] not in _ON_DELETE:
        raise ValueError(given["on_delete"])
    return ForeignKey(
        _names(given["columns"]), _name(given["table"]), _names(given["remote"]), given["on_delete"]
    )


def _index(given: Mapping[str, Any]) -> TableIndex:
    filled, empty = given["filled"], given["empty"]
    return TableIndex(
        _name(given["name"]),
        _names(given["columns"]),
        given["unique"] is True,
        None if filled is None else _name(filled),
        None if empty is None else _name(empty),
    )


def _files(given: Mapping[str, Any]) -> FileList:
    missing = tuple(str(key) for key in given["missing"])
    return FileList(_count(given["count"]), _digest(given["sha256"]), missing)


def _name(given: Any) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise ValueError(given)
    return given


def _names(given: Any) -> tuple[str, ...]:
    return tuple(_name(each) for each in given)


def _count(given: Any) -> int:
    if type(given) is not int or not 0 <= given < 2**63:
        raise ValueError(given)
    return given


def _digest(given: Any) -> str:
    if not isinstance(given, str) or not _DIGEST.fullmatch(given):
        raise ValueError(given)
    return given


def _revision(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not re.fullmatch(r"[0-9a-z_]{1,64}", given):
        raise ValueError(given)
    return given
