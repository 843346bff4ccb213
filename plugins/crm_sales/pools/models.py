"""The tables of pools, of other days by customer level, and of changes of hands."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, declared_attr

from core.fields import (
    Boolean,
    Choice,
    ChoiceField,
    Entity,
    Integer,
    Lines,
    MultiChoice,
    Reference,
    detached,
    field,
)
from core.i18n import lazy_gettext as _l
from core.pools.models import Pool, Pooling, Transfer, alert_table, warning_table

__all__ = [
    "LEVELS",
    "OF_CONTACT",
    "VEILABLE",
    "VEILABLE_OPPORTUNITY",
    "CustomerPool",
    "CustomerPoolLevel",
    "CustomerTransfer",
    "InCustomerPool",
    "InOpportunityPool",
    "OpportunityPool",
    "OpportunityTransfer",
    "customer_alert_table",
    "customer_warning_table",
    "opportunity_alert_table",
    "opportunity_warning_table",
]

LEVELS = (
    Choice("A", _l("A: key account"), "good"),
    Choice("B", _l("B: important"), "info"),
    Choice("C", _l("C: ordinary"), "neutral"),
    Choice("D", _l("D: small"), "neutral"),
)

#: What a pool of customers can mask until one is claimed; what begins so are fields of its contacts.
OF_CONTACT = "contact_"
VEILABLE = (
    Choice("phone", _l("Telephone")),
    Choice("address", _l("Address")),
    Choice("website", _l("Website")),
    Choice("uscc", _l("Credit code")),
    Choice("note", _l("Note")),
    Choice("contact_mobile", _l("Mobile of contacts")),
    Choice("contact_email", _l("E-mail of contacts")),
    Choice("contact_wechat", _l("WeChat of contacts")),
    Choice("contact_note", _l("Notes on contacts")),
)
VEILABLE_OPPORTUNITY = (
    Choice("competitors", _l("Competitors")),
    Choice("strategy", _l("Strategy")),
    Choice("next_step", _l("Next step")),
)

_MASKED = _l(
    "What members see of it until somebody owns it is masked. Administrators of the pool, and who may "
    "change what lies in pools, see it."
)
_TAKES_NEW = _l("What a member makes for themselves belongs to it, and goes back by its rules.")


def _days(label: Any, help_: Any = "") -> Any:
    return field(Integer(minimum=1, maximum=3650), label=label, help=help_, totals=False)


class CustomerPool(Pool):
    """Customers that nobody owns, for a group of people to claim (客户公海)."""

    __tablename__ = "crm_sales_customer_pool"

    veiled: Mapped[Any] = field(
        MultiChoice(choices=VEILABLE), label=_l("Masked before claiming"), help=_MASKED
    )
    takes_new: Mapped[bool | None] = field(
        Boolean(), label=_l("Takes new customers of its members"), help=_TAKES_NEW, default=False
    )
    no_opportunity_days: Mapped[int | None] = _days(
        _l("Days without opportunity"),
        _l(
            "A customer in the same hands for so long without an ongoing one goes back. Empty: never."
        ),
    )
    not_won_days: Mapped[int | None] = _days(
        _l("Days without deal"),
        _l("Counted from when the owner got the customer, or from the latest deal. Empty: never."),
    )
    spare_ongoing: Mapped[bool | None] = field(
        Boolean(),
        label=_l("Ongoing opportunities keep a customer"),
        help=_l("As long as there is one, the customer does not go back."),
        default=True,
    )
    spare_won_days: Mapped[int | None] = _days(
        _l("Days that a deal keeps a customer"),
        _l("So long after a deal a customer does not go back. Empty: not at all."),
    )
    levels = detached(
        Lines("customer_pool_level", "pool", max_items=10),
        label=_l("Other days by level"),
        help=_l("Empty days are those of the pool."),
    )


class CustomerPoolLevel(Entity):
    """After how many days customers of one level go back."""

    __tablename__ = "crm_sales_customer_pool_level"

    pool: Mapped[int | None] = field(
        Reference("customer_pool", on_delete="cascade"),
        label=_l("Pool"),
        required=True,
        table="crm_sales_customer_pool",
        column="pool_id",
    )
    position: Mapped[int | None] = field(
        Integer(minimum=0, maximum=10_000), label=_l("Place"), default=0, totals=False
    )
    level: Mapped[str | None] = field(ChoiceField(choices=LEVELS), label=_l("Level"), required=True)
    idle_days: Mapped[int | None] = _days(_l("Days without follow-up"))
    no_opportunity_days: Mapped[int | None] = _days(_l("Days without opportunity"))
    not_won_days: Mapped[int | None] = _days(_l("Days without deal"))
    stays: Mapped[bool | None] = field(Boolean(), label=_l("Never goes back"), default=False)


class OpportunityPool(Pool):
    """Opportunities that nobody looks after, for a group of people to claim (商机公海)."""

    __tablename__ = "crm_sales_opportunity_pool"

    veiled: Mapped[Any] = field(
        MultiChoice(choices=VEILABLE_OPPORTUNITY), label=_l("Masked before claiming"), help=_MASKED
    )
    takes_new: Mapped[bool | None] = field(
        Boolean(),
        label=_l("Takes new opportunities of its members"),
        help=_TAKES_NEW,
        default=False,
    )
    not_won_days: Mapped[int | None] = _days(
        _l("Days without deal"),
        _l("In the same hands for so long without being won it goes back. Empty: never."),
    )


class CustomerTransfer(Transfer):
    """One change of hands of a customer."""

    __tablename__ = "crm_sales_customer_transfer"

    customer: Mapped[int | None] = field(
        Reference("customer", on_delete="cascade"),
        label=_l("Customer"),
        required=True,
        table="crm_sales_customer",
        column="customer_id",
    )
    pool: Mapped[int | None] = field(
        Reference("customer_pool"),
        label=_l("Pool"),
        table="crm_sales_customer_pool",
        column="pool_id",
        index=False,
    )


class OpportunityTransfer(Transfer):
    """One change of hands of an opportunity."""

    __tablename__ = "crm_sales_opportunity_transfer"

    opportunity: Mapped[int | None] = field(
        Reference("opportunity", on_delete="cascade"),
        label=_l("Opportunity"),
        required=True,
        table="crm_sales_opportunity",
        column="opportunity_id",
    )
    pool: Mapped[int | None] = field(
        Reference("opportunity_pool"),
        label=_l("Pool"),
        table="crm_sales_opportunity_pool",
        column="pool_id",
        index=False,
    )


class InCustomerPool(Pooling):
    """What a customer holds for its pool."""

    @declared_attr
    def pool(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            Reference("customer_pool"),
            label=_l("Pool"),
            column="pool_id",
            constraint=False,  # the column came to a table that was there
            index=False,
            synonyms=("公海", "公海池", "客户公海", "所属公海", "pool"),
        )
        return column


class InOpportunityPool(Pooling):
    """What an opportunity holds for its pool."""

    @declared_attr
    def pool(cls) -> Mapped[int | None]:
        column: Mapped[int | None] = field(
            Reference("opportunity_pool"),
            label=_l("Pool"),
            column="pool_id",
            constraint=False,  # as above
            index=False,
            synonyms=("公海", "公海池", "商机公海", "所属公海", "pool"),
        )
        return column


customer_alert_table = alert_table("crm_sales_customer_alert", "crm_sales_customer")
customer_warning_table = warning_table("crm_sales_customer_warning", "crm_sales_customer")
opportunity_alert_table = alert_table("crm_sales_opportunity_alert", "crm_sales_opportunity")
opportunity_warning_table = warning_table("crm_sales_opportunity_warning", "crm_sales_opportunity")
