"""Who may do what: delivered roles, and rules that a change must keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause, select
from stdnum.cn import uscc

from core.entities.changes import Change
from core.entities.query import ListQuery, conditions
from core.errors import Problem
from core.fields import Lines, ScopeSpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import RoleTemplate
from plugins.crm_sales import duplicates
from plugins.crm_sales.circles import check_circles, column_of
from plugins.crm_sales.deals.rates import no_rate, without_rate
from plugins.crm_sales.stages import (
    Book,
    Step,
    first_process,
    number_of,
    processes_for,
    stages_of,
)

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "OF_CUSTOMERS",
    "ROLES",
    "book_for",
    "placed",
    "places_again",
    "starts_of",
    "validate",
]


def _of_readable_customers(uow: UnitOfWork, table: FromClause) -> ColumnElement[bool]:
    """Contacts of the customers that the actor may read, by whatever role, share or deputy."""
    spec = uow.entity("customer")
    there = select(spec.table.c.id).where(*conditions(uow, spec, ListQuery())).correlate(None)
    return table.c.customer_id.in_(there)


OF_CUSTOMERS = ScopeSpec(
    "customer", _l("of the customers that one may read"), _of_readable_customers
)

_MINE = {"condition": {"field": "customer.owner", "op": "eq", "value": {"var": "me"}}}
_VERBS = ("move", "win", "lose", "ask_support")
_ORDINARY = ("read", "create", "update", "delete", "import", "export")

#: Of who reads customers and none of their opportunities: what those add up to is theirs no more.
_NO_SUMS = {"customer": {"won_amount": "hidden"}}

ROLES = (
    RoleTemplate(
        "sales",
        _l("Sales"),
        {
            # A customer is the company's: who looks after it neither deletes nor exports it.
            "customer": dict.fromkeys(("read", "create", "update", "import"), "own"),
            "contact": {
                "read": "customer",
                **dict.fromkeys(("create", "update", "delete", "import"), [_MINE]),
            },
            "opportunity": {
                **dict.fromkeys(("create", "delete", "import"), "own"),
                "read": ["own", "team"],
                **dict.fromkeys(("update", *_VERBS), ["own", "team_changes"]),
            },
            "sales_process": {"read": "all"},
        },
        permissions=("crm_sales.see_funnel",),
    ),
    RoleTemplate(
        "sales_manager",
        _l("Sales manager"),
        {
            "customer": dict.fromkeys((*_ORDINARY, "assign", "merge"), "department_below"),
            "contact": dict.fromkeys((*_ORDINARY, "merge"), "customer"),
            "opportunity": {
                **dict.fromkeys(_ORDINARY, "department_below"),
                "read": ["department_below", "team"],
                **dict.fromkeys(("update", *_VERBS), ["department_below", "team_changes"]),
            },
            "sales_process": {"read": "all"},
        },
        permissions=("crm_sales.see_funnel",),
    ),
    RoleTemplate(
        "service_agent",
        _l("Service agent"),
        {"customer": {"read": "all"}, "contact": {"read": "all"}},
        fields=_NO_SUMS,
    ),
    RoleTemplate(
        "service_manager",
        _l("Service manager"),
        {"customer": {"read": "all"}, "contact": {"read": "all"}},
        fields=_NO_SUMS,
    ),
    RoleTemplate("viewer", _l("Viewer"), permissions=("crm_sales.see_funnel",)),
)


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Problems of changes to what this module keeps; none for other entities."""
    check = _CHECKS.get(changes[0].entity.name)
    return () if check is None else check(changes, uow)


def _written(changes: Sequence[Change]) -> list[Change]:
    return [change for change in changes if change.kind in ("create", "update")]


# Customers and contacts


def _validate_customers(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    for change in _written(changes):
        code = change.after["uscc"]
        if code and change.changed("uscc") and not uscc.is_valid(code):
            message = _("This is not a valid unified social credit code; please check it.")
            yield change.problem("uscc", "checksum", message)
        if change.id is not None and change.after["referrer"] == change.id:
            message = _("A customer is not introduced by itself.")
            yield change.problem("referrer", "self", message)
    yield from _left_behind(changes, uow)
    yield from check_circles(changes, uow, "parent", _("A company cannot stand below itself."))
    yield from duplicates.check_customers(changes, uow)


def _left_behind(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Customers that are to be deleted while something is still to be sold to them."""
    leaving = {change.id: change for change in changes if change.kind == "delete"}
    if not leaving:
        return
    table = uow.entity("opportunity").table
    held = select(table.c.customer_id).where(
        table.c.customer_id.in_(list(leaving)),
        table.c.status == "open",
        table.c.archived_at.is_(None),
    )
    for key in sorted(set(uow.execute(held.distinct()).scalars())):
        message = _("There are ongoing opportunities of this customer. Close or move them first.")
        yield leaving[key].problem("name", "in_use", message)


def _validate_contacts(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = _written(changes)
    touched = [
        change
        for change in written
        if change.after["reports_to"] is not None
        and (change.changed("reports_to") or change.changed("customer"))
    ]
    homes = column_of(uow, "contact", "customer_id", {c.after["reports_to"] for c in touched})
    for change in touched:
        if homes.get(change.after["reports_to"]) != change.after["customer"]:
            message = _("Choose somebody at the same customer.")
            yield change.problem("reports_to", "other_customer", message)
    yield from check_circles(changes, uow, "reports_to", _("Nobody reports to themselves."))
    yield from duplicates.check_contacts(changes, uow)


def _validate_leads(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Of the module of leads, where it is on."""
    if changes[0].entity.plugin == "crm_leads":
        yield from duplicates.check_leads(changes, uow)


# Opportunities


def book_for(changes: Sequence[Change], uow: UnitOfWork) -> Book:
    """The stages that these changes of opportunities are about."""
    values = [v for change in changes for v in (change.before, change.after)]
    processes = {v.get("process") for v in values}
    processes |= set(starts_of(changes, uow).values())
    return stages_of(uow, processes=processes, stages={v.get("stage") for v in values})


def starts_of(changes: Sequence[Change], uow: UnitOfWork) -> dict[int, int | None]:
    """By ``id`` of the change: the process in which it begins when it names none. That is the one
    for the category of its first product, else the first one in use."""
    lacking = [change for change in changes if change.after.get("process") is None]
    found: dict[int, int | None] = dict.fromkeys(map(id, changes))
    if not lacking:
        return found
    first = first_process(uow)
    goods = {
        id(change): lines[0].get("product")
        for change in lacking
        if change.kind == "create" and (lines := change.detached.get("lines"))
    }
    fits = processes_for(uow, goods.values()) if goods else {}
    for change in lacking:
        found[id(change)] = fits.get(number_of(goods.get(id(change))), first)
    return found


def placed(change: Change, book: Book, first: int | None) -> tuple[int | None, Step | None]:
    """The process and the stage in which an opportunity is to stand after the change."""
    process, stage = change.after["process"], book.by_id.get(change.after["stage"])
    if stage is not None and (
        process is None or (change.changed("stage") and not change.changed("process"))
    ):
        process = stage.process
    process = first if process is None else process
    left = stage is not None and stage.process != process and not change.changed("stage")
    return process, book.first(process) if stage is None or left else stage


def places_again(
    changes: Sequence[Change], uow: UnitOfWork
) -> list[tuple[Change, int | None, Step | None]]:
    """The process and the stage of opportunities that come out of the recycle bin.

    Where their process or stage went into it meanwhile, it is the first one in use and its first stage;
    of what is closed the stage of that, if there is one.
    """
    table, first = uow.entity("sales_process").table, first_process(uow)
    wanted = sorted({change.after["process"] for change in changes} - {None})
    living = select(table.c.id).where(table.c.id.in_(wanted), table.c.archived_at.is_(None))
    there = set(uow.execute(living).scalars())
    book, found = stages_of(uow, processes={*there, first}), []
    for change in changes:
        process = change.after["process"] if change.after["process"] in there else first
        stage = book.by_id.get(change.after["stage"])
        if stage is None or stage.process != process:
            stage = book.closing(process, change.after["status"]) or book.first(process)
        found.append((change, process, stage))
    return found


def _missing(record: Any, left: Sequence[Step]) -> dict[str, Step]:
    """What the stages that are left ask for and the record does not hold."""
    found: dict[str, Step] = {}
    for step in left:
        for name in step.needs:
            value = record.get(name)
            if value is False or value in (None, "", []):
                found.setdefault(name, step)
    return found


def _undone(record: Any, left: Sequence[Step]) -> dict[str, Step]:
    """The key tasks of the stages that are left and not ticked off yet."""
    done = set(record.get("done_tasks") or ())
    found: dict[str, Step] = {}
    for step in left:
        for task in step.tasks:
            if task not in done:
                found.setdefault(task, step)
    return found


def _validate_opportunities(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    restored = [change for change in changes if change.kind == "restore"]
    for change, _process, stage in places_again(restored, uow) if restored else ():
        if stage is None:
            message = _("There is no sales process in use.")
            yield change.problem("process", "required", message)
    written = _written(changes)
    if not written:
        return
    book, starts = book_for(written, uow), starts_of(written, uow)
    homes = column_of(
        uow, "contact", "customer_id", {c.after["contact"] for c in written if _meets(c)}
    )
    for change in written:
        amount = change.after["amount"]
        if amount is not None and amount < 0:
            yield change.problem("amount", "range", _("An amount is not negative."))
        yield from _check_past(change, uow)
        if _meets(change) and homes.get(change.after["contact"]) != change.after["customer"]:
            message = _("Choose somebody at the same customer.")
            yield change.problem("contact", "other_customer", message)
        yield from _check_place(change, book, starts[id(change)], uow)
    yield from _check_currencies(written, uow)
    yield from _check_quoted(written, uow)


def _check_currencies(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """What is ongoing gets no currency without a rate; of what is closed the rate may come later.

    Rules choose none: a quote that decides has been asked about its own day.
    """
    if uow.actor.is_system:
        return
    touched = [c for c in written if c.changed("currency") and c.after["closed_on"] is None]
    today = uow.clock.today()
    lacking = without_rate(uow, {(change.after["currency"], today) for change in touched})
    for change in touched:
        if (change.after["currency"], today) in lacking:
            yield change.problem("currency", "no_rate", no_rate(change.after["currency"], today))


def _check_quoted(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Another customer than quotes have that name it: those could be changed and submitted no more."""
    moved = {c.id: c for c in written if c.kind == "update" and c.changed("customer")}
    if not moved:
        return
    c = uow.entity("quote").table.c
    named = select(c.opportunity_id, c.customer_id).where(
        c.opportunity_id.in_(list(moved)), c.archived_at.is_(None)
    )
    pairs = uow.execute(named.distinct())
    for key in sorted({key for key, buyer in pairs if buyer != moved[key].after["customer"]}):
        message = _("Quotes of it are for another customer. Take it out of them first.")
        yield moved[key].problem("customer", "quoted", message)


def _check_past(change: Change, uow: UnitOfWork) -> Iterable[Problem]:
    """What an import brings of the past lies in it."""
    closed, entered = change.after["closed_on"], change.after["stage_entered_at"]
    if closed is not None and change.changed("closed_on") and closed > uow.clock.today():
        yield change.problem("closed_on", "future", _("This day is still to come."))
    if entered is not None and change.changed("stage_entered_at") and entered > uow.now():
        yield change.problem("stage_entered_at", "future", _("This moment is still to come."))


def _meets(change: Change) -> bool:
    return change.after["contact"] is not None and (
        change.changed("contact") or change.changed("customer")
    )


def _check_place(
    change: Change, book: Book, first: int | None, uow: UnitOfWork
) -> Iterable[Problem]:
    process, stage = placed(change, book, first)
    if process is None:
        message = _("There is no sales process in use.")
        yield change.problem("process", "required", message)
    elif stage is None:
        yield change.problem("process", "empty", _("This process has no stages yet."))
    elif stage.process != process:
        message = _("This stage belongs to another process.")
        yield change.problem("stage", "other_process", message)
    elif change.kind == "create" or change.before["stage"] != stage.id:
        start = book.by_id.get(change.before.get("stage"))
        if change.kind == "update" or not uow.actor.is_system:
            yield from _check_needs(change, book.passed(start, stage), uow)
        if stage.is_lost and not change.after["lost_reason"] and not _imports(change, uow):
            yield change.problem("lost_reason", "required", _("Say why it is lost."))
    elif change.changed("status") and change.after["status"] == "won":
        # A process without a stage for what is won: all that is still ahead is left.
        yield from _check_needs(change, book.ahead(stage), uow)


def _imports(change: Change, uow: UnitOfWork) -> bool:
    return change.kind == "create" and uow.actor.is_system


def _check_needs(change: Change, left: Sequence[Step], uow: UnitOfWork) -> Iterable[Problem]:
    yield from _check_tasks(change, left)
    asked = {name for step in left for name in step.needs}
    record = change.after | _lines_of(change, asked, uow)
    found = _missing(record, left)
    lacking = {name: step for name, step in found.items() if name in change.entity}
    if not lacking:
        return
    names = _(", ").join(str(change.entity[name].label) for name in lacking)
    message = _(
        "Before it leaves “%(stage)s”, fill in: %(fields)s.",
        stage=next(iter(lacking.values())).name,
        fields=names,
    )
    for name in lacking:
        yield change.problem(name, "required", message)


def _lines_of(change: Change, asked: set[str], uow: UnitOfWork) -> dict[str, Any]:
    """Of the asked fields those that live in tables of their own: as given, else whether there are any."""
    found: dict[str, Any] = {}
    for field in change.entity.detached:
        if field.name not in asked:
            continue
        found[field.name] = change.detached.get(field.name)
        if field.name not in change.detached and isinstance(field.type, Lines) and change.id:
            child = uow.entity(field.type.entity)
            mine = child.column(field.type.parent) == change.id
            there = select(child.table.c.id).where(mine, child.table.c.archived_at.is_(None))
            found[field.name] = uow.execute(there.limit(1)).first()
    return found


def _check_tasks(change: Change, left: Sequence[Step]) -> Iterable[Problem]:
    undone = _undone(change.after, left)
    if undone:
        message = _(
            "Before it leaves “%(stage)s”, tick off: %(tasks)s.",
            stage=next(iter(undone.values())).name,
            tasks=_(", ").join(undone),
        )
        yield change.problem("done_tasks", "required", message)


# Processes and stages


def _validate_stages(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    written = [change for change in changes if change.kind != "delete"]
    for change in written:
        if change.after["is_won"] and change.after["is_lost"]:
            yield change.problem("is_lost", "both", _("A stage is not both won and lost."))
    yield from _second_ends(written, uow)
    message = _("There are opportunities in this stage. Move them first.")
    yield from _still_held(changes, uow, "stage", message)


def _still_held(
    changes: Sequence[Change], uow: UnitOfWork, field: str, message: str
) -> Iterable[Problem]:
    """What is to be deleted while opportunities stand in it; those in the bin find another place."""
    leaving = {change.id: change for change in changes if change.kind == "delete"}
    if not leaving:
        return
    spec = uow.entity("opportunity")
    column = spec.column(field)
    held = select(column).where(column.in_(list(leaving)), spec.table.c.archived_at.is_(None))
    for key in sorted(set(uow.execute(held.distinct()).scalars())):
        yield leaving[key].problem("name", "in_use", message)


def _second_ends(written: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    processes = {change.after["process"] for change in written}
    table = uow.entity("stage").table
    own = {change.id for change in written}
    for name, message in (
        ("is_won", _("There is a stage for what is won already.")),
        ("is_lost", _("There is a stage for what is lost already.")),
    ):
        if not any(change.after[name] for change in written):
            continue
        rows = uow.execute(
            select(table.c.id, table.c.process_id).where(
                table.c.process_id.in_(processes), table.c[name], table.c.archived_at.is_(None)
            )
        )
        taken = {row.process_id for row in rows if row.id not in own}
        for change in written:
            if change.after[name]:
                if change.after["process"] in taken:
                    yield change.problem(name, "second", message)
                taken.add(change.after["process"])


def _validate_processes(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    message = _("There are opportunities in this process. Switch it off instead.")
    return _still_held(changes, uow, "process", message)


_CHECKS: dict[str, Callable[..., Iterable[Problem]]] = {
    "customer": _validate_customers,
    "lead": _validate_leads,
    "contact": _validate_contacts,
    "opportunity": _validate_opportunities,
    "sales_process": _validate_processes,
    "stage": _validate_stages,
}
