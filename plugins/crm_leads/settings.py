"""What an administrator sets: for all pools that do not say otherwise, and which leads count as the same."""

from __future__ import annotations

from core.entities.likeness import LEVELS
from core.fields import Boolean, FieldSpec, Integer
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup

__all__ = ["LEADS"]

LEADS = SettingsGroup(
    "crm_leads",
    _l("Leads"),
    (
        FieldSpec(
            "same_number",
            LEVELS,
            _l("Two leads of one mobile or telephone"),
            help=_l("Of those that are worked on or were converted. Public forms are not refused."),
            default="warn",
            required=True,
        ),
        FieldSpec(
            "same_name",
            LEVELS,
            _l("Two leads of one company"),
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
            "task_for_assigned",
            Boolean(),
            _l("Who is given a lead by a rule gets a task"),
            help=_l("To contact it by when it is due. With the module of activities."),
            default=True,
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
