"""What pools, changes of hands and pooled records have in common: the columns, and their names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Table, text
from sqlalchemy import Date as DateColumn
from sqlalchemy.orm import Mapped, declared_attr

from core.db.base import metadata
from core.db.names import physical_name
from core.db.types import BigId, PlainText, UtcDateTime
from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    DateTime,
    Entity,
    Integer,
    LongText,
    Reference,
    References,
    Section,
    Text,
    detached,
    field,
)
from core.fields.declare import entity_indexes, partial_index
from core.i18n import lazy_gettext as _l

__all__ = [
    "IMPORTANCE",
    "Pool",
    "Pooling",
    "Transfer",
    "alert_table",
    "important_index",
    "in_hands_index",
    "in_pool_index",
    "pool_sections",
    "warning_table",
]


#: How much it matters that somebody takes care of a record soon; see `core.pools.neglect`.
IMPORTANCE = (
    Choice("low", _l("Low")),
    Choice("normal", _l("Normal")),
    Choice("high", _l("High"), "warn"),
)


class Pool(Entity):
    """Records that nobody owns, for a group of people to claim (公海).

    A pool adds ``veiled``, a choice of fields that are masked, and the days of its further limits.
    """

    __abstract__ = True

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    description: Mapped[str | None] = field(LongText(2000), label=_l("Description"))
    members = detached(
        References("user"),
        label=_l("Members"),
        help=_l("Without members and departments, everybody who may claim belongs to the pool."),
    )
    departments = detached(
        References("department"),
        label=_l("Member departments"),
        help=_l("Their people and those of all departments below are members."),
    )
    administrators = detached(References("user"), label=_l("Pool administrators"))
    daily_claims: Mapped[int | None] = field(
        Integer(minimum=1, maximum=100_000),
        label=_l("Claims a day"),
        help=_l("By one person. Empty: as in the settings."),
        totals=False,
    )
    holding_limit: Mapped[int | None] = field(
        Integer(minimum=1, maximum=1_000_000),
        label=_l("Open ones in hand"),
        help=_l("Of this pool, by one person; no more are claimed. Empty: as in the settings."),
        totals=False,
    )
    department_limit: Mapped[int | None] = field(
        Integer(minimum=1, maximum=1_000_000),
        label=_l("Open ones of a department"),
        help=_l("Of this pool, by all people of one department together. Empty: no limit."),
        totals=False,
    )
    cool_down_days: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days before the former owner claims again"),
        help=_l("Counted from when it went back. Empty: at once."),
        totals=False,
    )
    wait_hours: Mapped[int | None] = field(
        Integer(minimum=1, maximum=8760),
        label=_l("Hours before a new one is claimed"),
        help=_l("What nobody has had yet waits so long. Empty: not at all."),
        totals=False,
    )
    idle_days: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days without follow-up"),
        help=_l("After so many whole days without one it goes back to the pool. Empty: never."),
        totals=False,
    )
    warn_days: Mapped[int | None] = field(
        Integer(minimum=1, maximum=365),
        label=_l("Days of warning"),
        help=_l("The owner is told so many days before something goes back. Empty: not at all."),
        totals=False,
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)


def pool_sections(*going_back: str, lines: tuple[str, ...] = ()) -> tuple[Section, ...]:
    """How the fields of a pool are arranged; ``going_back`` are the days beyond ``idle_days`` and what
    else decides of returns."""
    return (
        Section(_l("Pool"), ("name", "description", "is_active")),
        Section(_l("Who belongs to it"), ("members", "departments", "administrators")),
        Section(
            _l("Claiming"),
            (
                *("daily_claims", "holding_limit", "department_limit"),
                *("cool_down_days", "wait_hours", "veiled"),
            ),
        ),
        Section(_l("Going back"), ("idle_days", *going_back, "warn_days", *lines)),
    )


class Pooling:
    """What a pooled record holds besides its ``pool``, a reference that the entity declares itself."""

    last_followed_at: Mapped[datetime | None] = field(
        DateTime(),
        label=_l("Last follow-up"),
        synonyms=("最后跟进时间", "最近跟进时间", "last follow-up"),
    )
    held_since: Mapped[datetime | None] = field(
        DateTime(),
        label=_l("In these hands since"),
        readonly=True,
        help=_l("Since when its owner has it, or since when it lies in this pool."),
    )
    release_reason: Mapped[str | None] = field(
        Text(300), label=_l("Released because"), readonly=True
    )


class Transfer(Entity):
    """One change of hands: claimed, released or assigned, from whom to whom and why.

    An entity of transfers adds two references: to the record, named after its entity, and ``pool``.
    """

    __abstract__ = True

    kind: Mapped[str | None] = field(
        ChoiceField(
            choices=(
                Choice("claim", _l("Claimed"), "good"),
                Choice("release", _l("Released"), "neutral"),
                Choice("assign", _l("Assigned"), "info"),
                Choice("move", _l("Moved"), "neutral"),
            )
        ),
        label=_l("Kind of move"),
        required=True,
    )

    @declared_attr
    def from_owner(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            Reference("user"),
            label=_l("Former owner"),
            table="core_user",
            column="from_owner_id",
            index=False,
        )
        return column

    @declared_attr
    def to_owner(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            Reference("user"),
            label=_l("New owner"),
            table="core_user",
            column="to_owner_id",
            index=False,
        )
        return column

    reason: Mapped[str | None] = field(Text(300), label=_l("Reason"))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        # How many somebody has claimed today.
        name = physical_name(f"ix_{cls.__tablename__}_to_owner_id_created_at")
        return (*indexes, Index(name, "to_owner_id", "created_at"), options)


def in_pool_index(table: str) -> Index:
    """What lies in the pools of somebody, the newest first: the scope ``pool`` is this index alone."""
    where = text("owner_id IS NULL AND pool_id IS NOT NULL")
    name = physical_name(f"ix_{table}_in_pool")
    return partial_index(name, where, "pool_id", "created_at", "id")


def in_hands_index(table: str) -> Index:
    """What may go back to its pool, which few records can."""
    where = text("owner_id IS NOT NULL AND pool_id IS NOT NULL")
    name = physical_name(f"ix_{table}_pool_id_held_since")
    return partial_index(name, where, "pool_id", "held_since")


def important_index(table: str, condition: str) -> Index:
    """The important ones, the longest left alone first; ``condition`` is that of `core.pools.neglect`."""
    where = text(condition)
    name = physical_name(f"ix_{table}_important")
    return partial_index(name, where, "held_since")


def alert_table(name: str, records: str, column: str = "record_id") -> Table:
    """Of which important records somebody was told, and since when they had been left alone."""
    return Table(
        name,
        metadata,
        Column(
            column,
            BigId,
            ForeignKey(f"{records}.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("kind", PlainText(64), primary_key=True),
        Column("since", UtcDateTime, nullable=False),
    )


def warning_table(name: str, records: str, column: str = "record_id") -> Table:
    """Of which day's return the owner of a record was warned: once for each day that is foreseen."""
    return Table(
        name,
        metadata,
        Column(
            column,
            BigId,
            ForeignKey(f"{records}.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("due_on", DateColumn, nullable=False),
    )
