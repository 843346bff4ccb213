"""What can go wrong: a refused expression, with its place, and a missing SQL form."""

from __future__ import annotations

__all__ = ["ExpressionError", "NoSqlForm", "Refused"]


class ExpressionError(Exception):
    """An expression that was refused; the message tells its author what to do.

    ``column`` is 1-based and counts characters; ``length`` is how many of them are meant.
    """

    def __init__(self, message: str, column: int = 1, length: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.column = column
        self.length = length


class NoSqlForm(Exception):
    """The expression can only be computed in Python: store its result instead."""


class Refused(Exception):
    """A function refuses its work; whoever called it knows the column and says so."""
