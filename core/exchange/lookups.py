"""Look-ups that a plan describes: by which field records are found, how strictly, and what else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any

from core.entities.veils import seen
from core.exchange.references import ReferenceResolver
from core.exchange.refusals import Refusal
from core.fields import EntitySpec
from core.i18n import lazy_gettext as _l
from core.tabular.cleaning import clean_text
from core.tabular.keys import loose_form

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["MATCHES", "MISSING", "Lookup", "LookupResolver", "looks_like"]

#: ``loose``: case, width, blanks and punctuation do not count.
MATCHES = ("exact", "loose")
#: What to make of a row whose record is not found.
MISSING = ("refuse", "empty", "create")
_CHUNK = 5_000
#: Among so many names one is looked for that a misspelt one may mean.
_COMPARED = 5_000
_LIKENESS = 0.8


@dataclass(frozen=True)
class Lookup:
    """How a record is found: by the field ``by`` (empty: by its name and its unique fields)."""

    by: str = ""
    match: str = "exact"
    missing: str = "refuse"


class LookupResolver(ReferenceResolver):
    """Finds records as a `Lookup` says."""

    def __init__(self, spec: EntitySpec, lookup: Lookup) -> None:
        super().__init__(spec)
        self._lookup = lookup
        self.by_number = not lookup.by  # a key from outside is no number of ours
        self._ids: dict[str, set[int]] = defaultdict(set)
        #: What the records are called that were read, by normal form.
        self.names: dict[str, str] = {}
        self._last = 0

    def find(self, text: str) -> int | None:
        """As `ReferenceResolver.find`; None for what is not found and may stay empty."""
        try:
            return super().find(text)
        except Refusal as error:
            if error.code != "reference":
                raise
            if self._lookup.missing == "empty":
                return None
            like = looks_like(text, list(islice(self.names.values(), _COMPARED)))
            if like is None:
                raise
            message = _l("There is no “%(value)s” that you may see; is it “%(like)s”?",
                         value=text[:40], like=like[:40])  # fmt: skip
            raise Refusal("reference", message) from None

    def name_of(self, text: str) -> str | None:
        """What the one record is called that ``text`` was taken for though it is written otherwise."""
        if self._lookup.match != "loose" or len(self.by_text.get(text, ())) != 1:
            return None
        return self.names.get(loose_form(text))

    def naming_columns(self, uow: UnitOfWork) -> list[Any]:
        """As said, or all by which records are called."""
        if not self._lookup.by:
            return super().naming_columns(uow)
        return [seen(uow, self.spec, self.spec[self._lookup.by], self.spec.table)]

    def look_up(self, uow: UnitOfWork, texts: list[str]) -> None:
        """First what is written just so; the names of all only where that is not enough."""
        super().look_up(uow, texts)
        unknown = [text for text in texts if not self.by_text[text]]
        if not unknown:
            return
        self._read_on(uow)
        if self._lookup.match == "loose":
            for text in unknown:
                self.by_text[text] = tuple(sorted(self._ids.get(loose_form(text), ())))

    def _read_on(self, uow: UnitOfWork) -> None:
        """The names of records made since the last time; a few thousand where they only help."""
        column = self.naming_columns(uow)[0]
        while self._lookup.match == "loose" or len(self.names) < _COMPARED:
            table = self.spec.table
            place = table.c.id > self._last
            some = list(self.rows(uow, column, place, limit=_CHUNK))
            for key, value in some:
                if name := clean_text(value):
                    self._ids[loose_form(name)].add(key)
                    self.names.setdefault(loose_form(name), name)
            if some:
                self._last = some[-1][0]
            if len(some) < _CHUNK:
                return


def looks_like(text: str, names: Sequence[str]) -> str | None:
    """The one of ``names`` that a person who wrote ``text`` most likely meant."""
    folded = {name.casefold(): name for name in names}
    near = get_close_matches(text.casefold(), folded, n=1, cutoff=_LIKENESS)
    return folded[near[0]] if near else None
