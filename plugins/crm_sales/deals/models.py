"""The tables of what belongs to an opportunity: its product lines, and who works on it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Choice,
    ChoiceField,
    Computed,
    Date,
    Entity,
    Integer,
    Number,
    Reference,
    Text,
    field,
)
from core.fields.declare import entity_indexes
from core.i18n import lazy_gettext as _l
from plugins.crm_sales.models import STATUSES
from plugins.crm_sales.products.models.lines import PricedLine

__all__ = ["CHANGING", "ROLES", "OpportunityLine", "OpportunityMember"]

ROLES = (
    Choice("partner", _l("Sells along"), "info"),
    Choice("presales", _l("Pre-sales"), "info"),
    Choice("support", _l("Supports"), "neutral"),
    Choice("observer", _l("Looks on"), "neutral"),
)

#: Members with these roles may change the opportunity; the others read it.
CHANGING = ("partner", "presales")


class OpportunityLine(PricedLine, Entity):
    """One product that an opportunity is about, with its price and how that came about (商机产品)."""

    __tablename__ = "crm_sales_opportunity_line"

    opportunity: Mapped[int | None] = field(
        Reference("opportunity", on_delete="cascade"),
        label=_l("Opportunity"),
        required=True,
        table="crm_sales_opportunity",
        column="opportunity_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    product: Mapped[int | None] = field(
        Reference("product"),
        label=_l("Product"),
        required=True,
        table="crm_sales_product",
        column="product_id",
        index=False,
        synonyms=("产品", "product"),
    )
    description: Mapped[str | None] = field(
        Text(300), label=_l("Description"), synonyms=("描述", "说明", "description")
    )
    #: Of the opportunity, so that the list answers which products are in the pipeline.
    status: Mapped[str | None] = field(
        Computed("opportunity.status", ChoiceField(choices=STATUSES)), label=_l("Status")
    )
    expected_close_on: Mapped[date | None] = field(
        Computed("opportunity.expected_close_on", Date()), label=_l("Expected close")
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        name = "ix_crm_sales_opportunity_line"
        return (
            *indexes,
            Index(f"{name}_product_id", "product_id", "status"),
            Index(f"{name}_status_expected_close_on", "status", "expected_close_on"),
            options,
        )


class OpportunityMember(Entity):
    """Somebody who works on an opportunity beside its owner (商机成员)."""

    __tablename__ = "crm_sales_opportunity_member"

    opportunity: Mapped[int | None] = field(
        Reference("opportunity", on_delete="cascade"),
        label=_l("Opportunity"),
        required=True,
        table="crm_sales_opportunity",
        column="opportunity_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    person: Mapped[int | None] = field(
        Reference("user"),
        label=_l("Person"),
        required=True,
        table="core_user",
        column="person_id",
        index=False,
        synonyms=("成员", "人员", "person", "member"),
    )
    role: Mapped[str | None] = field(
        ChoiceField(choices=ROLES),
        label=_l("Role in the team"),
        help=_l("Who sells along or does pre-sales may change the opportunity; others read it."),
        required=True,
        default="partner",
        synonyms=("角色", "role"),
    )
    share: Mapped[Decimal | None] = field(
        Number(5, 2),
        label=_l("Share, %"),
        help=_l("Of the amount, in targets, forecast and league table."),
        default=Decimal(0),
        synonyms=("分成", "业绩比例", "share"),
        totals=False,
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        *indexes, options = entity_indexes(cls.__tablename__)
        whose = Index(
            "ix_crm_sales_opportunity_member_person_id", "person_id", "opportunity_id", "role"
        )
        return (*indexes, whose, options)
