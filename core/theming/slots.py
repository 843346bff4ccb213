"""Named slots: the places where a page lets plugins add to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

__all__ = ["Slots", "UnknownSlot"]

logger = logging.getLogger(__name__)

#: Gets the slot's context as keywords; text that is not `Markup` is escaped.
Filler = Callable[..., str]


class UnknownSlot(LookupError):
    """A template or a plugin named a slot that nobody declared."""


@dataclass(frozen=True, slots=True)
class _Filling:
    order: int
    owner: str
    filler: Filler


class Slots:
    """The declared slots and what fills them; is itself the template global ``slot``.

    A filling whose owner is not enabled stays out. One that fails is logged and left out, so that
    a plugin cannot take a page down; with ``strict`` it raises.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        is_enabled: Callable[[str], bool] = lambda owner: True,
        strict: bool = False,
    ) -> None:
        self._fillings: dict[str, list[_Filling]] = {name: [] for name in names}
        self._is_enabled = is_enabled
        self._strict = strict

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._fillings)

    def owners(self) -> frozenset[str]:
        """Who fills a slot, of those that are enabled."""
        found = {filling.owner for fillings in self._fillings.values() for filling in fillings}
        return frozenset(owner for owner in found if self._is_enabled(owner))

    def declare(self, name: str) -> None:
        """Make ``name``, such as ``crm_sales.customer.aside``, a place that can be filled."""
        self._fillings.setdefault(name, [])

    def fill(self, name: str, filler: Filler, *, owner: str, order: int = 100) -> None:
        """Put what ``filler`` returns into the slot; lower ``order`` comes first."""
        fillings = self._require(name)
        fillings.append(_Filling(order, owner, filler))
        fillings.sort(key=lambda filling: (filling.order, filling.owner))

    def __call__(self, name: str, /, **context: Any) -> Markup:
        """The contents of a slot; empty when nobody fills it."""
        fillings = [f for f in self._require(name) if self._is_enabled(f.owner)]
        return Markup("").join(self._render(name, filling, context) for filling in fillings)

    def _render(self, name: str, filling: _Filling, context: dict[str, Any]) -> str:
        try:
            return filling.filler(**context)
        except Exception:
            if self._strict:
                raise
            logger.exception("slot %s: %s failed and is left out", name, filling.owner)
            return ""

    def _require(self, name: str) -> list[_Filling]:
        try:
            return self._fillings[name]
        except KeyError:
            raise UnknownSlot(f"no slot is called {name!r}") from None
