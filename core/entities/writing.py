"""What every write shares: hooks around it, rows, lines and links, audit, and the event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, BigInteger, Table, bindparam, cast, column, func, select, update
from sqlalchemy import table as table_
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.exc import IntegrityError

from core.audit.recorder import record_changes
from core.db.bulk import bulk_insert, insert_into
from core.entities.changes import Change
from core.entities.computed import compute
from core.entities.incoming import forget_readable, readable
from core.entities.links import link_table
from core.entities.recompute import follow
from core.entities.scope import living, plainly_within, scope_clause
from core.entities.sequences import next_numbers
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.delegation import note_deputy
from core.work import events
from core.work.uow import inserted_key

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "check_reach",
    "is_key",
    "load",
    "load_links",
    "refuse",
    "run_after",
    "run_before",
    "write_rows",
]

_IN_CHUNK = 900
#: SQLite's own table of the last key given, by table.
_sqlite_sequence = table_("sqlite_sequence", column("name"), column("seq"))


def is_key(value: Any) -> bool:
    """True for what can be the id of a record: 1 to 18 digits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**18


def refuse(problems: Sequence[Problem]) -> None:
    """Raise `Invalid` when there is any problem."""
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)


def load(
    uow: UnitOfWork,
    spec: EntitySpec,
    ids: Sequence[int],
    action: str,
    *,
    archived: bool = False,
    lock: bool = True,
) -> dict[int, dict[str, Any]]:
    """The rows that are to be changed, locked, by id in the order given.

    Raises `NotFound` when one does not exist or may not be read: the two look the same. For one
    that may be read, only not changed in this way, `Forbidden` says so.
    """
    columns = [spec.column(field.name).label(field.name) for field in spec.stored]
    table = spec.table
    found: dict[int, dict[str, Any]] = {}
    clause = scope_clause(uow, spec, action)
    keys = [key for key in ids if is_key(key)]
    for start in range(0, len(keys), _IN_CHUNK):
        statement = select(*columns).where(table.c.id.in_(keys[start : start + _IN_CHUNK]))
        statement = statement.order_by(table.c.id)
        if not archived:
            statement = statement.where(*living(uow, spec))
        elif "archived_at" in table.c:
            statement = statement.where(table.c.archived_at.is_not(None))
        if clause is not None:
            statement = statement.where(clause)
        if lock:
            statement = statement.with_for_update(of=table)
        found.update((row["id"], dict(row)) for row in uow.execute(statement).mappings())
    if missing := [key for key in ids if key not in found]:
        seen = {missing[0]} if is_key(missing[0]) and not archived else set()
        if seen and seen <= readable(uow, spec.name, seen):
            raise Forbidden(
                _(
                    "You do not have the right to do this with %(record)s.",
                    record=f"{spec.label} #{missing[0]}",
                )
            )
        raise NotFound(
            _(
                "There is no %(entity)s with the number %(id)s.",
                entity=str(spec.label),
                id=missing[0],
            )
        )
    return {key: found[key] for key in ids}


def load_links(
    uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, ids: Iterable[int]
) -> dict[int, list[int]]:
    """The targets of a field of references, by record, in their order."""
    table = link_table(spec, field)
    found: dict[int, list[int]] = defaultdict(list)
    wanted = list(ids)
    for start in range(0, len(wanted), _IN_CHUNK):
        rows = uow.execute(
            select(table.c.source_id, table.c.target_id)
            .where(table.c.source_id.in_(wanted[start : start + _IN_CHUNK]))
            .order_by(table.c.source_id, table.c.position)
        )
        for row in rows:
            found[row.source_id].append(row.target_id)
    return found


def run_before(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Ask who may object, then let derived values be set, then compute."""
    changes = tuple(changes)  # hooks are shown what is written; they do not choose it
    plugins, enabled = uow.runtime.plugins, uow.snapshot.enabled
    if plugins.has("validate_changes", enabled):
        refuse(
            plugins.call_in_transaction(
                "validate_changes", enabled, within=uow.opened_for, changes=changes, uow=uow
            )
        )
    if plugins.has("before_changes", enabled):
        with uow.elevated():
            plugins.call_in_transaction("before_changes", enabled, changes=changes, uow=uow)
    compute(uow, changes)


def write_rows(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Insert or update the rows, with their numbers and links."""
    if not changes:
        return
    spec, kind = changes[0].entity, changes[0].kind
    uow.shapes_access |= spec.shapes_access
    try:
        if kind == "create":
            _number(uow, spec, changes)
            _insert(uow, spec, changes)
        else:
            _update(uow, spec, changes)
            forget_readable(uow)
            uow.forget_made(spec.name, [change.id for change in changes])
        for field in spec.detached:
            if isinstance(field.type, t.References):
                _write_links(uow, spec, field, changes)
    except IntegrityError as error:
        refuse([_from_constraint(spec, changes[0], error)])


def _number(uow: UnitOfWork, spec: EntitySpec, changes: Sequence[Change]) -> None:
    for field in spec.stored:
        if isinstance(field.type, t.AutoNumber):
            unnumbered = [change for change in changes if not change.after.get(field.name)]
            if not unnumbered:
                continue
            numbers = next_numbers(
                uow,
                f"{spec.name}.{field.name}",
                field.type.pattern,
                uow.clock.today(),
                len(unnumbered),
            )
            for change, number in zip(unnumbered, numbers, strict=True):
                change.after[field.name] = number


def _insert(uow: UnitOfWork, spec: EntitySpec, changes: Sequence[Change]) -> None:
    table = spec.table
    if len(changes) == 1:
        after = changes[0].after
        row = {f.column: after.get(f.name) for f in spec.stored if f.name != "id"}
        made = uow.execute(insert_into(table, wants_key=True), row)
        keys: Sequence[int] = [inserted_key(made)]
    else:
        keys = _next_keys(uow, table, len(changes))
    for change, key in zip(changes, keys, strict=True):
        change.id = change.after["id"] = key
    if len(changes) == 1:
        uow.made[spec.name, keys[0]] = changes[0].after
    else:
        values = itemgetter(*(field.name for field in spec.stored))
        columns = [field.column or field.name for field in spec.stored]
        bulk_insert(uow.connection, table, columns, [values(change.after) for change in changes])


def _next_keys(uow: UnitOfWork, table: Table, count: int) -> Sequence[int]:
    """Keys for rows to come, taken at once: asking for them row by row costs more than the rows.

    On SQLite those that it would give next, as nobody else writes before this transaction ends.
    """
    if not uow.runtime.database.is_sqlite:
        # As a query of its own the name is looked up once, and not again for each key.
        sequence = select(cast(func.pg_get_serial_sequence(table.name, "id"), REGCLASS))
        key = func.nextval(sequence.scalar_subquery())
        numbered = func.generate_series(1, count).table_valued("n")
        taken = select(func.array_agg(key, type_=ARRAY(BigInteger))).select_from(numbered)
        keys: list[int] = uow.execute(taken).scalar_one()
        return keys
    used = select(_sqlite_sequence.c.seq).where(_sqlite_sequence.c.name == table.name)
    last = max(
        uow.execute(used).scalar() or 0,
        uow.execute(select(func.max(table.c.id))).scalar() or 0,
    )
    return range(last + 1, last + 1 + count)


def _update(uow: UnitOfWork, spec: EntitySpec, changes: Sequence[Change]) -> None:
    groups: dict[tuple[str, ...], list[Change]] = defaultdict(list)
    for change in changes:
        groups[tuple(change.changed_fields())].append(change)
    for names, group in groups.items():
        if not names:
            continue
        columns = {name: spec.column(name) for name in names}
        statement = (
            update(spec.table)
            .where(spec.table.c.id == bindparam("key_"))
            .values(
                {
                    column: bindparam(f"v_{name}", type_=column.type)
                    for name, column in columns.items()
                }
            )
        )
        rows = [
            {"key_": change.id, **{f"v_{name}": change.after[name] for name in names}}
            for change in group
        ]
        uow.execute(statement, rows)


def _write_links(
    uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, changes: Sequence[Change]
) -> None:
    table = link_table(spec, field)
    touched = [change for change in changes if field.name in change.detached]
    old = [change.id for change in touched if change.before.get(field.name)]
    if old:
        uow.execute(table.delete().where(table.c.source_id.in_(old)))
    rows = [
        (change.id, target, position)
        for change in touched
        for position, target in enumerate(change.detached[field.name] or ())
    ]
    bulk_insert(uow.connection, table, ("source_id", "target_id", "position"), rows)


def _from_constraint(spec: EntitySpec, change: Change, error: IntegrityError) -> Problem:
    """What a constraint refused that the checks let through: two people at the same instant."""
    text = str(error.orig)
    for field in spec.stored:
        if field.unique and field.column and field.column in text:
            message = _("Another record has this value already.")
            return change.problem(field.name, "taken", message)
    return change.problem("", "constraint", _("Another change came first. Please try again."))


def check_reach(uow: UnitOfWork, changes: Sequence[Change], action: str) -> None:
    """Raise `Forbidden` when a written record lies outside the scope of the action.

    It is asked of the rows themselves, so it is exact for every kind of scope; the transaction
    is rolled back with the exception.
    """
    spec = changes[0].entity
    written = (change.after for change in changes)
    if uow.actor.is_system or plainly_within(uow, spec, action, written):
        return
    clause = scope_clause(uow, spec, action)
    if clause is None:
        return
    ids = [change.id for change in changes]
    for start in range(0, len(ids), _IN_CHUNK):
        chunk = ids[start : start + _IN_CHUNK]
        rows = uow.execute(select(spec.table.c.id).where(spec.table.c.id.in_(chunk), clause))
        if len(rows.all()) != len(chunk):
            raise Forbidden(
                _("You may not give this record away: it would leave the records you reach.")
                if action == "update"
                else _(
                    "You may not create this record: it would not be among the records you reach."
                )
            )


def run_after(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Computed fields that hang on what was written, audit, hooks, and the event for subscribers."""
    follow(uow, changes)
    record_changes(uow, changes)
    if uow.actor.stands_in:
        touched = {change.id: change.before for change in changes if change.id is not None}
        note_deputy(uow, changes[0].entity, changes[0].kind, touched)
    changes = tuple(changes)
    plugins, enabled = uow.runtime.plugins, uow.snapshot.enabled
    if plugins.has("after_changes", enabled):
        with uow.elevated():
            plugins.call_in_transaction("after_changes", enabled, changes=changes, uow=uow)
    uow.publish(_event(changes))


def _event(changes: Sequence[Change]) -> events.Event:
    entity, kind = changes[0].entity.name, changes[0].kind
    ids = tuple(change.id for change in changes if change.id is not None)
    match kind:
        case "create":
            return events.RecordsCreated(entity, ids)
        case "delete":
            return events.RecordsDeleted(entity, ids)
        case "restore":
            return events.RecordsRestored(entity, ids)
    names = {name for change in changes for name in (*change.changed_fields(), *change.detached)}
    names -= {"version", "updated_at", "updated_by"}
    return events.RecordsUpdated(entity, ids, tuple(sorted(names)))
