"""Processes and their stages, as rules ask for them: what comes first, what is won, what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities import service
from core.entities.reading import Reading, read_together
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Book",
    "Step",
    "clone",
    "ensure_process",
    "first_process",
    "forget",
    "number_of",
    "processes_for",
    "reading_stages",
    "stages_of",
]

#: Where a deal that does not move is told of, after how many days (S-067).
_NEGOTIATION, _QUIET_DAYS = "商务谈判", 7
#: What a company begins with: (name, probability, days allowed, won, lost).
_DEFAULT = (
    ("初步接洽", 10, 14, False, False),
    ("需求分析", 30, 21, False, False),
    ("方案报价", 50, 21, False, False),
    (_NEGOTIATION, 80, 30, False, False),
    ("签约", 100, None, True, False),
    ("输单", 0, None, False, True),
)


@dataclass(frozen=True)
class Step:
    """One stage."""

    id: int
    process: int
    name: str
    position: int
    probability: int
    days_allowed: int | None
    quiet_days: int | None
    needs: tuple[str, ...]
    tasks: tuple[str, ...]
    is_won: bool
    is_lost: bool

    @property
    def is_closed(self) -> bool:
        """True when what stands there is won or lost."""
        return self.is_won or self.is_lost

    @property
    def status(self) -> str:
        """The status of what stands there."""
        return "won" if self.is_won else "lost" if self.is_lost else "open"


class Book:
    """The living stages of some processes, in their order."""

    def __init__(self, steps: Sequence[Step], names: Mapping[int, str]) -> None:
        self.by_id = {step.id: step for step in steps}
        self.names = names
        self._of: dict[int, list[Step]] = {}
        for step in steps:
            self._of.setdefault(step.process, []).append(step)

    def of(self, process: int | None) -> list[Step]:
        """The stages of a process; none for one that is not known."""
        return [] if process is None else self._of.get(process, [])

    def first(self, process: int | None) -> Step | None:
        """Where what is new begins: the first that is neither won nor lost."""
        steps = self.of(process)
        return next((step for step in steps if not step.is_closed), steps[0] if steps else None)

    def closing(self, process: int | None, status: str) -> Step | None:
        """The stage of what is won, or of what is lost."""
        return next((step for step in self.of(process) if step.status == status), None)

    def passed(self, start: Step | None, end: Step) -> list[Step]:
        """The stages that are left on the way to ``end``, from ``start`` or from the beginning.

        Whoever goes over to another process leaves the stage, and begins there.
        """
        if end.is_lost:
            return []
        begin, left = -1, list[Step]()
        if start is not None and not start.is_closed:
            if start.process == end.process:
                begin = start.position
            else:
                left.append(start)
        return left + [
            step
            for step in self.of(end.process)
            if begin <= step.position < end.position and not step.is_closed
        ]

    def ahead(self, start: Step) -> list[Step]:
        """The stages that are left by what is won where no stage stands for that."""
        return [
            step
            for step in self.of(start.process)
            if step.position >= start.position and not step.is_closed
        ]


def stages_of(
    uow: UnitOfWork, *, stages: Iterable[Any] = (), processes: Iterable[Any] = ()
) -> Book:
    """The book of these processes, and of those that these stages belong to."""
    known: dict[int, Book] = uow.memo.setdefault("crm_sales.stages", {})
    table = uow.entity("stage").table
    wanted = {each for each in processes if each is not None}
    named = {each for each in stages if each is not None}
    if named:
        owners = select(table.c.process_id).where(table.c.id.in_(named)).distinct()
        wanted |= set(uow.execute(owners).scalars())
    missing = wanted - known.keys()
    if missing:
        for process, book in _read(uow, missing).items():
            known[process] = book
    steps = [step for process in sorted(wanted) for step in known[process].by_id.values()]
    names = {key: name for process in wanted for key, name in known[process].names.items()}
    return Book(steps, names)


def reading_stages(uow: UnitOfWork, process: int) -> Reading[Book]:
    """The book of one process, to be read together with more."""
    return _reading(uow, {process}).then(lambda found: found[process])


def _read(uow: UnitOfWork, processes: set[int]) -> dict[int, Book]:
    (found,) = read_together(uow, [_reading(uow, processes)])
    books: dict[int, Book] = found
    return books


def _reading(uow: UnitOfWork, processes: set[int]) -> Reading[dict[int, Book]]:
    table, process = uow.entity("stage").table, uow.entity("sales_process").table
    stages = select(table).where(table.c.process_id.in_(processes), table.c.archived_at.is_(None))
    named = select(process.c.id, process.c.name).where(process.c.id.in_(processes))

    def finish(rows: Sequence[Any], named: Sequence[Any]) -> dict[int, Book]:
        steps: dict[int, list[Step]] = {key: [] for key in processes}
        for place, row in enumerate(sorted(rows, key=lambda row: (row.position or 0, row.id))):
            steps[row.process_id].append(
                Step(
                    id=row.id,
                    process=row.process_id,
                    name=row.name or "",
                    position=place,  # two of one number have an order too
                    probability=row.probability or 0,
                    days_allowed=row.days_allowed,
                    quiet_days=row.quiet_days,
                    needs=tuple(row.required_fields or ()),
                    tasks=tuple(row.key_tasks or ()),
                    is_won=bool(row.is_won),
                    is_lost=bool(row.is_lost),
                )
            )
        names = {row.id: row.name or "" for row in named}
        return {
            key: Book(own, {key: names[key]} if key in names else {}) for key, own in steps.items()
        }

    return Reading((stages, named), finish)


def forget(uow: UnitOfWork) -> None:
    """Read the stages anew: some have changed in this transaction."""
    uow.memo.pop("crm_sales.stages", None)
    uow.memo.pop("crm_sales.first process", None)
    uow.memo.pop("crm_sales.processes of categories", None)


def first_process(uow: UnitOfWork) -> int | None:
    """The process of an opportunity that names none: the oldest in use."""
    if "crm_sales.first process" not in uow.memo:
        process = uow.entity("sales_process").table
        uow.memo["crm_sales.first process"] = uow.execute(
            select(func.min(process.c.id)).where(
                process.c.is_active, process.c.archived_at.is_(None)
            )
        ).scalar()
    found: int | None = uow.memo["crm_sales.first process"]
    return found


def number_of(value: Any) -> int | None:
    """The id that a caller gave, in whichever way; None for what is none (told by its own check)."""
    if isinstance(value, Mapping):
        value = value.get("id")
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:18])
    return value if type(value) is int else None


def processes_for(uow: UnitOfWork, products: Iterable[Any]) -> dict[int | None, int]:
    """By product: the process in use for its category, or for the nearest one above it; of two the
    older. Products without one are left out."""
    own, product = _lines_of_goods(uow), uow.entity("product").table
    wanted = {key for each in products if (key := number_of(each)) is not None}
    if not own or not wanted:
        return {}
    category = uow.entity("product_category").table
    above = {
        row.id: row.parent_id for row in uow.execute(select(category.c.id, category.c.parent_id))
    }
    found: dict[int | None, int] = {}
    goods = select(product.c.id, product.c.category_id).where(product.c.id.in_(sorted(wanted)))
    for row in uow.execute(goods):
        here, seen = row.category_id, set[int]()
        while here is not None and here not in own and here not in seen:
            seen.add(here)
            here = above.get(here)
        if here in own:
            found[row.id] = own[here]
    return found


def _lines_of_goods(uow: UnitOfWork) -> dict[int, int]:
    """By category: the process in use for it."""
    memo = "crm_sales.processes of categories"
    if memo not in uow.memo:
        process = uow.entity("sales_process").table
        rows = uow.execute(
            select(process.c.id, process.c.category_id)
            .where(
                process.c.category_id.is_not(None),
                process.c.is_active,
                process.c.archived_at.is_(None),
            )
            .order_by(process.c.id.desc())
        )
        uow.memo[memo] = {row.category_id: row.id for row in rows}
    found: dict[int, int] = uow.memo[memo]
    return found


def clone(
    uow: UnitOfWork, processes: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """A new process with the same stages, under another name: for a product line of its own."""
    spec, stage = uow.entity("sales_process"), uow.entity("stage")
    copied = [each.name for each in stage.stored if each.is_writable and each.name != "process"]
    made = []
    for original in processes:
        rows = uow.execute(
            select(*(stage.column(name).label(name) for name in copied))
            .where(stage.column("process") == original["id"], stage.table.c.archived_at.is_(None))
            .order_by(stage.table.c.position, stage.table.c.id)
        ).mappings()
        kept = {
            each.name: original[each.name]
            for each in spec.stored
            if each.is_writable and not each.unique and each.name not in ("name", "category")
        }
        made.append({**kept, "name": params["name"], "stages": [dict(row) for row in rows]})
    return {"made": service.create(uow, "sales_process", made)}


def ensure_process(uow: UnitOfWork) -> None:
    """One process where the company has none, to begin with."""
    process = uow.entity("sales_process").table
    if uow.execute(select(process.c.id).limit(1)).first() is not None:
        return
    stages = [
        {
            "name": name,
            "probability": probability,
            "days_allowed": days,
            "quiet_days": _QUIET_DAYS if name == _NEGOTIATION else None,
            "is_won": is_won,
            "is_lost": is_lost,
        }
        for name, probability, days, is_won, is_lost in _DEFAULT
    ]
    service.create(uow, "sales_process", [{"name": _("Standard process"), "stages": stages}])
