"""From the rows that describe the company's own entities and fields to their specs and tables."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Integer, MetaData, Table, select

from core.customize.kinds import LocalText, make_type
from core.customize.tables import custom_entity_table, custom_field_table
from core.db.base import metadata
from core.db.names import physical_name
from core.db.types import BigId, UtcDateTime
from core.entities.registry import Customised
from core.entities.values import BadValue, check_value
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.declare import entity_indexes
from core.fields.describe import system_fields
from core.fields.storage import column_type, is_detached
from core.i18n import lazy_gettext as _l

__all__ = [
    "OWNER",
    "WAITS",
    "Customised",
    "entity_spec",
    "field_column",
    "field_spec",
    "read_customised",
]

log = logging.getLogger("dougong.customize")

#: Who declared what the company made itself, beside the names of plugins.
OWNER = "custom"
#: In the options of a field that takes no values yet: what keeps them apart is being made.
WAITS = "waits"
_SHOWN = 6


def read_customised(connection: Connection, declared: Mapping[str, EntitySpec]) -> Customised:
    """The company's entities and fields as they are described now.

    Tables of its entities live in metadata of their own, made anew each time: nothing of them
    outlives the snapshot. A field that points to an entity that is gone is left out.
    """
    rows = connection.execute(select(custom_entity_table).order_by(custom_entity_table.c.id)).all()
    retired = frozenset(row.name for row in rows if row.retired_at is not None)
    tables = {name: spec.table.name for name, spec in declared.items()}
    tables |= {row.name: row.name for row in rows}
    fields = _read_fields(connection, tables, retired)
    within = MetaData(naming_convention=metadata.naming_convention)
    entities = {
        row.name: entity_spec(row._mapping, fields.pop(row.name, []), tables, within)
        for row in rows
        if row.parent is None or row.parent in tables
    }
    for name, found in fields.items():
        for each in found:
            _declare(declared[name].table, each)
    return Customised(entities, retired, fields)


def _read_fields(
    connection: Connection, tables: Mapping[str, str], retired: frozenset[str]
) -> dict[str, list[FieldSpec]]:
    found: dict[str, list[FieldSpec]] = defaultdict(list)
    used = select(custom_field_table).where(~custom_field_table.c.retired)
    for row in connection.execute(used.order_by(custom_field_table.c.id)):
        if row.entity not in tables:
            continue
        made = field_spec(row.name, row.kind, row.labels, row.options)
        target = getattr(made.type, "entity", None)
        if target is not None and target not in tables:
            log.warning("%s.%s is left out: there is no %s", row.entity, row.name, target)
        elif not (isinstance(made.type, t.Lines) and target in retired):
            found[row.entity].append(made)
    return found


def field_spec(
    name: str, kind: str, labels: Mapping[str, str], options: Mapping[str, Any]
) -> FieldSpec:
    """The field that a checked description stands for."""
    type_ = make_type(kind, options)
    waits = bool(options.get(WAITS))
    return FieldSpec(
        name=name,
        type=type_,
        label=LocalText(labels),
        help=LocalText(options["help"]) if options.get("help") else "",
        required=bool(options.get("required")) and not waits,
        readonly=waits,
        unique=bool(options.get("unique")),
        default=_default(type_, options.get("default")),
        searchable=bool(options.get("searchable")),
        mask=options.get("mask") or "",
        column=None if is_detached(type_) else name,
        owner=OWNER,
        custom=True,
    )


def _default(type_: t.FieldType, value: Any) -> Any:
    """A default as the column holds it, e.g. a day rather than its text; a wrong one as it is."""
    try:
        return None if value is None else check_value(type_, value)
    except BadValue:
        return value


def _declare(table: Table, made: FieldSpec) -> None:
    """Make the column known to SQLAlchemy; a column once declared stays, unless it was never made
    (its transaction was rolled back) and there is one of another type now.

    It is left out of ``select(table)``: code that reads whole rows names what its module declares,
    and never a column that was purged, or undone, since this process heard of it.
    """
    if made.column is None:
        return
    known, type_ = table.c.get(made.name), column_type(made.type)
    if known is None or repr(known.type) != repr(type_):
        column = Column(made.name, type_, nullable=True, _omit_from_statements=True)
        table.append_column(column, replace_existing=known is not None)


# Entities


def entity_spec(
    row: Mapping[Any, Any],
    fields: Sequence[FieldSpec],
    tables: Mapping[str, str],
    within: MetaData,
) -> EntitySpec:
    """The entity that a checked description stands for. ``tables`` are those of all entities."""
    table = _entity_table(row, fields, tables, within)
    around = _lines_fields(row["parent"]) if row["parent"] else _owner_fields(row["owned"])
    listed = [item.name for item in fields if item.is_stored][:_SHOWN]
    return EntitySpec(
        name=row["name"],
        plugin=OWNER,
        label=LocalText(row["labels"]),
        label_plural=LocalText(row["plural_labels"]),
        table=table,
        model=None,
        fields=(*fields, *around, *system_fields(table)),
        label_field=_present(row["label_field"], fields),
        owned=row["owned"],
        icon=row["icon"],
        list_columns=tuple(row["list_columns"] or listed),
        parent_field="parent" if row["parent"] else None,
        navigable=row["parent"] is None,
        custom=True,
    )


def _present(name: str, fields: Iterable[FieldSpec]) -> str:
    """The number names a record whose naming field is left out with what it pointed to."""
    return name if any(item.name == name for item in fields) else "id"


def _owner_fields(owned: bool) -> list[FieldSpec]:
    if not owned:
        return []
    return [
        FieldSpec("owner", t.Reference("user"), _l("Owner"), column="owner_id"),
        FieldSpec(
            "department", t.Reference("department"), _l("Department"), column="department_id"
        ),
    ]


def _lines_fields(parent: str) -> list[FieldSpec]:
    belongs = t.Reference(parent, on_delete="cascade")
    return [
        FieldSpec("parent", belongs, _l("Belongs to"), required=True, column="parent_id"),
        FieldSpec("position", t.Integer(), _l("Position"), column="position"),
    ]


def _entity_table(
    row: Mapping[Any, Any],
    fields: Iterable[FieldSpec],
    tables: Mapping[str, str],
    within: MetaData,
) -> Table:
    name, parent = row["name"], row["parent"]
    columns = [field_column(name, item, tables) for item in fields if item.is_stored]
    if parent:
        above = ForeignKey(f"{tables[parent]}.id", ondelete="CASCADE")
        columns.append(Column("parent_id", BigId, above, index=True))
        columns.append(Column("position", BigInteger))
    if row["owned"]:
        columns.append(Column("owner_id", BigId, ForeignKey("core_user.id")))
        columns.append(Column("department_id", BigId, ForeignKey("core_department.id")))
    *indexes, options = entity_indexes(name, owned=row["owned"])
    return Table(
        name,
        within,
        Column("id", BigId, primary_key=True, autoincrement=True),
        *columns,
        Column("version", Integer, nullable=False, default=1),
        Column("created_at", UtcDateTime, nullable=False),
        Column("created_by", BigId),
        Column("updated_at", UtcDateTime, nullable=False),
        Column("updated_by", BigId),
        Column("archived_at", UtcDateTime),
        *indexes,
        **options,
    )


def field_column(table: str, item: FieldSpec, tables: Mapping[str, str]) -> Column[Any]:
    """The column of a field, with the foreign key of a reference.

    It may always be empty: "required" is kept by the service, so that a process that is one epoch
    behind can still insert.
    """
    target = "core_file" if isinstance(item.type, t.File) else None
    if isinstance(item.type, t.Reference):
        target = tables[item.type.entity]
    key = physical_name(f"fk_{table}_{item.name}")
    keys = [] if target is None else [ForeignKey(f"{target}.id", name=key)]
    return Column(item.name, column_type(item.type), *keys, nullable=True)
