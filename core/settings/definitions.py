"""The core's own settings."""

from __future__ import annotations

from core.fields import Boolean, Choice, ChoiceField, FieldSpec, Integer, Text
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup

__all__ = ["COMPANY", "MODULES", "SECURITY"]

COMPANY = SettingsGroup(
    "core",
    _l("Company"),
    (
        FieldSpec("company_name", Text(120), _l("Company name"), default="斗拱", required=True),
        FieldSpec(
            "currency",
            Text(3),
            _l("Currency"),
            help=_l("Three letters such as CNY. Amounts already stored are not converted."),
            default="CNY",
            required=True,
        ),
        FieldSpec("theme", Text(40), _l("Theme"), default="default", required=True),
        FieldSpec(
            "locale",
            ChoiceField(choices=(Choice("zh_CN", "中文"), Choice("en", "English"))),
            _l("Language of the sign-in page"),
            default="zh_CN",
        ),
    ),
)

SECURITY = SettingsGroup(
    "core_security",
    _l("Security"),
    (
        FieldSpec(
            "session_idle_minutes",
            Integer(minimum=5, maximum=60 * 24 * 30),
            _l("Sign out after minutes without use"),
            default=60 * 12,
            required=True,
        ),
        FieldSpec(
            "session_days",
            Integer(minimum=1, maximum=90),
            _l("Sign in again after days"),
            default=14,
            required=True,
        ),
        FieldSpec(
            "token_days",
            Integer(minimum=1, maximum=3650),
            _l("API tokens expire after days"),
            default=365,
            required=True,
        ),
        FieldSpec(
            "export_allowed",
            Boolean(),
            _l("Allow exports"),
            help=_l("When off, nobody exports, whatever the roles say."),
            default=True,
        ),
    ),
)

MODULES = SettingsGroup(
    "core_modules",
    _l("Modules"),
    (
        FieldSpec(
            "failures",
            Integer(minimum=0, maximum=10_000),
            _l("Switch a module off after failures in a row"),
            help=_l("Failures of one of its hooks within ten minutes; 0 leaves it on."),
            default=20,
            required=True,
        ),
    ),
)
