"""From what the core and the plugins declare to the entities of one snapshot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Column, ForeignKey

from core.entities.dependencies import Circle, build_graph
from core.entities.links import define_link_table
from core.fields import EntityDef, EntitySpec, FieldSpec, describe
from core.fields import types as t
from core.fields.storage import column_type
from core.plugins.contributions import EntityExtension
from core.plugins.manager import Contribution

__all__ = ["Customised", "DeclaredEntities", "RegistryError"]

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")


@dataclass(frozen=True)
class Customised:
    """What the company has made. Retired fields are not in it; retired entities are, and named."""

    entities: Mapping[str, EntitySpec]
    retired: frozenset[str]
    #: Fields of declared entities, in the order of their making.
    fields: Mapping[str, Sequence[FieldSpec]]


class RegistryError(Exception):
    """A declaration that cannot be used, with the plugin it comes from."""

    def __init__(self, owner: str, message: str) -> None:
        super().__init__(message)
        self.owner = owner


class DeclaredEntities:
    """All installed entities as code declares them; made once at boot."""

    def __init__(
        self,
        definitions: Iterable[Contribution[EntityDef]],
        extensions: Iterable[Contribution[EntityExtension]],
    ) -> None:
        self.specs: dict[str, EntitySpec] = {}
        for contribution in definitions:
            self._add(contribution.owner, contribution.item)
        for extension in extensions:
            self._extend(extension.owner, extension.item)
        for spec in self.specs.values():
            self._resolve(spec)
        self._refuse_circles()

    def _add(self, owner: str, definition: EntityDef) -> None:
        name = definition.name
        if not _NAME.fullmatch(name):
            raise RegistryError(owner, f"entity {name!r}: not a name")
        if name in self.specs:
            other = self.specs[name].plugin
            raise RegistryError(owner, f"entity {name}: the plugin {other} has one of that name")
        table: str = definition.model.__table__.name
        if not table.startswith(f"{owner}_"):
            raise RegistryError(owner, f"entity {name}: its table must begin with {owner}_")
        try:
            self.specs[name] = describe(definition, plugin=owner)
        except TypeError as error:
            raise RegistryError(owner, str(error)) from error

    def _extend(self, owner: str, extension: EntityExtension) -> None:
        spec = self.specs.get(extension.entity)
        if spec is None:
            raise RegistryError(owner, f"there is no entity {extension.entity} to extend")
        added = []
        for field in extension.fields:
            if field.name in spec:
                raise RegistryError(owner, f"{spec.name} has a field {field.name} already")
            target = self.specs.get(getattr(field.type, "entity", ""))
            added.append(_extension_field(spec, owner, field, target))
        fields = _before_system(spec.fields, added)
        self.specs[spec.name] = spec.with_fields(fields)

    def _resolve(self, spec: EntitySpec) -> None:
        for field in spec.fields:
            target = getattr(field.type, "entity", None)
            if target is None:
                continue
            if target not in self.specs:
                raise RegistryError(
                    field.owner, f"{spec.name}.{field.name}: there is no entity {target}"
                )
            if isinstance(field.type, t.References):
                define_link_table(spec.table.name, field.name, self.specs[target].table.name)

    def _refuse_circles(self) -> None:
        """Computed fields that hang on each other hold back the plugin that brings the circle."""
        try:
            build_graph(self.specs, strict=True)
        except Circle as circle:
            owners = [self.specs[entity][name].owner for entity, name in circle.nodes]
            owner = next((each for each in reversed(owners) if each != "core"), "core")
            raise RegistryError(owner, f"computed from itself: {circle}") from circle

    def with_custom(
        self, customised: Customised, enabled: frozenset[str]
    ) -> tuple[dict[str, EntitySpec], dict[str, EntitySpec]]:
        """(entities in use, all whose tables there are), with what the company made itself.

        Fields that a switched-off plugin added to others' entities are left out. Lines are in use
        as long as what they belong to is.
        """
        installed: dict[str, EntitySpec] = {}
        for name, spec in self.specs.items():
            kept = tuple(
                field
                for field in spec.fields
                if field.owner in ("core", spec.plugin) or field.owner in enabled
            )
            custom = customised.fields.get(name, ())
            installed[name] = spec.with_fields(_before_system(kept, custom))
        installed |= customised.entities
        shown = {
            name: spec
            for name, spec in installed.items()
            if (spec.custom and name not in customised.retired)
            or spec.plugin == "core"
            or spec.plugin in enabled
        }
        lost = [
            name for name, spec in shown.items() if spec.custom and not _has_parent(spec, shown)
        ]
        return {name: spec for name, spec in shown.items() if name not in lost}, installed


def _has_parent(spec: EntitySpec, shown: Mapping[str, EntitySpec]) -> bool:
    return spec.parent_field is None or spec.governed_by in shown


def _extension_field(
    spec: EntitySpec, owner: str, field: FieldSpec, target: EntitySpec | None
) -> FieldSpec:
    if isinstance(field.type, (t.Lines, t.References)):
        return replace(field, owner=owner)
    physical = f"{owner}_{field.name}"
    if physical not in spec.table.c:
        keys: list[ForeignKey] = []
        if isinstance(field.type, t.File):
            keys = [ForeignKey("core_file.id")]
        elif target is not None:
            keys = [ForeignKey(f"{target.table.name}.id")]
        spec.table.append_column(
            Column(
                physical,
                column_type(field.type),
                *keys,
                nullable=True,
                info={"plugin": owner},
                _omit_from_statements=True,  # of ``select(table)`` in the module that is extended
            )
        )
    return replace(field, owner=owner, column=physical)


def _before_system(
    fields: Sequence[FieldSpec], added: Sequence[FieldSpec]
) -> tuple[FieldSpec, ...]:
    system = [field for field in fields if field.name in _SYSTEM]
    return (*(field for field in fields if field.name not in _SYSTEM), *added, *system)


_SYSTEM = frozenset(
    {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at"}
)
