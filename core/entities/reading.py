"""What is to be read and what is made of it, apart from each other, so that one statement reads much.

A page that shows ten things asks for them at once: each is a `Reading`, and `read_together` sends
the statements of all as one, then looks up the names of all records that they point at as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import Row, Select

from core.db.together import fetch_together
from core.entities.labels import resolve_labels

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Reading", "all_of", "read", "read_together"]

T = TypeVar("T")
U = TypeVar("U")
#: The rows of one statement.
Rows = Sequence[Row[Any]]


def _names_nothing(*answers: Rows) -> Mapping[str, set[int]]:
    return {}


@dataclass(frozen=True)
class Reading(Generic[T]):
    """Statements that are about to be sent, and what is made of their rows.

    Whoever makes one has checked the right to read and put the reader's scope into the statements.
    """

    statements: tuple[Select[Any], ...]
    #: Gets the rows of each statement.
    finish: Callable[..., T]
    #: Of the same rows, the records whose labels ``finish`` is going to ask for, by entity.
    names: Callable[..., Mapping[str, set[int]]] = _names_nothing

    def then(self, make: Callable[[T], U]) -> Reading[U]:
        """The same statements, and ``make`` of what was made of their rows."""
        return Reading(self.statements, lambda *rows: make(self.finish(*rows)), self.names)


def all_of(readings: Sequence[Reading[Any]]) -> Reading[list[Any]]:
    """Several as one: what each makes of its own rows, in their order."""
    readings = list(readings)

    def own(answers: Sequence[Rows]) -> list[tuple[Reading[Any], Sequence[Rows]]]:
        rest = iter(answers)
        return [(each, [next(rest) for _statement in each.statements]) for each in readings]

    def names(*answers: Rows) -> Mapping[str, set[int]]:
        wanted: dict[str, set[int]] = {}
        for reading, rows in own(answers):
            for entity, ids in reading.names(*rows).items():
                wanted.setdefault(entity, set()).update(ids)
        return wanted

    statements = tuple(each for reading in readings for each in reading.statements)
    return Reading(
        statements, lambda *answers: [each.finish(*rows) for each, rows in own(answers)], names
    )


def read(uow: UnitOfWork, reading: Reading[T]) -> T:
    """One reading by itself."""
    answers = [uow.execute(each).all() for each in reading.statements]
    return reading.finish(*answers)


def read_together(uow: UnitOfWork, readings: Sequence[Reading[Any]]) -> list[Any]:
    """What each reading finds: one statement for all, and one for the names in them."""
    together = all_of(readings)
    once = list(dict.fromkeys(together.statements))  # what several hold is sent once
    rows = dict(zip(once, fetch_together(uow.connection, once), strict=True))
    answers = [rows[each] for each in together.statements]
    resolve_labels(
        uow, together.names(*answers)
    )  # kept for the transaction, where each finds its own
    return together.finish(*answers)
