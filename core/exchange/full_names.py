"""Short names that are likely meant for one known full name: 鸢衡 for 潍坊鸢衡机械有限公司 (S-254)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from core.entities.labels import label_column
from core.entities.scope import may_use, scope_clause
from core.fields import EntitySpec
from core.fields import types as t
from core.tabular.cleaning import clean_text, company_key

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Hint", "find_hints", "likely_names"]

#: The commonest short names of a column that are looked up, and how many at a time.
_MOST = 80
_AT_ONCE = 20
_SHORTEST, _LONGEST = 2, 12
#: Names found for so many short ones are not one candidate each anyway.
_FOUND = 2_000
_NOT_COMPANIES = frozenset({"user", "department", "role"})


@dataclass(frozen=True)
class Hint:
    """A text of a column, in so many rows, and the one name that it is likely short for."""

    field: str
    heading: str
    written: str
    full: str
    rows: int


def find_hints(
    uow: UnitOfWork,
    spec: EntitySpec,
    header: Sequence[str],
    fields: Sequence[str | None],
    rows: Iterable[tuple[int, list[Any]]],
) -> list[Hint]:
    """Hints for the columns that name companies: that of the entity's own name, and references."""
    places = {
        place: target
        for place, name in enumerate(fields)
        if name is not None and (target := _target(uow, spec, name)) is not None
    }
    texts: dict[int, Counter[str]] = defaultdict(Counter)
    for _line, cells in rows:
        for place in places:
            cell = cells[place]
            if type(cell) is str and (text := clean_text(cell)) and _is_short(text):
                texts[place][text] += 1
    hints = []
    for place, target in places.items():
        common = [text for text, _n in texts[place].most_common(_MOST)]
        for text, full in likely_names(uow, target, common).items():
            name = fields[place] or ""
            hints.append(Hint(name, header[place], text, full, texts[place][text]))
    return hints


def _target(uow: UnitOfWork, spec: EntitySpec, name: str) -> EntitySpec | None:
    """The entity whose names stand in the column of a field; None for other columns."""
    item = spec.by_name.get(name)
    if item is None:
        return None
    if isinstance(item.type, t.Reference) and item.type.entity not in _NOT_COMPANIES:
        return uow.entities.get(item.type.entity)
    return spec if name == spec.label_field and type(item.type) is t.Text else None


def _is_short(text: str) -> bool:
    """True for a name without its legal form: cleaning it as a company takes nothing away."""
    key = company_key(text)
    return _SHORTEST <= len(key) <= _LONGEST and len(key) == len(text.replace(" ", ""))


def likely_names(uow: UnitOfWork, spec: EntitySpec, texts: Sequence[str]) -> dict[str, str]:
    """``{short name: full name}`` where exactly one name of a record that the actor may read
    contains it, and none is called so itself."""
    if type(spec[spec.label_field].type) is not t.Text:
        return {}
    if not may_use(uow, spec, spec[spec.label_field]):
        return {}
    found: dict[str, str] = {}
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        labels = list(_containing(uow, spec, some))
        if len(labels) < _FOUND:
            found |= _only_candidates(some, labels)
    return found


def _containing(uow: UnitOfWork, spec: EntitySpec, texts: Sequence[str]) -> Iterator[str]:
    column, table = label_column(spec), spec.table
    statement = select(column).where(or_(*(column.contains(t, autoescape=True) for t in texts)))
    if "archived_at" in table.c:
        statement = statement.where(table.c.archived_at.is_(None))
    if (clause := scope_clause(uow, spec, "read")) is not None:
        statement = statement.where(clause)
    yield from uow.execute(statement.distinct().limit(_FOUND)).scalars()


def _only_candidates(texts: Sequence[str], labels: Sequence[str]) -> Mapping[str, str]:
    keys = {label: company_key(label) for label in labels}
    found = {}
    for text in texts:
        short = company_key(text)
        fitting = [label for label, key in keys.items() if short in key]
        if len({keys[label] for label in fitting}) == 1 and keys[fitting[0]] != short:
            found[text] = max(fitting, key=len)
    return found
