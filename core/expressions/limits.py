"""The fixed measures of the language, which keep an expression cheap (RELIABILITY I7)."""

from __future__ import annotations

__all__ = [
    "BLANKS",
    "DECIMALS",
    "MAX_CHARACTERS",
    "MAX_DEPTH",
    "MAX_REFERENCES",
    "MAX_STEPS",
    "MAX_TEXT",
    "MAX_TOKENS",
    "WHOLE_DIGITS",
]

MAX_CHARACTERS = 4_000
MAX_TOKENS = 500
MAX_DEPTH = 60
#: References on the way to a field: ``order.customer.owner.name`` has three.
MAX_REFERENCES = 3
#: Steps of one evaluation: a node per child line, a day looked at, 64 characters joined.
MAX_STEPS = 100_000
MAX_TEXT = 1_000_000
#: Numbers hold this many digits before the point and this many after it: 60 in all.
WHOLE_DIGITS = 48
DECIMALS = 12
#: What may stand between tokens and what TRIM removes; a fixed list, because databases disagree.
BLANKS = " \t\r\n\u00a0\u3000"
