"""How people, departments and roles are arranged."""

from __future__ import annotations

from core.fields import EntityDef, Section
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import RoleTemplate
from core.security.models import Absence, Department, Role, User

__all__ = ["CORE_ROLES", "absence", "department", "role", "user"]

user = EntityDef(
    name="user",
    model=User,
    label=_l("Person"),
    label_plural=_l("People"),
    label_field="name",
    icon="users",
    list_columns=("name", "email", "department", "roles", "is_active"),
    sections=(
        Section(_l("Person"), ("name", "email", "mobile", "title", "locale", "is_active")),
        Section(_l("Place and rights"), ("department", "departments", "roles", "absences")),
    ),
    default_sort="name",
    duplicate_keys=("email",),
    directory=True,
    shapes_access=True,
    navigable=False,
)

department = EntityDef(
    name="department",
    model=Department,
    label=_l("Department"),
    label_plural=_l("Departments"),
    label_field="name",
    icon="building",
    list_columns=("name", "parent", "head"),
    default_sort="path",
    directory=True,
    shapes_access=True,
    navigable=False,
)

role = EntityDef(
    name="role",
    model=Role,
    label=_l("Role"),
    label_plural=_l("Roles"),
    label_field="title",
    icon="shield-lock",
    list_columns=("title", "name", "is_admin"),
    default_sort="name",
    importable=False,
    shapes_access=True,
    navigable=False,
)

absence = EntityDef(
    name="absence",
    model=Absence,
    label=_l("Absence"),
    label_plural=_l("Absences"),
    label_field="reason",
    list_columns=("starts_on", "ends_on", "reason"),
    parent_field="user",
    importable=False,
    shapes_access=True,
    navigable=False,
)

CORE_ROLES = (
    RoleTemplate("admin", _l("Administrator")),
    RoleTemplate("viewer", _l("Viewer"), {"*": {"read": "all"}}),
)
