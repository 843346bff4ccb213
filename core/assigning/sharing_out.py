"""Who of a group gets the next record: in turn, or who has fewest. Values in, names out; no database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Group"]


@dataclass
class Group:
    """People who can take something now, in a fixed order, with what each of them has open."""

    people: Sequence[int]
    #: Open records by person; counted on as records are given out.
    loads: dict[int, int] = field(default_factory=dict)
    #: No more than so many for one person; None: any number.
    capacity: int | None = None
    #: Who got the last one in turn.
    last: int | None = None

    def in_turn(self) -> int | None:
        """The next after who was last, of those with room; None when nobody has any."""
        after = [person for person in self.people if self.last is None or person > self.last]
        before = [person for person in self.people if person not in after]
        chosen = next(self._with_room([*after, *before]), None)
        if chosen is not None:
            self.last = chosen
        return self._given(chosen)

    def fewest(self) -> int | None:
        """Who has fewest open records, the first of several; None when nobody has room."""
        roomy = self._with_room(self.people)
        return self._given(min(roomy, key=lambda one: self.loads.get(one, 0), default=None))

    def _with_room(self, people: Iterable[int]) -> Iterator[int]:
        return (
            person
            for person in people
            if self.capacity is None or self.loads.get(person, 0) < self.capacity
        )

    def _given(self, person: int | None) -> int | None:
        if person is not None:
            self.loads[person] = self.loads.get(person, 0) + 1
        return person
