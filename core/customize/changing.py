"""What every change of structure begins and ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.audit.recorder import record_act
from core.db.locks import lock_structure
from core.errors import Forbidden, Refused
from core.faults import fault
from core.fields import EntitySpec
from core.i18n import gettext as _
from core.runtime import bump_structure, epoch_table
from core.work.events import SchemaChanged

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["begin", "finish", "refuse_used", "table_names", "takes_fields"]

#: The core's entities to which a company adds fields; those of plugins all take them.
CORE_ENTITIES = ("user", "department")


def begin(uow: UnitOfWork) -> None:
    """Take turns with other changes of structure, and see what the last one left.

    Raises `Forbidden` for others than administrators.
    """
    if not (uow.actor.is_admin or uow.actor.is_system):
        raise Forbidden(_("Only administrators change the structure."))
    lock_structure(uow.connection)
    if uow.execute(select(epoch_table.c.structure)).scalar_one() != uow.snapshot.structure:
        uow.refresh()


def finish(
    uow: UnitOfWork,
    act: str,
    entity: str,
    field: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down what was done, and tell every process; ``uow`` sees the new structure."""
    fault("schema.before_record")
    record_act(uow, act, entity=entity, details=details)
    uow.publish(SchemaChanged(entity, field))
    bump_structure(uow.connection)
    uow.refresh()


def takes_fields(spec: EntitySpec) -> bool:
    """True for entities that fields of one's own can be added to."""
    return spec.plugin != "core" or spec.name in CORE_ENTITIES


def table_names(uow: UnitOfWork) -> dict[str, str]:
    """The tables of all entities, by name."""
    return {name: spec.table.name for name, spec in uow.snapshot.installed_entities.items()}


def refuse_used(uses: Sequence[str]) -> None:
    """Raise `Refused` that names what hangs on it: the reader changes that first."""
    if uses:
        told = "; ".join(uses[:10])
        raise Refused(_("It is still used: %(uses)s. Change that first.", uses=told))
