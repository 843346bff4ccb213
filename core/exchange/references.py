"""From what a file calls other records to their ids, looked up a batch at a time.

Written in a file is the label of a record; where two share it, ``label #id`` or ``#id``. People are
known by name or e-mail address, and any record by a unique field.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities.labels import label_column
from core.entities.scope import scope_clause
from core.entities.veils import seen
from core.exchange.refusals import Refusal
from core.fields import EntitySpec
from core.fields import types as t
from core.i18n import lazy_gettext as _l
from core.security.actor import FieldAccess
from core.tabular.cleaning import clean_text

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ReferenceResolver", "resolver_for", "shared_labels"]

_NUMBERED = re.compile(r"(.*?)\s*#([0-9]{1,18})", re.DOTALL)
_IN_CHUNK = 900
#: As many texts are remembered; a file of a million rows may name as many records.
_MOST_KNOWN = 50_000


class ReferenceResolver:
    """The records of one entity that the actor may read, by what they are called."""

    #: A record may be called by its number too.
    by_number = True

    def __init__(self, spec: EntitySpec) -> None:
        self.spec = spec
        #: Text as written in the file → ids; also those that nothing was found for.
        self.by_text: dict[str, tuple[int, ...]] = {}
        self._labels: dict[int, str] = {}

    def prepare(self, uow: UnitOfWork, type_: t.FieldType, cells: Iterable[Any]) -> None:
        """Look up what is called so in these cells."""
        from core.exchange.cleaning import split_entries

        if isinstance(type_, t.References):
            texts = {text for cell in set(cells) for text in split_entries(cell)}
        else:
            texts = {text for cell in set(cells) if (text := clean_text(cell))}
        if len(self.by_text) > _MOST_KNOWN:
            self.by_text.clear()
            self._labels.clear()
        if missing := sorted(texts - self.by_text.keys()):
            self.look_up(uow, missing)

    def find(self, text: str) -> int | None:
        """The id of the record that is called so. Raises `Refusal` for none or several."""
        ids = self.by_text.get(text, ())
        if len(ids) == 1:
            return ids[0]
        if not ids and (numbered := _NUMBERED.fullmatch(text)):
            key = int(numbered[2])
            if self._labels.get(key) is not None and numbered[1] in ("", self._labels[key]):
                return key
        if ids:
            message = _l("“%(value)s” could be several; write it with its number as #id",
                         value=text[:40])  # fmt: skip
            raise Refusal("ambiguous", message)
        raise Refusal("reference", _l("There is no “%(value)s” that you may see", value=text[:40]))

    def look_up(self, uow: UnitOfWork, texts: list[str]) -> None:
        """Remember which records these texts call."""
        found: dict[str, set[int]] = defaultdict(set)
        if self.by_number:
            numbers = {int(m[2]) for text in texts if (m := _NUMBERED.fullmatch(text))}
            plain = {int(text) for text in texts if text.isdecimal() and len(text) < 19}
            self._read_labels(uow, sorted(numbers | plain))
        for column in self.naming_columns(uow):
            folded = self.spec.name == "user" and getattr(column, "name", "") == "email"
            for start in range(0, len(texts), _IN_CHUNK):
                chunk = [t.lower() if folded else t for t in texts[start : start + _IN_CHUNK]]
                rows = self.rows(uow, column, column.in_(chunk))
                for key, text in rows:
                    found[str(text)].add(key)
        for text in texts:
            ids = found.get(text) or found.get(text.lower()) or set()
            if not ids and text.isdecimal() and len(text) < 19 and int(text) in self._labels:
                ids = {int(text)}
            self.by_text[text] = tuple(sorted(ids))

    def naming_columns(self, uow: UnitOfWork) -> list[Any]:
        """The columns in which what a file writes is looked for."""
        return _naming_columns(uow, self.spec)

    def _read_labels(self, uow: UnitOfWork, ids: list[int]) -> None:
        """What records are called that are written with their number; nothing where that is masked."""
        access, label = uow.actor.access(self.spec), self.spec.label_field
        is_open = uow.actor.is_system or access.field(label) >= FieldAccess.READ
        column = label_column(self.spec)
        for start in range(0, len(ids), _IN_CHUNK):
            chunk = ids[start : start + _IN_CHUNK]
            for key, name in self.rows(uow, column, self.spec.table.c.id.in_(chunk)):
                self._labels[key] = (clean_text(name) or "") if is_open else ""

    def rows(
        self, uow: UnitOfWork, column: Any, where: Any, *, limit: int | None = None
    ) -> Iterable[Any]:
        """``(id, value)`` of the living records that the actor may read, by their number."""
        table = self.spec.table
        statement = select(table.c.id, column).where(where)
        if "archived_at" in table.c:
            statement = statement.where(table.c.archived_at.is_(None))
        if (clause := scope_clause(uow, self.spec, "read")) is not None:
            statement = statement.where(clause)
        return uow.execute(statement.order_by(table.c.id).limit(limit)).all()


def resolver_for(uow: UnitOfWork, type_: t.FieldType) -> ReferenceResolver | None:
    """The resolver of a field of references; None for other fields."""
    if not isinstance(type_, (t.Reference, t.References)):
        return None
    return ReferenceResolver(uow.snapshot.installed_entities[type_.entity])


def _naming_columns(uow: UnitOfWork, spec: EntitySpec) -> list[Any]:
    """The label and the unique fields as far as the actor may use them, and the e-mail of people."""
    access = uow.actor.access(spec)
    return [
        seen(uow, spec, item, spec.table)
        for item in spec.stored
        if (item.name == spec.label_field or item.unique)
        and isinstance(item.value_type, (t.Text, t.AutoNumber))
        and (uow.actor.is_system or access.field(item.name) >= FieldAccess.READ)
    ]


def shared_labels(uow: UnitOfWork, spec: EntitySpec, labels: Iterable[str]) -> set[str]:
    """Those labels that several living records have; exports write these with their number."""
    column = label_column(spec)
    found: set[str] = set()
    wanted = sorted(set(labels))
    for start in range(0, len(wanted), _IN_CHUNK):
        statement = (
            select(column)
            .where(column.in_(wanted[start : start + _IN_CHUNK]))
            .group_by(column)
            .having(func.count() > 1)
        )
        if "archived_at" in spec.table.c:
            statement = statement.where(spec.table.c.archived_at.is_(None))
        found.update(uow.execute(statement).scalars())
    return found
