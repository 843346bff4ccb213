"""Registers the sample's entities and roles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.entities import service
from core.entities.changes import Change
from core.errors import Problem
from core.fields import EntityDef
from core.plugins import hookimpl
from core.plugins.contributions import RoleTemplate

from .models import PARCEL, PARCEL_LINE, PROSPECT, THING

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

ACTIONS = ("read", "create", "update", "delete", "import", "export")


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return [PROSPECT, THING, PARCEL, PARCEL_LINE]


@hookimpl
def register_roles() -> Iterable[RoleTemplate]:
    def grants(scope: str, *without: str) -> dict[str, dict[str, str]]:
        actions = {action: scope for action in ACTIONS if action not in without}
        return {"prospect": actions, "thing": actions, "parcel": actions}

    return [
        RoleTemplate("own", "Own records", grants("own")),
        RoleTemplate("typist", "Without import and export", grants("all", "import", "export")),
        RoleTemplate(
            "masked",
            "Sees mobiles masked, no amounts, and writes no source",
            grants("all"),
            {
                "prospect": {
                    "mobile": "masked",
                    "expected_amount": "hidden",
                    "source": "read",
                },
                "thing": {"paper": "hidden"},
            },
        ),
    ]


@hookimpl
def validate_changes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    if changes[0].entity.name != "prospect":
        return
    for change in changes:
        if change.after.get("industry") == "禁止":
            yield change.problem("industry", "banned", "This industry is not served.")


@hookimpl
def after_changes(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Who was recommended is sent something: a rule that writes other records."""
    if changes[0].entity.name != "prospect" or changes[0].kind != "create":
        return
    welcome = [
        {"title": f"To {change.after['company']}", "contents": [{"what": "Tea", "price": 30}]}
        for change in changes
        if change.after.get("source") == "转介"
    ]
    if welcome:
        service.create(uow, "parcel", welcome)
