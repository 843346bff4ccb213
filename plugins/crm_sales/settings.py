"""What an administrator sets: which customers count as the same, and how quotes begin."""

from __future__ import annotations

from core.entities.likeness import LEVELS
from core.fields import Boolean, FieldSpec, Integer
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup

__all__ = ["SALES"]

SALES = SettingsGroup(
    "crm_sales",
    _l("Customers and quotes"),
    (
        FieldSpec(
            "same_code",
            LEVELS,
            _l("Two customers with one credit code"),
            default="refuse",
            required=True,
        ),
        FieldSpec(
            "same_name",
            LEVELS,
            _l("Two customers of one name"),
            help=_l("Legal forms, punctuation, width and case do not count."),
            default="warn",
            required=True,
        ),
        FieldSpec(
            "alike_names",
            Integer(0, 100),
            _l("Warn of names that are alike from, %"),
            help=_l("One wrong letter in a name of six is 90 %. With 0 only equal names are told."),
            default=88,
            required=True,
        ),
        FieldSpec(
            "same_contact",
            LEVELS,
            _l("Two customers of one name with a contact of one mobile"),
            default="refuse",
            required=True,
        ),
        FieldSpec(
            "same_lead",
            LEVELS,
            _l("A lead whose company or mobile a customer has"),
            help=_l("Looked for while a lead is entered. Public forms are not refused."),
            default="warn",
            required=True,
        ),
        FieldSpec(
            "prices_include_tax",
            Boolean(),
            _l("Prices include tax"),
            help=_l("Of products, price lists and new quotes; a quote keeps what it began with."),
            default=True,
        ),
        FieldSpec(
            "quote_days",
            Integer(1, 365),
            _l("Days that a quote is valid"),
            default=30,
            required=True,
        ),
        FieldSpec(
            "discounts_beside",
            Boolean(),
            _l("Who sells to the same customer sees discounts"),
            help=_l(
                "Day, seller and discount of what others quoted there, for who has an open"
                " opportunity at the customer; even of quotations that they may not open."
            ),
            default=True,
        ),
        FieldSpec(
            "idle_days",
            Integer(0, 3650),
            _l("Tell of customers without follow-up after, days"),
            help=_l("The owner and the head of the department, once. 0: nobody."),
            default=30,
            required=True,
        ),
        FieldSpec(
            "alert_unclaimed_hours",
            Integer(minimum=1, maximum=8760),
            _l("Important customers and opportunities unclaimed for hours"),
            help=_l(
                "Then administrators of the pool, or heads of its departments, are told. Empty: nobody."
            ),
            default=24,
        ),
        FieldSpec(
            "alert_idle_days",
            Integer(minimum=1, maximum=365),
            _l("Important customers and opportunities without follow-up for days"),
            help=_l("Then the head of the owner's department is told. Empty: nobody."),
            default=3,
        ),
        FieldSpec(
            "committed_from",
            Integer(1, 100),
            _l("Committed from this probability, %"),
            help=_l("Ongoing deals at least as likely count as committed in the forecast."),
            default=80,
            required=True,
        ),
        FieldSpec(
            "open_league",
            Boolean(),
            _l("The league table is open to all"),
            help=_l(
                "Who may see it sees the names, ranks and sums of all; targets stay as they are."
            ),
            default=False,
        ),
        FieldSpec(
            "daily_claims",
            Integer(minimum=1, maximum=100_000),
            _l("Claims a day"),
            help=_l("By one person from one pool, unless the pool says otherwise."),
            default=50,
            required=True,
        ),
        FieldSpec(
            "holding_limit",
            Integer(minimum=1, maximum=1_000_000),
            _l("Of one pool in hand"),
            help=_l(
                "By one person, unless the pool says otherwise. What is closed does not count."
            ),
            default=200,
            required=True,
        ),
    ),
)
