"""What rules and their conditions have in common: the columns, and their names."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, Table
from sqlalchemy import Integer as IntegerColumn
from sqlalchemy.orm import Mapped, declared_attr

from core.assigning.criteria import COMPARISONS
from core.db.base import metadata
from core.db.types import BigId, Json
from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Entity,
    Integer,
    Lines,
    Reference,
    References,
    Section,
    Text,
    detached,
    field,
)
from core.fields.types import Label
from core.i18n import lazy_gettext as _l

__all__ = [
    "AskedOnChange",
    "AssignmentCondition",
    "AssignmentRule",
    "capacity_field",
    "condition_lines",
    "move_table",
    "rotation_table",
    "rule_sections",
    "target_field",
]


class AssignmentRule(Entity):
    """Which records go to whom (分配规则); the first that fits is used.

    A rule adds ``conditions`` (`condition_lines`), ``target`` (`target_field`) and ``capacity``
    (`capacity_field`); where there are pools also the references ``pool``, in which records lie that it is
    for, and ``to_pool``. With `AskedOnChange` it may be asked of changed records.
    """

    __abstract__ = True

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=1_000_000),
        label=_l("Order"),
        required=True,
        default=100,
        help=_l("The smallest is asked first."),
        totals=False,
    )
    is_active: Mapped[bool | None] = field(Boolean(), label=_l("Active"), default=True)

    @declared_attr
    def person(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            Reference("user"),
            label=_l("Person"),
            table="core_user",
            column="person_id",
            index=False,
        )
        return column

    people = detached(References("user"), label=_l("People of the group"))

    @declared_attr
    def department(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            Reference("department"),
            label=_l("Department of the group"),
            table="core_department",
            column="department_id",
            index=False,
            help=_l("Its people and those of all departments below. Who is absent is left out."),
        )
        return column


class AskedOnChange:
    """For rules that are also asked of records that somebody owns, when these are changed."""

    on_change: Mapped[bool | None] = field(
        Boolean(),
        label=_l("Also when it is changed"),
        help=_l(
            "When a field is changed that a condition looks at, and the rule fits then, it goes to those meant here "
            "unless it is with one of them already."
        ),
        default=False,
    )


class AssignmentCondition(Entity):
    """One test of a rule: a field of the record, a comparison, a value.

    It adds ``rule``, a reference to its rule, and ``field_name``, a choice with ``fields_of`` the entity.
    """

    __abstract__ = True

    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    op: Mapped[str | None] = field(
        ChoiceField(choices=COMPARISONS), label=_l("Comparison"), required=True, default="is"
    )
    value: Mapped[str | None] = field(
        Text(500), label=_l("Value"), help=_l("Several with commas between them.")
    )


def condition_lines(conditions: str, help_: Label) -> detached:
    """The ``conditions`` of a rule: lines of that entity."""
    return detached(Lines(conditions, "rule", max_items=20), label=_l("Conditions"), help=help_)


def target_field(fewest: Label, *, pools: bool = False) -> Any:
    """The ``target`` of a rule: a person, a group in turn or by ``fewest`` in hand, or a pool."""
    return field(
        ChoiceField(
            choices=(
                Choice("person", _l("One person")),
                *((Choice("pool", _l("A pool, to be claimed")),) if pools else ()),
                Choice("round_robin", _l("A group, in turn")),
                Choice("least_loaded", fewest),
            )
        ),
        label=_l("Goes to"),
        required=True,
    )


def capacity_field(label: Label) -> Any:
    """The ``capacity`` of a rule: so many in the hands of one person."""
    return field(
        Integer(minimum=1, maximum=1_000_000),
        label=label,
        help=_l("Who has so many gets no more by this rule. Empty: no limit."),
        totals=False,
    )


def rule_sections(
    which: Label, *, pools: bool = False, on_change: bool = False
) -> tuple[Section, ...]:
    """How the fields of a rule are arranged; ``which`` is above those that say which records it is for."""
    return (
        Section(_l("Rule"), ("name", "position", "is_active")),
        Section(
            which,
            (
                *(("pool",) if pools else ()),
                "conditions",
                *(("on_change",) if on_change else ()),
            ),
        ),
        Section(
            _l("To whom"),
            (
                *("target", "person", "people", "department", "capacity"),
                *(("to_pool",) if pools else ()),
            ),
        ),
    )


def rotation_table(name: str, rules: str) -> Table:
    """Who got the last record of a rule that gives them out in turn; ``rules`` is the table of rules."""
    return Table(
        name,
        metadata,
        Column(
            "rule_id",
            BigId,
            ForeignKey(f"{rules}.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("person_id", BigId, nullable=False),
    )


def move_table(name: str, records: str) -> Table:
    """What a record was before a rule last took it from somebody, and the version that it had after: so that
    the change that it followed from is taken back with it. ``records`` is the table of records."""
    return Table(
        name,
        metadata,
        Column(
            "record_id",
            BigId,
            ForeignKey(f"{records}.id", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        Column("version", IntegerColumn, nullable=False),
        Column("old", Json, nullable=False),
    )
