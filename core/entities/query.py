"""The one window: every list, detail, count and aggregate is read here, as its reader may see it.

Rows come back as plain dictionaries by field name. What the reader may not see is not in them,
and what is masked is masked already, so no page, export or API further up can leak it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    false,
    func,
    or_,
    select,
    union_all,
)

from core.db.bulk import one_of
from core.db.planning import in_no_order
from core.db.types import as_read
from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql, like_pattern, matches
from core.entities.incoming import known_readable
from core.entities.labels import Labels, reference_ids, resolve_labels
from core.entities.lines import load_lines
from core.entities.masking import mask_value
from core.entities.origins import reached_otherwise
from core.entities.paging import SortKey, after_cursor, make_cursor, parse_sort
from core.entities.reading import Reading, read
from core.entities.related import relatable
from core.entities.scope import (
    living,
    may_use,
    plainly_within,
    require,
    scope_alternatives,
    scope_clause,
)
from core.entities.values import is_text
from core.entities.veils import flag, seen, veils
from core.entities.writing import is_key, load_links
from core.errors import Invalid, NotFound, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.actor import EntityAccess, FieldAccess

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "MAX_LIMIT",
    "ListQuery",
    "Page",
    "Record",
    "conditions",
    "count",
    "counts",
    "get",
    "page",
    "reading_count",
    "reading_counts",
    "reading_ids",
    "reading_page",
    "reading_record",
    "select_ids",
    "stream",
    "visible",
]

MAX_LIMIT = 500
#: Above this many rows ``count="estimate"`` stops counting.
COUNT_CAP = 10_000
#: What every row tells.
_ALWAYS = ("id", "version")
#: Choices of columns that are kept ready, in each process.
MAX_KEPT = 300


@dataclass(frozen=True)
class ListQuery:
    """What to read. ``fields`` None means all that the reader may see, but for lines and links."""

    fields: tuple[str, ...] | None = None
    filter: Any = None
    search: str = ""
    sort: str = ""
    limit: int = 50
    after: str | None = None
    #: ``exact``, ``estimate`` (exact up to `COUNT_CAP`, that number beyond) or ``none``.
    count: str = "none"
    #: The recycle bin instead of the living records.
    archived: bool = False
    #: Only records among these.
    ids: tuple[int, ...] | None = None
    #: Only those that are about one of these records: (entity, its number), or (entity, query) for
    #: the first ``limit`` that the query finds.
    about: tuple[tuple[str, int | ListQuery], ...] = ()
    #: What references are called, beside their numbers.
    labels: bool = True


@dataclass
class Page:
    """One page of rows; ``next`` continues after the last."""

    spec: EntitySpec
    fields: tuple[FieldSpec, ...]
    items: list[dict[str, Any]]
    labels: Labels = field(default_factory=dict)
    next: str | None = None
    total: int | None = None


@dataclass
class Record:
    """One record with its lines and links."""

    spec: EntitySpec
    fields: tuple[FieldSpec, ...]
    values: dict[str, Any]
    labels: Labels = field(default_factory=dict)


def visible(uow: UnitOfWork, spec: EntitySpec) -> tuple[FieldSpec, ...]:
    """The fields that the actor may see, masked ones included."""
    return uow.actor.access(spec).visible


def page(uow: UnitOfWork, entity: str, query: ListQuery) -> Page:
    """One page of the records that the actor reaches.

    Raises `Forbidden` without the right to read, `Invalid` for a filter, sort, field or cursor
    that is wrong or not the reader's to use.
    """
    return read(uow, reading_page(uow, entity, query))


def reading_page(uow: UnitOfWork, entity: str, query: ListQuery) -> Reading[Page]:
    """What `page` reads, to be read together with more; ``count="estimate"`` is part of it."""
    spec = uow.entity(entity)
    require(uow, spec, "read")
    fields = _chosen(uow, spec, query.fields)
    limit = max(1, min(query.limit, MAX_LIMIT))
    keys = _order(uow, spec, query)
    further = [after_cursor(uow, spec, keys, query.after)] if query.after else []
    wanted = _first_of_each_alternative(uow, spec, query, keys, further, limit + 1)
    where = []
    if wanted is None or query.count != "none":
        where = conditions(uow, spec, query)
    statement = _columns(uow, spec, fields, keys)
    statement = statement.where(*where, *further) if wanted is None else statement.where(wanted)
    statement = statement.order_by(*(key.order() for key in keys)).limit(_literal(limit + 1))

    def shown(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
        return _shown(uow, spec, fields, _rows(rows[:limit]))

    def finish(rows: Sequence[Row[Any]], *total: Sequence[Row[Any]]) -> Page:
        is_cut = len(rows) > limit
        following = make_cursor(keys, _rows(rows[limit - 1 : limit])[0]) if is_cut else None
        items = shown(rows)
        if query.archived is False and reached_otherwise(uow) is None:
            known_readable(uow, entity).update(row["id"] for row in items if "id" in row)
        _attach_links(uow, spec, fields, items)
        labels: Labels = {}
        if query.labels:
            labels = resolve_labels(uow, reference_ids(spec, [item.name for item in fields], items))
        counted = int(total[0][0][0]) if total else None
        return Page(spec, fields, items, labels, following, counted)

    def names(rows: Sequence[Row[Any]], *total: Sequence[Row[Any]]) -> Mapping[str, set[int]]:
        stored = [item.name for item in fields if item.is_stored]
        return reference_ids(spec, stored, shown(rows)) if query.labels else {}

    return Reading((statement, *_count(spec, where, query.count)), finish, names)


def get(uow: UnitOfWork, entity: str, record_id: int, *, archived: bool | None = False) -> Record:
    """One record with its lines and links; `NotFound` when it is not there or out of reach.

    ``archived=None`` finds it in the recycle bin too, for who may delete it and so restore it.
    """
    return read(uow, reading_record(uow, entity, record_id, archived=archived))


def reading_record(
    uow: UnitOfWork, entity: str, record_id: int, *, archived: bool | None = False
) -> Reading[Record]:
    """What `get` reads, to be read together with more; the record may turn out to be not there."""
    spec = uow.entity(entity)
    require(uow, spec, "read")
    fields = visible(uow, spec)
    made = _just_made(uow, spec, record_id) if archived is False else None

    def finish(*answers: Sequence[Row[Any]]) -> Record:
        row = made
        for rows in answers:
            row = next(iter(_rows(rows)), None)
        if row is None:
            raise NotFound(
                _(
                    "There is no %(entity)s with the number %(id)s.",
                    entity=str(spec.label),
                    id=record_id,
                )
            )
        if answers and (archived is False or row.get("archived_at", "") is None):
            known_readable(uow, entity).add(record_id)
        return _record(uow, spec, fields, row)

    if made is not None or not is_key(record_id):
        return Reading((), finish)
    statement = _columns(uow, spec, fields, ()).where(spec.table.c.id == record_id)
    statement = statement.where(*_living(uow, spec, archived))
    if (clause := scope_clause(uow, spec, "read")) is not None:
        statement = statement.where(clause)
    return Reading((statement,), finish)


def _record(
    uow: UnitOfWork, spec: EntitySpec, fields: tuple[FieldSpec, ...], row: dict[str, Any]
) -> Record:
    (values,) = _shown(uow, spec, fields, [row])
    _attach_links(uow, spec, fields, [values])
    labels = resolve_labels(uow, reference_ids(spec, [item.name for item in fields], [values]))
    record = Record(spec, fields, values, labels)
    _attach_lines(uow, record)
    return record


def _just_made(uow: UnitOfWork, spec: EntitySpec, key: int) -> dict[str, Any] | None:
    """A record that this very transaction has made, as it would be read now; None for all others.

    Whoever makes one is about to see it: what was written need not be asked for.
    """
    made = uow.made.get((spec.name, key))
    if (
        made is None
        or spec.scope is not None
        or veils(uow, spec)
        or not plainly_within(uow, spec, "read", (made,))
    ):
        return None
    row, dialect = {item.name: made.get(item.name) for item in spec.stored}, uow.connection.dialect
    for name, value in row.items():
        if value is not None:
            row[name] = as_read(spec.column(name).type, value, dialect)
    return row


def count(uow: UnitOfWork, entity: str, query: ListQuery) -> int:
    """How many records the query finds, exactly."""
    return read(uow, reading_count(uow, entity, query))


def reading_count(uow: UnitOfWork, entity: str, query: ListQuery) -> Reading[int]:
    """What `count` reads, to be read together with more."""
    spec = uow.entity(entity)
    require(uow, spec, "read")
    statements = _count(spec, conditions(uow, spec, query), "exact")
    return Reading(statements, lambda rows: int(rows[0].total))


def counts(uow: UnitOfWork, wanted: Sequence[tuple[str, ListQuery]]) -> list[int]:
    """How many records each query finds, up to `COUNT_CAP`, in one statement."""
    return read(uow, reading_counts(uow, wanted))


def reading_counts(uow: UnitOfWork, wanted: Sequence[tuple[str, ListQuery]]) -> Reading[list[int]]:
    """What `counts` reads, to be read together with more."""
    capped = []
    for entity, query in wanted:
        spec = uow.entity(entity)
        require(uow, spec, "read")
        where = conditions(uow, spec, query)
        some = select(spec.table.c.id).where(*where).limit(COUNT_CAP).subquery()
        capped.append(select(func.count()).select_from(some).scalar_subquery())
    if not capped:
        return Reading((), list)
    statement = select(*(each.label(f"n{place}") for place, each in enumerate(capped)))
    return Reading((statement,), lambda rows: [int(n) for n in rows[0]])


def stream(
    uow: UnitOfWork, entity: str, query: ListQuery, *, action: str = "export", chunk: int = 500
) -> Iterator[Page]:
    """All rows, page by page with flat memory; the right to ``action`` is needed, and its scope applies."""
    spec = uow.entity(entity)
    require(uow, spec, "read")
    require(uow, spec, action)
    fields = _chosen(uow, spec, query.fields)
    keys = _order(uow, spec, query)
    where = conditions(uow, spec, query)
    if (clause := scope_clause(uow, spec, action)) is not None:
        where.append(clause)
    cursor = query.after
    while True:
        statement = _columns(uow, spec, fields, keys).where(*where)
        if cursor:
            statement = statement.where(after_cursor(uow, spec, keys, cursor))
        statement = statement.order_by(*(key.order() for key in keys)).limit(_literal(chunk + 1))
        rows = _rows(uow.execute(statement).all())
        cursor = make_cursor(keys, rows[chunk - 1]) if len(rows) > chunk else None
        items = _shown(uow, spec, fields, rows[:chunk])
        _attach_links(uow, spec, fields, items)
        labels = resolve_labels(uow, reference_ids(spec, [item.name for item in fields], items))
        yield Page(spec, fields, items, labels, cursor)
        if cursor is None:
            return


def select_ids(
    uow: UnitOfWork, entity: str, query: ListQuery, *, action: str, limit: int
) -> list[int]:
    """The ids of the first ``limit`` records found that the actor reaches with ``action``: for bulk acts."""
    return read(uow, reading_ids(uow, entity, query, action=action, limit=limit))


def reading_ids(
    uow: UnitOfWork, entity: str, query: ListQuery, *, action: str, limit: int
) -> Reading[list[int]]:
    """What `select_ids` reads, to be read together with more."""
    statement = _first_ids(uow, entity, query, action, limit)
    return Reading((statement,), lambda rows: [row.id for row in rows])


def _first_ids(
    uow: UnitOfWork, entity: str, query: ListQuery, action: str, limit: int
) -> Select[tuple[int]]:
    spec = uow.entity(entity)
    require(uow, spec, action)
    where = conditions(uow, spec, query)
    if action != "read":
        clause = scope_clause(uow, spec, action, about_seen=_about_seen(uow, query))
        where += [] if clause is None else [clause]
    keys = _order(uow, spec, query)
    found: Select[tuple[int]] = select(spec.table.c.id).where(*where)
    return found.order_by(*(key.order() for key in keys)).limit(limit)


# Statements


def _order(uow: UnitOfWork, spec: EntitySpec, query: ListQuery) -> tuple[SortKey, ...]:
    """The order asked for, else the entity's own as far as the reader may use its fields."""
    if query.sort:
        return parse_sort(uow, spec, query.sort)
    parts = [part.strip() for part in spec.default_sort.split(",")]
    usable = [part for part in parts if may_use(uow, spec, spec[part.lstrip("+-")])]
    return parse_sort(uow, spec, ",".join(usable))


def _columns(
    uow: UnitOfWork, spec: EntitySpec, fields: Sequence[FieldSpec], keys: Sequence[SortKey]
) -> Select[Any]:
    names = {item.name for item in fields if item.is_stored}
    if spec.redact is not None:
        names.update(item.name for item in spec.stored)  # it looks at the whole row
    names.update(_helpers(spec, names))
    extra = [key.expression.label(key.alias) for key in keys if key.alias not in names]
    veiled = veils(uow, spec).items()
    extra += [veil.label(flag(name)) for name, veil in veiled if name in names]
    # Naming thirty columns takes as long as finding the row: what is asked for often is kept.
    kept: dict[Any, Select[Any]] = uow.snapshot.memo.setdefault("columns", {})
    asked = (spec.name, frozenset(names))
    found = kept.get(asked)
    if found is None:
        found = select(*(spec.column(n).label(n) for n in spec.by_name if n in names))
        if len(kept) < MAX_KEPT:
            kept[asked] = found
    return found.add_columns(*extra) if extra else found


def _helpers(spec: EntitySpec, names: Collection[str]) -> list[str]:
    """What is read beside the fields that are asked for, as those are not understood without it."""
    found = [name for name in _ALWAYS if name in spec]
    if spec.related is not None and spec.related.name in names:
        assert isinstance(spec.related.type, t.Related)
        found.append(spec.related.type.entity_field)
    return [name for name in found if name not in names]


def _literal(limit: int) -> ColumnElement[int]:
    """A limit as part of the text: with a bound one PostgreSQL plans for a tenth of the table."""
    return bindparam("limit", limit, Integer, unique=True, literal_execute=True)


def _rows(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    names = rows[0]._fields if rows else ()
    return [dict(zip(names, row, strict=True)) for row in rows]


def _living(uow: UnitOfWork, spec: EntitySpec, archived: bool | None) -> list[ColumnElement[bool]]:
    """Outside the recycle bin; with ``archived`` in it, with None in either.

    In the bin one sees what one may delete, and so restore: nobody else is to know of it any more.
    """
    if archived is False:
        return living(uow, spec)
    if "archived_at" not in spec.table.c:
        return []
    stamp = spec.table.c.archived_at
    deletes = scope_clause(uow, spec, "delete")
    if archived:
        return [stamp.is_not(None)] if deletes is None else [stamp.is_not(None), deletes]
    return [] if deletes is None else [or_(and_(*living(uow, spec)), deletes)]


def conditions(uow: UnitOfWork, spec: EntitySpec, query: ListQuery) -> list[ColumnElement[bool]]:
    """The WHERE of a query: living records, the reader's scope, the filter and the search."""
    scope = scope_clause(uow, spec, "read", about_seen=_about_seen(uow, query))
    if scope is not None and query.ids is not None and uow.runtime.database.is_sqlite:
        scope = in_no_order(scope)  # named records are found by their numbers, not by their owners
    return [*([] if scope is None else [scope]), *_asked(uow, spec, query)]


def _asked(uow: UnitOfWork, spec: EntitySpec, query: ListQuery) -> list[ColumnElement[bool]]:
    clauses = _living(uow, spec, query.archived)
    if query.filter not in (None, {}, ""):
        node = parse_condition(
            query.filter, spec, uow, may_use=lambda entity, item: may_use(uow, entity, item)
        )
        clauses.append(condition_sql(node, spec, uow))
    if query.ids is not None:
        clauses.append(one_of(uow.connection, spec.table.c.id, query.ids))
    if query.about:
        clauses.append(_is_about(uow, spec, query.about))
    for term in query.search.split()[:10]:
        clauses.append(_search(uow, spec, term[:100]))
    return clauses


def _about_seen(uow: UnitOfWork, query: ListQuery) -> bool:
    """Whether all that the records may be about is within the reader's reach by the query itself.

    What a query finds is; a record by its number when it was read just now.
    """
    about = {spec.name for spec in relatable(uow)} if query.about else ()
    return bool(query.about) and all(
        entity in about and (not isinstance(which, int) or which in known_readable(uow, entity))
        for entity, which in query.about
    )


def _is_about(
    uow: UnitOfWork, spec: EntitySpec, wanted: Sequence[tuple[str, int | ListQuery]]
) -> ColumnElement[bool]:
    """Each by itself: an index holds both columns, and an OR of subqueries goes through none."""
    item = spec.related
    if item is None:
        raise TypeError(f"records of {spec.name} are about no others")
    assert isinstance(item.type, t.Related)
    of, key = spec.column(item.type.entity_field), spec.column(item.name)
    parts = []
    for entity, which in wanted:
        if isinstance(which, int):
            parts.append(and_(of == entity, key == which))
        else:
            found = _first_ids(uow, entity, which, "read", which.limit).subquery()
            parts.append(and_(of == entity, key.in_(select(found.c.id))))
    if len(parts) == 1:
        return parts[0]
    each = (select(spec.table.c.id).where(part).correlate(None) for part in parts)
    return spec.table.c.id.in_(union_all(*each))


def _first_of_each_alternative(
    uow: UnitOfWork,
    spec: EntitySpec,
    query: ListQuery,
    keys: Sequence[SortKey],
    further: Sequence[ColumnElement[bool]],
    limit: int,
) -> ColumnElement[bool] | None:
    """On SQLite, for a scope of alternatives: the page is among the first rows of each of them.

    SQLite reads an OR of conditions through an index for each, but then sorts all that it found;
    each alternative by itself is read in order, and only as far as the page goes.
    """
    if not uow.runtime.database.is_sqlite or query.ids is not None:
        return None
    alternatives = scope_alternatives(uow, spec, "read", about_seen=_about_seen(uow, query))
    if alternatives is None:
        return None
    asked = [*_asked(uow, spec, query), *further]
    order = [key.order() for key in keys]
    key = spec.table.c.id
    first = select(key).where(*asked).order_by(*order).limit(_literal(limit)).correlate(None)
    return or_(*(key.in_(first.where(one)) for one in alternatives))


def _search(uow: UnitOfWork, spec: EntitySpec, term: str) -> ColumnElement[bool]:
    """Each word must be found in one of the searchable fields that the reader may use."""
    if not is_text(term):
        raise Invalid(_("The search has characters that no text holds."))
    pattern = f"%{like_pattern(term)}%"
    usable = [item for item in spec.searchable if may_use(uow, spec, item)]
    columns = [seen(uow, spec, item, spec.table) for item in usable]
    is_sqlite = uow.runtime.database.is_sqlite
    found = [matches(column, pattern, is_sqlite=is_sqlite) for column in columns]
    return or_(false(), *found)


def _count(
    spec: EntitySpec, where: Sequence[ColumnElement[bool]], how: str
) -> tuple[Select[Any], ...]:
    """The statement that counts; none for ``none``."""
    if how == "none":
        return ()
    if how == "estimate":
        capped = select(spec.table.c.id).where(and_(*where)).limit(COUNT_CAP).subquery()
        return (select(func.count().label("total")).select_from(capped),)
    if how != "exact":
        message = _("Use exact, estimate or none.")
        raise Invalid(message, [Problem("count", "choice", message)])
    return (select(func.count().label("total")).select_from(spec.table).where(*where),)


# What the reader sees


def _chosen(
    uow: UnitOfWork, spec: EntitySpec, names: Sequence[str] | None
) -> tuple[FieldSpec, ...]:
    seen = visible(uow, spec)
    if names is None:
        return tuple(item for item in seen if item.is_stored)
    by_name = {item.name: item for item in seen}
    chosen = []
    for name in dict.fromkeys(names):
        item = by_name.get(name)
        if item is None or isinstance(item.type, t.Lines):
            message = _("There is no field %(name)s.", name=name[:60])
            raise Invalid(message, [Problem("fields", "unknown_field", message)])
        chosen.append(item)
    return tuple(chosen)


def _shown(
    uow: UnitOfWork,
    spec: EntitySpec,
    fields: Sequence[FieldSpec],
    rows: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    access: EntityAccess | None = None if uow.actor.is_system else uow.actor.access(spec)
    names = [item.name for item in fields if item.is_stored]
    names += [
        name
        for name in _helpers(spec, names)
        if access is None or name in _ALWAYS or access.can_see(spec[name])
    ]
    masked = [
        item
        for item in fields
        if access is not None and access.field(item.name) == FieldAccess.MASKED
    ]
    veiled = [item for item in fields if rows and flag(item.name) in rows[0]]
    found = []
    for row in rows:
        if spec.redact is not None:
            row = spec.redact(uow, row)
        values = {name: row[name] for name in names}
        for item in masked:
            values[item.name] = mask_value(values.get(item.name), item.mask)
        for item in veiled:
            if row[flag(item.name)] and item not in masked:
                values[item.name] = mask_value(values[item.name], item.mask)
        found.append(values)
    return found


def _attach_links(
    uow: UnitOfWork,
    spec: EntitySpec,
    fields: Sequence[FieldSpec],
    rows: Sequence[dict[str, Any]],
) -> None:
    for item in fields:
        if isinstance(item.type, t.References) and rows:
            links = load_links(uow, spec, item, [row["id"] for row in rows])
            for row in rows:
                row[item.name] = links.get(row["id"], [])


def _attach_lines(uow: UnitOfWork, record: Record) -> None:
    for item in record.fields:
        if not isinstance(item.type, t.Lines):
            continue
        child = uow.snapshot.installed_entities[item.type.entity]
        key = record.values["id"]
        rows = load_lines(uow, record.spec, item, [key]).get(key, [])
        fields = tuple(f for f in visible(uow, child) if f.is_stored)
        shown = _shown(uow, child, fields, rows)
        record.values[item.name] = shown
        names = [f.name for f in fields]
        for entity, labels in resolve_labels(uow, reference_ids(child, names, shown)).items():
            record.labels.setdefault(entity, {}).update(labels)
