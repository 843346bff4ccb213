"""What hangs on a field or an entity, in words: it is changed first, then they can go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.dependencies import Node, graph_of
from core.entities.rule_sets import readers_of
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["uses_of_entity", "uses_of_field"]


def uses_of_field(uow: UnitOfWork, spec: EntitySpec, name: str) -> list[str]:
    """Formulas, conditions of roles and names of records that could not be without the field."""
    found = []
    if spec.label_field == name:
        found.append(_("%(entity)s are named by it", entity=str(spec.label_plural)))
    found += _formulas(uow, [(spec.name, name)], without=(spec.name, name))
    found += _conditions(uow, {(spec.name, name)})
    for owner, item in readers_of(uow, spec.name, name):
        found.append(_("a rule of %(field)s", field=_field(owner, item)))
    return found


def uses_of_entity(uow: UnitOfWork, spec: EntitySpec) -> list[str]:
    """Fields of other entities that point to its records, and formulas that read them."""
    found = []
    nodes = {(spec.name, item.name) for item in spec}
    for other in uow.snapshot.installed_entities.values():
        if other.name == spec.name:
            continue
        for item in other:
            if getattr(item.type, "entity", None) != spec.name:
                continue
            nodes.add((other.name, item.name))
            if not isinstance(item.type, t.Lines) and item.name != other.parent_field:
                found.append(_field(other, item))
    found += _formulas(uow, nodes, within=spec.name)
    found += _conditions(uow, {node for node in nodes if node[0] != spec.name})
    return found


def _field(spec: EntitySpec, item: FieldSpec) -> str:
    return _("the field %(field)s of %(entity)s", field=str(item.label), entity=str(spec.label))


def _formulas(
    uow: UnitOfWork, nodes: Iterable[Node], *, without: Node = ("", ""), within: str = ""
) -> Iterator[str]:
    graph, specs = graph_of(uow.snapshot), uow.snapshot.installed_entities
    readers = {
        watch.node
        for entity, name in nodes
        for watch in graph.watches.get(entity, {}).get(name, ())
        if watch.node != without and watch.node[0] != within
    }
    for entity, name in sorted(readers):
        yield _("the formula of %(field)s", field=_field(specs[entity], specs[entity][name]))


def _conditions(uow: UnitOfWork, nodes: set[Node]) -> Iterator[str]:
    """Roles whose conditions read any of ``nodes``, also through references."""
    specs = uow.snapshot.installed_entities
    roles = specs["role"].table
    rows = uow.execute(select(roles.c.title, roles.c.grants).where(roles.c.archived_at.is_(None)))
    for row in rows:
        for entity, grants in (row.grants or {}).items():
            read = {
                node for path in _named(grants) for node in _nodes(specs, specs.get(entity), path)
            }
            if read & nodes:
                yield _("a condition of the role %(role)s", role=row.title)
                break


def _named(part: Any) -> Iterator[str]:
    """The paths that conditions within ``part`` read."""
    if isinstance(part, Mapping):
        if isinstance(part.get("field"), str):
            yield part["field"]
        for inner in part.values():
            yield from _named(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _named(inner)


def _nodes(specs: Mapping[str, EntitySpec], spec: EntitySpec | None, path: str) -> Iterator[Node]:
    for name in path.split("."):
        if spec is None or name not in spec:
            return
        yield spec.name, name
        spec = specs.get(getattr(spec[name].type, "entity", ""))
