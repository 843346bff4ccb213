"""Undoing deeds of an import through the one door; what is refused is told, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from core import errors
from core.entities import service
from core.entities.bulk_undo import taking_back
from core.entities.values import BadValue, checker
from core.entities.writing import load
from core.exchange.judging import Kept
from core.exchange.trail import Deed
from core.fields import EntitySpec
from core.fields import types as t

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Reverted", "revert"]


@dataclass
class Reverted:
    """What became of some deeds."""

    removed: int = 0
    restored: int = 0
    kept: list[Kept] = field(default_factory=list)


def revert(uow: UnitOfWork, imported: str, deeds: Sequence[Deed]) -> Reverted:
    """Undo the deeds in their order, the newest first.

    Records of the entity ``imported`` are changed with the actor's rights; what rules of the
    business made of them is taken back by the same rules, whoever the actor is.
    """
    done = Reverted()
    for (entity, kind), group in groupby(deeds, key=lambda deed: (deed.entity, deed.kind)):
        spec = uow.entity(entity)
        as_person = entity == imported

        def write(some: list[Deed], spec: EntitySpec = spec, kind: str = kind) -> None:
            _write(uow, spec, kind, some)

        some = list(group)
        if as_person:
            refused = _attempt(uow, some, write)
        else:
            with uow.elevated():
                refused = _attempt(uow, some, write)
        done.kept += refused
        undone = len(some) - len(refused)
        if kind == "create":
            done.removed += undone
        else:
            done.restored += undone
    return done


def _attempt(uow: UnitOfWork, deeds: list[Deed], write: Callable[[list[Deed]], None]) -> list[Kept]:
    """Write all that can be; those that cannot, by halves."""
    try:
        with uow.savepoint(), taking_back(uow):
            write(deeds)
        return []
    except errors.Refusal as refusal:
        if len(deeds) == 1:
            return [Kept(deeds[0].entity, deeds[0].record_id, "refused", _reason(refusal))]
    middle = len(deeds) // 2
    return [*_attempt(uow, deeds[:middle], write), *_attempt(uow, deeds[middle:], write)]


def _reason(refusal: errors.Refusal) -> str:
    return " ".join(dict.fromkeys(p.message for p in refusal.problems)) or refusal.message


def _write(uow: UnitOfWork, spec: EntitySpec, kind: str, deeds: list[Deed]) -> None:
    ids = [deed.record_id for deed in deeds]
    if kind == "create":
        service.delete(uow, spec.name, ids)
        return
    if kind == "delete":
        service.restore(uow, spec.name, ids)
    old = {deed.record_id: _in_use(spec, deed.old) for deed in deeds}
    given = {
        key: {name: value for name, value in values.items() if spec[name].is_writable}
        for key, values in old.items()
    }
    service.update(uow, spec.name, {key: values for key, values in given.items() if values})
    _settle(uow, spec, old)


def _in_use(spec: EntitySpec, old: Mapping[str, Any]) -> dict[str, Any]:
    """The old values of fields that there still are, and that are not computed again anyway."""
    kept = {
        name: value
        for name, value in old.items()
        if name in spec and not isinstance(spec[name].type, t.Computed)
    }
    for name, value in kept.items():
        if isinstance(spec[name].type, t.References):
            kept[name] = value or []
    return kept


def _settle(uow: UnitOfWork, spec: EntitySpec, old: Mapping[int, Mapping[str, Any]]) -> None:
    """Set what rules derived at the import and do not derive back: a department, a number."""
    with uow.elevated():
        rows = load(uow, spec, list(old), "update")
        rest: dict[int, dict[str, Any]] = {}
        for key, values in old.items():
            differing = {
                name: value
                for name, value in values.items()
                if spec[name].is_stored and _typed(spec, name, value) != rows[key][name]
            }
            if differing:
                rest[key] = differing
        if rest:
            service.update(uow, spec.name, rest)


def _typed(spec: EntitySpec, name: str, value: Any) -> Any:
    """A value of the audit trail as the column holds it. Raises `Refusal` for one that the field
    does not take any more."""
    try:
        return checker(spec[name].type)(value)
    except BadValue as error:
        message = str(error)
        raise errors.Invalid(message, [errors.Problem(name, error.code, message)]) from error
