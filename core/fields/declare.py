"""Declaring entities: `Entity`, `Owned` and `field()`, which is an ordinary mapped column."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Table, TextClause
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from core.db.base import Base
from core.db.names import physical_name
from core.db.types import BigId, UtcDateTime
from core.fields import types as t
from core.fields.spec import FieldSpec
from core.fields.storage import column_type
from core.i18n import lazy_gettext as _l

__all__ = [
    "Entity",
    "Owned",
    "describe_columns",
    "detached",
    "entity_indexes",
    "field",
    "partial_index",
]


def field(
    type_: t.FieldType,
    *,
    label: t.Label,
    help: t.Label = "",
    required: bool = False,
    unique: bool = False,
    default: Any = None,
    searchable: bool = False,
    index: bool | None = None,
    readonly: bool = False,
    mask: str = "",
    personal: bool | str = False,
    synonyms: tuple[str, ...] = (),
    totals: bool | str = True,
    related_label: t.Label = "",
    within: str = "",
    table: str | None = None,
    column: str | None = None,
    constraint: bool = True,
) -> Any:
    """A mapped column that carries its description in ``info["field"]``.

    ``default`` is a plain value or a callable without arguments. ``table`` names the table a
    reference points to (its key is ``id``); a reference holds the id, so ``lead.owner`` is a number.
    References are indexed unless ``index=False`` says that another index serves.
    ``totals`` False keeps a number out of the sums of lists, and the name of a field adds it up by
    that field's values; money is added up by its currency without being told.
    ``related_label`` is what the list is called on the page of the record that a reference names, where
    what the entity is called would not say it: Subsidiaries.
    ``within="customer"`` offers, while somebody types, only records that have the customer that stands
    in the same form; what is saved is checked by the plugin.
    "Required" is kept by the service, not by the column, so that rules may change while the suite runs.
    """
    description = FieldSpec(
        name="",
        type=type_,
        label=label,
        help=help,
        required=required,
        unique=unique,
        default=default,
        searchable=searchable,
        readonly=readonly,
        mask=mask,
        personal=personal,
        synonyms=synonyms,
        totals=totals,
        related_label=related_label,
        within=within,
    )
    arguments: list[Any] = [column_type(type_)]
    if isinstance(type_, (t.Reference, t.File)):
        target = table or ("core_file" if isinstance(type_, t.File) else None)
        if constraint and target is None:
            raise TypeError("a reference needs table=, the table that it points to")
        if constraint:
            arguments.append(ForeignKey(f"{target}.id", ondelete=_ON_DELETE[_deletion(type_)]))
        index = index is not False
    if column:
        arguments.insert(0, column)
    return mapped_column(
        *arguments, nullable=True, index=bool(index), unique=unique, info={"field": description}
    )


_ON_DELETE = {"restrict": "RESTRICT", "clear": "SET NULL", "cascade": "CASCADE"}


def _deletion(type_: t.FieldType) -> str:
    return type_.on_delete if isinstance(type_, t.Reference) else "restrict"


@dataclass(frozen=True)
class detached:
    """A field without a column: child lines or links to many. Assign it in the class body, unannotated."""

    type: t.Lines | t.References
    label: t.Label
    help: t.Label = ""
    required: bool = False


class Entity(Base):
    """A business object: a key, an optimistic lock, who and when, and the recycle bin."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True, sort_order=-10)
    version: Mapped[int] = mapped_column(default=1, nullable=False, sort_order=90)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, sort_order=91)
    #: Without foreign keys: people are never removed, and every insert would pay for the check.
    created_by: Mapped[int | None] = mapped_column(BigId, sort_order=92)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, sort_order=93)
    updated_by: Mapped[int | None] = mapped_column(BigId, sort_order=94)
    archived_at: Mapped[datetime | None] = mapped_column(UtcDateTime, sort_order=95)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        # Of the two orders in which the bases can be named, this one hides what `Owned` says.
        return entity_indexes(cls.__tablename__, owned=issubclass(cls, Owned))  # type: ignore[arg-type]


def entity_indexes(table: str, *, owned: bool = False) -> tuple[Any, ...]:
    """Table arguments of an entity: the indexes of its list (newest first, alone and within a
    scope), and keys that SQLite never gives twice."""
    indexes: list[Any] = [Index(physical_name(f"ix_{table}_created_at_id"), "created_at", "id")]
    if owned:
        indexes += [
            Index(physical_name(f"ix_{table}_{column}_created_at_id"), column, "created_at", "id")
            for column in ("owner_id", "department_id")
        ]
    return (*indexes, {"sqlite_autoincrement": True})


def partial_index(name: str, where: TextClause, *columns: str, unique: bool = False) -> Index:
    """An index of the rows alone that ``where`` is true of, on either database."""
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


class Owned:
    """Brings the owner and the department that data scopes look at."""

    @declared_attr
    def owner(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            t.Reference("user"),
            label=_l("Owner"),
            table="core_user",
            column="owner_id",
            index=False,
        )
        return column

    @declared_attr
    def department(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            t.Reference("department"),
            label=_l("Department"),
            table="core_department",
            column="department_id",
            index=False,
        )
        return column

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return entity_indexes(cls.__tablename__, owned=True)  # type: ignore[attr-defined]


def describe_columns(table: Table, **columns: tuple[t.FieldType, t.Label]) -> Table:
    """Give columns of an existing table their descriptions, by column name; returns the table."""
    for name, (type_, label) in columns.items():
        table.c[name].info["field"] = FieldSpec(name="", type=type_, label=label, readonly=True)
    return table
