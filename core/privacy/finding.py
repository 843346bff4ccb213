"""Everything about one person, found from one of their records.

Other records are theirs when they carry the same mobile number or e-mail address in a field about
a person. By these two, and by nothing weaker, the person is also found in free text, in stored
events, jobs, drafts and answers, and in tables that were uploaded or exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, Table, Text, cast, func, inspect, or_, select

from core.audit.canonical import select_entries
from core.audit.models import AuditEntry
from core.db.base import metadata
from core.db.bulk import one_of
from core.db.types import Json
from core.errors import Forbidden, Invalid, NotFound
from core.fields import EntitySpec
from core.fields import types as t
from core.i18n import gettext as _
from core.plugins.state import plugin_table
from core.privacy.personal import contact_keys, is_personal, names_of, personal_fields

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Mention",
    "Person",
    "find_person",
    "holds",
    "is_of_trail",
    "kept_entities",
    "person_of",
    "require_steward",
    "stored_columns",
    "trail_of",
]

#: Tables that are looked through in ways of their own, or hold no text about anybody.
_APART = frozenset(
    {
        *("core_audit_entry", "core_audit_seal", "core_audit_redaction", "core_erasure"),
        *("core_file", "core_credential", "core_alembic", "core_epoch", "core_duplicate_key"),
    }
)
_entries: Any = AuditEntry.__table__


@dataclass(frozen=True)
class Mention:
    """A text outside the person's own records in which an address of theirs stands."""

    table: str
    key: dict[str, Any]
    column: str
    value: Any


@dataclass
class Person:
    """Where everything is."""

    entity: str
    record_id: int
    #: The person's own records by entity, child lines included: ``{id: {field: value}}``.
    records: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    #: Mobile numbers and e-mail addresses, in lower case.
    keys: set[str] = field(default_factory=set)
    #: Every personal text of the records.
    names: set[str] = field(default_factory=set)
    files: list[Any] = field(default_factory=list)
    #: Uploaded and exported tables in which one of the keys stands.
    tables: list[Any] = field(default_factory=list)
    #: What people wrote under the records.
    comments: list[Any] = field(default_factory=list)
    drafts: list[Any] = field(default_factory=list)
    entries: list[Any] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)

    def ids(self, entity: str) -> list[int]:
        """The person's records of an entity."""
        return sorted(self.records.get(entity, ()))

    def counts(self) -> dict[str, int]:
        """How much of each kind there is."""
        return {
            "records": sum(map(len, self.records.values())),
            "files": len(self.files),
            "tables": len(self.tables),
            "drafts": len(self.drafts),
            "entries": len(self.entries),
            "events": len(self.events),
            "mentions": len(self.mentions),
        }


def require_steward(uow: UnitOfWork) -> None:
    """Raise `Forbidden` for who may not look through everybody's data for one person."""
    if not uow.actor.manages_security:
        raise Forbidden(_("You do not have the right to do this."))


def find_person(uow: UnitOfWork, entity: str, record_id: int, *, matching: bool = True) -> Person:
    """Everything about the person of that record; administrators only.

    Without ``matching`` only that record and what belongs to it. Raises `NotFound`, and `Invalid`
    for an entity without personal data.
    """
    require_steward(uow)
    spec = uow.snapshot.installed_entities.get(entity)
    if spec is None or not personal_fields(spec):
        raise Invalid(_("There is no personal data in records of this kind."))
    row = _rows(uow, spec, [spec.table.c.id == record_id])
    if not row:
        message = _(
            "There is no %(entity)s with the number %(id)s.", entity=str(spec.label), id=record_id
        )
        raise NotFound(message)
    return person_of(uow, entity, record_id, {entity: row}, matching=matching)


def person_of(
    uow: UnitOfWork,
    entity: str,
    record_id: int,
    records: Mapping[str, Mapping[int, dict[str, Any]]],
    *,
    matching: bool = True,
) -> Person:
    """The same, beginning with several records."""
    from core.privacy.tables_found import find_tables

    require_steward(uow)
    person = Person(entity, record_id, {name: dict(rows) for name, rows in records.items()})
    specs = kept_entities(uow)
    for name, rows in person.records.items():
        for row in rows.values():
            person.keys |= contact_keys(specs[name], row)
    if matching and person.keys:
        for spec in specs.values():
            if found := _matching(uow, spec, person.keys):
                person.records.setdefault(spec.name, {}).update(found)
    _add_lines(uow, specs, person)
    for name, rows in person.records.items():
        for row in rows.values():
            person.names |= names_of(specs[name], row)
    person.files = _about(uow, person, "file")
    person.comments = _about(uow, person, "comment")
    person.drafts = _drafts(uow, person)
    person.entries = list(trail_of(uow, person))
    person.events = list(_events(uow, person))
    if matching and person.keys:
        person.mentions = list(_mentions(uow, specs, person))
        person.tables = list(find_tables(uow, person.keys))
    return person


def kept_entities(uow: UnitOfWork) -> dict[str, EntitySpec]:
    """The entities that have tables: also those of modules that are off now.

    What such modules added to the entities of others counts among the retired fields.
    """
    ever_on = {"core", "custom", *uow.execute(select(plugin_table.c.name)).scalars()}
    return {
        name: _with_switched_off(uow, spec, ever_on)
        for name, spec in uow.snapshot.installed_entities.items()
        if spec.plugin in ever_on or name in uow.snapshot.entities
    }


def _with_switched_off(uow: UnitOfWork, spec: EntitySpec, ever_on: set[str]) -> EntitySpec:
    assert uow.runtime.declared is not None
    declared = uow.runtime.declared.specs.get(spec.name, spec)
    known = {item.name for item in spec.fields}
    off = [
        replace(item, retired=True)
        for item in declared.fields
        if item.name not in known and item.owner in ever_on and item.column is not None
    ]
    return spec.with_fields((*spec.fields, *off)) if off else spec


def stored_columns(spec: EntitySpec) -> list[Column[Any]]:
    """The columns of the fields: the table also has what another database gave it here."""
    return [spec.table.c[field.column] for field in spec.fields if field.column is not None]


def _rows(
    uow: UnitOfWork, spec: EntitySpec, conditions: list[ColumnElement[bool]]
) -> dict[int, dict[str, Any]]:
    columns = [spec.table.c[f.column].label(f.name) for f in spec.fields if f.column is not None]
    rows = uow.execute(select(*columns).where(*conditions)).mappings()
    return {row["id"]: dict(row) for row in rows}


def _matching(uow: UnitOfWork, spec: EntitySpec, keys: set[str]) -> dict[int, dict[str, Any]]:
    columns = [
        func.lower(spec.table.c[item.column])
        for item in personal_fields(spec)
        if isinstance(item.value_type, (t.Phone, t.Email)) and item.column is not None
    ]
    if not columns:
        return {}
    return _rows(uow, spec, [or_(*(column.in_(sorted(keys)) for column in columns))])


def _add_lines(uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person) -> None:
    for name in list(person.records):
        for item in specs[name].detached:
            if isinstance(item.type, t.Lines) and item.type.entity in specs:
                child = specs[item.type.entity]
                parent = child.table.c[child.by_name[item.type.parent].column or ""]
                mine = one_of(uow.connection, parent, person.ids(name))
                if found := _rows(uow, child, [mine]):
                    person.records.setdefault(child.name, {}).update(found)


def _about(uow: UnitOfWork, person: Person, kind: str) -> list[Any]:
    """The files of the records, or the comments; those that were taken away too."""
    spec = uow.snapshot.installed_entities[kind]
    table, columns = spec.table, stored_columns(spec)
    found: list[Any] = []
    for name in person.records:
        mine = one_of(uow.connection, table.c.record_id, person.ids(name))
        found += uow.execute(select(*columns).where(table.c.entity == name, mine)).all()
    return found


def _drafts(uow: UnitOfWork, person: Person) -> list[Any]:
    table = metadata.tables["core_draft"]
    found: list[Any] = []
    for name in person.records:
        mine = one_of(uow.connection, table.c.record_id, person.ids(name))
        found += uow.execute(select(table).where(table.c.entity == name, mine)).all()
    return found


def trail_of(uow: UnitOfWork, person: Person) -> Iterator[Any]:
    """Entries about the records, their files and comments, and others in which a key stands."""
    about: list[ColumnElement[bool]] = [
        (_entries.c.entity == name) & one_of(uow.connection, _entries.c.record_id, person.ids(name))
        for name in person.records
    ]
    for kind, rows in (("file", person.files), ("comment", person.comments)):
        ids = [row.id for row in rows]
        about.append(
            (_entries.c.entity == kind) & one_of(uow.connection, _entries.c.record_id, ids)
        )
    about += _containing(_entries.c.changes, person.keys)
    yield from uow.execute(select_entries().where(or_(*about)))


def is_of_trail(person: Person, row: Any) -> bool:
    """Whether an entry is about one of the person's own records, or its files and comments."""
    if row.entity in ("file", "comment"):
        rows = person.files if row.entity == "file" else person.comments
        return any(each.id == row.record_id for each in rows)
    return row.record_id in person.records.get(row.entity or "", ())


def _events(uow: UnitOfWork, person: Person) -> Iterator[Any]:
    table = metadata.tables["core_event"]
    for name in person.records:
        ids = set(person.records[name])
        for row in uow.execute(select(table).where(table.c.entity == name)):
            if not ids.isdisjoint((row.payload or {}).get("ids") or ()):
                yield row


def _mentions(
    uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person
) -> Iterator[Mention]:
    """Texts of all tables, but for the fields about persons: who else has that number is another."""
    by_table = {spec.table.name: spec for spec in specs.values()}
    tables: dict[str, Table] = {n: x for n, x in metadata.tables.items() if n.startswith("core_")}
    tables |= {spec.table.name: spec.table for spec in specs.values()}
    # A table also has what another database, or a transaction that was undone, gave it here.
    described = inspect(uow.connection).get_multi_columns(filter_names=list(tables))
    real = {name: {each["name"] for each in found} for (_schema, name), found in described.items()}
    for name, table in tables.items():
        keys = list(table.primary_key.columns)
        if name in _APART or not keys:
            continue
        spec = by_table.get(name)
        about_people = {f.column for f in spec.fields if is_personal(f)} if spec else set()
        columns = [
            column
            for column in table.c
            if column.name in real[name]
            and column.name not in about_people
            and _is_textual(column.type)
            and column not in keys
        ]
        own = person.records.get(spec.name, {}) if spec is not None else {}
        if not columns:
            continue
        anywhere = or_(*(each for column in columns for each in _containing(column, person.keys)))
        for row in uow.execute(select(*keys, *columns).where(anywhere)).mappings():
            if row.get("id") in own and spec is not None:
                continue
            for column in columns:
                if holds(row[column.name], person.keys):
                    key = {each.name: row[each.name] for each in keys}
                    yield Mention(name, key, column.name, row[column.name])


def _is_textual(type_: Any) -> bool:
    impl = getattr(type_, "impl", type_)
    return isinstance(type_, Json) or getattr(impl, "python_type", None) is str


def _containing(column: Any, keys: set[str]) -> list[ColumnElement[bool]]:
    text = func.lower(cast(column, Text))
    return [text.contains(key, autoescape=True) for key in sorted(keys)]


def holds(value: Any, keys: set[str]) -> bool:
    """Whether one of the keys stands anywhere in a value."""
    return value is not None and any(key in str(value).casefold() for key in keys)
