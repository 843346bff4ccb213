"""Rights that a new version of a module delivers for a role that the company has already.

A role is the company's own, so nothing is added to it behind its back: its page tells what is new, to
be granted or not. What was told is kept with the module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from core.entities import service
from core.errors import Forbidden
from core.i18n import gettext as _
from core.plugins.contributions import RoleTemplate
from core.plugins.state import plugin_table
from core.security.actor import RoleGrants

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["delivered_to", "new_rights", "note_delivered", "settle", "with_new_rights"]

_PERMISSION = "permission:"


def note_delivered(uow: UnitOfWork, plugin: str) -> None:
    """What a module delivers and its roles now grant is known: it has just been put into them."""
    c = uow.entity("role").table.c
    rows = uow.execute(select(c.name, c.grants, c.permissions)).mappings()
    roles = {row["name"]: _grants_of(row) for row in rows}
    known = _delivered(uow).get(plugin, {})
    for owner, template in _templates(uow):
        if owner == plugin and (role := roles.get(template.name)) is not None:
            held = {right for right in _rights(template) if _holds(role, right)}
            known[template.name] = sorted({*known.get(template.name, ()), *held})
    _keep(uow, plugin, known)


def delivered_to(uow: UnitOfWork, plugin: str, role: str) -> frozenset[str]:
    """The rights, as ``entity.action``, that a module has put into a role before, or told of."""
    return frozenset(_delivered(uow).get(plugin, {}).get(role, ()))


def _grants_of(role: Any) -> RoleGrants:
    """What a role grants, by its row or its values."""
    permissions = frozenset(role["permissions"] or ())
    return RoleGrants(role["name"], grants=role["grants"] or {}, permissions=permissions)


def _holds(role: RoleGrants, right: str) -> bool:
    if right.startswith(_PERMISSION):
        return right.removeprefix(_PERMISSION) in role.permissions
    return bool(role.scopes(*right.split(".")))


def new_rights(uow: UnitOfWork, role: Mapping[str, Any]) -> RoleGrants | None:
    """What modules that are on deliver for a role, that it has not, and that nobody was told of yet;
    None for nothing. ``role`` has ``name``, ``is_admin``, ``grants`` and ``permissions``."""
    return _new(uow, role, _delivered(uow))


def with_new_rights(uow: UnitOfWork, roles: Iterable[Mapping[str, Any]]) -> set[int]:
    """The ids of those of the roles for which there are any; one statement."""
    known = _delivered(uow)
    return {role["id"] for role in roles if _new(uow, role, known) is not None}


def _new(
    uow: UnitOfWork, role: Mapping[str, Any], known: Mapping[str, Mapping[str, list[str]]]
) -> RoleGrants | None:
    if role["is_admin"]:
        return None
    own = _grants_of(role)
    grants: dict[str, dict[str, Any]] = {}
    permissions: set[str] = set()
    for owner, template in _templates(uow):
        if template.name != role["name"] or owner not in known:
            continue
        told = known[owner].get(template.name, ())
        for entity, row in template.grants.items():
            for action, scope in row.items():
                right = f"{entity}.{action}"
                if right not in told and not _holds(own, right):
                    grants.setdefault(entity, {})[action] = scope
        new = {each for each in template.permissions if f"{_PERMISSION}{each}" not in told}
        permissions |= new - own.permissions
    if not grants and not permissions:
        return None
    return RoleGrants(role["name"], False, grants, {}, frozenset(permissions))


def settle(uow: UnitOfWork, role: Mapping[str, Any], *, take: bool) -> None:
    """Grant what is new for a role, or leave it; either way it is told no more.

    Raises `Forbidden` for everybody but administrators.
    """
    if not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators change what roles grant."))
    found = new_rights(uow, role)
    if take and found is not None:
        grants = {entity: dict(row) for entity, row in (role["grants"] or {}).items()}
        for entity, row in found.grants.items():
            grants[entity] = {**grants.get(entity, {}), **row}
        permissions = sorted({*(role["permissions"] or ()), *found.permissions})
        values = {"grants": grants, "permissions": permissions}
        service.update(uow, "role", {role["id"]: values}, versions={role["id"]: role["version"]})
    known = _delivered(uow)
    for owner, template in _templates(uow):
        if template.name == role["name"] and owner in known:
            told = {*known[owner].get(template.name, ()), *_rights(template)}
            known[owner][template.name] = sorted(told)
            _keep(uow, owner, known[owner])


def _templates(uow: UnitOfWork) -> Iterator[tuple[str, RoleTemplate]]:
    """(module, role) of all that is on."""
    for contribution in uow.snapshot.contributions.get("register_roles", ()):
        yield contribution.owner, contribution.item


def _rights(template: RoleTemplate) -> Iterator[str]:
    for entity, row in template.grants.items():
        yield from (f"{entity}.{action}" for action in row)
    yield from (f"{_PERMISSION}{name}" for name in template.permissions)


def _delivered(uow: UnitOfWork) -> dict[str, dict[str, list[str]]]:
    """By module and role the rights that were put into it or told."""
    rows = uow.execute(select(plugin_table.c.name, plugin_table.c.delivered))
    return {row.name: dict(row.delivered or {}) for row in rows}


def _keep(uow: UnitOfWork, plugin: str, rights: Mapping[str, list[str]]) -> None:
    mine = plugin_table.c.name == plugin
    uow.execute(update(plugin_table).where(mine).values(delivered=dict(rights)))
