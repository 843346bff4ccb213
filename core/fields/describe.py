"""From a mapped class and its definition to the immutable `EntitySpec`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Table, inspect
from sqlalchemy.orm import Mapper

from core.fields import types as t
from core.fields.declare import Owned, detached
from core.fields.spec import ActionSpec, EntitySpec, FieldSpec, HandOver, Mark, ScopeSpec, Section
from core.i18n import lazy_gettext as _l

__all__ = ["EntityDef", "describe", "system_fields"]


@dataclass(frozen=True)
class EntityDef:
    """How an entity is named and arranged; points at the model that says what its data is."""

    name: str
    model: type[Any]
    label: t.Label
    label_plural: t.Label
    label_field: str
    icon: str = "file-text"
    list_columns: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    actions: tuple[ActionSpec, ...] = ()
    scopes: tuple[ScopeSpec, ...] = ()
    marks: tuple[Mark, ...] = ()
    default_sort: str = "-created_at"
    duplicate_keys: tuple[str, ...] = ()
    parent_field: str | None = None
    origin_field: str = ""
    creatable: bool = True
    updatable: bool = True
    deletable: bool = True
    importable: bool = True
    history: tuple[str, ...] = ()
    directory: bool = False
    shapes_access: bool = False
    audited: bool = True
    navigable: bool = True
    custom: bool = False
    redact: Callable[[Any, dict[str, Any]], dict[str, Any]] | None = None
    scope: Callable[[Any, str, Any], Any] | None = None
    veil: Callable[[Any, Any], Mapping[str, Any]] | None = None
    new_page: str = ""
    new_page_takes: tuple[str, ...] = ()
    hand_over: tuple[HandOver, ...] = ()


_SYSTEM: dict[str, tuple[t.FieldType, t.Label]] = {
    "id": (t.Integer(), _l("ID")),
    "version": (t.Integer(), _l("Version")),
    "created_at": (t.DateTime(), _l("Created at")),
    "created_by": (t.Reference("user"), _l("Created by")),
    "updated_at": (t.DateTime(), _l("Updated at")),
    "updated_by": (t.Reference("user"), _l("Updated by")),
    "archived_at": (t.DateTime(), _l("Deleted at")),
}


def describe(
    definition: EntityDef, *, plugin: str, custom_fields: Iterable[FieldSpec] = ()
) -> EntitySpec:
    """The spec of ``definition``: declared fields first, then the company's, then the system's.

    Raises `TypeError` when the definition names a field that the model does not have.
    """
    declared = tuple(_declared_fields(definition.model, plugin))
    fields = (*declared, *custom_fields, *system_fields(definition.model.__table__))
    names = {spec.name for spec in fields}
    pointed_at = {
        definition.label_field,
        *definition.list_columns,
        *(name for section in definition.sections for name in section.fields),
        *definition.duplicate_keys,
        *definition.history,
        *(each.field for each in definition.hand_over),
    }
    if unknown := sorted(pointed_at - names):
        raise TypeError(f"entity {definition.name}: no such field: {', '.join(unknown)}")
    arrangement = {
        name: getattr(definition, name)
        for name in EntityDef.__dataclass_fields__
        if name not in ("name", "model")
    }
    if not arrangement["list_columns"]:
        arrangement["list_columns"] = tuple(spec.name for spec in declared if spec.is_stored)[:6]
    return EntitySpec(
        name=definition.name,
        plugin=plugin,
        table=definition.model.__table__,
        model=definition.model,
        fields=fields,
        owned=issubclass(definition.model, Owned),
        **arrangement,
    )


def _declared_fields(model: type[Any], plugin: str) -> Iterable[FieldSpec]:
    mapper: Mapper[Any] = inspect(model)
    for prop in mapper.column_attrs:
        column = prop.columns[0]
        description: FieldSpec | None = column.info.get("field")
        if description is not None and not column.name.startswith("x_"):
            yield replace(description, name=prop.key, column=column.name, owner=plugin)
    for name, value in _class_attributes(model).items():
        if isinstance(value, detached):
            yield FieldSpec(
                name=name,
                type=value.type,
                label=value.label,
                help=value.help,
                required=value.required,
                owner=plugin,
            )


def _class_attributes(model: type[Any]) -> dict[str, Any]:
    """By name, those of the classes that it is made of too."""
    found: dict[str, Any] = {}
    for each in reversed(model.__mro__):
        found.update({name: value for name, value in vars(each).items() if name[0] != "_"})
    return found


def system_fields(table: Table) -> Iterable[FieldSpec]:
    """What every entity has and the service itself sets, as far as ``table`` has it."""
    for name, (type_, label) in _SYSTEM.items():
        if name in table.c:
            yield FieldSpec(name=name, type=type_, label=label, column=name, readonly=True)
