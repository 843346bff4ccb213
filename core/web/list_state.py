"""What the address of a list says: filter, search, sort, columns, layout, and the place in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from core.entities.conditions import SHARED_WITH_ME
from core.entities.filters import Filter, filter_condition, read_filter
from core.errors import Invalid
from core.fields import FieldSpec
from core.i18n import gettext as _

__all__ = ["LAYOUTS", "SHARED_CONDITION", "ListState", "read_found", "read_limit", "read_state"]

#: Cursors of earlier pages that the address carries, for "previous".
MAX_TRAIL = 20
#: Longer than any address that the list has.
MAX_FOUND = 20_000
#: Fields that one list can be ordered by.
MAX_SORTS = 3
SHARED_CONDITION = json.dumps({"field": "id", "op": "in", "value": SHARED_WITH_ME})
#: How the records are laid out; the first is what an address means that says nothing.
LAYOUTS = ("table", "board", "calendar")


@dataclass(frozen=True)
class ListState:
    """What the address of a list says."""

    filter: Filter = field(default_factory=Filter)
    #: A condition in JSON, from a link that needs more than rows can say.
    condition: str = ""
    search: str = ""
    #: Names of fields, ``-`` before those that fall, joined by commas.
    sort: str = ""
    after: str = ""
    trail: tuple[str, ...] = ()
    filtering: bool = False
    #: The columns of a view; without any, those that the reader has chosen.
    columns: tuple[str, ...] = ()
    #: The number of the view that was opened, or ``all`` for none of them.
    view: str = ""
    layout: str = "table"
    #: The field whose values are the columns of a board, or the days of a calendar.
    by: str = ""
    #: How many cards a column of a board should hold at most: pairs of value and number. Without any,
    #: those that the reader has chosen.
    limits: tuple[tuple[str, int], ...] = ()
    #: The day that a calendar shows, as ISO writes it.
    day: str = ""

    def pairs(self) -> list[tuple[str, str]]:
        """The state as names and values, without the place in the pages."""
        named = (
            ("filter", self.condition),
            ("search", self.search),
            ("sort", self.sort),
            ("columns", ",".join(self.columns)),
            ("layout", self.layout if self.layout != LAYOUTS[0] else ""),
            ("by", self.by),
            ("limits", ",".join(f"{value}:{most}" for value, most in self.limits)),
        )
        return self.filter.pairs() + [(name, value) for name, value in named if value]

    def url(self, base: str) -> str:
        """The address of the list in this state."""
        pairs = [("view", self.view)] if self.view else []
        pairs += self.pairs()
        pairs += [("day", self.day)] if self.day else []
        pairs += [("after", self.after)] if self.after else []
        pairs += [("prev", "~".join(self.trail))] if self.trail else []
        pairs += [("filtering", "1")] if self.filtering else []
        return f"{base}?{urlencode(pairs)}" if pairs else base

    @property
    def is_narrowed(self) -> bool:
        """True when something is left out."""
        return bool(self.filter.all_rows or self.condition or self.search)

    @property
    def sorts(self) -> list[str]:
        """The parts of the order, the first one first."""
        return [part for part in self.sort.split(",") if part]

    def conditions(self, usable: Sequence[FieldSpec]) -> dict[str, Any] | None:
        """The filter and the condition as one; None for all records. `Invalid` for what is no JSON."""
        parts = [filter_condition(self.filter, usable)]
        if self.condition:
            try:
                parts.append(json.loads(self.condition))
            except (ValueError, RecursionError):
                raise Invalid(_("The filter in this address cannot be read.")) from None
        found = [part for part in parts if part]
        return {"all": found} if len(found) > 1 else found[0] if found else None


def read_state(pairs: Iterable[tuple[str, str]]) -> ListState:
    """The state from an address, in the order of its parts."""
    listed = list(pairs)
    first: dict[str, str] = {}
    for name, value in listed:
        first.setdefault(name, value)
    trail = [part for part in first.get("prev", "").split("~") if part or first.get("prev")]
    layout = first.get("layout", "")
    return ListState(
        filter=read_filter(listed),
        condition=first.get("filter", "")[:20_000],
        search=first.get("search", "").strip()[:200],
        sort=_sort(value for name, value in listed if name == "sort"),
        after=first.get("after", "")[:2_000],
        trail=tuple(trail[-MAX_TRAIL:]),
        filtering="filtering" in first,
        columns=tuple(name for name in first.get("columns", "")[:2_000].split(",") if name),
        view=first.get("view", "")[:20],
        layout=layout if layout in LAYOUTS else LAYOUTS[0],
        by=first.get("by", "")[:60],
        limits=_limits(listed),
        day=first.get("day", "")[:10],
    )


def read_found(text: str) -> ListState:
    """The state that a form names as what the list finds. `Invalid` for one that is too long: with a
    part of its conditions it would find more."""
    if len(text) > MAX_FOUND:
        raise Invalid(_("The filter in this address cannot be read."))
    return read_state(parse_qsl(text, keep_blank_values=True))


def _sort(values: Iterable[str]) -> str:
    """One order of those sent, each field once."""
    parts: dict[str, str] = {}
    for part in ",".join(values)[:400].split(","):
        if part:
            parts.setdefault(part.lstrip("-+"), part)
    return ",".join(list(parts.values())[:MAX_SORTS])


def _limits(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, int], ...]:
    """Those of the address, and the one that a form changes: ``limit_of`` and ``limit``."""
    found: dict[str, int] = {}
    of = ""
    for name, value in pairs:
        if name == "limits":
            for part in value[:1_000].split(","):
                key, _colon, most = part.rpartition(":")
                found |= read_limit(key, most)
        elif name == "limit_of":
            of = value[:60]
        elif name == "limit":
            found.pop(of, None)
            found |= read_limit(of, value)
    return tuple(found.items())


def read_limit(key: str, most: str) -> dict[str, int]:
    """The limit of a column by its value; nothing for what is no number of cards."""
    most = most.strip()
    is_number = most.isdecimal() and len(most) < 6 and int(most) > 0
    return {key: int(most)} if is_number else {}
