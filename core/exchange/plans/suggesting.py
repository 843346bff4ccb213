"""What a person may want to look at: texts that look like a known one, and what was matched loosely.

Nothing is changed by it; a plan's ``values`` or the file's owner does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from core.exchange.cleaning import choice_finder
from core.exchange.lookups import Lookup, LookupResolver, looks_like
from core.exchange.plans.preparing import Work, count_texts, filled
from core.exchange.refusals import Refusal
from core.fields import types as t
from core.tabular.keys import loose_form

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Suggestion", "suggestions"]

_MOST = 200
#: A column with more different texts than this is not looked through.
_MOST_DIFFERENT = 20_000


@dataclass(frozen=True)
class Suggestion:
    """A text of a file, in how many rows it stands, and the known one that it looks like."""

    step: int
    file: str
    #: The heading of a column, or the field that is filled from it.
    column: str
    text: str
    rows: int
    like: str
    #: True when it was taken for that one, as the plan says; else it stays as it is.
    is_matched: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def suggestions(uow: UnitOfWork, work: Work) -> list[Suggestion]:
    """What stands out in the columns of a step for which the plan names records or known texts."""
    found = (
        Suggestion(work.step.number, work.step.source, column, text, rows, like, is_matched)
        for column, text, rows, like, is_matched in (
            *_known(work),
            *_options(uow, work),
            *_records(uow, work),
        )
    )
    return list(islice(found, _MOST))


#: (column, text, rows, what it is like, whether it was taken for that)
Found = tuple[str, str, int, str, bool]


def _known(work: Work) -> Iterator[Found]:
    """Texts that are not among those which the plan knows, but like one."""
    named = {heading: each for heading, each in work.step.columns.items() if each.known}
    counts = count_texts(
        (cells for _line, cells in work.rows()),
        {heading: work.table.header.index(heading) for heading in named},
        most=_MOST_DIFFERENT,
    )
    for heading, texts in sorted(counts.items()):
        known = named[heading].known
        forms = {loose_form(text): text for text in known} if named[heading].is_loose else {}
        for text in sorted(texts.keys() - set(known) - named[heading].values.keys()):
            same = forms.get(loose_form(text))
            like = same or looks_like(text, known)
            if like is not None:
                yield heading, text, texts[text], like, same is not None


def _options(uow: UnitOfWork, work: Work) -> Iterator[Found]:
    """What is no option of a field, but like one as the reader's language calls it."""
    spec = uow.entity(work.entity)
    fields = {
        name: item.type
        for name in work.step.targets
        if (item := spec.by_name.get(name)) is not None and type(item.type) is t.ChoiceField
    }
    for name, texts in sorted(filled(uow, work, list(fields), most=_MOST_DIFFERENT).items()):
        find = choice_finder(fields[name])
        labels = [str(choice.label) for choice in fields[name].choices]
        for text in sorted(texts):
            try:
                find(text)
            except Refusal:
                if like := looks_like(text, labels):
                    yield name, text, texts[text], like, False


def _records(uow: UnitOfWork, work: Work) -> Iterator[Found]:
    """What no record is called just so, but something like it."""
    spec = uow.entity(work.entity)
    lookups = work.added.lookups
    for name, texts in sorted(filled(uow, work, list(lookups), most=_MOST_DIFFERENT).items()):
        type_ = spec[name].type
        if not isinstance(type_, (t.Reference, t.References)):
            continue
        target, lookup = uow.snapshot.installed_entities[type_.entity], lookups[name]
        exact = LookupResolver(target, Lookup(lookup.by))
        exact.prepare(uow, type_, texts)
        unknown = sorted(text for text in texts if not exact.by_text.get(text))
        loose = LookupResolver(target, lookup)
        loose.prepare(uow, type_, unknown)
        for text in unknown:
            same = loose.name_of(text)
            like = same or looks_like(text, list(loose.names.values()))
            if like is not None:
                yield name, text, texts[text], like, same is not None
