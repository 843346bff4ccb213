"""What an administrator may set."""

from __future__ import annotations

from core.fields import FieldSpec, Integer
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import SettingsGroup

GROUP = SettingsGroup(
    "dummy_plugin",
    _l("Dummy"),
    (FieldSpec("limit", Integer(minimum=1, maximum=99), _l("Limit"), default=7),),
)
