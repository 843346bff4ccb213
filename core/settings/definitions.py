"""The core's own settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.errors import Problem
from core.fields import Boolean, Choice, ChoiceField, FieldSpec, Integer, LongText, Tags, Text
from core.fields.types import Label
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup
from core.theming import parse_colour, theme_names

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["COMPANY", "LIMITS", "LOGO_PLACE", "LOOK", "MODULES", "SECURITY", "SIGN_IN"]

#: What stands in ``file.entity`` of the logo; no entity can have such a name, so that nobody reads it
#: as an attachment of anything.
LOGO_PLACE = "-logo"


def _check_theme(uow: UnitOfWork, values: Mapping[str, Any]) -> Iterable[Problem]:
    if values.get("theme") is not None and values["theme"] not in theme_names():
        yield Problem("theme", "choice", _("There is no such theme."))


def _check_look(uow: UnitOfWork, values: Mapping[str, Any]) -> Iterable[Problem]:
    accent, logo = values.get("accent"), values.get("logo")
    if accent is not None and parse_colour(accent) is None:
        yield Problem("accent", "colour", _("A colour is written as #1a659f."))
    if logo is not None:
        table = uow.snapshot.installed_entities["file"].table
        hung = select(table.c.id).where(table.c.id == logo, table.c.entity == LOGO_PLACE)
        if uow.execute(hung).first() is None:
            yield Problem("logo", "file", _("Choose the picture at Settings → Appearance."))


COMPANY = SettingsGroup(
    "core",
    _l("Company"),
    (
        FieldSpec("company_name", Text(120), _l("Company name"), default="斗拱", required=True),
        FieldSpec(
            "company_address",
            LongText(300),
            _l("Address on documents"),
            help=_l("What stands below the company's name on what is printed, telephone included."),
        ),
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
    check=_check_theme,
)

#: Shown on a page of its own, `core.admin.appearance`, with the theme and the name of the company.
LOOK = SettingsGroup(
    "core_look",
    _l("Appearance"),
    (
        FieldSpec(
            "accent",
            Text(7),
            _l("Colour of your own"),
            help=_l("Such as #1a659f. Empty: the theme's own."),
        ),
        FieldSpec(
            "logo", Integer(minimum=1), _l("Logo"), help=_l("The number of the stored picture.")
        ),
    ),
    check=_check_look,
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
        FieldSpec(
            "sign_in_as",
            Boolean(),
            _l("Administrators may sign in as others"),
            help=_l("With a reason, for an hour; both names are in the audit trail."),
            default=True,
        ),
    ),
)


def _number(name: str, label: Label, default: int, most: int, help: Label = "") -> FieldSpec:
    return FieldSpec(
        name, Integer(minimum=0, maximum=most), label, help=help, default=default, required=True
    )


SIGN_IN = SettingsGroup(
    "core_sign_in",
    _l("Signing in"),
    (
        FieldSpec(
            "second_factor",
            ChoiceField(
                choices=(
                    Choice("nobody", _l("Nobody has to")),
                    Choice("administrators", _l("Administrators")),
                    Choice("roles", _l("Administrators and the roles named below")),
                    Choice("all", _l("Everybody")),
                )
            ),
            _l("Who needs a second factor"),
            help=_l("Who has none yet sets it up at the next sign-in."),
            default="nobody",
            required=True,
        ),
        FieldSpec(
            "second_factor_roles",
            Tags(),
            _l("Roles that need a second factor"),
            help=_l("By their code, separated by commas."),
        ),
        FieldSpec(
            "password_length",
            Integer(minimum=10, maximum=64),
            _l("Fewest characters of a password"),
            default=10,
            required=True,
        ),
        _number(
            "password_days", _l("Choose another password after days"), 0, 3650, _l("0: never.")
        ),
        _number(
            "password_history",
            _l("Earlier passwords that are refused"),
            0,
            10,
            _l("The present one always is."),
        ),
        FieldSpec(
            "link_minutes",
            Integer(minimum=5, maximum=60 * 24 * 7),
            _l("Links that set a password work for minutes"),
            default=30,
            required=True,
        ),
        FieldSpec(
            "tell_new_device",
            Boolean(),
            _l("Mail people when a new device signs in as them"),
            help=_l("Only where mail is set up."),
            default=True,
        ),
        _number(
            "lock_failures",
            _l("Lock after wrong tries"),
            0,
            1000,
            _l("0: never; guesses are slowed down in any case."),
        ),
        FieldSpec(
            "lock_within",
            Integer(minimum=1, maximum=60 * 24),
            _l("Wrong tries within minutes"),
            default=15,
            required=True,
        ),
        _number(
            "lock_minutes",
            _l("Locked for minutes"),
            30,
            60 * 24 * 30,
            _l("0: until an administrator releases it."),
        ),
    ),
)

#: What is limited by `core.http.limits`, by name.
LIMITS = SettingsGroup(
    "core_limits",
    _l("Limits"),
    (
        _number(
            "sign_in",
            _l("Sign-ins from one address"),
            600,
            100_000,
            _l("A minute each; 0: no limit."),
        ),
        _number("code", _l("Codes of second factors from one address"), 120, 100_000),
        _number("reset", _l("Forgotten passwords from one address"), 20, 100_000),
        _number("form", _l("Public forms from one address"), 60, 100_000),
        _number("api", _l("Requests with one API token"), 0, 10_000_000),
        _number("search", _l("Searches of one person"), 600, 1_000_000),
        _number("export", _l("Exports of one person"), 60, 100_000),
        _number("import", _l("Imports of one person"), 60, 100_000),
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
