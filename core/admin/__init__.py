"""Pages for administrators: modules, people, roles, settings, audit, jobs."""

from flask import Blueprint

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

from core.admin import (  # noqa: E402 - views register on the blueprint above
    appearance,
    apps,
    audit,
    background,
    backups,
    departments,
    entities,
    explain,
    field_life,
    field_rules,
    fields,
    hand_overs,
    impersonation,
    jobs,
    openings,
    people,
    privacy,
    roles,
    settings,
    usage,
    workspaces,
)

__all__ = [
    "appearance",
    "apps",
    "audit",
    "background",
    "backups",
    "blueprint",
    "departments",
    "entities",
    "explain",
    "field_life",
    "field_rules",
    "fields",
    "hand_overs",
    "impersonation",
    "jobs",
    "openings",
    "people",
    "privacy",
    "roles",
    "settings",
    "usage",
    "workspaces",
]
