"""How deals are made: processes and their stages."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped

from core.fields import (
    Boolean,
    Choice,
    Entity,
    Integer,
    Lines,
    LongText,
    MultiChoice,
    Reference,
    Tags,
    Text,
    detached,
    field,
)
from core.i18n import lazy_gettext as _l

__all__ = ["NEEDS", "SalesProcess", "Stage"]

#: What a stage may ask for: fields of the opportunity that may be empty, by their names. The
#: company's own are offered behind them.
NEEDS = (
    Choice("amount", _l("Amount")),
    Choice("expected_close_on", _l("Expected close")),
    Choice("contact", _l("Contact")),
    Choice("competitors", _l("Competitors")),
    Choice("strategy", _l("Strategy")),
    Choice("next_step", _l("Next step")),
    Choice("lines", _l("Products")),
    Choice("members", _l("Team")),
    Choice("owner", _l("Owner")),
    Choice("won_reason", _l("Reason of the win")),
    Choice("closing_note", _l("How it was decided")),
)


class SalesProcess(Entity):
    """One way to sell, with stages of its own (销售流程)."""

    __tablename__ = "crm_sales_process"

    name: Mapped[str | None] = field(
        Text(60), label=_l("Name"), required=True, unique=True, searchable=True
    )
    description: Mapped[str | None] = field(LongText(2000), label=_l("Description"))
    is_active: Mapped[bool | None] = field(
        Boolean(), label=_l("Active"), help=_l("New opportunities may begin in it."), default=True
    )
    category: Mapped[int | None] = field(
        Reference("product_category", on_delete="clear"),
        label=_l("Of the product category"),
        help=_l(
            "An opportunity that names no process and whose first product is of this category, or of"
            " one below it, begins in this process."
        ),
        related_label=_l("Sales processes of it"),
        column="category_id",
        constraint=False,
        index=False,
    )
    stages = detached(
        Lines("stage", "process", max_items=20),
        label=_l("Stages"),
        help=_l("In their order. One stage is the won one; at most one is for the lost."),
    )


class Stage(Entity):
    """One step of a process: how likely it makes a deal, how long it may take, what it asks."""

    __tablename__ = "crm_sales_stage"

    process: Mapped[int | None] = field(
        Reference("sales_process", on_delete="cascade"),
        label=_l("Process"),
        required=True,
        table="crm_sales_process",
        column="process_id",
    )
    name: Mapped[str | None] = field(Text(60), label=_l("Name"), required=True, searchable=True)
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    probability: Mapped[int | None] = field(
        Integer(minimum=0, maximum=100), label=_l("Probability, %"), default=0, totals=False
    )
    days_allowed: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days allowed"),
        help=_l("Whoever stays longer is marked as stuck. Empty: any time."),
        totals=False,
    )
    quiet_days: Mapped[int | None] = field(
        Integer(minimum=1, maximum=3650),
        label=_l("Days without movement"),
        help=_l("Then the owner is told, and may ask for support. Empty: never."),
        totals=False,
    )
    required_fields: Mapped[Any] = field(
        MultiChoice(choices=NEEDS, fields_of="opportunity"),
        label=_l("To be filled in before it is left"),
    )
    key_tasks: Mapped[Any] = field(
        Tags(max_length=60, max_items=20),
        label=_l("Key tasks"),
        help=_l("To be ticked off on the opportunity before it leaves the stage."),
    )
    is_won: Mapped[bool | None] = field(Boolean(), label=_l("Won"), default=False)
    is_lost: Mapped[bool | None] = field(Boolean(), label=_l("Lost deal"), default=False)
