"""Asking for consent: a rule wants somebody's word before a record goes on, and a module may get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["ask_consent"]


def ask_consent(
    uow: UnitOfWork,
    entity: str,
    action: str,
    records: Sequence[Mapping[str, Any]],
    reasons: Mapping[int, Sequence[str]],
) -> frozenset[int]:
    """The ids of the ``records`` for which some module now asks for consent (``request_consent``).

    The others are the caller's to refuse, with the ``reasons`` by id.
    """
    if not records:
        return frozenset()
    taken = uow.runtime.plugins.call_in_transaction(
        "request_consent",
        uow.snapshot.enabled,
        entity=uow.entity(entity),
        action=action,
        records=tuple(MappingProxyType(dict(record)) for record in records),
        reasons=MappingProxyType({key: tuple(texts) for key, texts in reasons.items()}),
        uow=uow,
    )
    return frozenset(taken) & {record["id"] for record in records}
