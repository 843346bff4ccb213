"""Who acts: a person with roles, or the system itself; and what the roles grant, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from core.fields import EntitySpec, FieldSpec

__all__ = [
    "ANONYMOUS",
    "SYSTEM",
    "Actor",
    "EntityAccess",
    "FieldAccess",
    "RoleGrants",
    "Scope",
    "parent_action",
]

#: Data scopes, narrowest first. A mapping ``{"condition": …}`` is a scope too, and so is the name
#: of one of the entity's own (`ScopeSpec`). A list of scopes reaches what any of them reaches.
SCOPES = ("own", "subordinates", "department", "department_below", "all")
#: Actions that every entity has; an entity's own verbs come on top.
ACTIONS = ("read", "create", "update", "delete", "import", "export")

Scope = str | Mapping[str, Any]


class FieldAccess(IntEnum):
    """What somebody may do with a field; a larger value includes the smaller."""

    HIDDEN = 0
    MASKED = 1
    READ = 2
    WRITE = 3


FIELD_ACCESS = {
    "hidden": FieldAccess.HIDDEN,
    "masked": FieldAccess.MASKED,
    "read": FieldAccess.READ,
    "write": FieldAccess.WRITE,
}


@dataclass(frozen=True)
class RoleGrants:
    """One role, as read from its row. ``*`` as an entity or an action stands for all."""

    name: str
    is_admin: bool = False
    grants: Mapping[str, Mapping[str, Scope]] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    permissions: frozenset[str] = frozenset()

    def scopes(self, entity: str, action: str) -> tuple[Scope, ...]:
        """The scopes for an action; the entity's own row wins over the one for all entities."""
        for key in (entity, "*"):
            row = self.grants.get(key)
            if row is not None:
                scope = row.get(action, row.get("*"))
                listed = scope if isinstance(scope, (list, tuple)) else (scope,)
                return tuple(one for one in listed if one not in (None, "none"))
        return ()

    def field_access(self, spec: EntitySpec, name: str) -> FieldAccess:
        """What this role allows for a field; everything, where nothing is said."""
        return FIELD_ACCESS[self.fields.get(spec.name, {}).get(name, "write")]


class _ScopesByAction(dict[str, tuple[Scope, ...]]):
    """Scopes worked out when an action is first asked for: plugins add verbs to others' entities."""

    def __init__(self, find: Callable[[str], tuple[Scope, ...]]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, action: str) -> tuple[Scope, ...]:
        found = self[action] = self._find(action)
        return found

    def get(self, action: str, default: Any = ()) -> tuple[Scope, ...]:
        """The scopes for any action; none when nobody granted it."""
        return self[action]


@dataclass(frozen=True)
class EntityAccess:
    """What one actor may do with one entity: scopes by action, and access by field."""

    scopes: Mapping[str, tuple[Scope, ...]]
    fields: Mapping[str, FieldAccess]
    #: The fields that are shown at all, masked ones included.
    visible: tuple[FieldSpec, ...] = ()

    def may(self, action: str) -> bool:
        """True when some role grants the action on some rows."""
        return bool(self.scopes.get(action))

    def is_unlimited(self, action: str) -> bool:
        """True when the action is granted on all rows."""
        return "all" in self.scopes.get(action, ())

    def field(self, name: str) -> FieldAccess:
        """Access to a field; unknown fields are hidden."""
        return self.fields.get(name, FieldAccess.HIDDEN)

    def can_see(self, spec: FieldSpec) -> bool:
        """True when the field is shown at all, be it masked."""
        return self.field(spec.name) > FieldAccess.HIDDEN

    def can_use(self, spec: FieldSpec) -> bool:
        """True when the field may be filtered, sorted, grouped and searched on.

        A masked field may not: its order and its matches would give the value away.
        """
        return self.field(spec.name) >= FieldAccess.READ


@dataclass(frozen=True)
class StandIn:
    """A period in which a person is absent and another stands in; see `core.security.delegation`."""

    person: int
    starts_on: date
    ends_on: date
    #: The absent person's: nobody stands in for more than they may do.
    roles: tuple[RoleGrants, ...] = ()
    #: Plugins that the absent person has not.
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Actor:
    """A person, or the system.

    Several roles add up: a row is reached when any role's scope reaches it, and a field is as
    open as the most open of the roles that grant reading the entity.
    """

    user_id: int | None
    name: str = ""
    email: str = ""
    locale: str = "zh_CN"
    is_admin: bool = False
    is_system: bool = False
    roles: tuple[RoleGrants, ...] = ()
    #: The person's departments.
    departments: tuple[int, ...] = ()
    #: Those and all below them.
    departments_below: tuple[int, ...] = ()
    #: The person's departments and all above them: what is shared with one of these is theirs to see.
    departments_above: tuple[int, ...] = ()
    #: Departments that the person heads, and all below them.
    headed: tuple[int, ...] = ()
    #: ``(entity, "read" or "write")`` for each kind of share that the person has, or had.
    shared: frozenset[tuple[str, str]] = frozenset()
    #: For whom the person stands in, today or later.
    stands_in: tuple[StandIn, ...] = ()
    #: Plugins that are open to other departments only; for this person they are as good as off.
    closed: frozenset[str] = frozenset()
    #: What an API token is limited to, as ``lead.read``, ``lead.*``, ``*.read`` or ``*``; None for a session.
    token_scopes: frozenset[str] | None = None
    token_id: int | None = None
    session_id: int | None = None
    #: The administrator who signed in as this person.
    behind: int | None = None
    _access: dict[str, tuple[EntitySpec, EntityAccess]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def as_system(self) -> Actor:
        """The same person with the rights of a business rule."""
        if self.is_system:
            return self
        return replace(self, is_system=True, closed=frozenset(), _access={})

    def as_person(self) -> Actor:
        """The person for whom a business rule writes, with their own rights; the system stays itself."""
        if not self.is_system or self.user_id is None:
            return self
        return replace(self, is_system=False, _access={})

    def with_all_open(self) -> Actor:
        """The same person, with the same rights, where no module is closed to anybody."""
        return replace(self, closed=frozenset(), _access={}) if self.closed else self

    @property
    def is_anonymous(self) -> bool:
        """True for nobody: no user, not the system."""
        return self.user_id is None and not self.is_system

    @property
    def is_oneself(self) -> bool:
        """True in a person's own session: neither through a token, nor for who signed in as another."""
        return self.token_scopes is None and self.behind is None

    @property
    def manages_security(self) -> bool:
        """True for who may change what grants rights: an administrator, not behind a limited token.

        Nobody does it under another's name.
        """
        return self.is_system or (self.is_admin and not self.is_limited and self.behind is None)

    @property
    def is_limited(self) -> bool:
        """True behind a token that does not stand for all that its person may do."""
        return self.token_scopes is not None and "*" not in self.token_scopes

    @property
    def job_scopes(self) -> list[str] | None:
        """The limits of a job that is asked for by an API token; None for all that the person may do.

        What a rule of the business leaves to do is the rule's, whoever brought it about.
        """
        if self.is_system or self.token_scopes is None or not self.is_limited:
            return None
        return sorted(self.token_scopes)

    def access(self, spec: EntitySpec) -> EntityAccess:
        """What the actor may do with an entity, worked out once per description."""
        found = self._access.get(spec.name)
        if found is None or found[0] is not spec:
            found = self._access[spec.name] = (spec, self._work_out(spec))
        return found[1]

    def has_permission(self, permission: str) -> bool:
        """True for a right that is not about records, e.g. ``core.see_jobs``."""
        if self.is_system:
            return True
        if permission.partition(".")[0] in self.closed:
            return False
        granted = self.is_admin or any(permission in role.permissions for role in self.roles)
        return granted and not self.is_limited

    def _work_out(self, spec: EntitySpec) -> EntityAccess:
        everything = self.is_system or self.is_admin
        fields = {
            item.name: FieldAccess.WRITE if everything else self._field(spec, item) for item in spec
        }
        if self.closed:
            hidden = (
                item.name for item in spec if not self.closed.isdisjoint((spec.plugin, item.owner))
            )
            fields |= dict.fromkeys(hidden, FieldAccess.HIDDEN)
        scopes = _ScopesByAction(lambda action: self._scopes(spec, action))
        visible = tuple(item for item in spec if fields[item.name] > FieldAccess.HIDDEN)
        return EntityAccess(scopes, MappingProxyType(fields), visible)

    def _scopes(self, spec: EntitySpec, action: str) -> tuple[Scope, ...]:
        if spec.parent_field is not None:
            action = parent_action(action)
        if self.is_system:
            return ("all",)
        if spec.plugin in self.closed:
            return ()
        if not self.token_allows(spec.governed_by, action):
            return ()
        if self.is_admin:
            return ("all",)
        granted = [one for role in self.roles for one in role.scopes(spec.governed_by, action)]
        if action == "read" and spec.directory and self.user_id is not None:
            granted.append("all")
        return ("all",) if "all" in granted else tuple(granted)

    def _field(self, spec: EntitySpec, item: FieldSpec) -> FieldAccess:
        levels = []
        for role in self.roles:
            if role.scopes(spec.governed_by, "read"):
                levels.append(role.field_access(spec, item.name))
            elif spec.directory and spec.name in role.fields:
                # All may read the directory: what a role says about its fields counts all the same.
                levels.append(min(role.field_access(spec, item.name), FieldAccess.READ))
        if not levels:
            return FieldAccess.READ if spec.directory else FieldAccess.HIDDEN
        level = max(levels)
        if level == FieldAccess.MASKED and not item.is_stored:
            return FieldAccess.HIDDEN  # there is no half of a link or of a line
        return min(level, FieldAccess.READ) if not item.is_writable else level

    def token_allows(self, entity: str, action: str) -> bool:
        """True when the API token behind the actor, if any, is not limited to something else."""
        return self.token_scopes is None or not self.token_scopes.isdisjoint(
            {"*", f"{entity}.*", f"*.{action}", f"{entity}.{action}"}
        )


def parent_action(action: str) -> str:
    """The right to a parent that stands for one to its lines: to write a line is to update it."""
    return action if action in ("read", "export") else "update"


SYSTEM = Actor(None, name="system", is_system=True)
ANONYMOUS = Actor(None)
