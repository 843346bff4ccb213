"""Which records are the same one: keys of normalised values, kept beside the records.

A key is a 64-bit hash of the values that `EntityDef.duplicate_keys` names, or of the first unique
field. It is maintained with every write, so that an import looks up a thousand rows at a time
whatever the size of the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.db.bulk import bulk_insert, numbers_as_rows, one_of
from core.db.locks import take_turns
from core.entities.changes import Change
from core.exchange.tables import duplicate_key_table
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.tabular.keys import NORMAL_FORMS, hashed, key_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "KeyMaker",
    "ensure_keys",
    "find_records",
    "follow_changes",
    "key_fields",
    "maker_of",
]

_MARKER = 0
#: Of these, equal values have the same normal form.
_COMPARED = (t.Text, t.Integer, t.Date, t.Reference, t.Region)
_IN_CHUNK = 900
_REBUILD = 5_000


def key_fields(spec: EntitySpec) -> tuple[FieldSpec, ...]:
    """The fields that tell two records apart; none when nothing is declared and nothing unique."""
    if spec.duplicate_keys:
        return tuple(spec[name] for name in spec.duplicate_keys if spec[name].is_stored)
    unique = [item for item in spec.stored if item.unique and item.is_writable]
    return tuple(unique[:1])


class KeyMaker:
    """Makes the keys of one entity; ``None`` for values that are all blank.

    ``fields`` replace the declared ones; of these, texts other than a company's or record's name
    are compared letter by letter.
    """

    def __init__(self, spec: EntitySpec, fields: tuple[FieldSpec, ...] | None = None) -> None:
        self.fields = key_fields(spec) if fields is None else fields
        exact = not spec.duplicate_keys
        names = {spec.label_field, *spec.duplicate_keys}
        #: The name of each field, and the normal form in which its values are compared.
        self.parts = [
            (
                item.name,
                _normal_form(
                    item, exact if fields is None else item.unique or item.name not in names
                ),
            )
            for item in self.fields
        ]
        self._forms = [(name, NORMAL_FORMS[form]) for name, form in self.parts]
        self._recent: dict[tuple[Any, ...], int | None] = {}
        #: Changes with the declaration, so that keys of an earlier one are made anew.
        self.marker = hashed([spec.name, *(item.name for item in self.fields), str(exact)])

    def __bool__(self) -> bool:
        return bool(self.parts)

    def key(self, values: Mapping[str, Any]) -> int | None:
        """The key of a record or of a row that is to become one."""
        given = tuple([values.get(name) for name, _form in self._forms])
        recent = self._recent
        if recent and given in recent:
            return recent[given]
        return key_of([form(value) for value, (_n, form) in zip(given, self._forms, strict=True)])

    def remember(self, rows: Sequence[tuple[Mapping[str, Any], int | None]]) -> None:
        """Know the keys of rows that are about to be written, when they are asked for again; until
        the next rows are given."""
        if not all(isinstance(item.type, _COMPARED) for item in self.fields):
            return
        names = [name for name, _form in self._forms]
        self._recent = {tuple([values.get(name) for name in names]): key for values, key in rows}


def maker_of(uow: UnitOfWork, spec: EntitySpec) -> KeyMaker:
    """The maker of an entity's declared keys, made once for each snapshot."""
    kept: tuple[EntitySpec, KeyMaker] | None = uow.snapshot.memo.get(("duplicate keys", spec.name))
    if kept is None or kept[0] is not spec:
        kept = uow.snapshot.memo["duplicate keys", spec.name] = (spec, KeyMaker(spec))
    return kept[1]


def _normal_form(item: FieldSpec, exact: bool) -> str:
    if isinstance(item.type, t.Phone):
        return "digits"
    return "company" if type(item.type) is t.Text and not exact else "exact"


def find_records(uow: UnitOfWork, spec: EntitySpec, keys: Iterable[int]) -> dict[int, int]:
    """The oldest living record of each key that has any, whoever may see it.

    Each key is looked up by itself: of a condition on a thousand keys PostgreSQL thinks that reading
    the whole table is cheaper.
    """
    table = duplicate_key_table
    wanted = numbers_as_rows(uow.connection, set(keys))
    oldest = (
        select(func.min(table.c.record_id))
        .where(
            table.c.entity == spec.name,
            table.c.key == wanted.c.value,
            table.c.record_id > _MARKER,
        )
        .scalar_subquery()
    )
    rows = uow.execute(select(wanted.c.value, oldest.label("record_id")))
    return {row.value: row.record_id for row in rows if row.record_id is not None}


def follow_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Keep the keys in step with what was just written; part of its transaction."""
    spec = changes[0].entity
    maker = maker_of(uow, spec)
    if maker:
        _follow(uow, spec.name, maker, changes)
        if changes[0].kind == "create":
            _mark_from_the_start(uow, spec, maker, changes)


def _mark_from_the_start(
    uow: UnitOfWork, spec: EntitySpec, maker: KeyMaker, changes: Sequence[Change]
) -> None:
    """Say that the keys are complete when these are the first records: none was without a key."""
    asked = ("duplicate keys asked for", spec.name)
    if asked in uow.snapshot.memo:
        return
    uow.snapshot.memo[asked] = True
    ids = [change.id for change in changes if change.id is not None]
    other = ~one_of(uow.connection, spec.table.c.id, ids)
    if uow.execute(select(spec.table.c.id).where(other).limit(1)).first() is None:
        insert: Any = sqlite_insert if uow.runtime.database.is_sqlite else postgresql_insert
        marker = {"entity": spec.name, "key": maker.marker, "record_id": _MARKER}
        uow.execute(insert(duplicate_key_table).values(marker).on_conflict_do_nothing())


def _follow(uow: UnitOfWork, entity: str, maker: KeyMaker, changes: Sequence[Change]) -> None:
    gone: list[tuple[int, int]] = []
    come: list[tuple[int, int]] = []
    for change in changes:
        assert change.id is not None
        old = maker.key(change.before) if change.kind in ("update", "delete") else None
        new = maker.key(change.after) if change.kind != "delete" else None
        if old == new:
            continue
        if old is not None:
            gone.append((old, change.id))
        if new is not None:
            come.append((new, change.id))
    table = duplicate_key_table
    for start in range(0, len(gone), _IN_CHUNK // 2):
        pairs = gone[start : start + _IN_CHUNK // 2]
        pair = tuple_(table.c.key, table.c.record_id)
        uow.execute(delete(table).where(table.c.entity == entity, pair.in_(pairs)))
    _add(uow, entity, come)


def _add(uow: UnitOfWork, entity: str, pairs: Sequence[tuple[int, int]]) -> None:
    rows = [(entity, key, record) for key, record in pairs]
    bulk_insert(uow.connection, duplicate_key_table, ("entity", "key", "record_id"), rows)


def ensure_keys(uow: UnitOfWork, spec: EntitySpec) -> None:
    """Make the keys of records that were written before the entity had these keys."""
    maker, table = KeyMaker(spec), duplicate_key_table
    here = table.c.entity == spec.name
    marked = select(table.c.key).where(
        here, table.c.key == maker.marker, table.c.record_id == _MARKER
    )
    if not maker or uow.execute(marked).first() is not None:
        return
    take_turns(uow.connection, f"import {spec.name}")
    if uow.execute(marked).first() is not None:
        return  # another import was first
    uow.execute(delete(table).where(here))
    columns = [spec.column(item.name).label(item.name) for item in maker.fields]
    statement = select(spec.table.c.id.label("id_"), *columns).order_by(spec.table.c.id)
    if "archived_at" in spec.table.c:
        statement = statement.where(spec.table.c.archived_at.is_(None))
    last = 0
    while rows := uow.execute(
        statement.where(spec.table.c.id > last).limit(_REBUILD)
    ).mappings().all():  # fmt: skip
        keys = [(maker.key(dict(row)), row["id_"]) for row in rows]
        _add(uow, spec.name, [(key, record) for key, record in keys if key is not None])
        last = rows[-1]["id_"]
    _add(uow, spec.name, [(maker.marker, _MARKER)])
