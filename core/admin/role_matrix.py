"""A role as a form and back: a scope for each entity and action, an access for each field.

A cell says ``inherit`` while the entity has no row of its own and so follows the row for all
entities. What the form does not show (rows that were not opened, entities of modules that are off,
unknown actions) is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import orjson

from core.entities.scope import action_label
from core.fields import EntitySpec, FieldSpec
from core.http.requests import actor, runtime
from core.i18n import gettext as _
from core.runtime import Snapshot
from core.security.actor import ACTIONS, FIELD_ACCESS, SCOPES, RoleGrants

__all__ = [
    "ALL",
    "Cell",
    "Group",
    "Row",
    "action_label",
    "field_rules_from",
    "granted_entities",
    "grants_from",
    "groups",
    "opened_in",
    "possible",
    "row_of",
    "scope_label",
    "whole",
]

#: Stands for every entity without a row of its own.
ALL = "*"
INHERIT = "inherit"
CONDITION = "condition"
#: Between the names of several scopes in one select.
_AND = "+"
_HIDDEN_FROM_ROLES = frozenset({"id", "version", "archived_at"})


@dataclass
class Cell:
    """One select: what it is called in the form, its value, its options as (value, label)."""

    name: str
    label: str
    value: str
    options: list[tuple[str, str]]
    #: The JSON of a condition, which came through the API.
    condition: str | None = None
    error: str = ""


@dataclass
class Row:
    """One entity: a cell for each common action (None where it cannot be), its verbs, its fields."""

    entity: str
    label: str
    icon: str
    cells: list[Cell | None]
    verbs: list[Cell] = field(default_factory=list)
    #: (title, cells), that of child lines after its own.
    fields: list[tuple[str, list[Cell]]] = field(default_factory=list)
    #: How many fields are narrower than "write".
    narrowed: int = 0
    #: Something below the row is wrong or special, so it is shown open.
    open: bool = False
    #: What lies below the row is part of the page; else it is asked for when it is opened.
    is_whole: bool = True


@dataclass
class Group:
    """The entities of one module."""

    owner: str
    rows: list[Row]


def whole(scopes: tuple[Any, ...]) -> Any:
    """Scopes as a role's row holds them: one alone, several as a list, None for none."""
    return list(scopes) if len(scopes) > 1 else scopes[0] if scopes else None


def scope_label(scope: Any, spec: EntitySpec | None = None) -> str:
    """A scope as words; ``spec`` names its own scopes."""
    if isinstance(scope, list):
        return _(", ").join(scope_label(each, spec) for each in scope)
    if isinstance(scope, Mapping):
        return _("Condition")
    if spec is not None and scope in spec.scopes_by_name:
        return str(spec.scopes_by_name[scope].label)
    return {
        None: _("None"),
        "none": _("None"),
        "own": _("Own"),
        "subordinates": _("Own and subordinates"),
        "department": _("Department"),
        "department_below": _("Department and below"),
        "all": _("All"),
    }.get(scope, str(scope))


def granted_entities(snapshot: Snapshot) -> list[EntitySpec]:
    """The entities that roles speak of: those in use, child lines aside, module by module, with the
    verbs that plugins add to them."""
    found = [_with_added(spec, snapshot) for spec in snapshot.entities.values()]
    roots = [spec for spec in found if spec.parent_field is None]
    return sorted(roots, key=lambda spec: spec.plugin == "core")


def _with_added(spec: EntitySpec, snapshot: Snapshot) -> EntitySpec:
    answers = runtime().plugins.ask("record_actions", snapshot.enabled, entity=spec, actor=actor())
    added = [verb for verbs in answers for verb in verbs if verb.name not in spec.actions_by_name]
    return replace(spec, actions=(*spec.actions, *added)) if added else spec


def possible(spec: EntitySpec, action: str) -> bool:
    """False for what nobody can do with the entity."""
    match action:
        case "create":
            return spec.creatable
        case "update":
            return spec.updatable
        case "delete":
            return spec.deletable
        case "import":
            return spec.importable and spec.creatable
    return True


# To the form


def groups(
    snapshot: Snapshot,
    grants: Mapping[str, Any],
    rules: Mapping[str, Mapping[str, str]],
    errors: Mapping[str, str],
    typed: Mapping[str, str],
    opened: Collection[str] = (),
) -> list[Group]:
    """The matrix. ``typed`` are the conditions as they were sent, when something was wrong;
    ``opened`` names the entities whose verbs and fields are part of the page."""
    build = _Builder(snapshot, grants, rules, errors, typed)
    specs = granted_entities(snapshot)
    found = [
        Group(owner, [build.row(spec) for spec in members])
        for owner, members in groupby(specs, key=lambda spec: spec.plugin)
    ]
    for row in (row for group in found for row in group.rows):
        row.open = row.open or row.entity in opened
        row.is_whole = row.open
    return [Group(ALL, [build.row_for_all()]), *found]


def opened_in(form: Mapping[str, str]) -> set[str]:
    """The entities whose verbs and fields a form that was sent had shown."""
    places = (key.partition(":")[2] for key in form if key.startswith("field:"))
    return {place.rpartition(".")[0] for place in places}


def row_of(
    spec: EntitySpec,
    snapshot: Snapshot,
    grants: Mapping[str, Any],
    rules: Mapping[str, Mapping[str, str]],
) -> Row:
    """One entity's row with all that lies below it."""
    return _Builder(snapshot, grants, rules, {}, {}).row(spec)


class _Builder:
    def __init__(
        self,
        snapshot: Snapshot,
        grants: Mapping[str, Any],
        rules: Mapping[str, Mapping[str, str]],
        errors: Mapping[str, str],
        typed: Mapping[str, str],
    ) -> None:
        self.snapshot, self.grants, self.rules = snapshot, grants, rules
        self.errors, self.typed = errors, typed
        self.role = RoleGrants("", grants=grants)

    def row_for_all(self) -> Row:
        cells: list[Cell | None] = [self.cell(None, ALL, action) for action in ACTIONS]
        return Row(ALL, _("Everything not named below"), "list", cells)

    def row(self, spec: EntitySpec) -> Row:
        cells = [
            self.cell(spec, spec.name, action) if possible(spec, action) else None
            for action in ACTIONS
        ]
        verbs = [self.cell(spec, spec.name, action) for action in spec.actions_by_name]
        children = [child for child in self.snapshot.entities.values() if _is_line_of(child, spec)]
        fields = [(_("Fields"), self.fields(spec))]
        fields += [(str(child.label_plural), self.fields(child)) for child in children]
        narrowed = sum(cell.value != cell.options[0][0] for _title, part in fields for cell in part)
        special = [cell for cell in (*cells, *verbs) if cell and (cell.error or cell.condition)]
        row = Row(spec.name, str(spec.label_plural), spec.icon, cells, verbs, fields, narrowed)
        row.open = bool(special)
        return row

    def cell(self, spec: EntitySpec | None, entity: str, action: str) -> Cell:
        own = self.grants.get(entity)
        inherited = own is None and entity != ALL and ALL in self.grants
        scope = whole(self.role.scopes(entity, action))
        name = f"scope:{entity}.{action}"
        own_scopes = () if spec is None else spec.scopes
        options = [("none", "—"), *((each, scope_label(each)) for each in SCOPES)]
        options += [(each.name, str(each.label)) for each in own_scopes]
        condition = self.typed.get(f"{CONDITION}:{entity}.{action}")
        if _is_named(scope) and condition is None and not inherited:
            scope, words = _AND.join(scope), scope_label(scope, spec)
            options.append((scope, words))
        if not isinstance(scope, str | None) and not inherited:
            condition = condition or _pretty(scope)
        if condition is not None:
            options.append((CONDITION, _("Condition")))
        if entity != ALL and ALL in self.grants:
            above = whole(RoleGrants("", grants=self.grants).scopes(ALL, action))
            options.insert(0, (INHERIT, f"↑ {scope_label(above) if above else '—'}"))
        special = not isinstance(scope, str | None)
        value = INHERIT if inherited else CONDITION if special else scope
        if spec is not None and spec.directory and action == "read" and condition is None:
            options = [(str(value or "none"), _("Everyone"))]
        label = action_label(spec, action)
        error = self.errors.get(f"{entity}.{action}", "")
        return Cell(name, label, str(value or "none"), options, condition, error)

    def fields(self, spec: EntitySpec) -> list[Cell]:
        rules = self.rules.get(spec.name, {})
        return [
            Cell(
                f"field:{spec.name}.{item.name}",
                str(item.label),
                access := rules.get(item.name, "write"),
                _access_options(item, access),
            )
            for item in spec
            if item.name not in _HIDDEN_FROM_ROLES
        ]


def _is_named(scope: Any) -> bool:
    """True for several scopes that all have a name, so that no condition need be shown."""
    return isinstance(scope, list) and all(isinstance(each, str) for each in scope)


def _is_line_of(child: EntitySpec, spec: EntitySpec) -> bool:
    return child.parent_field is not None and child.governed_by == spec.name


def _access_options(item: FieldSpec, access: str) -> list[tuple[str, str]]:
    """What is possible, the widest first; what only the system writes is read at most."""
    narrower = [("masked", _("Masked")), ("hidden", _("Hidden"))]
    if item.is_writable:
        return [("write", _("Read and change")), ("read", _("Read only")), *narrower]
    return [("read" if access == "read" else "write", _("Read only")), *narrower]


def _pretty(scope: Any) -> str:
    """A condition alone, or the list of scopes that it stands in."""
    plain = scope["condition"] if isinstance(scope, Mapping) else scope
    return orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode()


# From the form


def grants_from(
    form: Mapping[str, str], old: Mapping[str, Any], snapshot: Snapshot
) -> tuple[dict[str, Any], dict[str, str]]:
    """(grants, what is wrong by ``entity.action``): the old ones with what the form says."""
    grants, errors = dict(old), dict[str, str]()
    star, wrong = _row_from(form, ALL, list(ACTIONS), old.get(ALL), {})
    errors |= wrong
    if star is not None and any(_grants(scope) for scope in star.values()):
        grants[ALL] = star
    else:
        grants.pop(ALL, None)
    for spec in granted_entities(snapshot):
        actions = [action for action in ACTIONS if possible(spec, action)]
        actions += list(spec.actions_by_name)
        above = RoleGrants("", grants={ALL: grants.get(ALL, {})})
        follow = {action: whole(above.scopes(ALL, action)) for action in actions}
        row, wrong = _row_from(form, spec.name, actions, old.get(spec.name), follow)
        errors |= wrong
        if row is None or (not row and spec.name not in old and ALL not in old):
            grants.pop(spec.name, None)
        else:
            grants[spec.name] = row
    return grants, errors


def _grants(scope: Any) -> bool:
    return scope not in (None, "none", [])


def _row_from(
    form: Mapping[str, str],
    entity: str,
    actions: list[str],
    old: Mapping[str, Any] | None,
    follow: Mapping[str, Any],
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The row of one entity; None when every cell follows the row for all entities."""
    given = {a: form[f"scope:{entity}.{a}"] for a in actions if f"scope:{entity}.{a}" in form}
    if not given:
        return (dict(old) if old is not None else None), {}
    unshown = [action for action in actions if action not in given]
    if all(value == INHERIT for value in given.values()) and (old is None or not unshown):
        return None, {}
    if old is None:  # what the form did not show goes on following the row for all entities
        given |= dict.fromkeys(unshown, INHERIT)
    kept = {action: scope for action, scope in (old or {}).items() if action not in given}
    row, errors = dict(kept), dict[str, str]()
    for action, value in given.items():
        scope: Any = follow.get(action) if value == INHERIT else value
        if value == CONDITION:
            scope, error = _condition(form.get(f"{CONDITION}:{entity}.{action}", ""))
            if error:
                errors[f"{entity}.{action}"] = error
        elif _AND in value:
            scope = value.split(_AND)
        if _grants(scope):
            row[action] = scope
        elif ALL in kept:  # "all actions" would fill what is left out
            row[action] = "none"
    return row, errors


def _condition(text: str) -> tuple[Any, str]:
    """(the scope, what is wrong with the text); a list is one of several scopes."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return None, _("This is not JSON: %(reason)s", reason=str(error))
    return (found if isinstance(found, list) else {"condition": found}), ""


def field_rules_from(
    form: Mapping[str, str], old: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Field rules with what the form says; full access needs no rule."""
    rules = {entity: dict(fields) for entity, fields in old.items()}
    for key, access in form.items():
        place, _colon, where = key.partition(":")
        entity, dot, name = where.partition(".")
        if place != "field" or not dot:
            continue
        row = rules.setdefault(entity, {})
        if access == "write" or access not in FIELD_ACCESS:
            row.pop(name, None)
        else:
            row[name] = access
    return {entity: row for entity, row in rules.items() if row}
