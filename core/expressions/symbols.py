"""What the names in an expression may mean: kinds, symbols, and the scope that holds them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from core.i18n import lazy_gettext as _l

__all__ = ["Kind", "Scope", "Symbol", "fold"]


class Kind(Enum):
    """What a value is; null belongs to every kind."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"

    @property
    def label(self) -> str:
        """The kind in the reader's language."""
        return str(_LABELS[self])


_LABELS = {
    Kind.NUMBER: _l("a number"),
    Kind.TEXT: _l("text"),
    Kind.BOOLEAN: _l("true or false"),
    Kind.DATE: _l("a date"),
    Kind.DATETIME: _l("a date with time"),
}


@dataclass(frozen=True)
class Symbol:
    """What a name means.

    ``lines`` makes it a collection of child lines, for SUM, COUNT, AVG, MIN and MAX only;
    ``target`` makes it a reference, whose fields are reached as ``customer.level``.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    lines: Scope | None = None
    target: Scope | None = None


def fold(text: str) -> str:
    """The form in which names and labels are compared: width, case and outer space do not count."""
    if text.isascii():
        return text.strip().lower()
    return unicodedata.normalize("NFKC", text).strip().casefold()


class Scope:
    """The names an expression may use, each found by its name or by any of its labels.

    Given as a function, the symbols are asked for when a name is first looked up: entities refer
    to each other without end.
    """

    __slots__ = ("_by_fold", "_by_name", "_symbols")

    def __init__(self, symbols: Iterable[Symbol] | Callable[[], Iterable[Symbol]]) -> None:
        self._by_name: dict[str, Symbol] = {}
        self._by_fold: dict[str, dict[str, Symbol]] = {}
        self._symbols: Callable[[], Iterable[Symbol]] | None = None
        if callable(symbols):
            self._symbols = symbols
        else:
            self._add(symbols)

    def _load(self) -> None:
        symbols, self._symbols = self._symbols, None
        if symbols is not None:
            self._add(symbols())

    def _add(self, symbols: Iterable[Symbol]) -> None:
        for symbol in symbols:
            if symbol.name in self._by_name or "." in symbol.name:
                raise ValueError(f"symbol names are unique and have no dot: {symbol.name!r}")
            self._by_name[symbol.name] = symbol
            for spelling in (symbol.name, *map(str, symbol.labels)):
                self._by_fold.setdefault(fold(spelling), {})[symbol.name] = symbol

    def find(self, spelling: str) -> tuple[Symbol, ...]:
        """All that ``spelling`` may mean: none, one, or several when a label is ambiguous."""
        self._load()
        exact = self._by_name.get(spelling)
        if exact is not None:
            return (exact,)
        return tuple(self._by_fold.get(fold(spelling), {}).values())

    def suggest(self, spelling: str) -> str | None:
        """The known name or label that looks most like ``spelling``."""
        self._load()
        near = get_close_matches(fold(spelling)[:80], self._by_fold, n=1, cutoff=0.5)
        return near[0] if near else None
