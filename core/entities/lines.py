"""Child lines: written with their parent, through the same door."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.changes import Change
from core.entities.recompute import gathered
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["load_lines", "write_lines"]


def load_lines(
    uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, ids: Iterable[int]
) -> dict[int, list[dict[str, Any]]]:
    """The lines of records, by parent, in their order. Values are raw."""
    child = _child(uow, field)
    columns = [child.column(item.name).label(item.name) for item in child.stored]
    parent = child.column(child.parent_field or "")
    order = [child.column("position")] if "position" in child else []
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    wanted = list(ids)
    for start in range(0, len(wanted), 900):
        rows = uow.execute(
            select(*columns)
            .where(parent.in_(wanted[start : start + 900]), child.table.c.archived_at.is_(None))
            .order_by(*order, child.table.c.id)
        )
        for row in rows.mappings():
            found[row[child.parent_field or ""]].append(dict(row))
    return found


def write_lines(
    uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, changes: Sequence[Change]
) -> None:
    """Make the lines of each parent what was given: with ``id`` changed, without made, left out removed."""
    from core.entities import service

    child = _child(uow, field)
    parent = child.parent_field or ""
    touched = [change for change in changes if field.name in change.detached]
    creating: list[tuple[Change, int, dict[str, Any]]] = []
    for change in touched:
        old = {line["id"]: line for line in change.before.get(field.name) or ()}
        given = [
            _positioned(child, line, place)
            for place, line in enumerate(change.detached[field.name] or ())
        ]
        updating, positions = _known_lines(change, field, old, given)
        removed = [key for key in old if key not in updating]
        with gathered(uow), _naming(change, field, positions):
            if updating:
                service.update(uow, child.name, updating)
        if removed:
            with gathered(uow):
                service.delete(uow, child.name, removed)
        creating += [(change, place, line) for place, line in enumerate(given) if "id" not in line]
    if creating:
        items = [{**line, parent: change.id} for change, _place, line in creating]
        change = creating[0][0]
        with gathered(uow), _naming(change, field, [place for _change, place, _line in creating]):
            make = service.create_lines if change.kind == "create" else service.create
            make(uow, child.name, items)


def _child(uow: UnitOfWork, field: FieldSpec) -> EntitySpec:
    assert isinstance(field.type, t.Lines)
    return uow.snapshot.installed_entities[field.type.entity]


def _positioned(child: EntitySpec, line: Mapping[str, Any], place: int) -> dict[str, Any]:
    return {**line, "position": place} if "position" in child else dict(line)


def _known_lines(
    change: Change,
    field: FieldSpec,
    old: Mapping[int, Mapping[str, Any]],
    given: Sequence[Mapping[str, Any]],
) -> tuple[dict[int, dict[str, Any]], list[int]]:
    updating: dict[int, dict[str, Any]] = {}
    positions = []
    for place, line in enumerate(given):
        if "id" not in line:
            continue
        key = line["id"]
        if not isinstance(key, int) or key not in old or key in updating:
            raise Invalid(
                _("Please correct what is marked."),
                [
                    change.problem(
                        f"{field.name}.{place}.id", "reference", _("This record has no such line.")
                    )
                ],
            )
        updating[key] = {
            name: value for name, value in line.items() if name not in ("id", "version")
        }
        positions.append(place)
    return updating, positions


class _naming:
    """Problems of lines are named by where they stand in the parent: ``lines.2.quantity``."""

    def __init__(self, change: Change, field: FieldSpec, positions: Sequence[int]) -> None:
        self.change, self.field, self.positions = change, field, positions

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, Invalid):
            problems = [
                Problem(
                    f"{self.field.name}.{self.positions[problem.item]}.{problem.field}",
                    problem.code,
                    problem.message,
                    self.change.item,
                )
                for problem in error.problems
                if problem.item < len(self.positions)
            ]
            raise Invalid(error.message, problems) from error
