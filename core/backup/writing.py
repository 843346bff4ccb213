"""A backup: one file with every row as of one moment, the stored files, and how to check them all."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sqlalchemy import Connection, inspect, select

from core import __version__
from core.backup.archive import MANIFEST, ArchiveReader, ArchiveWriter, damaged
from core.backup.manifest import BackupManifest, FileList, Owner, TableContent
from core.config import key_file
from core.customize.kinds import make_type
from core.customize.tables import custom_field_table
from core.db.migrate import current_revision, version_table
from core.db.numbers import read_next_ids
from core.db.portable import read_lines
from core.db.snapshots import one_moment
from core.db.structure import TableShape, Types, describe_tables
from core.faults import fault
from core.fields.storage import column_type, is_detached
from core.files.models import StoredFileRecord
from core.files.storage import FileMissing, is_key
from core.i18n import gettext as _
from core.plugins.state import plugin_table

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = [
    "FILES",
    "KEY",
    "BackupSummary",
    "file_member",
    "our_tables",
    "read_owners",
    "table_member",
    "verify",
    "verify_backup",
    "write_backup",
]

FILES = "files.jsonl"
KEY = "secret.key"
#: Tables of the search are made of the records, by each database in its own way.
MADE_ANEW = "core_search_"
_BLOCK = 1 << 18


@dataclass(frozen=True)
class BackupSummary:
    """What a backup holds."""

    path: Path
    size: int
    tables: int
    rows: int
    files: int
    missing: int
    seconds: float


def write_backup(
    runtime: Runtime,
    path: Path,
    *,
    passphrase: str | None = None,
    with_key: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> BackupSummary:
    """Write ``path`` and read it again; what does not verify is removed and raised.

    Others go on writing meanwhile: the rows are those of the moment when it began. ``tell`` hears
    how many of how many tables are written.
    """
    started = time.monotonic()
    # What is there under this name stays until the new one has been read again.
    unchecked = path.with_name(path.name + ".unchecked")
    with ArchiveWriter(unchecked, passphrase) as archive:
        with one_moment(runtime.database) as connection:
            owners = read_owners(connection)
            names = our_tables(connection, list(owners))
            shapes = describe_tables(connection, names, _custom_types(runtime, connection))
            last = read_next_ids(connection, shapes)
            tables: dict[str, TableContent] = {}
            for shape in shapes:
                tell(len(tables), len(shapes))
                content = _write_table(connection, archive, shape, last.get(shape.name, 0))
                tables[shape.name] = content
            table = StoredFileRecord.__table__
            keys = connection.execute(
                select(table.c.storage_key)
                .where(table.c.storage_key.is_not(None))
                .order_by(table.c.storage_key)
                .distinct()
            ).scalars()
            stored = [str(key) for key in keys]
        fault("backup.before_files")
        files = _write_files(runtime, archive, stored)
        if with_key:
            _write_key(runtime, archive)
        manifest = BackupManifest(
            made_at=runtime.clock.now().isoformat(),
            database=runtime.database.url.get_backend_name(),
            owners=owners,
            files=files,
            with_key=with_key,
            timezone=str(runtime.config.timezone),
            tables=tables,
        )
        with archive.member(MANIFEST) as member:
            member.write(json.dumps(manifest.to_json()).encode())
    try:
        verify_backup(unchecked, passphrase)
        os.replace(unchecked, path)
    finally:
        unchecked.unlink(missing_ok=True)
    rows = sum(each.rows for each in tables.values())
    return BackupSummary(
        path,
        path.stat().st_size,
        len(tables),
        rows,
        files.count,
        len(files.missing),
        time.monotonic() - started,
    )


def read_owners(connection: Connection) -> dict[str, Owner]:
    """The core and every plugin that has ever been on here."""
    found = {"core": Owner(__version__, current_revision(connection, "core"))}
    for row in connection.execute(select(plugin_table.c.name, plugin_table.c.version)):
        found[row.name] = Owner(row.version, current_revision(connection, row.name))
    return found


def our_tables(
    connection: Connection, owners: list[str], *, all_of_them: bool = False
) -> list[str]:
    """The tables of the core, the plugins and the company that a backup holds, or all of them.

    Others may share the database.
    """
    prefixes = tuple(f"{owner}_" for owner in (*owners, "x"))
    versions = {version_table(owner) for owner in owners}
    return sorted(
        name
        for name in inspect(connection).get_table_names()
        if name.startswith(prefixes)
        and name not in versions
        and (all_of_them or not name.startswith(MADE_ANEW))
    )


def _custom_types(runtime: Runtime, connection: Connection) -> Types:
    """The types of the company's own columns, of retired fields too.

    Read without a snapshot: a database that waits for its migrations has none.
    """
    described = custom_field_table.c
    declared = runtime.declared.specs if runtime.declared else {}
    found = {}
    for row in connection.execute(
        select(described.entity, described.name, described.kind, described.options)
    ):
        type_ = make_type(row.kind, row.options)
        spec = declared.get(row.entity)
        if not is_detached(type_):
            found[spec.table.name if spec else row.entity, row.name] = column_type(type_)
    return found


def table_member(name: str) -> str:
    """Where the rows of a table are."""
    return f"tables/{name}.jsonl"


def file_member(key: str) -> str:
    """Where a stored file is."""
    return f"files/{key}"


def _write_table(
    connection: Connection, archive: ArchiveWriter, shape: TableShape, last: int
) -> TableContent:
    digest, rows = hashlib.sha256(), 0
    with archive.member(table_member(shape.name)) as member:
        for count, lines in read_lines(connection, shape.name, shape.columns, shape.order):
            rows += count
            digest.update(lines)
            member.write(lines)
    return TableContent(shape, rows, digest.hexdigest(), last)


def _write_files(runtime: Runtime, archive: ArchiveWriter, keys: list[str]) -> FileList:
    found: list[bytes] = []
    missing = []
    for key in keys:
        try:
            source = runtime.storage.open(key)
        except FileMissing:
            missing.append(key)
            continue
        with source, archive.member(file_member(key), packed=False) as member:
            size, sha256 = _copy(source, member)
        found.append(json.dumps([key, size, sha256]).encode() + b"\n")
    digest = hashlib.sha256()
    with archive.member(FILES) as member:
        for line in found:
            digest.update(line)
            member.write(line)
    return FileList(len(found), digest.hexdigest(), tuple(missing))


def _copy(source: IO[bytes], target: IO[bytes] | None) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        size += len(block)
        digest.update(block)
        if target is not None:
            target.write(block)
    return size, digest.hexdigest()


def _write_key(runtime: Runtime, archive: ArchiveWriter) -> None:
    config = runtime.config
    keys = dict.fromkeys((config.secret_key, *config.old_secret_keys, *config.keys_in_home()))
    with archive.member(key_file(config.home).name) as member:
        member.write("".join(f"{key}\n" for key in keys).encode())


def verify_backup(path: Path, passphrase: str | None = None) -> BackupManifest:
    """Read all of it and compare every checksum. Raises `Refused` with what is wrong."""
    with ArchiveReader(path, passphrase) as archive:
        return verify(archive)


def verify(archive: ArchiveReader) -> BackupManifest:
    """The same for an open one."""
    manifest = BackupManifest.from_json(archive.manifest)
    listed = {MANIFEST, FILES, *map(table_member, manifest.tables)}
    if manifest.with_key:
        listed.add(KEY)
    for name, content in manifest.tables.items():
        _check_table(archive, name, content)
    files = _check_files(archive, manifest)
    if set(archive.sizes) != listed | files:
        raise damaged(_("it holds other things than its manifest says"))
    return manifest


def _check_table(archive: ArchiveReader, name: str, content: TableContent) -> None:
    digest, rows = hashlib.sha256(), 0
    with archive.member(table_member(name)) as member:
        while block := member.read(_BLOCK):
            digest.update(block)
            rows += block.count(b"\n")
    if (digest.hexdigest(), rows) != (content.sha256, content.rows):
        raise damaged(_("the rows of %(name)s are not those that were written", name=name))


def _check_files(archive: ArchiveReader, manifest: BackupManifest) -> set[str]:
    digest, names = hashlib.sha256(), set()
    for key, size, sha256, line in listed_files(archive):
        if not is_key(key):
            raise damaged(_("its list of files is not the one that was written"))
        digest.update(line)
        names.add(file_member(key))
        with archive.member(file_member(key)) as member:
            if _copy(member, None) != (size, sha256):
                raise damaged(_("the file %(name)s is not the one that was written", name=key))
    if (digest.hexdigest(), len(names)) != (manifest.files.sha256, manifest.files.count):
        raise damaged(_("its list of files is not the one that was written"))
    return names


def listed_files(archive: ArchiveReader) -> Iterator[tuple[str, int, str, bytes]]:
    """Each stored file: its key, its size, its SHA-256, and the line that says so."""
    with archive.member(FILES) as member:
        for line in member:
            key, size, sha256 = json.loads(line)
            yield str(key), int(size), str(sha256), line
