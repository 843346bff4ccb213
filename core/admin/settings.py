"""Settings: one page for each group that the core and the modules declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.entities.form_reading import read_fields
from core.entities.forms import summary
from core.entities.writing import refuse
from core.errors import Invalid, NotFound, Problem, Refused
from core.fields import FieldSpec, Secret
from core.help.questions import HELP, unknown_helpers
from core.http.presenting import draw_controls, input_context
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.ops.install import role_ids
from core.plugins.contributions import SettingsGroup
from core.settings.definitions import LOOK
from core.settings.service import put_settings, settings_groups
from core.work.uow import UnitOfWork


@blueprint.get("/settings")
@requires("admin")
def settings() -> Any:
    """The first group, that of the company."""
    return settings_group("core")


@blueprint.get("/settings/<group>")
@requires("admin")
def settings_group(group: str) -> Any:
    """The form of one group."""
    if group == LOOK.name:
        return redirect(url_for("admin.appearance"))
    with unit_of_work() as uow:
        values = dict(uow.snapshot.settings.get(group, {}))
    return _form(group, values, {})


@blueprint.post("/settings/<group>")
@requires("admin")
def put_settings_group(group: str) -> Any:
    """Save one group; wrong values are marked and nothing is kept."""
    values: dict[str, Any] = {}
    try:
        with unit_of_work() as uow:
            fields = _shown(_group(uow, group))
            values, problems = read_fields(input_context(uow), fields, request.form)
            refuse(problems)
            _keep_secrets(fields, values)
            _check_roles(uow, group, values)
            _check_helpers(uow, group, values)
            put_settings(uow, group, values)
    except Invalid as error:
        return _form(group, values, error.by_field()), 422
    flash(_("Saved. It holds at once, everywhere."), "good")
    return redirect(url_for("admin.settings_group", group=group))


def _keep_secrets(fields: Iterable[FieldSpec], values: dict[str, Any]) -> None:
    """An empty input keeps a secret: the form never shows one."""
    for field in fields:
        if isinstance(field.type, Secret) and values.get(field.name) is None:
            values.pop(field.name, None)


def _telling(field: FieldSpec, value: Any) -> FieldSpec:
    """A secret that is there says so; it is not shown."""
    if not isinstance(field.type, Secret) or value is None:
        return field
    there = _("There is one. Leave this empty to keep it.")
    return replace(field, help=f"{field.help} {there}".strip())


def _group(uow: UnitOfWork, name: str) -> SettingsGroup:
    found = settings_groups(uow).get(name)
    if found is None:
        raise NotFound(_("There are no settings named %(name)s.", name=name[:60]))
    return found


def _shown(group: SettingsGroup) -> Sequence[FieldSpec]:
    """The fields of the form; the theme is chosen where it can be tried."""
    return [field for field in group.fields if (group.name, field.name) != ("core", "theme")]


def group_tabs(current: str) -> list[tuple[str, str, bool, None]]:
    """The groups as `ui.tabs`."""
    with unit_of_work(write=False) as uow:
        groups = settings_groups(uow)
    return [
        (
            str(each.title),
            url_for("admin.appearance")
            if each.name == LOOK.name
            else url_for("admin.settings_group", group=each.name),
            each.name == current,
            None,
        )
        for each in groups.values()
    ]


def _check_roles(uow: UnitOfWork, group: str, values: Mapping[str, Any]) -> None:
    """A role that is spelt wrongly would ask nobody for a second factor."""
    if group != "core_sign_in":
        return
    try:
        role_ids(uow, values.get("second_factor_roles") or ())
    except Refused as error:
        problem = Problem("second_factor_roles", "choice", error.message)
        raise Invalid(error.message, [problem]) from error


def _check_helpers(uow: UnitOfWork, group: str, values: Mapping[str, Any]) -> None:
    """An address that is nobody's would answer no question."""
    if group != HELP.name:
        return
    if unknown := unknown_helpers(uow, values.get("helpers") or ()):
        message = _("Nobody here has the address %(address)s.", address=unknown[0][:100])
        raise Invalid(message, [Problem("helpers", "choice", message)])


def _form(name: str, values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    with unit_of_work(write=False) as uow:
        group = _group(uow, name)
        fields = [_telling(field, values.get(field.name)) for field in _shown(group)]
        controls = draw_controls(input_context(uow), fields, values, errors, {})
    return render(
        "core/admin/settings.html",
        group=group,
        tabs=group_tabs(name),
        controls=controls,
        errors=summary(errors, group.fields),
        action=url_for("admin.put_settings_group", group=name),
    )
