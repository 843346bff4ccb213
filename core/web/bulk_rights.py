"""What a person may do with many records of a list at once."""

from __future__ import annotations

from typing import Any

from core.entities.offers import bulk_actions
from core.entities.scope import may
from core.fields import EntitySpec
from core.http.presenting import page_url
from core.work.uow import UnitOfWork

__all__ = ["bulk_rights", "has_bulk"]


def bulk_rights(uow: UnitOfWork, spec: EntitySpec) -> dict[str, Any]:
    """``can_update``, ``can_delete``, ``verbs`` (the actions) and ``export_url`` (or None)."""
    allowed = uow.snapshot.settings["core_security"]["export_allowed"]
    can_export = allowed and may(uow, spec, "export")
    return {
        "can_update": spec.updatable and may(uow, spec, "update"),
        "can_delete": spec.deletable and may(uow, spec, "delete"),
        "verbs": bulk_actions(uow, spec),
        "export_url": page_url("web.export_records", entity=spec.name) if can_export else None,
    }


def has_bulk(uow: UnitOfWork, spec: EntitySpec) -> bool:
    """True when rows can be selected for something."""
    return any(bulk_rights(uow, spec).values())
