"""Whether a description of an entity is one: its name, labels, fields, parent and roles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, select

from core.customize.changing import table_names, takes_fields
from core.customize.checks import check_labels, check_new_field, marked
from core.customize.kinds import kind_name
from core.customize.reading import entity_spec, field_spec
from core.customize.tables import custom_entity_table
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MAX_ENTITIES", "Described", "can_name", "check_arrangement", "read_description"]

#: One underscore at a time: two part a table from its field in the names of link tables.
_NAME = re.compile(r"x(_[a-z0-9]+)+")
_ICON = re.compile(r"[a-z][a-z0-9-]{0,39}")
LONGEST_NAME = 42
#: Retired ones included: their tables are still there.
MAX_ENTITIES = 100
MAX_COLUMNS = 30
#: What a record can be called by.
_NAMING = ("text", "email", "phone", "url", "auto_number", "integer")
_KEYS = frozenset(
    {"name", "label", "label_plural", "icon", "owned", "parent", "fields", "label_field"}
    | {"list_columns", "roles"}
)
_ARRANGEMENT = frozenset({"label", "label_plural", "icon", "label_field", "list_columns"})

Field = tuple[str, str, dict[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Described:
    """A checked description: the row of the entity, those of its fields, and who is granted what."""

    row: Mapping[str, Any]
    fields: Sequence[Field]
    specs: Sequence[FieldSpec]
    roles: Mapping[str, Mapping[str, Any]]
    roles_by_id: Mapping[int, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """The name of the entity, which is that of its table too."""
        return str(self.row["name"])

    @property
    def indexed(self) -> list[bool]:
        """Of each field, whether an index was asked for."""
        return [bool(options.get("index")) for _name, _kind, _labels, options in self.fields]

    @contextmanager
    def problems_of(self, place: int) -> Iterator[None]:
        """Name problems within the block as those of the field at ``place``."""
        with _within(place):
            yield


@contextmanager
def _within(place: int) -> Iterator[None]:
    try:
        yield
    except Invalid as error:
        named = (
            Problem(f"fields.{place}.{each.field}", each.code, each.message, data=each.data)
            for each in error.problems
        )
        raise marked(list(named)) from None


def read_description(uow: UnitOfWork, body: Mapping[str, Any]) -> Described:
    """The description as it will be stored. Raises `Invalid` with all that is wrong."""
    problems: list[Problem] = []
    for key in sorted(set(body) - _KEYS):
        message = _("There is no field %(name)s.", name=key[:60])
        problems.append(Problem(key[:60], "unknown_field", message))
    row = {
        "name": _name(uow, body.get("name"), problems),
        "parent": _parent(uow, body.get("parent"), problems),
        "owned": body.get("owned", body.get("parent") is None),
    }
    if not isinstance(row["owned"], bool) or (row["owned"] and row["parent"]):
        message = _("Lines are owned with what they belong to.")
        problems.append(Problem("owned", "type", message))
    roles = _roles(uow, body.get("roles", {}), problems)
    if problems:
        raise marked(problems)
    given = [_named_field(body, each) for each in _list(body.get("fields"))]
    fields, specs = _fields(uow, row, given)
    arranged = {
        "label_field": _first_naming(specs, lines=row["parent"] is not None),
        **{key: body[key] for key in _ARRANGEMENT if body.get(key) is not None},
    }
    draft = _draft(uow, row, specs)
    row |= {"icon": "file-text", "list_columns": []}
    row |= check_arrangement(arranged, draft, problems, {})
    if problems:
        raise marked(problems)
    return Described(row, fields, specs, body.get("roles", {}), roles)


def check_arrangement(
    given: Mapping[str, Any],
    spec: EntitySpec,
    problems: list[Problem],
    before: Mapping[Any, Any],
) -> dict[str, Any]:
    """The values of a row of `custom_entity_table` for what is ``given``; wrong ones are told.

    ``before`` is the row as it is, empty for a new one.
    """
    values: dict[str, Any] = {}
    for key in sorted(set(given) - _ARRANGEMENT):
        message = _("This cannot be changed after it was made.")
        problems.append(Problem(key[:60], "readonly", message))
    label = check_labels(given.get("label")) if "label" in given or not before else before["labels"]
    plural = check_labels(given.get("label_plural", label))
    for key, column, texts in (
        ("label", "labels", label),
        ("label_plural", "plural_labels", plural),
    ):
        if texts is None:
            message = _("Give a label, in one language or several.")
            problems.append(Problem(key, "required", message))
        elif key in given or not before:
            values[column] = texts
    if "icon" in given:
        values["icon"] = given["icon"]
        if not isinstance(given["icon"], str) or not _ICON.fullmatch(given["icon"]):
            problems.append(Problem("icon", "icon", _("Give the name of an icon.")))
    if "label_field" in given:
        values["label_field"] = given["label_field"]
        if not can_name(spec, given["label_field"]):
            message = _("Name a field of one short text or number: records are called by it.")
            problems.append(Problem("label_field", "choice", message))
    if "list_columns" in given:
        values["list_columns"] = _columns(given["list_columns"], spec, problems)
    return values


def can_name(spec: EntitySpec, name: Any) -> bool:
    """True for what records can be called by: one short text or number."""
    if not isinstance(name, str) or name not in spec:
        return False
    if name == "id":
        return spec.parent_field is not None
    return spec[name].custom and kind_name(spec[name].type) in _NAMING


def _columns(given: Any, spec: EntitySpec, problems: list[Problem]) -> list[str]:
    names = [name for name in _list(given) if isinstance(name, str)]
    shown = {item.name for item in spec if not isinstance(item.type, (t.Lines, t.Document))}
    if names != given or len(set(names)) != len(names) or len(names) > MAX_COLUMNS:
        message = _("Give a list of at most %(n)s names of fields.", n=MAX_COLUMNS)
        problems.append(Problem("list_columns", "type", message))
    elif unknown := [name for name in names if name not in shown]:
        message = _("There is no field %(name)s.", name=unknown[0][:60])
        problems.append(Problem("list_columns", "unknown_field", message))
    return names


def _name(uow: UnitOfWork, name: Any, problems: list[Problem]) -> str:
    table = custom_entity_table
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        message = _("A name begins with x_ and has small letters, digits and single _.")
        problems.append(Problem("name", "name", message))
        return ""
    names = set(uow.execute(select(table.c.name)).scalars())
    if name in names or name in uow.snapshot.installed_entities:
        message = _("There is an entity of this name already.")
        problems.append(Problem("name", "taken", message))
    elif len(names) >= MAX_ENTITIES:
        message = _("At most %(n)s entities of your own.", n=MAX_ENTITIES)
        problems.append(Problem("name", "too_many", message))
    return name


def _parent(uow: UnitOfWork, parent: Any, problems: list[Problem]) -> str | None:
    if parent is None:
        return None
    spec = uow.snapshot.entities.get(parent) if isinstance(parent, str) else None
    if spec is None or spec.parent_field is not None or not takes_fields(spec):
        message = _("Name an entity that can have lines.")
        problems.append(Problem("parent", "choice", message))
        return None
    return spec.name


def _roles(uow: UnitOfWork, given: Any, problems: list[Problem]) -> dict[int, Mapping[str, Any]]:
    """Grants by the id of the role. Their scopes are checked when the role is written."""
    table = uow.snapshot.installed_entities["role"].table
    found: dict[int, Mapping[str, Any]] = {}
    for name, grants in given.items() if isinstance(given, Mapping) else [(None, None)]:
        statement = select(table.c.id).where(table.c.name == name, table.c.archived_at.is_(None))
        key = uow.execute(statement).scalar() if isinstance(name, str) else None
        if key is None or not isinstance(grants, Mapping):
            message = _("Name roles, each with its actions and their scopes.")
            problems.append(Problem("roles", "roles", message))
        else:
            found[key] = grants
    return found


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else []


def _named_field(body: Mapping[str, Any], field: Any) -> Any:
    """The field that names records is filled in and found by search, unless its maker says else."""
    if not isinstance(field, Mapping) or field.get("kind") not in _NAMING:
        return field
    first: Mapping[str, Any] = next(
        (each for each in _list(body.get("fields")) if _is_naming(each)), {}
    )
    if field.get("name") != body.get("label_field", first.get("name")):
        return field
    named = {} if field["kind"] == "auto_number" else {"required": True}
    return {**named, **({} if field["kind"] == "integer" else {"searchable": True}), **field}


def _is_naming(field: Any) -> bool:
    return isinstance(field, Mapping) and field.get("kind") in _NAMING


def _first_naming(specs: Sequence[FieldSpec], *, lines: bool) -> str:
    names = (item.name for item in specs if kind_name(item.type) in _NAMING)
    return next(names, "id" if lines else "")


def _fields(
    uow: UnitOfWork, row: Mapping[str, Any], given: Sequence[Any]
) -> tuple[list[Field], list[FieldSpec]]:
    fields: list[Field] = []
    specs: list[FieldSpec] = []
    problems: list[Problem] = []
    for place, each in enumerate(given):
        if not isinstance(each, Mapping):
            problems.append(Problem(f"fields.{place}", "type", _("Describe a field.")))
            continue
        try:
            with _within(place):
                found = check_new_field(uow, _draft(uow, row, specs), each)
        except Invalid as error:
            problems += error.problems
            continue
        fields.append(found)
        specs.append(field_spec(*found))
    if not given:
        problems.append(Problem("fields", "required", _("Give at least one field.")))
    if problems:
        raise marked(problems)
    return fields, specs


def _draft(uow: UnitOfWork, row: Mapping[str, Any], specs: Sequence[FieldSpec]) -> EntitySpec:
    """The entity as far as it is described, for what is asked of it while it is checked."""
    blank = {"labels": {}, "plural_labels": {}, "icon": "", "label_field": "", "list_columns": ()}
    tables = {**table_names(uow), row["name"]: row["name"]}
    return entity_spec({**row, **blank}, specs, tables, MetaData())
