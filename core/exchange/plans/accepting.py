"""What is suggested, taken into a plan: this text stands for that one from now on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from core.errors import Invalid
from core.i18n import gettext as _

__all__ = ["accept"]

#: (number of the step, heading or field, as written, what it stands for)
Accepted = tuple[int, str, str, str]


def accept(content: Mapping[str, Any], accepted: Iterable[Accepted]) -> dict[str, Any]:
    """The plan with more ``values``, for its columns that have the heading or fill the field.

    Raises `Invalid` where it has no such step or column.
    """
    changed = deepcopy(dict(content))
    for number, column, text, like in accepted:
        steps = changed.get("step", [])
        table = _target(steps[number - 1], column) if 0 < number <= len(steps) else None
        if table is None:
            raise Invalid(_("The plan has no column “%(name)s” any more.", name=column[:60]))
        table.setdefault("values", {})[text] = like
    return changed


def _target(step: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The table of a column or of what is made, written out where it was a mere name."""
    columns, made = step.get("columns", {}), step.get("made", {})
    for heading, given in columns.items():
        if name in (heading, _field(given)):
            if not isinstance(given, dict):
                columns[heading] = {"field": given}
            found: dict[str, Any] = columns[heading]
            return found
    if name in made:
        if not isinstance(made[name], dict):
            made[name] = {"text": made[name]}
        found = made[name]
        return found
    return None


def _field(given: Any) -> str:
    return str(given.get("field", "")) if isinstance(given, dict) else str(given)
