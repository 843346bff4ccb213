"""The targets of a department and its people for a year, on one page and in one save."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.query import ListQuery
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, Invalid, Problem
from core.expressions import fold
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.crm_sales.targets.figures import condition, departments_of, require_fields
from plugins.crm_sales.targets.models import VALUE
from plugins.crm_sales.targets.periods import Period

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MOST", "Grid", "Row", "Stored", "cell_name", "read_grid", "save"]

#: People on one page.
MOST = 100
_USED = ("person", "department", "period_kind", "starts_on", "measure", "value")
_LONGEST = 40


@dataclass(frozen=True)
class Stored:
    """The target that stands in a cell."""

    id: int
    version: int
    value: Decimal


@dataclass(frozen=True)
class Row:
    """A department, or one of its people."""

    name: str
    label: str
    #: The field of a target that says whose it is, and its value.
    field: str
    key: int


@dataclass(frozen=True)
class Grid:
    """What the page shows: rows of whom, columns of periods, and what is stored in the cells."""

    department: int
    year: Period
    kind: str
    measure: str
    rows: Sequence[Row]
    columns: Sequence[Period]
    cells: Mapping[tuple[str, int], Stored]
    #: True when the department has more people than the page shows.
    is_cut: bool


def read_grid(
    uow: UnitOfWork, *, department: int | None, year: Period, kind: str, measure: str
) -> tuple[Grid | None, list[tuple[str, str]]]:
    """The page, and the departments to choose from; None where there is none to set targets for.

    Raises `Forbidden` without the right to set targets, or to set those of that department.
    """
    require_fields(uow, "sales_target", _USED)
    access = uow.actor.access(uow.entity("sales_target"))
    if not all(access.may(action) for action in ("create", "update", "delete")):
        raise Forbidden(_("You do not have the right to do this."))
    choices = departments_of(uow, "sales_target", "below", "create")
    if not choices:
        return None, []
    names = {int(key): name for key, name in choices}
    if department is None:
        department = _usual(uow, names)
    if department not in names:
        raise Forbidden(_("You do not have the right to do this."))
    people, is_cut = _people(uow, department)
    rows = [Row(f"d{department}", names[department], "department", department)]
    rows += [Row(f"p{key}", name, "person", key) for key, name in people]
    columns = year.parts(kind)
    cells = _stored(uow, rows, columns, kind, measure)
    return Grid(department, year, kind, measure, rows, columns, cells, is_cut), choices


def _usual(uow: UnitOfWork, names: Mapping[int, str]) -> int:
    """Where most targets are set; without any one's own department, or the first."""
    rows = aggregate(uow, "sales_target", ["department"], ["count"], ListQuery())
    most = (row["department"]["id"] for row in rows)
    return next(key for key in (*most, *uow.actor.departments, *names) if key in names)


def _people(uow: UnitOfWork, department: int) -> tuple[list[tuple[int, str]], bool]:
    """The active people of the department and below, by name."""
    wanted = condition([("is_active", "eq", True), ("department", "under", department)])
    asked = ListQuery(fields=("name",), filter=wanted, sort="name,id", limit=MOST, labels=False)
    found = query.page(uow, "user", asked)
    return [(row["id"], str(row["name"])) for row in found.items], found.next is not None


def _stored(
    uow: UnitOfWork, rows: Sequence[Row], columns: Sequence[Period], kind: str, measure: str
) -> dict[tuple[str, int], Stored]:
    """By row and number of the column; what the reader does not see is not there."""
    whose = {(row.field, row.key): row.name for row in rows}
    people = [row.key for row in rows if row.field == "person"]
    wanted = condition(
        [
            ("period_kind", "eq", kind),
            ("measure", "eq", measure),
            ("starts_on", "ge", columns[0].first.isoformat()),
            ("starts_on", "le", columns[-1].first.isoformat()),
        ]
    )
    whom: list[dict[str, Any]] = [{"field": "department", "op": "eq", "value": rows[0].key}]
    if people:
        whom.append({"field": "person", "op": "in", "value": people})
    wanted["all"].append({"any": whom})
    places = {column.first: place for place, column in enumerate(columns)}
    found: dict[tuple[str, int], Stored] = {}
    after = None
    while True:
        asked = ListQuery(
            fields=_USED, filter=wanted, sort="id", limit=500, after=after, labels=False
        )
        page = query.page(uow, "sales_target", asked)
        for row in page.items:
            name = "person" if row["person"] is not None else "department"
            cell = whose[name, row[name]], places[row["starts_on"]]
            found[cell] = Stored(row["id"], row["version"], row["value"])
        after = page.next
        if after is None:
            return found


def cell_name(row: Row, place: int) -> str:
    """What a cell is called in the form."""
    return f"{row.name}.{place}"


def save(uow: UnitOfWork, grid: Grid, sent: Mapping[str, str]) -> int:
    """Make, change and delete what was changed, all of it or nothing; how many targets that were.

    ``sent`` has the cells by their names, and under ``seen.<name>`` the version that the writer saw.
    A cell that was not sent stays. Raises `Invalid` with a problem for each wrong cell, by its name.
    """
    problems: list[Problem] = []
    new: list[tuple[str, dict[str, Any]]] = []
    other: list[tuple[str, Stored, Decimal]] = []
    gone: list[Stored] = []
    for row in grid.rows:
        for place, column in enumerate(grid.columns):
            name = cell_name(row, place)
            if name not in sent:
                continue
            there = grid.cells.get((row.name, place))
            try:
                value = _value(sent[name])
            except BadValue as error:
                problems.append(Problem(name, error.code, str(error)))
                continue
            if value == (None if there is None else there.value):
                continue
            if (message := _meanwhile(there, sent.get(f"seen.{name}", ""))) is not None:
                problems.append(Problem(name, "conflict", message))
            elif there is None:
                new.append((name, _target(grid, row, column, value)))
            elif value is None:
                gone.append(there)
            else:
                other.append((name, there, value))
    problems += _write(uow, new, other, gone)
    if problems:
        raise Invalid(_("Please check the entries."), problems)
    return len(new) + len(other) + len(gone)


def _value(text: str) -> Decimal | None:
    """As people type an amount: with separators, in full width."""
    plain = re.sub(r"[,，\s¥￥]", "", fold(text[:_LONGEST]))
    value: Decimal | None = check_value(VALUE, plain or None)
    return value


def _meanwhile(there: Stored | None, seen: str) -> str | None:
    """What to say when the cell is no longer what its writer saw."""
    if seen == ("" if there is None else str(there.version)):
        return None
    if there is None:
        return _("Somebody deleted this target meanwhile.")
    return _("Somebody changed this target meanwhile: %(value)s.", value=format_number(there.value))


def _target(grid: Grid, row: Row, column: Period, value: Decimal | None) -> dict[str, Any]:
    return {
        row.field: row.key,
        "period_kind": grid.kind,
        "starts_on": column.first,
        "measure": grid.measure,
        "value": value,
    }


def _write(
    uow: UnitOfWork,
    new: Sequence[tuple[str, dict[str, Any]]],
    other: Sequence[tuple[str, Stored, Decimal]],
    gone: Sequence[Stored],
) -> list[Problem]:
    """Through the one door; problems are those of cells. With any the caller takes all of it back."""
    problems: list[Problem] = []
    for names, write in (
        ([name for name, _values in new], lambda: _create(uow, new)),
        ([name for name, _there, _value in other], lambda: _update(uow, other)),
        ([], lambda: _delete(uow, gone)),
    ):
        try:
            write()
        except Invalid as error:
            if not names:
                raise
            problems += [
                Problem(names[each.item], each.code, each.message) for each in error.problems
            ]
    return problems


def _create(uow: UnitOfWork, new: Sequence[tuple[str, dict[str, Any]]]) -> None:
    if new:
        service.create(uow, "sales_target", [values for _name, values in new])


def _update(uow: UnitOfWork, other: Sequence[tuple[str, Stored, Decimal]]) -> None:
    if other:
        values = {there.id: {"value": value} for _name, there, value in other}
        versions = {there.id: there.version for _name, there, _value in other}
        service.update(uow, "sales_target", values, versions=versions)


def _delete(uow: UnitOfWork, gone: Sequence[Stored]) -> None:
    if gone:
        versions = {there.id: there.version for there in gone}
        service.delete(uow, "sales_target", [there.id for there in gone], versions=versions)
