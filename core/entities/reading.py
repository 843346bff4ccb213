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

__all__ = ["Reading", "read", "read_together"]

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


def read(uow: UnitOfWork, reading: Reading[T]) -> T:
    """One reading by itself."""
    answers = [uow.execute(each).all() for each in reading.statements]
    return reading.finish(*answers)


def read_together(uow: UnitOfWork, readings: Sequence[Reading[Any]]) -> list[Any]:
    """What each reading finds: one statement for all, and one for the names in them."""
    statements = [each for reading in readings for each in reading.statements]
    rest = iter(fetch_together(uow.connection, statements))
    answers = [[next(rest) for _each in reading.statements] for reading in readings]
    wanted: dict[str, set[int]] = {}
    for reading, own in zip(readings, answers, strict=True):
        for entity, ids in reading.names(*own).items():
            wanted.setdefault(entity, set()).update(ids)
    resolve_labels(uow, wanted)  # kept for the transaction, where each finds its own
    return [reading.finish(*own) for reading, own in zip(readings, answers, strict=True)]
