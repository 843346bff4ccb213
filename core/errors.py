"""Refusals: what the suite says when it will not do something, each with its HTTP status."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Conflict",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Problem",
    "Refusal",
    "Refused",
    "TooLarge",
]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: in which item (by position) and which field, and what to do."""

    field: str
    code: str
    message: str
    item: int = 0
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Refusal(Exception):
    """Base of all refusals. ``message`` is for the reader, in the reader's language."""

    status = 400
    code = "refused"

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)

    def by_field(self) -> dict[str, str]:
        """The first message for each field; that of no field under the empty name."""
        found: dict[str, str] = {}
        for problem in self.problems:
            found.setdefault(problem.field, problem.message)
        return found or {"": self.message}


class Invalid(Refusal):
    """The input is wrong; each problem names its field."""

    status = 422
    code = "invalid"


class Refused(Refusal):
    """The state of things does not allow it, e.g. the lead has been claimed already."""

    status = 409
    code = "refused"


class Conflict(Refusal):
    """The record was changed meanwhile. ``current`` holds its values as the caller may see them."""

    status = 409
    code = "conflict"

    def __init__(
        self, message: str, *, current: Mapping[str, Any], yours: Mapping[str, Any]
    ) -> None:
        super().__init__(message)
        self.current = current
        self.yours = yours


class Forbidden(Refusal):
    """The caller may never do this, whatever the record."""

    status = 403
    code = "forbidden"


class NotFound(Refusal):
    """There is no such thing, or none that the caller may know of."""

    status = 404
    code = "not_found"


class TooLarge(Refusal):
    """More than a stated limit."""

    status = 413
    code = "too_large"
