"""The life of the company's own entities: published, changed, retired and restored.

An entity is a table, made in one transaction with its description, its fields, the rights that its
maker gives, the audit entry and the step of the epoch that tells every process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Row, func, insert, select, update

from core.audit.models import AuditEntry
from core.customize.changing import begin, finish, refuse_used, table_names
from core.customize.checks import check_meaning, marked
from core.customize.ddl import create_table, field_index, make_links
from core.customize.entity_checks import Described, can_name, check_arrangement, read_description
from core.customize.reading import entity_spec
from core.customize.service import describe_field
from core.customize.tables import custom_entity_table, custom_field_table
from core.customize.usage import uses_of_entity
from core.db.base import metadata
from core.db.numbers import set_next_ids
from core.db.structure import TableShape
from core.entities import query, service
from core.errors import NotFound, Problem, Refused
from core.faults import fault
from core.fields import EntitySpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "add_entity",
    "can_name",
    "change_entity",
    "own_entity",
    "restore_entity",
    "retire_entity",
]


def add_entity(uow: UnitOfWork, body: Mapping[str, Any]) -> EntitySpec:
    """Publish an entity: ``{"name": "x_…", "label", "fields": […], …}``; at once part of everything.

    Nobody but administrators reaches it until a role is granted something, here in ``roles`` or in
    the role itself; a role that speaks of everything not named speaks of it too.
    Raises `Forbidden`, `Invalid`, `Refused`.
    """
    begin(uow)
    described = read_description(uow, body)
    tables = {**table_names(uow), described.name: described.name}
    within = MetaData(naming_convention=metadata.naming_convention)
    spec = entity_spec(described.row, described.specs, tables, within)
    for place, item in enumerate(described.specs):
        with described.problems_of(place):
            check_meaning(uow, spec, item)
    _make(uow, spec, described, tables)
    fault("schema.after_ddl")
    _describe(uow, described)
    details = {
        "fields": [item.name for item in described.specs],
        "parent": described.row["parent"],
        "roles": described.roles,
    }
    finish(uow, "add_entity", described.name, details=details)
    _grant(uow, described)
    fault("schema.before_commit")
    return uow.entity(described.name)


def _make(
    uow: UnitOfWork, spec: EntitySpec, described: Described, tables: Mapping[str, str]
) -> None:
    create_table(uow.connection, spec.table)
    _go_on_numbering(uow, spec)
    for item, wanted in zip(described.specs, described.indexed, strict=True):
        if isinstance(item.type, t.References):
            make_links(uow.connection, spec, item, tables)
        elif (index := field_index(spec, item, wanted=wanted)) is not None:
            index.create(uow.connection)


def _go_on_numbering(uow: UnitOfWork, spec: EntitySpec) -> None:
    """Begin behind the last record of an entity of this name that was purged: what the trail, and
    records about those, say of their numbers is nothing about these."""
    entries = AuditEntry.__table__.c
    last = select(func.max(entries.record_id)).where(entries.entity == spec.name)
    shape = TableShape(spec.table.name, (), ("id",))
    set_next_ids(uow.connection, [shape], {spec.table.name: uow.execute(last).scalar_one() or 0})


def _describe(uow: UnitOfWork, described: Described) -> None:
    made = {"created_at": uow.now(), "created_by": uow.actor.user_id}
    uow.execute(insert(custom_entity_table).values(**described.row, **made))
    for name, kind, labels, options in described.fields:
        describe_field(uow, described.name, name, kind, labels, options)
    if described.row["parent"]:
        options = {"entity": described.name, "parent": "parent"}
        labels = described.row["plural_labels"]
        describe_field(uow, described.row["parent"], described.name, "lines", labels, options)


def _grant(uow: UnitOfWork, described: Described) -> None:
    """Through the door that every change of a role goes through."""
    for key, grants in described.roles_by_id.items():
        role = query.get(uow, "role", key).values
        changed = {**(role["grants"] or {}), described.name: grants}
        service.update(uow, "role", {key: {"grants": changed}})


def change_entity(uow: UnitOfWork, name: str, changes: Mapping[str, Any]) -> EntitySpec:
    """Change labels, icon, the columns of the list, and the field that names its records."""
    begin(uow)
    row = _row(uow, name)
    if row.retired_at is not None:
        raise Refused(_("It is retired."))
    spec = uow.entity(name)
    problems: list[Problem] = []
    values = check_arrangement(changes, spec, problems, row._mapping)
    if problems:
        raise marked(problems)
    uow.execute(
        update(custom_entity_table).where(custom_entity_table.c.name == name).values(**values)
    )
    if "plural_labels" in values and row.parent:
        _rename_lines(uow, row.parent, name, values["plural_labels"])
    finish(uow, "change_entity", name, details=dict(changes))
    fault("schema.before_commit")
    return uow.entity(name)


def _rename_lines(uow: UnitOfWork, parent: str, name: str, labels: Mapping[str, str]) -> None:
    lines = (custom_field_table.c.entity == parent) & (custom_field_table.c.name == name)
    uow.execute(update(custom_field_table).where(lines).values(labels=dict(labels)))


def retire_entity(uow: UnitOfWork, name: str) -> None:
    """Hide an entity with its lines everywhere; its table and its rows stay, and so do the grants.

    Raises `Refused` while fields of others point to it or formulas of others read it.
    """
    begin(uow)
    row = _row(uow, name)
    if row.retired_at is not None:
        raise Refused(_("It is retired already."))
    refuse_used(uses_of_entity(uow, uow.entity(name)))
    _set_retired(uow, name, uow.now())
    finish(uow, "retire_entity", name)
    fault("schema.before_commit")


def restore_entity(uow: UnitOfWork, name: str) -> EntitySpec:
    """Show a retired entity again, with its records. Raises `Refused`."""
    begin(uow)
    row = _row(uow, name)
    if row.retired_at is None:
        raise Refused(_("It is in use."))
    if row.parent is not None and row.parent not in uow.snapshot.entities:
        raise Refused(_("It belongs to %(entity)s, which is not in use.", entity=row.parent))
    _set_retired(uow, name, None)
    finish(uow, "restore_entity", name)
    fault("schema.before_commit")
    return uow.entity(name)


def _set_retired(uow: UnitOfWork, name: str, at: Any) -> None:
    mine = custom_entity_table.c.name == name
    uow.execute(update(custom_entity_table).where(mine).values(retired_at=at))


def own_entity(uow: UnitOfWork, name: str) -> EntitySpec:
    """An entity in use that the company made; `NotFound` for any other."""
    spec = uow.entity(name)
    if not spec.custom:
        raise NotFound(_("There is no entity %(name)s of your own.", name=name[:60]))
    return spec


def _row(uow: UnitOfWork, name: str) -> Row[Any]:
    found = select(custom_entity_table).where(custom_entity_table.c.name == name)
    row = uow.execute(found).one_or_none()
    if row is None:
        raise NotFound(_("There is no entity %(name)s of your own.", name=name[:60]))
    return row
