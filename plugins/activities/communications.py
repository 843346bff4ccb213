"""Calls, mails and messages that other systems log: which record each is about, and whose it is.

A telephone system, a mail gateway or a WeChat archive posts a follow-up with ``external_id``, and with
``party``, the number or address of the other side. Who posts needs a right of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from core.entities import query
from core.entities.changes import Change
from core.entities.query import ListQuery
from core.entities.related import relatable
from core.entities.values import BadValue, check_value
from core.errors import Problem
from core.fields import Email, Phone, Reference, Text
from core.i18n import gettext as _
from core.security.directory import load_actor
from plugins.activities.models import DIRECTIONS

if TYPE_CHECKING:
    from core.fields import EntitySpec, FieldSpec
    from core.work.uow import UnitOfWork

__all__ = ["LOG", "in_words", "is_logged", "place", "validate"]

#: The right to write down what another system logged.
LOG = "activities.log_communications"
#: Numbers and addresses that are looked for at a time, and records that have one of them.
_AT_ONCE, _MOST = 100, 500


def is_logged(values: Mapping[str, Any]) -> bool:
    """True for what another system logged, which nobody is asked to write well or to plan from."""
    return bool(values.get("external_id"))


def in_words(values: Mapping[str, Any]) -> Iterator[str]:
    """Direction and length, as far as they are known and the reader may see them."""
    directions = {choice.value: str(choice.label) for choice in DIRECTIONS}
    if values.get("direction") in directions:
        yield directions[values["direction"]]
    if (seconds := values.get("seconds")) is not None:
        minutes, rest = divmod(int(seconds), 60)
        yield f"{minutes}:{rest:02}" if seconds else _("not answered")


def validate(changes: Sequence[Change], uow: UnitOfWork) -> Iterable[Problem]:
    """Only who may log logs, each thing once, and what was logged stays so."""
    touched = [change for change in changes if change.changed("external_id")]
    numbers = [change.after["external_id"] for change in touched if is_logged(change.after)]
    known = _known(uow, numbers)
    for change in touched:
        number = change.after["external_id"]
        if change.kind != "create":
            message = _("This number stays as it was logged.")
            yield change.problem("external_id", "readonly", message)
        elif number and not uow.actor.has_permission(LOG):
            message = _("You may not log what other systems tell.")
            yield change.problem("external_id", "forbidden", message)
        elif number in known or numbers.count(number) > 1:
            message = _("“%(number)s” is logged already.", number=number)
            yield change.problem("external_id", "taken", message)


def _known(uow: UnitOfWork, numbers: Sequence[str]) -> set[str]:
    found: set[str] = set()
    with uow.elevated():
        for start in range(0, len(numbers), _AT_ONCE):
            same = {"field": "external_id", "op": "in", "value": numbers[start : start + _AT_ONCE]}
            asked = ListQuery(fields=("external_id",), filter=same, archived=None, limit=_MOST)
            found |= {row["external_id"] for row in query.page(uow, "follow_up", asked).items}
    return found


def place(changes: Sequence[Change], uow: UnitOfWork) -> list[Change]:
    """Give what was logged its record, where none is named, and its owner.

    The record is one with that number or address that the actor may read: one of the owner's before
    others, a contact before its customer, what was changed last before the rest. The owner is the
    person whose number or address ``own_party`` is, or else the record's. Returns what got an owner.
    """
    logged = [change for change in changes if change.kind == "create" and is_logged(change.after)]
    reader = load_actor(uow, uow.actor.user_id) if logged and uow.actor.user_id else None
    if not logged:
        return []
    people = _people(uow, {each.after["own_party"] for each in logged} - {None})
    homeless = [each for each in logged if each.after["related_id"] is None]
    with uow.seen_by(reader or uow.actor):
        having = _having(uow, {each.after["party"] for each in homeless} - {None})
    moved = []
    for change in logged:
        change.is_news = False  # who had the call on the line knows of it
        after, owner = change.after, people.get(change.after["own_party"])
        if after["related_id"] is None and (found := having.get(after["party"])):
            best = max(found, key=lambda each, owner=owner: (each.owner == owner, each.rank))
            change.set("related_entity", best.entity)
            change.set("related_id", best.id)
            owner = owner or best.owner
        if owner is not None and "owner" not in change.given:
            change.set("owner", owner)
            moved.append(change)
    return moved


class _Found(NamedTuple):
    """A record that has the number or address; of several the one with the highest ``rank``."""

    entity: str
    id: int
    owner: int | None
    rank: tuple[bool, Any]


def _having(uow: UnitOfWork, parties: Collection[str]) -> dict[str, list[_Found]]:
    """By number or address the records that the reader of the moment finds by it."""
    found: dict[str, list[_Found]] = defaultdict(list)
    wanted = sorted(parties)
    for start in range(0, len(wanted), _AT_ONCE):
        rows = {
            spec.name: _rows(uow, spec, wanted[start : start + _AT_ONCE])
            for spec in relatable(uow)
            if uow.actor.access(spec).may("read")
        }
        named = _named(uow, rows)
        for entity, by_party in rows.items():
            for party, row in by_party:
                rank = ((entity, row["id"]) not in named, row["updated_at"])
                found[party].append(_Found(entity, row["id"], row.get("owner"), rank))
    return found


def _rows(
    uow: UnitOfWork, spec: EntitySpec, parties: Sequence[str], *also: Mapping[str, Any]
) -> list[tuple[str, Mapping[str, Any]]]:
    """(number or address, row) of the records of one entity that fulfil the conditions ``also``."""
    access = uow.actor.access(spec)
    usable = [item for item in spec.stored if access.can_use(item)]
    places = {
        item.name: by_value
        for item in usable
        if (normal := _normal(item)) and (by_value := _by_value(normal, parties))
    }
    if not places or "updated_at" not in {item.name for item in usable}:
        return []
    parts = [
        {"field": name, "op": "in", "value": list(by_value)} for name, by_value in places.items()
    ]
    shown = [each.name for each in usable if each.name == "owner" or _is_reference(each)]
    fields = tuple(dict.fromkeys((*places, *shown, "updated_at")))
    wanted = {"all": [{"any": parts}, *also]}
    asked = ListQuery(fields=fields, filter=wanted, sort="-updated_at", limit=_MOST)
    return [
        (by_value[row[name]], row)
        for row in query.page(uow, spec.name, asked).items
        for name, by_value in places.items()
        if row[name] in by_value
    ]


def _is_reference(item: FieldSpec) -> bool:
    return isinstance(item.type, Reference)


def _named(
    uow: UnitOfWork, rows: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]
) -> set[tuple[str, int]]:
    """What other records that were found name, as a contact names its customer."""
    return {
        (item.type.entity, row[item.name])
        for entity, found in rows.items()
        for item in uow.entity(entity).stored
        if isinstance(item.type, Reference)
        for _party, row in found
        if row.get(item.name) is not None
    }


def _normal(item: FieldSpec) -> Callable[[str], str] | None:
    """How a number or address is kept in this field; None for a field that holds neither."""
    if isinstance(item.type, Phone | Email):
        return lambda text: str(check_value(item.type, text))
    is_wechat = isinstance(item.type, Text) and item.name == "wechat"
    return str.strip if is_wechat else None


def _by_value(normal: Callable[[str], str], parties: Iterable[str]) -> dict[str, str]:
    """The parties by what a field would hold for them, as far as it could hold them at all."""
    found = {}
    for party in parties:
        try:
            value = normal(party)
        except BadValue:
            continue
        found |= {value: party, value.lower(): party}  # addresses are mostly kept in small letters
    return found


def _people(uow: UnitOfWork, own: Collection[str]) -> dict[str, int]:
    """By number or address the active person who has it."""
    spec, wanted, found = uow.entity("user"), sorted(own), dict[str, int]()
    active = {"field": "is_active", "op": "eq", "value": True}
    for start in range(0, len(wanted), _AT_ONCE):
        for party, row in _rows(uow, spec, wanted[start : start + _AT_ONCE], active):
            found.setdefault(party, row["id"])
    return found
