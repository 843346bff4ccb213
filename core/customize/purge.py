"""Dropping for good what has been retired long enough: columns, link tables and tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from core.audit.recorder import record_act
from core.customize.ddl import drop_field, drop_table
from core.customize.kinds import LocalText
from core.customize.ruling import forget_rules
from core.customize.tables import custom_entity_table, custom_field_table
from core.db.base import metadata
from core.db.locks import lock_structure
from core.entities import service
from core.entities.bulk import bulk_table
from core.entities.drafts import draft_table
from core.entities.form_times import form_time_table
from core.entities.links import link_table_name
from core.entities.list_views import list_view_table
from core.entities.merging import merge_table
from core.errors import Forbidden
from core.faults import fault
from core.i18n import gettext as _
from core.notifications.tables import notification_table
from core.runtime import bump_structure
from core.search.indexing import forget_entity
from core.security.models import share_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Purged", "can_go", "purge", "retired"]


#: What the core keeps of records by their entity's name, beside the trail, comments and files.
_ABOUT_RECORDS = (
    *(share_table, draft_table, list_view_table, notification_table, form_time_table),
    *(merge_table, bulk_table),
)
#: Of imports, of which this layer knows no more.
_ABOUT_IMPORTS = ("core_import_preset", "core_duplicate_key")


@dataclass(frozen=True)
class Purged:
    """A retired entity, or a retired field of an entity."""

    entity: str
    field: str | None
    label: LocalText = dataclasses.field(compare=False)
    #: None for what was retired before such moments were kept.
    retired_at: datetime | None


def retired(uow: UnitOfWork, *, before: datetime | None = None) -> list[Purged]:
    """What is retired, if wanted since ``before``; fields first, the latest first."""
    fields, entities = custom_field_table, custom_entity_table
    found = [
        Purged(row.entity, row.name, LocalText(row.labels), row.retired_at)
        for row in uow.execute(select(fields).where(fields.c.retired))
    ]
    found += [
        Purged(row.name, None, LocalText(row.labels), row.retired_at)
        for row in uow.execute(select(entities).where(entities.c.retired_at.is_not(None)))
    ]
    if before is not None:
        found = [each for each in found if each.retired_at is None or each.retired_at < before]
    now = uow.now()
    return sorted(found, key=lambda each: (each.field is None, now - (each.retired_at or now)))


def can_go(
    uow: UnitOfWork, wanted: Sequence[Purged]
) -> tuple[list[Purged], list[tuple[Purged, str]]]:
    """(what can be dropped, in the order in which it can; what must stay, with the reason).

    An entity stays while a field that is not dropped with it points to its table, used or retired,
    and while there are lines of it.
    """
    entities = {each.entity for each in wanted if each.field is None}
    fields: set[tuple[str, str | None]] = {
        (each.entity, each.field) for each in wanted if each.field is not None
    }
    kept: list[tuple[Purged, str]] = []
    while True:
        held = {name: reason for name, reason in _held(uow, fields, entities) if name in entities}
        if not held:
            break
        kept += [
            (each, held[each.entity])
            for each in wanted
            if each.field is None and each.entity in held
        ]
        entities -= held.keys()
    going = [
        each
        for each in wanted
        if (each.field is None and each.entity in entities)
        or (each.field is not None and each.entity not in entities)
    ]
    return sorted(going, key=lambda each: _place(uow, each)), kept


def _held(
    uow: UnitOfWork, fields: set[tuple[str, str | None]], entities: set[str]
) -> Iterable[tuple[str, str]]:
    for row in uow.execute(select(custom_field_table)):
        target = row.options.get("entity")
        if row.kind == "lines" or row.entity in entities or (row.entity, row.name) in fields:
            continue
        yield target, _("%(entity)s.%(field)s points to it", entity=row.entity, field=row.name)
    for row in uow.execute(select(custom_entity_table)):
        if row.parent is not None and row.name not in entities:
            yield row.parent, _("%(entity)s are lines of it", entity=row.name)


def _place(uow: UnitOfWork, each: Purged) -> int:
    """Fields go before tables, lines before what they belong to."""
    if each.field is not None:
        return 0
    parent = select(custom_entity_table.c.parent).where(custom_entity_table.c.name == each.entity)
    return 1 if uow.execute(parent).scalar_one() is not None else 2


def purge(uow: UnitOfWork, going: Sequence[Purged]) -> None:
    """Drop what `can_go` said, with its values; nothing of it can be had back but from a backup.

    All of it or nothing: it is one transaction. Raises `Forbidden` for others than the system.
    """
    if not uow.actor.is_system:
        raise Forbidden(_("This is done on the command line."))
    lock_structure(uow.connection, patient=True)
    names = [each.entity for each in going if each.field is None]
    _drop_pointing(uow, names)
    for each in going:
        if each.field is None:
            _drop_entity(uow, each.entity)
        else:
            _drop_field(uow, each.entity, each.field)
        fault("schema.after_ddl")
        details = {} if each.field is None else {each.field: "purged"}
        record_act(uow, "purge", entity=each.entity, details=details)
    bump_structure(uow.connection)
    uow.refresh()
    fault("schema.before_commit")


def _drop_pointing(uow: UnitOfWork, names: Sequence[str]) -> None:
    """Columns by which the tables that go point to each other: any of them may then go first."""
    for row in uow.execute(select(custom_field_table)).all():
        if row.entity in names and row.options.get("entity") in names and row.kind != "lines":
            _drop_field(uow, row.entity, row.name)


def _drop_field(uow: UnitOfWork, entity: str, name: str) -> None:
    spec = uow.snapshot.installed_entities.get(entity)
    if spec is not None:
        drop_field(uow.connection, spec.table.name, name)
    mine = (custom_field_table.c.entity == entity) & (custom_field_table.c.name == name)
    uow.execute(delete(custom_field_table).where(mine))
    forget_rules(uow, entity, name)


def _drop_entity(uow: UnitOfWork, name: str) -> None:
    own, fields = custom_entity_table, custom_field_table
    for row in uow.execute(select(fields).where(fields.c.entity == name)).all():
        if row.kind == "references":
            drop_table(uow.connection, link_table_name(name, row.name))
    drop_table(uow.connection, name)
    uow.execute(delete(fields).where(fields.c.entity == name))
    uow.execute(delete(fields).where(fields.c.kind == "lines", fields.c.name == name))
    uow.execute(delete(own).where(own.c.name == name))
    # Another entity may have the name one day.
    comments = uow.snapshot.installed_entities["comment"].table
    imports = (metadata.tables[each] for each in _ABOUT_IMPORTS)
    for table in (comments, *_ABOUT_RECORDS, *imports):
        uow.execute(delete(table).where(table.c.entity == name))
    forget_entity(uow, name)
    forget_rules(uow, name)
    _forget_grants(uow, name)
    # Its files belong to no record from now on, and are cleaned up as such.
    files = uow.snapshot.installed_entities["file"].table
    uow.execute(update(files).where(files.c.entity == name).values(entity=None, record_id=None))


def _forget_grants(uow: UnitOfWork, name: str) -> None:
    """Another entity of that name, made later, begins without rights."""
    roles = uow.snapshot.installed_entities["role"].table
    for row in uow.execute(select(roles)).mappings().all():
        documents = {key: row[key] or {} for key in ("grants", "field_rules")}
        if not any(name in document for document in documents.values()):
            continue
        changed = {
            key: {entity: value for entity, value in document.items() if entity != name}
            for key, document in documents.items()
        }
        if row["archived_at"] is None:
            service.update(uow, "role", {row["id"]: changed})
        else:  # the recycle bin is not written to, and a role comes back from it as it is
            uow.execute(update(roles).where(roles.c.id == row["id"]).values(**changed))
