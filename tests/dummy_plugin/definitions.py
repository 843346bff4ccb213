"""How specimens are named and arranged, and what one can do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.entities import service
from core.fields import ActionSpec, EntityDef, FieldSpec, Section, Text
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Permission, RoleTemplate
from core.work.uow import UnitOfWork
from dummy_plugin.behaviour import answer
from dummy_plugin.models import Specimen, SpecimenPart


def keep(
    uow: UnitOfWork, records: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, int]:
    """Mark specimens as kept."""
    remark = params.get("remark")
    values = {row["id"]: {"state": "kept", "remark": remark} for row in records}
    return {"kept": len(service.update(uow, "specimen", values))}


specimen = EntityDef(
    name="specimen",
    model=Specimen,
    label=_l("Specimen"),
    label_plural=_l("Specimens"),
    label_field="name",
    icon="tag",
    list_columns=("code", "name", "state", "price", "owner"),
    sections=(
        Section(_l("Main"), ("name", "state", "quantity", "weight", "price")),
        Section(_l("Contact"), ("phone", "email", "website", "region")),
    ),
    actions=(
        ActionSpec(
            "keep",
            _l("Keep"),
            keep,
            params=(FieldSpec("remark", Text(200), _l("Remark")),),
            when={"field": "state", "op": "eq", "value": "new"},
        ),
    ),
    duplicate_keys=("name",),
    veil=lambda uow, table: answer("veil", uow=uow, table=table) or {},
)

part = EntityDef(
    name="specimen_part",
    model=SpecimenPart,
    label=_l("Part"),
    label_plural=_l("Parts"),
    label_field="title",
    list_columns=("title", "amount"),
    parent_field="specimen",
    navigable=False,
)

PERMISSIONS = (Permission("dummy_plugin.see_board", _l("See the board")),)

ROLES = (
    RoleTemplate(
        "keeper",
        _l("Keeper"),
        {"specimen": {"read": "own", "create": "own", "update": "own", "keep": "own"}},
        {"specimen": {"phone": "masked", "email": "hidden"}},
        ("dummy_plugin.see_board",),
    ),
)
