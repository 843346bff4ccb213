"""Restoring a backup: checked whole before anything is written, and then there whole or not at all.

On PostgreSQL everything is one transaction; on SQLite a new file takes the place of the old one.
Only stored files come first: they are under names that nothing mentions until the rows are there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, update
from sqlalchemy.exc import SQLAlchemyError

from core.audit.sealing import note_restore
from core.backup.archive import ArchiveReader, damaged
from core.backup.manifest import BackupManifest
from core.backup.writing import (
    KEY,
    file_member,
    listed_files,
    our_tables,
    table_member,
    verify,
)
from core.boot import is_initialised
from core.config import keep_timezone, key_file
from core.db.base import metadata
from core.db.migrate import CORE_MIGRATIONS, numbers, upgrade
from core.db.numbers import set_next_ids
from core.db.planning import count_values
from core.db.portable import load_rows
from core.db.structure import (
    TableShape,
    broken_references,
    describe_tables,
    empty_tables,
    make_again,
    make_missing,
    without_indexes,
)
from core.entities.recompute import refill_module
from core.errors import Refused
from core.faults import fault
from core.i18n import gettext as _
from core.ops.doctor import Finding, examine
from core.ops.readiness import unfinished_mark
from core.ops.replacing import fresh_database
from core.ops.rotation import write_keys
from core.privacy.erasing import replay_erasures
from core.runtime import epoch_table
from core.security.actor import SYSTEM
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["RestoreSummary", "restore_backup"]

#: The epochs go on from here, so that a process that was not stopped notices.
_LEAP = 1_000
_LARGEST_FILE = 1 << 40


@dataclass(frozen=True)
class RestoreSummary:
    """What was restored, and what the doctor says of it."""

    tables: int
    rows: int
    files: int
    seconds: float
    findings: tuple[Finding, ...]


def restore_backup(
    runtime: Runtime, path: Path, *, passphrase: str | None = None, force: bool = False
) -> RestoreSummary:
    """Put a backup in the place of what is here. Raises `Refused`, and then nothing has changed.

    Without ``force`` only an empty database will do. ``runtime`` may be used afterwards.
    """
    started = time.monotonic()
    with ArchiveReader(path, passphrase) as archive:
        runtime.config.home.mkdir(parents=True, exist_ok=True)
        archive.check_room(runtime.config.home)
        manifest = verify(archive)
        owners = _versions(runtime, manifest)
        taken = _is_taken(runtime)
        if taken and not force:
            raise Refused(
                _("There is an installation here already. With --force its data are replaced.")
            )
        mark = unfinished_mark(runtime.config.home)
        mark.touch()
        try:
            files = _restore_files(runtime, archive)
            fault("restore.before_rows")
            moved_on = _restore_database(runtime, archive, manifest, owners, taken=taken)
        except BaseException:  # all is as it was
            mark.unlink()
            raise
        if manifest.with_key:
            _restore_key(runtime, archive)
        if manifest.timezone:
            keep_timezone(runtime.config.home, manifest.timezone)
    runtime.database.dispose()
    runtime.forget()
    for owner in moved_on:
        with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
            refill_module(uow, owner)
    note_restore(runtime, path.name)
    replay_erasures(runtime)
    mark.unlink()
    return RestoreSummary(
        len(manifest.tables),
        sum(content.rows for content in manifest.tables.values()),
        files,
        time.monotonic() - started,
        tuple(examine(runtime)),
    )


def _versions(runtime: Runtime, manifest: BackupManifest) -> dict[str, Path]:
    """Where the migrations of each owner lie; all that the backup needs must be installed."""
    found = {}
    for name, owner in manifest.owners.items():
        plugin = runtime.plugins.manifests.get(name)
        if name != "core" and plugin is None:
            raise Refused(_("The backup needs the module %(name)s; install it first.", name=name))
        versions = CORE_MIGRATIONS if plugin is None else plugin.folder / "migrations"
        if owner.revision is not None and owner.revision not in numbers(versions):
            raise Refused(
                _(
                    "The backup was made by a newer version of %(name)s (%(version)s).",
                    name=name,
                    version=owner.version,
                )
            )
        found[name] = versions
    if "core" not in found:
        raise damaged(_("its manifest is not as it must be"))
    return found


def _is_taken(runtime: Runtime) -> bool:
    database = runtime.database.url.database
    if runtime.database.is_sqlite and not (database and Path(database).exists()):
        return False
    with runtime.read_connection() as connection:
        return is_initialised(connection)


def _restore_database(
    runtime: Runtime,
    archive: ArchiveReader,
    manifest: BackupManifest,
    versions: dict[str, Path],
    *,
    taken: bool,
) -> list[str]:
    """Everything in the database, in one transaction; the owners with migrations since."""
    try:
        with fresh_database(runtime) as connection:
            moved_on = _restore_rows(connection, archive, manifest, versions)
            if taken:
                epochs = {
                    "structure": epoch_table.c.structure + _LEAP,
                    "access": epoch_table.c.access + _LEAP,
                }
                connection.execute(update(epoch_table).values(epochs))
            fault("restore.before_commit")
    except SQLAlchemyError as error:
        raise damaged(" ".join(str(getattr(error, "orig", error)).split())[:200]) from error
    return moved_on


def _restore_files(runtime: Runtime, archive: ArchiveReader) -> int:
    count = 0
    for key, _size, sha256, _line in listed_files(archive):
        with archive.member(file_member(key)) as member:
            kept = runtime.storage.put(member, max_bytes=_LARGEST_FILE, key=key)
        if kept.sha256 != sha256:
            raise damaged(_("the file %(name)s is not the one that was written", name=key))
        count += 1
    return count


def _restore_rows(
    connection: Connection,
    archive: ArchiveReader,
    manifest: BackupManifest,
    versions: dict[str, Path],
) -> list[str]:
    """Tables as they were, their rows, then the migrations since; the owners that had some."""
    for name, owner in manifest.owners.items():
        if owner.revision is not None:
            upgrade(connection, name, versions[name], to=owner.revision)
            fault("restore.between_steps")
    made = our_tables(connection, list(manifest.owners))
    empty_tables(connection, made)
    shapes = [content.shape for content in manifest.tables.values()]
    make_missing(connection, shapes)
    _check_columns(connection, shapes)
    later = without_indexes(connection)
    for name, content in manifest.tables.items():
        with archive.member(table_member(name)) as member:
            load_rows(connection, name, content.shape.columns, member)
    make_again(connection, later)
    if broken := broken_references(connection):
        raise damaged(_("rows of %(names)s point at nothing", names=", ".join(broken)))
    count_values(connection)
    last = {name: content.last_id for name, content in manifest.tables.items()}
    set_next_ids(connection, shapes, last)
    moved_on = []
    for name, owner in manifest.owners.items():
        if upgrade(connection, name, versions[name]) != owner.revision:
            moved_on.append(name)
    return moved_on


def _check_columns(connection: Connection, shapes: list[TableShape]) -> None:
    """What the backup says of a column must be what the migrations make of it."""
    real = {shape.name: shape for shape in describe_tables(connection, [s.name for s in shapes])}
    for shape in shapes:
        declared = metadata.tables.get(shape.name)
        known = {column.name: column for column in real[shape.name].columns}
        for column in shape.columns:
            found = known.get(column.name)
            place = f"{shape.name}.{column.name}"
            if found is None:
                raise damaged(_("%(place)s cannot be filled", place=place))
            if declared is None or column.name not in declared.c:
                continue  # made a moment ago, as the backup says
            unlike = found.kind != column.kind
            if unlike or (column.kind == "decimal" and found.size != column.size):
                raise damaged(_("%(place)s is of another type here", place=place))


def _restore_key(runtime: Runtime, archive: ArchiveReader) -> None:
    """The keys of the backup, then those that were here: what either sealed stays readable."""
    with archive.member(KEY) as member:
        brought = member.read(1 << 16).decode().splitlines()
    keys = dict.fromkeys((*brought, *runtime.config.keys_in_home()))
    write_keys(key_file(runtime.config.home), tuple(keys))
