"""The table of goals."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import ChoiceField, Date, Entity, LongText, Number, Reference, Text, field
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l

__all__ = ["Goal"]

#: A share in percent, days, a number of records, or an amount in the company's currency.
_VALUE = Number(18, 2)


class Goal(Entity):
    """A figure that is to come from one value to another between two days (目标)."""

    __tablename__ = "crm_sales_goal"

    name: Mapped[str | None] = field(
        Text(120),
        label=_l("Goal"),
        required=True,
        searchable=True,
        synonyms=("目标名称", "目标", "名称", "goal", "name"),
    )
    measure: Mapped[str | None] = field(
        ChoiceField(measures=True),
        label=_l("Measured by"),
        required=True,
        synonyms=("指标", "衡量方式", "measure"),
    )
    baseline: Mapped[Decimal | None] = field(
        _VALUE,
        label=_l("Baseline"),
        help=_l("Where it stands at the beginning: 10 for ten percent, or for ten days. Empty: 0."),
        totals=False,
        synonyms=("基线", "基线值", "起点", "baseline"),
    )
    target: Mapped[Decimal | None] = field(
        _VALUE,
        label=_l("Target"),
        help=_l("Where it is to come. Below the baseline, it is to fall."),
        required=True,
        totals=False,
        synonyms=("目标值", "target"),
    )
    starts_on: Mapped[date | None] = field(
        Date(),
        label=_l("First day"),
        required=True,
        synonyms=("开始日期", "起始日期", "from", "starts on"),
    )
    ends_on: Mapped[date | None] = field(
        Date(),
        label=_l("Last day"),
        required=True,
        synonyms=("结束日期", "截止日期", "to", "ends on"),
    )
    person: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Person"),
        help=_l("A goal is for a person or for a department; for neither it is the company's."),
        table="core_user",
        column="person_id",
        synonyms=("人员", "负责人", "person"),
    )
    department: Mapped[int | None] = field(
        Reference("department"),
        label=_l("Department"),
        help=_l("With all departments below it."),
        table="core_department",
        column="department_id",
        synonyms=("部门", "团队", "department", "team"),
    )
    note: Mapped[str | None] = field(
        LongText(), label=_l("Note"), synonyms=("备注", "说明", "note")
    )

    # Those of a span of days are read together.
    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        return (*indexes, Index(f"ix_{cls.__tablename__}_ends_on", "ends_on"), options)
