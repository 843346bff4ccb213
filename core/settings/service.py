"""Reading and changing settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Table, delete, insert, select

from core.audit.recorder import record_act
from core.db.base import metadata
from core.db.types import Json, PlainText
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.fields import Secret
from core.i18n import gettext as _
from core.plugins.contributions import SettingsGroup
from core.runtime import bump_structure
from core.secrets import seal, unseal
from core.work.events import SettingsChanged

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "SETTING",
    "get_secret",
    "get_setting",
    "put_settings",
    "read_settings",
    "setting_table",
    "settings_groups",
]

#: What secrets among the settings are sealed for.
SETTING = "setting"

setting_table = Table(
    "core_setting",
    metadata,
    Column("group", PlainText(63), primary_key=True),
    Column("key", PlainText(63), primary_key=True),
    Column("value", Json),
)


def read_settings(
    connection: Connection, groups: Iterable[SettingsGroup]
) -> dict[str, dict[str, Any]]:
    """``{group: {key: value}}`` with defaults filled in; values as fields hold them."""
    stored: dict[tuple[str, str], Any] = {
        (group, key): value for group, key, value in connection.execute(select(setting_table))
    }
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        values = found.setdefault(group.name, {})
        for field in group.fields:
            default = field.default() if callable(field.default) else field.default
            value = stored.get((group.name, field.name), default)
            if isinstance(field.type, Secret):
                values[field.name] = value  # as it is stored: sealed
                continue
            try:
                values[field.name] = check_value(field.type, value)
            except BadValue:  # the declaration has changed since it was stored
                values[field.name] = default
    return found


def settings_groups(uow: UnitOfWork) -> dict[str, SettingsGroup]:
    """The groups of the core and of enabled plugins, by name."""
    return {group.name: group for group in uow.snapshot.items("register_settings")}


def get_setting(uow: UnitOfWork, group: str, key: str) -> Any:
    """The value in force. Raises `KeyError` for what nobody declared."""
    return uow.snapshot.settings[group][key]


def get_secret(uow: UnitOfWork, group: str, key: str) -> str | None:
    """A secret in clear, for whoever is about to use it; None when there is none."""
    sealed = get_setting(uow, group, key)
    return None if sealed is None else unseal(uow.runtime.config, sealed, purpose=SETTING)


def put_settings(uow: UnitOfWork, group: str, values: Mapping[str, Any]) -> None:
    """Change settings of a group; all processes follow. Administrators only."""
    if not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators change settings."))
    declared = settings_groups(uow).get(group)
    if declared is None:
        raise NotFound(_("There are no settings named %(name)s.", name=group[:60]))
    fields = {field.name: field for field in declared.fields}
    problems, checked = [], {}
    for name, value in values.items():
        if name not in fields:
            message = _("There is no field %(name)s.", name=name[:60])
            problems.append(Problem(name[:60], "unknown_field", message))
            continue
        if isinstance(fields[name].type, Secret) and value is True:
            continue  # what reading says of one that is there
        try:
            checked[name] = check_value(fields[name].type, value)
        except BadValue as error:
            problems.append(Problem(name, error.code, str(error)))
            continue
        if fields[name].required and checked[name] is None:
            problems.append(Problem(name, "required", _("Please fill this in.")))
    if declared.check is not None and not problems:
        problems += declared.check(uow, checked)
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    told = dict(checked)
    for name, value in checked.items():
        if isinstance(fields[name].type, Secret) and value is not None:
            checked[name] = seal(uow.runtime.config, value, purpose=SETTING)
            told[name] = True
    old = uow.snapshot.settings.get(group, {})
    changed = {name: value for name, value in checked.items() if old.get(name) != value}
    for name, value in changed.items():
        where = (setting_table.c.group == group) & (setting_table.c.key == name)
        uow.execute(delete(setting_table).where(where))
        plain = str(value) if hasattr(value, "as_tuple") else value
        uow.execute(insert(setting_table).values(group=group, key=name, value=plain))
    if changed:
        record_act(uow, "settings", entity=None, details={f"{group}.{k}": told[k] for k in changed})
        bump_structure(uow.connection)
        uow.publish(SettingsChanged(group, tuple(sorted(changed))))
        uow.refresh()
