"""The table of targets."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import Choice, ChoiceField, Date, Entity, Number, Reference, Text, field
from core.fields.declare import entity_indexes, partial_index
from core.i18n import lazy_gettext as _l

__all__ = ["KINDS", "MEASURES", "VALUE", "SalesTarget"]

KINDS = (Choice("month", _l("Month")), Choice("quarter", _l("Quarter")))

MEASURES = (
    Choice("count", _l("Deals won"), "neutral"),
    Choice("amount", _l("Amount won"), "info"),
)

#: Amounts are in the company's currency; a number of deals has no decimals.
VALUE = Number(18, 2)


_PERIOD = ("period_kind", "starts_on", "measure")


class SalesTarget(Entity):
    """What a person, a department or the company is to sell in a month or a quarter (销售目标)."""

    __tablename__ = "crm_sales_target"

    #: ``2026-11`` or ``2026-Q4``; follows from kind and first day.
    name: Mapped[str | None] = field(
        Text(10), label=_l("Sales target"), readonly=True, searchable=True
    )
    person: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Sales person"),
        help=_l("A target is for a person or for a department; for neither it is the company's."),
        table="core_user",
        column="person_id",
        index=False,
        synonyms=("人员", "销售", "销售人员", "姓名", "person", "sales person", "owner"),
    )
    department: Mapped[int | None] = field(
        Reference("department"),
        label=_l("Department"),
        help=_l("With all departments below it."),
        table="core_department",
        column="department_id",
        index=False,
        synonyms=("部门", "团队", "department", "team"),
    )
    period_kind: Mapped[str | None] = field(
        ChoiceField(choices=KINDS),
        label=_l("Period"),
        required=True,
        default="month",
        synonyms=("期间", "周期", "period", "period kind"),
    )
    starts_on: Mapped[date | None] = field(
        Date(),
        label=_l("First day"),
        help=_l("Any day of the month or quarter; its first day is kept."),
        required=True,
        synonyms=("开始日期", "首日", "日期", "first day", "starts on", "date"),
    )
    measure: Mapped[str | None] = field(
        ChoiceField(choices=MEASURES),
        label=_l("Measured by"),
        required=True,
        default="amount",
        synonyms=("指标", "衡量方式", "measure"),
    )
    value: Mapped[Decimal | None] = field(
        VALUE,
        label=_l("Target"),
        help=_l("An amount in the company's currency, or a number of deals."),
        required=True,
        totals="measure",
        synonyms=("目标", "目标值", "目标金额", "target", "value"),
    )

    # One target for each of whom, period and measure; the targets of a period are read together.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        name = "uq_crm_sales_target"
        *indexes, options = entity_indexes(cls.__tablename__)
        return (
            *indexes,
            partial_index(
                f"{name}_person",
                text("archived_at IS NULL AND person_id IS NOT NULL"),
                *("person_id", *_PERIOD),
                unique=True,
            ),
            partial_index(
                f"{name}_department",
                text("archived_at IS NULL AND department_id IS NOT NULL"),
                *("department_id", *_PERIOD),
                unique=True,
            ),
            partial_index(
                f"{name}_company",
                text("archived_at IS NULL AND person_id IS NULL AND department_id IS NULL"),
                *_PERIOD,
                unique=True,
            ),
            Index("ix_crm_sales_target_period", "starts_on", "measure", "period_kind"),
            options,
        )
