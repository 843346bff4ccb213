"""Erasing a person: their values go, records, sums and the chain of the audit trail stay.

The values are written beside the rules of the business, which might refuse to change a closed
record, and through everything that follows a write: computed fields, keys of duplicates, search,
events, the trail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Table, delete, insert, select, update

from core.audit.recorder import record_act
from core.audit.redacting import REDACTED, redact
from core.db.base import metadata
from core.db.bulk import one_of
from core.entities.changes import Change
from core.entities.computed import compute
from core.entities.writing import run_after, write_rows
from core.errors import Refused
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.privacy.finding import (
    Person,
    is_of_trail,
    kept_entities,
    person_of,
    require_steward,
    trail_of,
)
from core.privacy.personal import (
    blank_value,
    is_address,
    is_personal,
    personal_fields,
    texts_of,
    without,
)
from core.privacy.tables import erasure_table
from core.privacy.tombstones import Tombstone, keep_tombstones, pending_tombstones
from core.security.actor import SYSTEM
from core.security.directory import administrators_of
from core.work.uow import Origin, UnitOfWork

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["Erasure", "erase_person", "keep_erasures", "replay_erasures"]


#: (entity, field) by (table, column)
_Live = Mapping[tuple[str, str | None], tuple[EntitySpec, FieldSpec]]


@dataclass(frozen=True)
class Erasure:
    """What was done: the number of the erasure, and counts by kind."""

    id: int
    counts: dict[str, int]


def erase_person(uow: UnitOfWork, person: Person, *, key: str = "") -> Erasure:
    """Erase what `find_person` has found. Call `keep_erasures` once it is committed.

    Done twice it changes nothing more. Backups made before still hold the person: the erasure is
    done again when one is restored (`replay_erasures`). Raises `Refused` for the last administrator.
    """
    require_steward(uow)
    if not key:  # what was done once is done again in any case
        _keep_an_administrator(uow, person)
    specs, counts = kept_entities(uow), person.counts()
    live = _live_fields(specs)
    with uow.elevated():
        for name in list(person.records):
            _blank(uow, specs[name], person)
        _take_out_of_records(uow, live, person)
        _forget_places(uow, specs, person)
        _take_out_of_comments(uow, specs, person)
        _forget_account(uow, specs, person)
    _take_out_of_tables(uow, specs, live, person)
    drafts, ids = metadata.tables["core_draft"], [row.id for row in person.drafts]
    uow.execute(delete(drafts).where(one_of(uow.connection, drafts.c.id, ids)))
    _forget_bulk_acts(uow, person)
    _forget_merges(uow, person)
    _drop_files(uow, person)
    _redact_trail(uow, specs, person)
    record_act(
        uow, "erase_person", entity=person.entity, record_ids=[person.record_id], details=counts
    )
    values = {
        "key": key or uuid4().hex,
        "entity": person.entity,
        "record_id": person.record_id,
        "records": [[name, each] for name in person.records for each in person.ids(name)],
        "counts": counts,
        "actor_id": uow.actor.user_id,
        "at": uow.now(),
    }
    made = uow.execute(insert(erasure_table).values(values)).inserted_primary_key
    assert made is not None
    return Erasure(int(made[0]), counts)


def _keep_an_administrator(uow: UnitOfWork, person: Person) -> None:
    if not person.ids("user"):
        return
    uow.take_turns("core.administrators")
    administrators = set(administrators_of(uow))
    if administrators and administrators <= set(person.ids("user")):
        raise Refused(_("One administrator must remain."))


def keep_erasures(runtime: Runtime) -> None:
    """Note the committed erasures outside the database."""
    with runtime.read_connection() as connection:
        keep_tombstones(runtime.config, connection)


def replay_erasures(runtime: Runtime) -> int:
    """Do again, in a restored database, the erasures that came after its backup; how many.

    To be called before anybody works with it: what was made since under the same number would be
    taken for the record that was erased, were it not younger.
    """
    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=False) as uow:
        waiting = pending_tombstones(runtime.config, uow.connection)
    for tombstone in waiting:
        with UnitOfWork(runtime, SYSTEM, origin=Origin("cli")) as uow:
            person = _of_tombstone(uow, tombstone)
            erase_person(uow, person, key=tombstone.key)
    keep_erasures(runtime)
    return len(waiting)


def _of_tombstone(uow: UnitOfWork, tombstone: Tombstone) -> Person:
    """The records that it names, as they came back."""
    specs, records = kept_entities(uow), defaultdict[str, dict[int, dict[str, Any]]](dict)
    for name, key in tombstone.records:
        spec = specs.get(name)
        if spec is None:
            continue
        columns = [spec.table.c[f.column].label(f.name) for f in spec.fields if f.column]
        older = spec.table.c.created_at <= tombstone.at
        row = uow.execute(select(*columns).where(spec.table.c.id == key, older)).mappings().first()
        if row is not None:
            records[name][key] = dict(row)
    return person_of(uow, tombstone.entity, tombstone.record_id, records)


# Records


def _blank(uow: UnitOfWork, spec: EntitySpec, person: Person) -> None:
    fields = [each for each in personal_fields(spec) if not each.retired]
    names = person.names | person.keys
    texts = [each for each in texts_of(spec) if each not in fields]
    files = [each for each in spec.stored if isinstance(each.type, t.File)]
    new: dict[int, dict[str, Any]] = {}
    for key, row in person.records[spec.name].items():
        values = {each.name: blank_value(spec, each, key) for each in fields}
        values |= {each.name: without(row[each.name], names) for each in texts}
        values |= dict.fromkeys((each.name for each in files), None)
        new[key] = values
    _write(uow, spec, new)
    retired = [each for each in spec.fields if each.retired and is_personal(each) and each.column]
    if retired:
        blank = {each.column: None for each in retired}
        mine = one_of(uow.connection, spec.table.c.id, person.ids(spec.name))
        uow.execute(update(spec.table).where(mine).values(blank))


def _live_fields(specs: Mapping[str, EntitySpec]) -> _Live:
    """The fields in use of records with a history, by (table, column)."""
    return {
        (spec.table.name, item.column): (spec, item)
        for spec in specs.values()
        if "version" in spec.table.c
        for item in spec.stored
    }


def _take_out_of_records(uow: UnitOfWork, live: _Live, person: Person) -> None:
    """Free text of other people's records in which a number or an address stands, or a name where they
    are about the person.

    What is computed of it follows by itself.
    """
    new: dict[str, dict[int, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    specs = {}
    for mention in person.mentions:
        spec, item = live.get((mention.table, mention.column), (None, None))
        if spec is not None and item is not None and not isinstance(item.type, t.Computed):
            specs[spec.name] = spec
            value = without(mention.value, person.texts_of(mention))
            new[spec.name][mention.key["id"]][item.name] = value
    for name, values in new.items():
        _write(uow, specs[name], values)


def _forget_places(uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person) -> None:
    """Where somebody who signed in has been; the rest of these records is about others."""
    for name, rows in person.places.items():
        _write(uow, specs[name], {key: dict.fromkeys(row) for key, row in rows.items()})


def _take_out_of_comments(uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person) -> None:
    """Names too: what is said under a person's record is about that person."""
    texts = person.names | person.keys
    new = {row.id: {"text": without(row.text, texts)} for row in person.comments}
    if new:
        _write(uow, specs["comment"], new)


def _write(uow: UnitOfWork, spec: EntitySpec, new: Mapping[int, Mapping[str, Any]]) -> None:
    """The rows, those in the recycle bin too, and what follows a write, where one really changes."""
    now = uow.now()
    columns = [spec.column(field.name).label(field.name) for field in spec.stored]
    mine = one_of(uow.connection, spec.table.c.id, list(new))
    locked = select(*columns).where(mine).order_by(spec.table.c.id).with_for_update()
    rows = [dict(row) for row in uow.execute(locked).mappings()]
    changes = [
        Change("update", spec, row, {**row, **new[row["id"]]}, row["id"], place)
        for place, row in enumerate(rows)
    ]
    changes = [change for change in changes if change.changed_fields()]
    if not changes:
        return
    compute(uow, changes)
    for change in changes:
        change.after["version"] = change.before["version"] + 1
        change.after |= {"updated_at": now, "updated_by": uow.actor.user_id}
    write_rows(uow, changes)
    run_after(uow, changes)


def _forget_account(uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person) -> None:
    """Of a person who signs in: may no longer, and what hangs on the account is gone."""
    ids = person.ids("user")
    if not ids:
        return
    _write(uow, specs["user"], {key: {"is_active": False} for key in ids})
    entities = {spec.table.name for spec in specs.values()}
    for table in metadata.tables.values():
        if table.name in entities or "__" in table.name or not table.name.startswith("core_"):
            continue
        for column in table.c:
            if any(_belongs(key) for key in column.foreign_keys):
                uow.execute(delete(table).where(one_of(uow.connection, column, ids)))


def _belongs(key: Any) -> bool:
    return bool(key.target_fullname == "core_user.id" and key.ondelete == "CASCADE")


# Everything else


def _take_out_of_tables(
    uow: UnitOfWork, specs: Mapping[str, EntitySpec], live: _Live, person: Person
) -> None:
    """Events, jobs, answers, columns no longer in use: whatever is no field of a record in use."""
    tables: dict[str, Table] = dict(metadata.tables)
    tables |= {spec.table.name: spec.table for spec in specs.values()}
    for mention in person.mentions:
        if (mention.table, mention.column) in live:
            continue
        table = tables[mention.table]
        place = [table.c[name] == value for name, value in mention.key.items()]
        value = without(mention.value, person.texts_of(mention))
        uow.execute(update(table).where(*place).values({mention.column: value}))


def _forget_bulk_acts(uow: UnitOfWork, person: Person) -> None:
    """What acts on many keep of the records, for taking them back, and what they wrote."""
    acts, old = metadata.tables["core_bulk"], metadata.tables["core_bulk_change"]
    for name, ids in person.under():
        mine = one_of(uow.connection, old.c.record_id, ids)
        about = mine & old.c.bulk_id.in_(select(acts.c.id).where(acts.c.entity == name))
        touched = select(acts.c.id, acts.c.act).where(
            acts.c.id.in_(select(old.c.bulk_id).where(about))
        )
        for row in uow.execute(touched).all():
            act = without(row.act, person.names | person.keys)
            uow.execute(update(acts).where(acts.c.id == row.id).values(act=act))
        uow.execute(delete(old).where(about))


def _forget_merges(uow: UnitOfWork, person: Person) -> None:
    """What is kept of merges of the records, to part them again: values as they were before."""
    table = metadata.tables["core_merge"]
    for name in person.records:
        ids = set(person.ids(name))
        kept = select(table.c.id, table.c.record_id, table.c.merged).where(table.c.entity == name)
        gone = [
            row.id
            for row in uow.execute(kept)
            if row.record_id in ids or not ids.isdisjoint(row.merged)
        ]
        uow.execute(delete(table).where(one_of(uow.connection, table.c.id, gone)))


def _drop_files(uow: UnitOfWork, person: Person) -> None:
    """The rows first; the bytes before the commit: a crash leaves rows to try again with."""
    table = uow.snapshot.installed_entities["file"].table
    rows = {row.id: row for row in (*person.files, *person.tables)}
    uow.execute(delete(table).where(one_of(uow.connection, table.c.id, list(rows))))
    for row in rows.values():
        uow.runtime.storage.delete(row.storage_key)


def _redact_trail(uow: UnitOfWork, specs: Mapping[str, EntitySpec], person: Person) -> None:
    """The entries that were found, and those that this erasure itself has just written."""
    new: dict[int, dict[str, Any]] = {}
    for row in list(trail_of(uow, person)):
        own = is_of_trail(person, row)
        spec = specs.get(row.entity or "")
        near = own or row.record_id in person.about.get(row.entity or "", ())
        texts = person.names | person.keys if near else person.keys
        changed = _redacted(spec, row.changes or {}, texts, own=own)
        for name in person.places.get(row.entity or "", {}).get(row.record_id, {}):
            if name in changed:
                changed[name] = _gone(changed[name])
        if changed != (row.changes or {}):
            new[row.id] = changed
    if new:
        redact(uow, new)


def _gone(pair: Any) -> Any:
    """A pair of values, old and new, without either."""
    if not isinstance(pair, list):
        return REDACTED
    return [None if value is None else REDACTED for value in pair]


def _redacted(
    spec: EntitySpec | None, changes: Mapping[str, Any], texts: set[str], *, own: bool
) -> dict[str, Any]:
    """What is left of the changes of an entry; the numbers and addresses of others stay theirs."""
    fields = spec.fields if spec is not None else ()
    about = {each.name for each in fields if is_personal(each)}
    if own and spec is not None and spec.name == "file":
        about = {"name"}
    others = set() if own else {each.name for each in fields if is_address(each)}
    found: dict[str, Any] = {}
    for name, pair in changes.items():
        if own and name in about and isinstance(pair, list):
            found[name] = _gone(pair)
        elif name in others:
            found[name] = pair
        else:
            found[name] = without(pair, texts)
    return found
