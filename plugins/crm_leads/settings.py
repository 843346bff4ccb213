"""What an administrator sets for all pools that do not say otherwise."""

from __future__ import annotations

from core.fields import FieldSpec, Integer
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup

__all__ = ["LEADS"]

LEADS = SettingsGroup(
    "crm_leads",
    _l("Leads"),
    (
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
            _l("Open leads in hand"),
            help=_l("Of one pool, by one person, unless the pool says otherwise."),
            default=200,
            required=True,
        ),
        FieldSpec(
            "first_contact_days",
            Integer(minimum=1, maximum=365),
            _l("First contact within days"),
            help=_l("A claimed or assigned lead is due for follow-up after so many days."),
            default=3,
            required=True,
        ),
        FieldSpec(
            "alert_unclaimed_hours",
            Integer(minimum=1, maximum=8760),
            _l("Important leads unclaimed for hours"),
            help=_l(
                "Then administrators of the pool, or heads of its departments, are told. Empty: nobody."
            ),
            default=24,
        ),
        FieldSpec(
            "alert_idle_days",
            Integer(minimum=1, maximum=365),
            _l("Important leads without follow-up for days"),
            help=_l("Then the head of the owner's department is told. Empty: nobody."),
            default=3,
        ),
    ),
)
