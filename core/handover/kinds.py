"""What a leaver may have to hand over: records by entity, and by the field that names the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from core.entities import query
from core.entities.query import ListQuery
from core.errors import NotFound
from core.fields import EntitySpec, HandOver
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Kind", "counts_of", "find_kind", "kinds_of"]

_OWNED = (HandOver("owner"),)


@dataclass(frozen=True)
class Kind:
    """Records of one entity that name a person in one field."""

    spec: EntitySpec
    rule: HandOver

    @property
    def name(self) -> str:
        """Such as ``customer.owner``."""
        return f"{self.spec.name}.{self.rule.field}"

    @property
    def label(self) -> str:
        """What they are called."""
        if self.rule.label or self.rule.field == "owner":
            return str(self.rule.label or self.spec.label_plural)
        return f"{self.spec.label_plural} · {self.spec[self.rule.field].label}"

    def condition(self, person: int, after: int = 0) -> Mapping[str, Any]:
        """The person's, those with a number above ``after``."""
        parts: list[Any] = [{"field": self.rule.field, "op": "eq", "value": person}]
        if self.rule.condition is not None:
            parts.append(self.rule.condition)
        if after:
            parts.append({"field": "id", "op": "gt", "value": after})
        return {"all": parts}

    def next_ids(self, uow: UnitOfWork, person: int, after: int, limit: int) -> list[int]:
        """The next of the person's living records, by number."""
        wanted = ListQuery(filter=self.condition(person, after), sort="id")
        with uow.elevated():
            return query.select_ids(uow, self.spec.name, wanted, action="read", limit=limit)


def kinds_of(uow: UnitOfWork) -> list[Kind]:
    """All that there is of the modules that are on, in the order of the navigation."""
    places = {name: n for n, name in enumerate([*uow.runtime.plugins.loaded, "custom", "core"])}
    specs = sorted(
        uow.snapshot.entities.values(), key=lambda spec: places.get(spec.plugin, len(places))
    )
    return [
        Kind(spec, rule)
        for spec in specs
        for rule in spec.hand_over or (_OWNED if spec.owned else ())
        if rule.field in spec
    ]


def find_kind(uow: UnitOfWork, name: str) -> Kind:
    """The kind of that name; `NotFound` when there is none, or its module is off."""
    found = next((kind for kind in kinds_of(uow) if kind.name == name), None)
    if found is None:
        raise NotFound(_("There are no records of the kind %(name)s.", name=name[:80]))
    return found


def counts_of(uow: UnitOfWork, person: int, kinds: Sequence[Kind]) -> list[int]:
    """How many living records of each kind name the person, in one statement."""
    if not kinds:
        return []
    with uow.elevated():
        numbers = [
            select(func.count())
            .select_from(kind.spec.table)
            .where(*query.conditions(uow, kind.spec, ListQuery(filter=kind.condition(person))))
            .scalar_subquery()
            for kind in kinds
        ]
    return [int(number) for number in uow.execute(select(*numbers)).one()]
