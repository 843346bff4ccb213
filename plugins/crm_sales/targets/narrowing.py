"""Whose deals a page of figures is about, and of which sales process: one choice for all such pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.entities import query
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery
from core.entities.reading import Reading, read_together
from core.errors import Forbidden, Invalid
from plugins.crm_sales.targets.figures import reading_departments

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Narrowing", "key_of", "narrowing_page", "read_narrowing"]


@dataclass(frozen=True)
class Narrowing:
    """A department with all below it, a person, a process; None asks nothing."""

    department: int | None = None
    person: int | None = None
    process: int | None = None

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The conditions on opportunities, as lists and sums take them."""
        wanted = (
            ("department", "under", self.department),
            ("owner", "eq", self.person),
            ("process", "eq", self.process),
        )
        return tuple((field, op, str(key)) for field, op, key in wanted if key is not None)

    @property
    def kept(self) -> dict[str, int | None]:
        """What addresses of the page carry on."""
        return {"department": self.department, "person": self.person, "process": self.process}


def key_of(text: str) -> int | None:
    """A number in an address that may be one of a record."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def read_narrowing(sent: Mapping[str, str]) -> Narrowing:
    """What the address of a page asks for."""
    return Narrowing(*(key_of(sent.get(name, "")) for name in ("department", "person", "process")))


def _reading_processes(uow: UnitOfWork) -> Reading[list[tuple[str, str]]]:
    """(id, name) of the processes that the reader may see, those in use first."""
    asked = ListQuery(fields=("name", "is_active"), sort="-is_active,id", labels=False)
    try:
        found = query.reading_page(uow, "sales_process", asked)
    except (Forbidden, Invalid):
        return Reading((), list)
    return found.then(lambda page: [(str(row["id"]), str(row["name"])) for row in page.items])


def narrowing_page(
    uow: UnitOfWork, chosen: Narrowing, *, by_process: bool = True
) -> dict[str, Any]:
    """What the form shows: one with a single department or process has nothing to choose there."""
    names = resolve_labels(uow, {"user": {chosen.person}} if chosen.person else {})
    departments, processes = read_together(
        uow,
        [
            reading_departments(uow, "opportunity", "department_below", "read"),
            _reading_processes(uow) if by_process else Reading((), list),
        ],
    )
    return {
        "department": str(chosen.department or ""),
        "person": str(chosen.person or ""),
        "person_label": names.get("user", {}).get(chosen.person, ""),
        "process": str(chosen.process or ""),
        "departments": departments if len(departments) > 1 else [],
        "processes": processes if len(processes) > 1 else [],
    }
