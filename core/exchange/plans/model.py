"""What a plan says, as data. See ``docs/import-plans.md`` for the file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.exchange.lookups import Lookup
from core.i18n import gettext as _

__all__ = ["Made", "Plan", "PlanFault", "Step", "Target", "step_place"]


def step_place(number: int, name: str) -> str:
    """How a step is called where something is told of it."""
    return _("step %(number)s (%(name)s)", number=number, name=name or "?")


@dataclass(frozen=True)
class PlanFault:
    """Something that is wrong in a plan: where (``step 3 (a.csv), column 'agent'``), and what."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


@dataclass(frozen=True)
class Target:
    """The field that a column fills, and what is done to its cells on the way.

    Without a field the column is there for what is made of it.
    """

    field: str
    #: Given where the plan says how records are found.
    lookup: Lookup | None = None
    #: Further values of a record that is made because it was not found.
    new: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: What texts stand for; ``""`` is a blank cell.
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: What is expected in the column: what looks like one of these, but is not, is suggested.
    known: tuple[str, ...] = ()
    #: True when what differs from a known text only in case, blanks or punctuation becomes it.
    is_loose: bool = False
    #: In which order the parts of dates are written: ``mdy dmy ymd``; empty: it is found out.
    dates: str = ""


@dataclass(frozen=True)
class Made:
    """A field that is filled with a text in which columns are named in braces."""

    text: str
    target: Target


@dataclass(frozen=True)
class Step:
    """One file, or rows that stand in the plan itself, as records of one entity."""

    #: Counted from 1.
    number: int
    entity: str
    #: The name of a file in the folder; empty when the rows stand in the plan.
    file: str = ""
    rows: tuple[Mapping[str, str], ...] = ()
    sheet: str | None = None
    encoding: str | None = None
    #: By heading.
    columns: Mapping[str, Target] = dataclasses.field(default_factory=dict)
    #: By field.
    made: Mapping[str, Made] = dataclasses.field(default_factory=dict)
    constants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: The fields that tell records apart; none: those that the entity declares.
    key: tuple[str, ...] = ()
    #: What happens to a row whose record is there: ``skip`` or ``update``.
    duplicates: str = "skip"

    @property
    def place(self) -> str:
        """How the step is called where something is told of it."""
        return step_place(self.number, self.file or self.entity)

    @property
    def source(self) -> str:
        """What the file is called; that of rows in the plan is made for them."""
        return self.file or f"step-{self.number}-{self.entity}.csv"

    @property
    def targets(self) -> dict[str, Target]:
        """All that is filled from the file, by the field."""
        own = [target for target in self.columns.values() if target.field]
        return {each.field: each for each in (*own, *(made.target for made in self.made.values()))}

    @property
    def mapped(self) -> list[str]:
        """The fields that get a value, from wherever."""
        return [*self.targets, *self.constants]


@dataclass(frozen=True)
class Plan:
    """Steps in their order."""

    title: str
    steps: tuple[Step, ...]
    #: As it was read, for the arguments of a job.
    content: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def files(self) -> list[str]:
        """The names of the files, each once."""
        return list(dict.fromkeys(step.file for step in self.steps if step.file))
