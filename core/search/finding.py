"""One box over all entities: candidates from the index, then rights, then the order of the hits.

Every candidate is read through the one window, as its reader may see it, and is judged by the values
that the reader may use alone. What is hidden or masked neither finds a record nor places it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.masking import Masked
from core.entities.query import ListQuery, page, visible
from core.entities.scope import is_limited, may, may_use, require
from core.entities.values import is_text
from core.errors import Invalid
from core.fields import EntitySpec, FieldSpec
from core.i18n import gettext as _
from core.search import index
from core.search.contents import HOLDERS, Content, contents
from core.search.matching import Value, judge
from core.search.tables import entity_table
from core.search.tokens import Needs, needs, normal, whole

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MAX_CHARACTERS", "MAX_HITS", "Hit", "search"]

#: Of each entity so many of the newest records with the words are looked at, and so many more where
#: a reader does not reach all and no token tells what is theirs.
CANDIDATES, MORE_CANDIDATES = 60, 200
#: Of what is theirs more are looked at than hits are missing: masks and fields may keep some back.
SPARE = 10
#: With fewer hits among all these the list's own search looks through what is within reach.
FEW = 5
MAX_HITS = 100
MAX_WORDS, MAX_CHARACTERS = 10, 200
#: Beyond so many departments the index is not asked for what is theirs.
_MOST_DEPARTMENTS = 100
#: As much of a value is shown on either side of what was found.
_AROUND = 30


@dataclass(frozen=True)
class Hit:
    """A record that was found; ``field`` and ``excerpt`` tell by what, where it is not its name."""

    entity: str
    id: int
    label: str
    #: 4 for exactly this name or number, 3 for a name that begins so, 2 for a name, 1 for another field.
    score: int
    field: str | None = None
    excerpt: str = ""


def _searched(uow: UnitOfWork) -> dict[str, tuple[Content, tuple[FieldSpec, ...]]]:
    """What the reader may search: by entity, the fields that are theirs to use."""
    found = {}
    for name, content in contents(uow.snapshot).items():
        if may(uow, content.spec, "read"):
            usable = tuple(each for each in content.fields if may_use(uow, content.spec, each))
            if usable:
                found[name] = content, usable
    return found


def search(
    uow: UnitOfWork,
    text: str,
    *,
    entities: Iterable[str] | None = None,
    limit: int = 20,
    each: int = MAX_HITS,
) -> list[Hit]:
    """The best hits, exact ones first, then names that begin so, then others; newer before older.

    All words must be found, each in any field. Of a word that very many records have, the newest
    records are looked at. ``each`` is how many hits one entity may have. Raises `Invalid` for what
    no text holds, and `NotFound` or `Forbidden` for an entity that is named and may not be read.
    """
    if not is_text(text):
        raise Invalid(_("The search has characters that no text holds."))
    named = None if entities is None else {_readable(uow, name) for name in entities}
    words = normal(text[:MAX_CHARACTERS]).split()[:MAX_WORDS]
    needed = needs(words)
    open_to_reader = _searched(uow) if needed else {}
    chosen = set(open_to_reader) if named is None else named & set(open_to_reader)
    numbers = _numbers(uow, chosen)
    wanted = {
        number: max(limit, _candidates(uow, open_to_reader[name][0].spec))
        for number, name in numbers.items()
    }
    candidates = index.newest(uow.connection, wanted, needed, whole(words))
    hits: list[Hit] = []
    for number, ids in candidates.items():
        if ids:
            content, usable = open_to_reader[numbers[number]]
            asked = _Asked(content.spec, usable, words, min(each, limit))
            found, within = _hits(uow, asked, ids)
            if len(found) < asked.limit and index.may_be_more(len(ids), wanted[number]):
                found |= _beyond(uow, asked, number, needed, ids, found, within)
            hits += sorted(found.values(), key=_better_first)[:each]
    return sorted(hits, key=_better_first)[: max(0, limit)]


def _candidates(uow: UnitOfWork, spec: EntitySpec) -> int:
    open_in_part = is_limited(uow, spec, "read") and not _whose(uow, spec)
    return MORE_CANDIDATES if open_in_part else CANDIDATES


def _better_first(hit: Hit) -> tuple[int, int]:
    return -hit.score, -hit.id


def _readable(uow: UnitOfWork, name: str) -> str:
    require(uow, uow.entity(name), "read")
    return name


def _numbers(uow: UnitOfWork, entities: set[str]) -> dict[int, str]:
    """Entities by the numbers that the index knows them by."""
    if not entities:
        return {}
    c = entity_table.c
    rows = uow.execute(select(c.id, c.entity).order_by(c.id))
    return {row.id: row.entity for row in rows if row.entity in entities}


@dataclass(frozen=True)
class _Asked:
    """What is looked for in one entity, in which fields, and how many hits are wanted."""

    spec: EntitySpec
    usable: Sequence[FieldSpec]
    words: Sequence[str]
    limit: int


def _hits(
    uow: UnitOfWork, asked: _Asked, ids: Collection[int] | None, search: str = ""
) -> tuple[dict[int, Hit], int]:
    """Of these records, or of those that a list's own search finds, what the reader finds.

    And how many of them are within reach.
    """
    spec = asked.spec
    names = [each.name for each in asked.usable]
    if any(each.name == spec.label_field for each in visible(uow, spec)):
        names.append(spec.label_field)
    wanted = ListQuery(
        fields=tuple(dict.fromkeys(names)),
        ids=None if ids is None else tuple(ids),
        search=search,
        limit=asked.limit if ids is None else len(ids),
    )
    rows = page(uow, spec.name, wanted).items
    hits = (_hit(spec.label_field, spec.name, asked.usable, asked.words, row) for row in rows)
    return {hit.id: hit for hit in hits if hit is not None}, len(rows)


def _beyond(
    uow: UnitOfWork,
    asked: _Asked,
    number: int,
    needed: Needs,
    candidates: Collection[int],
    known: Collection[int],
    within: int,
) -> dict[int, Hit]:
    """Further hits for a reader within limits, when the candidates were the newest of everybody's.

    They are proposed by the tokens of whose they are; what is in reach by other rules is looked
    through by the list's own search, which knows no pinyin. ``within`` is how many of the candidates
    are in reach.
    """
    spec, found = asked.spec, dict[int, Hit]()
    if not is_limited(uow, spec, "read"):
        return found
    most = asked.limit + SPARE
    if within < most and (whose := _whose(uow, spec)):
        newest = max(candidates)
        seen = index.Seen(newest, newest - min(candidates), len(candidates), within)
        theirs = index.among_few(uow.connection, number, needed, whose, most, seen)
        if ids := theirs - set(known):
            found, _within = _hits(uow, asked, ids)
    if len(known) + len(found) < min(FEW, asked.limit) and any(
        may_use(uow, spec, each) for each in spec.searchable
    ):
        found |= _hits(uow, asked, None, " ".join(asked.words))[0]
    return found


def _whose(uow: UnitOfWork, spec: EntitySpec) -> tuple[str, ...]:
    """The tokens of the reader's own records and of those of departments that they reach."""
    actor, departments = uow.actor, set[int]()
    granted = actor.access(spec).scopes.get("read", ()) if spec.owned else ()
    scopes = {each for each in granted if isinstance(each, str)}
    if "department" in scopes:
        departments.update(actor.departments)
    if "department_below" in scopes:
        departments.update(actor.departments_below)
    by_holder = {"own", "department", "department_below"} & scopes
    if not by_holder or len(departments) > _MOST_DEPARTMENTS:
        return ()
    below = (f"{HOLDERS['department']}{key}" for key in sorted(departments))
    return (f"{HOLDERS['owner']}{actor.user_id}", *below)


def _hit(
    label: str, entity: str, usable: Sequence[FieldSpec], words: Sequence[str], row: dict[str, Any]
) -> Hit | None:
    values = [
        Value(each, text)
        for each in usable
        if isinstance(text := row[each.name], str) and not isinstance(text, Masked)
    ]
    judged = judge(words, label, values)
    if judged is None:
        return None
    score, told = judged
    name = row.get(label)
    shown = f"#{row['id']}" if name is None else str(name)
    if told is None:
        return Hit(entity, row["id"], shown, score)
    return Hit(entity, row["id"], shown, score, told.field.name, _excerpt(told.text, words))


def _excerpt(text: str, words: Sequence[str]) -> str:
    if len(text) <= 2 * _AROUND:
        return text
    places = [at for word in words if (at := text.casefold().find(word)) >= 0]
    start = max(0, min(places, default=0) - _AROUND)
    end = start + 2 * _AROUND
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
