"""Leads that are there already: found by a number, by the name of the company, and by names that are alike.

Only those count that are worked on or were converted: what was given up may be tried again. Whoever may
not see the other lead, or sees its number masked, is told who has it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, Table, func, select, union_all

from core.entities import query
from core.entities.changes import Change
from core.entities.labels import resolve_labels
from core.entities.likeness import alike
from core.entities.query import ListQuery
from core.entities.values import BadValue, check_value
from core.errors import Forbidden, Problem
from core.i18n import gettext as _
from core.settings.service import get_setting
from core.tabular.cleaning import company_key
from plugins.crm_leads.models import OPEN

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Hit", "check_leads", "find", "key_of", "said"]

_NUMBERS = ("mobile", "phone")
_COUNTING = (*OPEN, "converted")
_MOST, _CHUNK = 5, 500


@dataclass(frozen=True)
class Hit:
    """A lead that may be the same; ``why`` is number, name or alike."""

    why: str
    id: int
    name: str
    owner: str
    is_readable: bool
    #: Of a name that is alike: how much, in percent.
    likeness: int = 100


def key_of(company: Any) -> str | None:
    """What the names of one company have in common, as the column holds it."""
    return company_key(company)[:120] or None


def find(
    uow: UnitOfWork,
    *,
    company: Any = None,
    mobile: Any = None,
    phone: Any = None,
    but: int | None = None,
    with_alike: bool = True,
) -> list[Hit]:
    """The leads that one of these values fits, as they stand in a form, those of one number first."""
    numbers = _typed(uow, mobile, phone) if _rule(uow, "same_number") != "off" else set()
    key = key_of(company)
    found: dict[int, tuple[Any, list[str]]] = {}
    if numbers:
        for row in uow.execute(_of_numbers(uow, numbers).limit(_MOST)):
            found.setdefault(row.id, (row, []))[1].append("number")
    if key and _rule(uow, "same_name") != "off":
        for row in uow.execute(_of_names(uow, [key]).limit(_MOST)):
            found.setdefault(row.id, (row, []))[1].append("name")
    found.pop(but or 0, None)
    percents = dict[int, int]()
    least: int = get_setting(uow, "crm_leads", "alike_names")
    if key and least and with_alike:
        counting = _counting(_table(uow))
        for percent, row in alike(uow, "lead", key, least, *counting):
            if row.id not in found and row.id != but:
                found[row.id], percents[row.id] = (row, ["alike"]), percent
    hits = _hits(uow, list(found.values()), numbers, percents)
    # Those out of reach in no telling order.
    return sorted(hits, key=lambda hit: (hit.why == "alike", not hit.is_readable, -_rank(hit)))


def _rank(hit: Hit) -> int:
    return hit.likeness if hit.is_readable else 0


def _typed(uow: UnitOfWork, *texts: Any) -> set[str]:
    """The numbers among what was typed, as the columns hold them."""
    found = set[str]()
    for name, text in zip(_NUMBERS, texts, strict=True):
        try:
            number = check_value(uow.entity("lead")[name].type, text or None)
        except BadValue:  # half typed, or masked
            continue
        found |= {number} if number else set()
    return found


def _rule(uow: UnitOfWork, name: str) -> str:
    level: str = get_setting(uow, "crm_leads", name)
    return level


def _table(uow: UnitOfWork) -> Table:
    return uow.entity("lead").table


def _counting(table: Table) -> tuple[ColumnElement[bool], ...]:
    """The state not as the column itself: SQLite would rather read most leads through its index."""
    status = func.coalesce(table.c.status, "")
    return table.c.archived_at.is_(None), status.in_(_COUNTING)


def _of_numbers(uow: UnitOfWork, numbers: Collection[str]) -> Select[Any]:
    """Each column by itself: an OR of both goes through no index on SQLite."""
    table = _table(uow)
    each = (select(table.c.id).where(table.c[name].in_(numbers)) for name in _NUMBERS)
    return _selected(table).where(table.c.id.in_(union_all(*each)))


def _of_names(uow: UnitOfWork, keys: Collection[str]) -> Select[Any]:
    table = _table(uow)
    return _selected(table).where(table.c.name_key.in_(keys))


def _selected(table: Table) -> Select[Any]:
    names = ("id", "company", "owner_id", *_NUMBERS, "name_key")
    columns = (table.c[name] for name in names)
    return select(*columns).where(*_counting(table)).order_by(table.c.id)


# What may be told


def _hits(
    uow: UnitOfWork,
    found: Sequence[tuple[Any, Sequence[str]]],
    numbers: Collection[str],
    percents: Mapping[int, int],
) -> list[Hit]:
    if not found:
        return []
    seen = _seen(uow, [row.id for row, _whys in found])
    owners = {row.owner_id for row, _whys in found if row.owner_id is not None}
    people = resolve_labels(uow, {"user": owners}).get("user", {}) if owners else {}
    hits = []
    for row, whys in found:
        mine = seen.get(row.id, {})
        open_ = [why for why in whys if _shows(mine, why, numbers)]
        why = (open_ or whys)[0]
        name, owner = mine.get("company") or "", people.get(row.owner_id, "")
        hits.append(Hit(why, row.id, name, owner, bool(open_), percents.get(row.id, 100)))
    return hits


def _seen(uow: UnitOfWork, ids: Collection[int]) -> dict[int, Mapping[str, Any]]:
    """Those of the leads that the actor may read, with what they see of them; what is masked in all
    of them is left out, and what is masked in some stands there as a mask."""
    spec = uow.entity("lead")
    fields = tuple(
        name for name in ("company", *_NUMBERS) if uow.actor.access(spec).can_use(spec[name])
    )
    found = dict[int, Mapping[str, Any]]()
    wanted = sorted(set(ids))
    try:
        for start in range(0, len(wanted), _CHUNK):
            part = tuple(wanted[start : start + _CHUNK])
            asked = ListQuery(fields=fields, ids=part, limit=len(part), sort="id", labels=False)
            found |= {row["id"]: row for row in query.page(uow, "lead", asked).items}
    except Forbidden:
        return {}
    return found


def _shows(mine: Mapping[str, Any], why: str, numbers: Collection[str]) -> bool:
    """Whether what the actor sees of a lead tells them itself that it is the same."""
    if why == "number":
        return any(mine.get(name) in numbers for name in _NUMBERS)
    return bool(mine.get("company"))


def said(hit: Hit) -> str:
    """What is told of it."""
    if hit.is_readable:
        name = f"{hit.name} ({hit.owner})" if hit.owner else hit.name
        if hit.why == "alike":
            return _("Name %(likeness)s alike: %(name)s", likeness=f"{hit.likeness}%", name=name)
        if hit.why == "number":
            return _("The lead %(name)s has this number already.", name=name)
        return _("There is the lead %(name)s already.", name=name)
    if hit.why == "number":
        if hit.owner:
            return _("A lead of %(owner)s has this number.", owner=hit.owner)
        return _("A lead in a pool has this number.")
    if hit.why == "alike":
        # Without the figure, which would tell whoever tries names how near they came.
        if hit.owner:
            return _("%(owner)s has a lead of a similar name.", owner=hit.owner)
        return _("A lead in a pool has a similar name.")
    if hit.owner:
        return _("%(owner)s has a lead of this company.", owner=hit.owner)
    return _("A lead of this company lies in a pool.")


# On save


def check_leads(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """What the rules refuse of new leads, and of new numbers and names, at the field."""
    counting = [
        change
        for change in changes
        if change.kind in ("create", "update", "restore") and change.after["status"] in _COUNTING
    ]
    for rule, why, names in (
        ("same_number", "number", _NUMBERS),
        ("same_name", "name", ("company",)),
    ):
        if _rule(uow, rule) == "refuse":
            yield from _taken(uow, counting, why, names)


def _taken(
    uow: UnitOfWork, changes: Sequence[Change], why: str, names: Sequence[str]
) -> Iterable[Problem]:
    wanted = [
        (change, name, key)
        for change in changes
        for name in names
        if (key := _key(change, name)) and (change.kind != "update" or change.changed(name))
    ]
    there = _there(uow, {key for _change, _name, key in wanted}, why)
    taken, first = list[tuple[Change, str, Any]](), dict[str, Change]()
    for change, name, key in wanted:
        other = next((row for row in there.get(key, ()) if row.id != change.id), None)
        if other is not None:
            taken.append((change, name, other))
        elif first.setdefault(key, change) is not change:
            message = _("Another of these records is the same lead.")
            yield change.problem(name, "duplicate", message)
    found = [(row, [why]) for _change, _name, row in taken]
    numbers = {key for _change, _name, key in wanted}
    for (change, name, _row), hit in zip(taken, _hits(uow, found, numbers, {}), strict=True):
        data = {"id": hit.id} if hit.is_readable else {}
        yield change.problem(name, "duplicate", said(hit), **data)


def _key(change: Change, name: str) -> str | None:
    value = change.after[name]
    return key_of(value) if name == "company" else value


def _there(uow: UnitOfWork, keys: Collection[str], why: str) -> dict[str, list[Any]]:
    """The leads that hold one of the keys, by key."""
    found: dict[str, list[Any]] = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), _CHUNK):
        part = ordered[start : start + _CHUNK]
        asked = _of_numbers(uow, part) if why == "number" else _of_names(uow, part)
        for row in uow.execute(asked):
            held = {row.mobile, row.phone} if why == "number" else {row.name_key}
            for key in held & set(part):
                found.setdefault(key, []).append(row)
    return found
