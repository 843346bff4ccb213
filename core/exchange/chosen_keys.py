"""Fields that a person chose to tell records apart by, in place of those the entity declares.

The keys of these are kept for one import only: read from the records when it begins, and topped up
with what was written since whenever they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import ColumnElement, select

from core.entities.scope import scope_clause
from core.entities.veils import seen
from core.errors import Invalid, Problem
from core.exchange.duplicates import KeyMaker, find_records, key_fields, maker_of
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.actor import FieldAccess

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ChosenKeys", "KeySource", "check_keys", "key_candidates", "key_source"]

_CHUNK = 5_000
_MOST = 5
_TELLING = (t.Text, t.Integer, t.Date, t.Reference, t.ChoiceField, t.Region)
_NOT_TELLING = (t.MultiChoice,)


class KeySource(Protocol):
    """How an import finds the records that its rows are."""

    #: Makes the keys of rows.
    maker: KeyMaker

    def __bool__(self) -> bool: ...

    def find(self, uow: UnitOfWork, keys: Iterable[int]) -> dict[int, int]:
        """The oldest living record of each key that has any."""
        ...


class _DeclaredKeys:
    def __init__(self, uow: UnitOfWork, spec: EntitySpec) -> None:
        self._spec = spec
        self.maker = maker_of(uow, spec)

    def __bool__(self) -> bool:
        return bool(self.maker)

    def find(self, uow: UnitOfWork, keys: Iterable[int]) -> dict[int, int]:
        return find_records(uow, self._spec, keys)


class ChosenKeys:
    """The keys of all living records by the chosen fields; some 150 bytes a record."""

    def __init__(self, spec: EntitySpec, names: Sequence[str]) -> None:
        self._spec = spec
        self.maker = KeyMaker(spec, tuple(spec[name] for name in names))
        self._known: dict[int, int] = {}
        self._last = 0
        # Somebody's record that the importer may not read counts only where just that would be told
        # anyway: as a duplicate by the declared keys, or as a unique value that is taken. One key
        # more would tell what else the record holds.
        declared = {item.name for item in key_fields(spec)}
        self._everywhere = set(names) == declared or (len(names) == 1 and spec[names[0]].unique)

    def __bool__(self) -> bool:
        return True

    def find(self, uow: UnitOfWork, keys: Iterable[int]) -> dict[int, int]:
        """The oldest living record of each key, among those that the actor may know of."""
        self._read_on(uow)
        return {key: self._known[key] for key in keys if key in self._known}

    def _read_on(self, uow: UnitOfWork) -> None:
        """Take in the records made since the last time, be it by this import or by others."""
        spec, maker, known = self._spec, self.maker, self._known
        columns = [self._column(uow, item).label(item.name) for item in maker.fields]
        statement = select(spec.table.c.id.label("id_"), *columns).order_by(spec.table.c.id)
        if "archived_at" in spec.table.c:
            statement = statement.where(spec.table.c.archived_at.is_(None))
        clause = None if self._everywhere else scope_clause(uow, spec, "read")
        if clause is not None:
            statement = statement.where(clause)
        while True:
            here = statement.where(spec.table.c.id > self._last).limit(_CHUNK)
            rows = uow.execute(here).mappings().all()
            for row in rows:
                key = maker.key(row)  # type: ignore[arg-type]
                if key is not None:
                    known.setdefault(key, row["id_"])
            if rows:
                self._last = rows[-1]["id_"]
            if len(rows) < _CHUNK:
                return

    def _column(self, uow: UnitOfWork, item: FieldSpec) -> ColumnElement[Any]:
        """The field as far as the importer may use it: what is masked in a row is found by nobody."""
        if self._everywhere:
            return self._spec.column(item.name)
        return seen(uow, self._spec, item, self._spec.table)


def key_source(uow: UnitOfWork, spec: EntitySpec, names: Sequence[str] = ()) -> KeySource:
    """What tells records apart: the fields ``names``, or those that the entity declares."""
    declared = tuple(item.name for item in key_fields(spec))
    if not names or tuple(names) == declared:
        return _DeclaredKeys(uow, spec)
    return ChosenKeys(spec, names)


def key_candidates(uow: UnitOfWork, spec: EntitySpec) -> dict[str, FieldSpec]:
    """The fields by which the actor may tell records apart: single values that he may read."""
    access = uow.actor.access(spec)
    return {
        item.name: item
        for item in spec.stored
        if item.is_writable
        and isinstance(item.type, _TELLING)
        and not isinstance(item.type, _NOT_TELLING)
        and (uow.actor.is_system or access.field(item.name) >= FieldAccess.READ)
    }


def check_keys(
    uow: UnitOfWork, spec: EntitySpec, names: Sequence[str], mapped: Iterable[str | None]
) -> tuple[str, ...]:
    """The chosen key fields, each once. Raises `Invalid` for one that is unknown, not the actor's
    to read, or without a column in the file."""
    chosen = tuple(dict.fromkeys(name for name in names if name))
    usable, given = key_candidates(uow, spec), set(mapped)
    problems = []
    for name in chosen:
        if name not in usable:
            message = _("Records cannot be told apart by %(name)s.", name=name[:60])
            problems.append(Problem("duplicate_keys", "unknown_field", message))
        elif name not in given:
            message = _(
                "Records are told apart by %(field)s: choose its column.",
                field=str(usable[name].label),
            )
            problems.append(Problem("duplicate_keys", "no_column", message))
    if len(chosen) > _MOST:
        message = _("Choose at most %(n)s fields to tell records apart by.", n=_MOST)
        problems.append(Problem("duplicate_keys", "too_many", message))
    if problems:
        raise Invalid(problems[0].message, problems)
    return chosen
