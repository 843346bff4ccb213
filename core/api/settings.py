"""Settings of the company, by group; for administrators."""

from __future__ import annotations

from typing import Any

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.shapes import TEXT, object_of
from core.entities.schema import to_json
from core.errors import NotFound
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.settings.service import put_settings, settings_groups
from core.work.uow import UnitOfWork

GROUP = object_of(name=TEXT, title=TEXT, values={"type": "object"})


@blueprint.get("/v1/settings/<group>")
@requires("admin")
@operation(_l("Settings of a group"), "settings", answer=GROUP, errors=(403, 404))
def get_settings(group: str) -> Response:
    """The values in force."""
    arguments()
    with unit_of_work() as uow:
        return answer(_group(uow, group))


@blueprint.patch("/v1/settings/<group>")
@requires("admin")
@operation(
    _l("Change settings of a group"),
    "settings",
    body={"type": "object", "maxProperties": 200},
    answer=GROUP,
    errors=(403, 404, 422),
)
def change_settings(group: str) -> Response:
    """Change the given values; all processes follow."""
    arguments()
    values = json_body()
    with unit_of_work() as uow:
        put_settings(uow, group, values)
        return answer(_group(uow, group))


def _group(uow: UnitOfWork, name: str) -> dict[str, Any]:
    group = settings_groups(uow).get(name)
    if group is None:
        raise NotFound(_("There are no settings named %(name)s.", name=name[:60]))
    stored = uow.snapshot.settings.get(name, {})
    values = {each.name: to_json(each.type, stored.get(each.name)) for each in group.fields}
    return {"name": name, "title": str(group.title), "values": values}
