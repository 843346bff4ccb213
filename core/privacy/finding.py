"""Everything about one person, found from one of their records.

Other records are theirs when they carry the same mobile number or e-mail address in a field about
a person. By these two, and by nothing weaker, the person is also found in free text, in stored
events, jobs, drafts and answers, and in tables that were uploaded or exported. In records about
one of theirs, such as a follow-up, the names count too, and so do the files under these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from core.privacy.personal import (
    contact_keys,
    is_address,
    names_of,
    personal_fields,
    texts_of,
)

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
    "told_in_trail",
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
    #: It stands in a record about one of theirs, where a name is enough.
    is_about: bool = False


@dataclass
class Person:
    """Where everything is."""

    entity: str
    record_id: int
    #: The person's own records by entity, child lines included: ``{id: {field: value}}``.
    records: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    #: Records of others about one of these, by entity, child lines included: follow-ups, tasks.
    about: dict[str, set[int]] = field(default_factory=dict)
    #: Of somebody who signs in: what records say of where they themselves were (`FieldSpec.personal`).
    places: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
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

    def under(self) -> Iterator[tuple[str, list[int]]]:
        """The records under which files and comments are the person's: their own, and those about."""
        for name in {**self.records, **self.about}:
            yield name, sorted({*self.records.get(name, ()), *self.about.get(name, ())})

    def texts_of(self, mention: Mention) -> set[str]:
        """What of a mention is the person's."""
        return self.names | self.keys if mention.is_about else self.keys

    def counts(self) -> dict[str, int]:
        """How much of each kind there is."""
        return {
            "records": sum(map(len, self.records.values())),
            "places": sum(map(len, self.places.values())),
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
    for name in list(person.records):
        person.records[name] |= _same_by_merging(uow, specs[name], person.ids(name))
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
    person.about = _about_them(uow, specs, person)
    person.places = _places(uow, specs, person.ids("user"))
    person.files = _about(uow, person, "file")
    person.comments = _about(uow, person, "comment")
    person.drafts = _drafts(uow, person)
    person.entries = list(trail_of(uow, person))
    person.events = list(_events(uow, person))
    person.mentions = list(_said_about(uow, specs, person))
    if matching and person.keys:
        person.mentions += _mentions(uow, specs, person)
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


def _same_by_merging(
    uow: UnitOfWork, spec: EntitySpec, ids: list[int]
) -> dict[int, dict[str, Any]]:
    """The records that became part of these, and those that these became part of."""
    table = metadata.tables["core_merge"]
    merges = select(table.c.record_id, table.c.merged).where(
        table.c.entity == spec.name, table.c.undone_at.is_(None)
    )
    same = [{row.record_id, *row.merged} for row in uow.execute(merges)]
    found, before = set(ids), set[int]()
    while found != before:
        before = set(found)
        found.update(*(each for each in same if not each.isdisjoint(before)))
    return _rows(uow, spec, [one_of(uow.connection, spec.table.c.id, sorted(found - set(ids)))])


def _matching(uow: UnitOfWork, spec: EntitySpec, keys: set[str]) -> dict[int, dict[str, Any]]:
    columns = [
        func.lower(spec.table.c[item.column or ""])
        for item in personal_fields(spec)
        if is_address(item)
    ]
    if not columns:
        return {}
    return _rows(uow, spec, [or_(*(column.in_(sorted(keys)) for column in columns))])


def _add_lines(uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person) -> None:
    for name in list(person.records):
        for child, parent in _lines_of(specs, specs[name]):
            mine = one_of(uow.connection, parent, person.ids(name))
            if found := _rows(uow, child, [mine]):
                person.records.setdefault(child.name, {}).update(found)


def _lines_of(
    specs: Mapping[str, EntitySpec], spec: EntitySpec
) -> Iterator[tuple[EntitySpec, Column[Any]]]:
    """The entities of an entity's child lines, each with the column that names the parent."""
    for item in spec.detached:
        if isinstance(item.type, t.Lines) and item.type.entity in specs:
            child = specs[item.type.entity]
            yield child, child.column(item.type.parent)


def _about_them(
    uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person
) -> dict[str, set[int]]:
    """The records of others that are about one of the person's, and their child lines."""
    found: dict[str, set[int]] = {}
    for spec in specs.values():
        for item in spec.stored:
            if isinstance(item.type, t.Related):
                kind = spec.column(item.type.entity_field)
                for name in person.records:
                    there = one_of(uow.connection, spec.column(item.name), person.ids(name))
                    about = select(spec.table.c.id).where(kind == name, there)
                    found.setdefault(spec.name, set()).update(uow.execute(about).scalars())
    for name, ids in list(found.items()):
        ids -= set(person.records.get(name, ()))
        for child, parent in _lines_of(specs, specs[name]):
            mine = one_of(uow.connection, parent, sorted(ids))
            keys = uow.execute(select(child.table.c.id).where(mine)).scalars()
            found.setdefault(child.name, set()).update(keys)
    return {name: ids for name, ids in found.items() if ids}


def _places(
    uow: UnitOfWork, specs: Mapping[str, EntitySpec], people: list[int]
) -> dict[str, dict[int, dict[str, Any]]]:
    """What the records that these people made say of their makers, by entity."""
    found = {}
    for spec in specs.values() if people else ():
        names = [item.name for item in spec.stored if item.personal == "maker"]
        if names:
            columns = [spec.column(name).label(name) for name in names]
            mine = one_of(uow.connection, spec.table.c.created_by, people)
            told = or_(*(spec.column(name).is_not(None) for name in names))
            rows = uow.execute(select(spec.table.c.id, *columns).where(mine, told)).mappings()
            found[spec.name] = {row["id"]: {name: row[name] for name in names} for row in rows}
    return {name: rows for name, rows in found.items() if rows}


def _about(uow: UnitOfWork, person: Person, kind: str) -> list[Any]:
    """The files of the records, or the comments; those that were taken away too."""
    spec = uow.snapshot.installed_entities[kind]
    table, columns = spec.table, stored_columns(spec)
    found: list[Any] = []
    for name, ids in person.under():
        mine = one_of(uow.connection, table.c.record_id, ids)
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
    near = [
        (_entries.c.entity == name) & one_of(uow.connection, _entries.c.record_id, sorted(ids))
        for name, ids in (*person.about.items(), *person.places.items())
    ]
    about += _containing(_entries.c.changes, person.keys)
    for row in uow.execute(select_entries().where(or_(*about, *near))):
        if is_of_trail(person, row) or told_in_trail(person, row):
            yield row


def told_in_trail(person: Person, row: Any) -> dict[str, Any]:
    """What an entry that is not about one of their own records tells of the person."""
    is_about = row.record_id in person.about.get(row.entity or "", ())
    own = person.places.get(row.entity or "", {}).get(row.record_id, {})
    texts = {text.casefold() for text in person.names} | person.keys if is_about else person.keys
    return {
        name: pair
        for name, pair in (row.changes or {}).items()
        if holds(pair, texts) or name in own
    }


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


def _said_about(
    uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person
) -> Iterator[Mention]:
    """Texts of records about the person's own in which their names or addresses stand."""
    texts = {text.casefold() for text in person.names} | person.keys
    for name, ids in person.about.items():
        spec = specs[name]
        items = texts_of(spec)
        columns = [spec.column(item.name) for item in items]
        mine = one_of(uow.connection, spec.table.c.id, sorted(ids))
        for row in uow.execute(select(spec.table.c.id, *columns).where(mine)):
            values: Sequence[Any] = row[1:]
            for item, value in zip(items, values, strict=True):
                if item.column is not None and holds(value, texts):
                    yield Mention(spec.table.name, {"id": row.id}, item.column, value, True)


def _mentions(
    uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person
) -> Iterator[Mention]:
    """Texts of all tables, but for numbers and addresses themselves: who has the same was matched."""
    known = {(each.table, each.key["id"], each.column) for each in person.mentions}
    by_table = {spec.table.name: spec for spec in specs.values()}
    tables: dict[str, Table] = dict(
        metadata.tables
    )  # those that modules keep beside their records too
    tables |= {spec.table.name: spec.table for spec in specs.values()}
    # A table also has what another database, or a transaction that was undone, gave it here.
    described = inspect(uow.connection).get_multi_columns(filter_names=list(tables))
    real = {name: {each["name"] for each in found} for (_schema, name), found in described.items()}
    for name, table in tables.items():
        keys = list(table.primary_key.columns)
        if name in _APART or name not in real or not keys:
            continue
        spec = by_table.get(name)
        addresses = {f.column for f in spec.fields if is_address(f)} if spec else set()
        columns = [
            column
            for column in table.c
            if column.name in real[name]
            and column.name not in addresses
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
                is_told = (name, row.get("id"), column.name) in known
                if not is_told and holds(row[column.name], person.keys):
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
