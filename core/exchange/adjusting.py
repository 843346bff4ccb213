"""What a person adds to a file: values for columns it does not have, and names written out.

Both are done to the rows before they are cleaned, as if the file had come so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import Invalid, Problem
from core.exchange.cleaning import ColumnCleaner
from core.exchange.importing import ImportPlan
from core.exchange.lookups import Lookup
from core.exchange.mapping import importable_fields
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.tabular.cleaning import CleaningError, clean_text
from core.tabular.columns import Piece

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Additions", "check_additions"]

_MOST_NAMES = 500
_BY_PLACE = ("texts", "dates", "known")


@dataclass(frozen=True)
class Additions:
    """``defaults`` are cells by field, for every row; ``names`` are what texts of a field's column
    stand for: ``{field: {as written: in full}}``.

    What only a plan of several files says (see `core.exchange.plans`): ``made`` are cells by field,
    made of the file's own; ``lookups`` how records are found, by field; ``texts``, ``dates`` and
    ``known`` what is done to columns, by their place, as in a `Recipe`.
    """

    defaults: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    made: Mapping[str, tuple[Piece, ...]] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    texts: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    dates: Mapping[int, str] = field(default_factory=dict)
    known: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for the arguments of a job, from which `from_json` makes the same again."""
        return {**asdict(self), **{name: list(getattr(self, name).items()) for name in _BY_PLACE}}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Additions:
        """The additions that `as_json` was asked of."""
        made = {name: tuple(map(Piece.from_json, each)) for name, each in given["made"].items()}
        lookups = {name: Lookup(**each) for name, each in given["lookups"].items()}
        by_place = (dict(given[name]) for name in _BY_PLACE)
        return cls(given["defaults"], given["names"], made, lookups, *by_place)

    def plan(
        self,
        spec: EntitySpec,
        header: Sequence[str],
        fields: Sequence[str | None],
        policy: str,
        keys: Sequence[str] = (),
    ) -> ImportPlan:
        """The plan of the import, with one more column for each value of the whole file, and for
        each that is made of others."""
        further = (*self.defaults, *self.made)
        more = [str(spec[name].label) if name in spec else name for name in further]
        every = (*fields, *further)
        return ImportPlan(
            *(spec.name, (*header, *more), every, policy, tuple(keys)),
            added=tuple(self.defaults.values()),
            names={name: pairs for name, pairs in self.names.items() if name in every},
            made=tuple(self.made.values()),
            lookups=self.lookups,
            texts=self.texts,
            dates=self.dates,
            known=self.known,
        )


def check_additions(
    uow: UnitOfWork,
    spec: EntitySpec,
    fields: Sequence[str | None],
    defaults: Mapping[str, str],
    names: Mapping[str, Mapping[str, str]],
) -> Additions:
    """Checked additions to a file with these columns; blank defaults do not count.

    Raises `Invalid` for a field that is not the actor's to fill or has a column already, and for
    a value that the field does not take.
    """
    usable, problems = importable_fields(uow, spec), []
    given = {name: text for name, text in defaults.items() if clean_text(text)}
    for name, text in given.items():
        problem = _problem(uow, spec, usable, fields, name, text)
        if problem:
            problems.append(Problem(f"defaults.{name[:80]}", "default", problem))
    if sum(map(len, names.values())) > _MOST_NAMES:
        message = _("At most %(n)s names can be written out.", n=_MOST_NAMES)
        problems.append(Problem("names", "too_many", message))
    if problems:
        raise Invalid(problems[0].message, problems)
    return Additions(given, {name: dict(pairs) for name, pairs in names.items() if pairs})


def _problem(
    uow: UnitOfWork,
    spec: EntitySpec,
    usable: Mapping[str, Any],
    fields: Sequence[str | None],
    name: str,
    text: str,
) -> str:
    if name not in usable:
        return _("There is no field %(name)s that you may import.", name=name[:60])
    label = str(usable[name].label)
    if name in fields:
        return _("%(field)s has a column in the file already.", field=label)
    cleaner = ColumnCleaner(uow, usable[name])
    cleaner.prepare(uow, [text])
    try:
        cleaner.value(text)
    except CleaningError as error:
        return f"{label}{_(': ')}{error}"
    return ""
