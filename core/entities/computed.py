"""Computed fields of records that are about to be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.entities.changes import Change
from core.entities.dependencies import Formula, graph_of
from core.entities.formulas import check_expression, evaluated, expression_scope, kind_of
from core.entities.reached import reach
from core.entities.recompute import reference_paths
from core.reference.reading import evaluation_context

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["check_expression", "compute", "expression_scope", "kind_of"]


def compute(uow: UnitOfWork, changes: Sequence[Change]) -> None:
    """Set the computed fields that can be known before the rows are written.

    Those that need lines or the record's number follow after it, in `core.entities.recompute`.
    """
    if not changes:
        return
    formulas = graph_of(uow.snapshot).by_entity.get(changes[0].entity.name)
    if not formulas:
        return
    needed = [[each for each in formulas if _is_needed(each, change)] for change in changes]
    reached = _reached(uow, changes, needed)
    context = evaluation_context(uow)
    for change, wanted, more in zip(changes, needed, reached, strict=True):
        values: dict[str, Any] = {**change.after, **more} if more else change.after
        for formula in wanted:
            name = formula.field.name
            value = evaluated(formula.expression, formula.field.value_type, values, context)
            change.after[name] = values[name] = value


def _is_needed(formula: Formula, change: Change) -> bool:
    """What looks elsewhere is computed when its own side changes; the other side sees to itself."""
    if change.kind == "create":
        return not formula.late or (formula.lines_only and not any(change.detached.values()))
    if formula.late:
        return False
    if not formula.looks_elsewhere:
        return True
    return change.kind == "update" and any(change.changed(name) for name in formula.inputs)


def _reached(
    uow: UnitOfWork, changes: Sequence[Change], needed: Sequence[Sequence[Formula]]
) -> list[dict[str, Any]]:
    """The values from other records, of each change."""
    paths = reference_paths({each for wanted in needed for each in wanted})
    if not paths:
        return [{} for _change in changes]
    reaching = [
        place
        for place, wanted in enumerate(needed)
        if any(each.paths and not each.late for each in wanted)
    ]
    rows = [changes[place].after for place in reaching]
    found, _busy = reach(uow, changes[0].entity, rows, paths)
    reached: list[dict[str, Any]] = [{} for _change in changes]
    for place, values in zip(reaching, found, strict=True):
        reached[place] = values
    return reached
