"""What an administrator sets: which customers count as the same, and what follows."""

from __future__ import annotations

from core.fields import Choice, ChoiceField, FieldSpec
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup

__all__ = ["SALES"]

_LEVELS = ChoiceField(
    (
        Choice("refuse", _l("Refuse")),
        Choice("warn", _l("Warn, and let it be saved")),
        Choice("off", _l("Do not look")),
    )
)

SALES = SettingsGroup(
    "crm_sales",
    _l("Customers"),
    (
        FieldSpec(
            "same_code",
            _LEVELS,
            _l("Two customers with one credit code"),
            default="refuse",
            required=True,
        ),
        FieldSpec(
            "same_name",
            _LEVELS,
            _l("Two customers of one name"),
            help=_l("Legal forms, punctuation, width and case do not count."),
            default="warn",
            required=True,
        ),
        FieldSpec(
            "same_contact",
            _LEVELS,
            _l("Two customers of one name with a contact of one mobile"),
            default="refuse",
            required=True,
        ),
    ),
)
