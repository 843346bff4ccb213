"""Names that are alike though not equal: a slip of the keys, two letters swapped, a place left out.

The database proposes by parts of the key that a slip leaves as they are; what it proposes is judged here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, union_all

from core.fields import Choice, ChoiceField
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["LEVELS", "alike", "likeness"]

#: What a company wants done about records that may be the same one: a field of its settings.
LEVELS = ChoiceField(
    (
        Choice("refuse", _l("Refuse")),
        Choice("warn", _l("Warn, and let it be saved")),
        Choice("off", _l("Do not look")),
    )
)

#: Shorter keys are alike by chance, and longer ones are no names of companies.
_SHORTEST, _LONGEST = 4, 60
#: What may be missing at the beginning of a name: 潍坊, 潍坊市, 山东潍坊.
_PLACE = 4
#: Keys lack the legal form, of which people see that it is equal: 有限公司.
_LEGAL_FORM = 4
#: From this length on two letters next to each other may both be wrong.
_LONG = 9
_PROPOSED, _TOLD = 200, 3
_NUMBERS = re.compile(r"\d+")
_LAST = "\U0010ffff"


def likeness(one: str, other: str) -> int:
    """How alike two keys of names are, 0 to 100: what share of the letters need not be corrected.

    A place that one of them lacks at its beginning counts as one letter. Names with different
    numbers are those of different companies.
    """
    from rapidfuzz.distance import OSA  # needed when somebody types a name

    if _NUMBERS.findall(one) != _NUMBERS.findall(other):
        return 0
    short, long = sorted((one, other), key=len)
    wrong = OSA.distance(short, long)
    if len(short) >= _SHORTEST and long.endswith(short) and len(long) - len(short) <= _PLACE:
        wrong = min(wrong, 1)
    return int(100 * (1 - wrong / (len(long) + _LEGAL_FORM)))


def alike(
    uow: UnitOfWork, entity: str, key: str, least: int, *where: ColumnElement[bool]
) -> list[tuple[int, Any]]:
    """``(likeness, row)`` of records at least so alike and not equal, the likest first, three at most;
    only of those that fulfil ``where``.

    The entity is owned and has ``name_key``, the `company_key` of its name, with an index from the
    beginning and on PostgreSQL one of ``reverse(name_key)``. Rows have ``id, name, owner_id, name_key``;
    whoever asks sees that hits out of reach are masked.
    """
    if not (_SHORTEST <= len(key) <= _LONGEST and key.isalnum()):
        return []
    rows = _proposed(uow, entity, key).where(*where)
    found = [(likeness(key, row.name_key), row) for row in uow.execute(rows)]
    best = sorted((pair for pair in found if pair[0] >= least), key=lambda p: (-p[0], p[1].id))
    return best[:_TOLD]


def _proposed(uow: UnitOfWork, entity: str, key: str) -> Select[Any]:
    """Keys that differ from this one in one place.

    A slip in the second half leaves the beginning and one in the first half the end. Each is a
    range of an index; SQLite has none of ends, and reads that of beginnings through, and nothing
    of the table.
    """
    spec = uow.entity(entity)
    c, half = spec.table.c, len(key) // 2
    width = 1 if len(key) < _LONG else 2
    border = half - width + 1
    swapped = [key[:at] + key[at + 1] + key[at] + key[at + 2 :] for at in range(len(key) - 1)]
    shorter = [key[at:] for at in range(1, _PLACE + 1) if len(key) - at >= _SHORTEST]
    late = [f"{key[:at]}%{key[at + width :]}" for at in range(border, len(key))]
    early = [*(f"{key[:at]}%{key[at + width :]}" for at in range(border)), f"%{key}"]
    if uow.connection.dialect.name == "sqlite":
        # Looks for bytes, in two thirds of the time of LIKE; which stand at the end, the slips say.
        has_tail = func.instr(c.name_key, key[half:]) > 0
    else:
        has_tail = _begins(func.reverse(c.name_key), key[half:][::-1])
    ways = (
        c.name_key.in_([*swapped, *shorter]),
        and_(_begins(c.name_key, key[:border]), or_(*(c.name_key.like(each) for each in late))),
        and_(has_tail, or_(*(c.name_key.like(each) for each in early))),
    )
    keys = union_all(*(select(c.id).where(way) for way in ways))
    return (
        select(c.id, spec.column(spec.label_field).label("name"), c.owner_id, c.name_key)
        .where(c.id.in_(keys), c.archived_at.is_(None), c.name_key != key)
        .limit(_PROPOSED)
    )


def _begins(text: ColumnElement[str], head: str) -> ColumnElement[bool]:
    return and_(text >= head, text < head + _LAST)
