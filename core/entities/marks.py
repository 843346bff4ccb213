"""What stands out in lists and on boards, by the conditions that an entity declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from core.entities.conditions import parse_condition
from core.entities.conditions_python import condition_predicate, paths_of
from core.entities.scope import may_use
from core.fields import EntitySpec, Mark

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["fields_of_marks", "marker"]


def fields_of_marks(uow: UnitOfWork, spec: EntitySpec) -> tuple[str, ...]:
    """The fields that a list reads besides its columns, so that `marker` can tell."""
    found = (paths for _mark, paths, _fulfils in _usable(uow, spec))
    return tuple(dict.fromkeys(name for paths in found for name in sorted(paths)))


def marker(uow: UnitOfWork, spec: EntitySpec) -> Callable[[Mapping[str, Any]], Mark | None]:
    """Says of a row which mark it has; None too where what the mark looks at was not read."""
    usable = _usable(uow, spec)

    def find(row: Mapping[str, Any]) -> Mark | None:
        for mark, paths, fulfils in usable:
            if paths <= row.keys() and fulfils(row):
                return mark
        return None

    return find


_Usable = tuple[Mark, frozenset[str], Callable[[Mapping[str, Any]], bool]]


def _usable(uow: UnitOfWork, spec: EntitySpec) -> Iterable[_Usable]:
    """The marks whose fields the reader may use."""
    found = []
    for mark in spec.marks:
        with uow.elevated():
            node = parse_condition(mark.condition, spec, uow)
        paths = paths_of(node)
        if all(may_use(uow, spec, spec[name]) for name in paths):
            found.append((mark, paths, condition_predicate(node)))
    return found
