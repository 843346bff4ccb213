"""Pages for administrators: modules, people, roles, settings, audit, jobs."""

from flask import Blueprint

blueprint = Blueprint("admin", __name__, url_prefix="/admin")

from core.admin import (  # noqa: E402 - views register on the blueprint above
    apps,
    audit,
    departments,
    fields,
    jobs,
    people,
    roles,
    settings,
)

__all__ = [
    "apps",
    "audit",
    "blueprint",
    "departments",
    "fields",
    "jobs",
    "people",
    "roles",
    "settings",
]
