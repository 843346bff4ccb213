"""What a role may do, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.admin.role_matrix import action_label, granted_entities, possible, scope_label, whole
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.runtime import Snapshot
from core.security.actor import ACTIONS, RoleGrants

__all__ = ["Sentence", "role_in_words"]


@dataclass(frozen=True)
class Sentence:
    """What a role may do with one entity; ``reach`` are (which records, which actions)."""

    name: str
    entity: str
    owner: str
    icon: str
    reach: list[tuple[str, str]]
    fields: list[str]


def role_in_words(snapshot: Snapshot, role: RoleGrants) -> tuple[list[Sentence], list[str]]:
    """(a sentence for each entity that the role reaches, the names of those it does not)."""
    sentences, out_of_reach = [], []
    for spec in granted_entities(snapshot):
        reach = _reach(spec, role)
        if reach:
            label = str(spec.label_plural)
            sentences.append(
                Sentence(
                    spec.name, label, spec.plugin, spec.icon, reach, _fields(snapshot, spec, role)
                )
            )
        else:
            out_of_reach.append(str(spec.label_plural))
    return sentences, out_of_reach


def _reach(spec: EntitySpec, role: RoleGrants) -> list[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for action in (*(a for a in ACTIONS if possible(spec, a)), *spec.actions_by_name):
        scope: Any = whole(role.scopes(spec.name, action))
        if action == "read" and spec.directory:
            scope = "all"
        if scope is not None:
            found.setdefault(scope_label(scope, spec), []).append(action_label(spec, action))
    return [(scope, _(", ").join(actions)) for scope, actions in found.items()]


def _fields(snapshot: Snapshot, spec: EntitySpec, role: RoleGrants) -> list[str]:
    """What is narrower than the rest, for the entity and its lines."""
    found: dict[str, list[str]] = {}
    for each in (spec, *(s for s in snapshot.entities.values() if s.parent_field is not None)):
        if each.governed_by != spec.name:
            continue
        rules: Mapping[str, str] = role.fields.get(each.name, {})
        for name, access in rules.items():
            if name in each and not (access == "read" and not each[name].is_writable):
                found.setdefault(access, []).append(str(each[name].label))
    names = {access: _(", ").join(labels) for access, labels in found.items()}
    texts = []
    if "hidden" in names:
        texts.append(_("does not see: %(fields)s", fields=names["hidden"]))
    if "masked" in names:
        texts.append(_("sees masked: %(fields)s", fields=names["masked"]))
    if "read" in names:
        texts.append(_("cannot change: %(fields)s", fields=names["read"]))
    return texts
