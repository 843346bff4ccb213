"""What targets come to: for a person, a department, or all that the reader sees; and who is where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities import query
from core.entities.aggregate import expect_many, reading_aggregate
from core.entities.query import ListQuery
from core.entities.reading import Reading, all_of, read, read_together
from core.errors import Forbidden
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.crm_sales.targets.periods import Period

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Targets",
    "Tree",
    "attainment",
    "condition",
    "departments_of",
    "read_targets",
    "read_tree",
    "reading_departments",
    "reading_targets",
    "reading_tree",
    "require_fields",
    "share",
]

_HUNDRED = Decimal(100)
#: In the memo of a transaction that only reads.
_TREE = "crm_sales.tree"
_USED = ("person", "department", "period_kind", "starts_on", "measure", "value")


def condition(rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
    """Rows of (field, operator, value) that must all be met."""
    return {"all": [{"field": field, "op": op, "value": value} for field, op, value in rows]}


def require_fields(uow: UnitOfWork, entity: str, names: Sequence[str]) -> None:
    """Raise `Forbidden` unless the reader may use all these fields: the page shows nothing less."""
    spec = uow.entity(entity)
    access = uow.actor.access(spec)
    if not access.may("read") or not all(access.can_use(spec[name]) for name in names):
        raise Forbidden(_("You do not have the right to do this."))


# Departments


@dataclass(frozen=True)
class Tree:
    """The living departments, each with the one above it; and where people belong."""

    parents: Mapping[int, int | None]
    homes: Mapping[int, int | None]

    def above(self, department: int | None) -> list[int]:
        """The department and all above it, the nearest first."""
        found: list[int] = []
        while department is not None and department in self.parents and department not in found:
            found.append(department)
            department = self.parents[department]
        return found

    def below(self, department: int | None) -> list[int]:
        """The departments directly below; those at the top for None."""
        return [key for key, parent in self.parents.items() if parent == department]


def read_tree(uow: UnitOfWork) -> Tree:
    """Departments and the homes of people, in one statement; for working out, not for showing."""
    (found,) = read_together(uow, [reading_tree(uow)])
    tree: Tree = found
    return tree


def reading_tree(uow: UnitOfWork) -> Reading[Tree]:
    """What `read_tree` reads, to be read together with more: once, by whoever only reads."""
    if uow.write:
        return _reading_tree(uow)
    if _TREE not in uow.memo:
        uow.memo[_TREE] = _reading_tree(uow).then(partial(_keep, uow))
    found: Reading[Tree] = uow.memo[_TREE]
    return found


def _keep(uow: UnitOfWork, tree: Tree) -> Tree:
    """For all who ask for it later on the same page."""
    uow.memo[_TREE] = Reading((), lambda: tree)
    return tree


def _reading_tree(uow: UnitOfWork) -> Reading[Tree]:
    c, users = uow.entity("department").table.c, uow.entity("user").table.c
    departments = select(c.id, c.parent_id, c.path).where(c.archived_at.is_(None))

    def finish(rows: Sequence[Any], people: Sequence[Any]) -> Tree:
        parents = {row.id: row.parent_id for row in sorted(rows, key=lambda row: row.path or "")}
        return Tree(
            {key: parent if parent in parents else None for key, parent in parents.items()},
            {row.id: row.department_id for row in people},
        )

    return Reading((departments, select(users.id, users.department_id)), finish)


def departments_of(uow: UnitOfWork, entity: str, scope: str, action: str) -> list[tuple[str, str]]:
    """(id, name) of the departments among which the reader may choose: of all for who reaches all,
    of one's own and below for who has that ``scope``; none for anybody else."""
    return read(uow, reading_departments(uow, entity, scope, action))


def reading_departments(
    uow: UnitOfWork, entity: str, scope: str, action: str
) -> Reading[list[tuple[str, str]]]:
    """What `departments_of` reads, to be read together with more."""
    access = uow.actor.access(uow.entity(entity))
    asked = ListQuery(fields=("name",), sort="path", limit=500)
    if not access.is_unlimited(action):
        if scope not in access.scopes.get(action, ()):
            return Reading((), list)
        within = tuple(uow.actor.departments_below)
        asked = ListQuery(fields=("name",), sort="path", limit=500, ids=within)
    return query.reading_page(uow, "department", asked).then(
        lambda page: [(str(row["id"]), str(row["name"])) for row in page.items]
    )


# Targets


@dataclass(frozen=True)
class Targets:
    """The targets of a period, by whom they are for; None is the company, like a department above all."""

    people: Mapping[int, Decimal]
    departments: Mapping[int | None, Decimal]

    def of_person(self, person: int) -> Decimal | None:
        """What somebody is to sell."""
        return self.people.get(person)

    def of_department(self, department: int | None, tree: Tree) -> Decimal | None:
        """A department's own target; without one, those of the departments below and of its people.

        For None that of the company. Answers None where there are none.
        """
        if department in self.departments:
            return self.departments[department]
        parts = [self.of_department(below, tree) for below in tree.below(department)]
        at_home = [
            value for person, value in self.people.items() if _home(person, tree) == department
        ]
        found = [value for value in (*parts, *at_home) if value is not None]
        return sum(found, Decimal(0)) if found else None


def _home(person: int, tree: Tree) -> int | None:
    home = tree.homes.get(person)
    return home if home in tree.parents else None


def read_targets(uow: UnitOfWork, period: Period, measure: str) -> Targets:
    """The targets that the reader sees, in one statement.

    A quarter has its own target where there is one, else the sum of those of its months; a year that
    of its quarters. A month has its own alone.
    """
    expect_many(uow)
    (found,) = read_together(uow, [reading_targets(uow, period, measure)])
    targets: Targets = found
    return targets


def reading_targets(uow: UnitOfWork, period: Period, measure: str) -> Reading[Targets]:
    """What `read_targets` reads, to be read together with more."""
    spec = uow.entity("sales_target")
    access = uow.actor.access(spec)
    if not access.may("read") or not all(access.can_use(spec[name]) for name in _USED):
        return Reading((), lambda: Targets({}, {}))

    def finish(parts: Sequence[Any]) -> Targets:
        people: dict[int, Decimal] = {}
        departments: dict[int | None, Decimal] = {}
        for person, department, value in (each for part in parts for each in part):
            if person is not None:
                people[person] = people.get(person, Decimal(0)) + value
            else:
                departments[department] = departments.get(department, Decimal(0)) + value
        return Targets(people, departments)

    parts = [_reading_part(uow, part, measure) for part in period.parts("quarter")]
    return all_of(parts).then(finish)


def _reading_part(
    uow: UnitOfWork, part: Period, measure: str
) -> Reading[list[tuple[int | None, int | None, Decimal]]]:
    """(person, department, value) of a month, or of a quarter by its own or its months."""
    asked = condition(
        [
            ("starts_on", "ge", part.first.isoformat()),
            ("starts_on", "le", part.last.isoformat()),
            ("measure", "eq", measure),
            *([("period_kind", "eq", "month")] if part.kind == "month" else []),
        ]
    )
    groups = ["person", "department", "period_kind"]

    def finish(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int | None, int | None, Decimal]]:
        found: dict[tuple[int | None, int | None], dict[str, Decimal]] = {}
        for row in rows:
            if row["sum:value"] is not None:
                kinds = found.setdefault((row["person"]["id"], row["department"]["id"]), {})
                kinds[row["period_kind"]["id"]] = Decimal(row["sum:value"])
        return [
            (*whose, kinds["quarter"] if "quarter" in kinds else kinds["month"])
            for whose, kinds in found.items()
        ]

    sums = reading_aggregate(uow, "sales_target", groups, ["sum:value"], ListQuery(filter=asked))
    return sums.then(finish)


def attainment(reached: Decimal, target: Decimal | None) -> Decimal | None:
    """Percent of the target, to one decimal, half up; None without a target above nothing."""
    if not target:
        return None
    exact = Context(prec=60, rounding=ROUND_HALF_UP)
    return exact.quantize(exact.divide(reached * _HUNDRED, target), Decimal("0.1"))


def share(percent: Decimal | None) -> str:
    """A percentage as it is written; a dash for none."""
    return "—" if percent is None else f"{format_number(percent)}%"
