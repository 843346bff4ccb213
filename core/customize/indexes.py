"""Indexes of new fields: at once on small tables, by a job beside all work on large ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.customize.ddl import field_index, is_large
from core.db.indexes import build_index
from core.fields import EntitySpec, FieldSpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.work.jobs import JobContext

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["BUILD_INDEX", "provide"]


def provide(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, *, wanted: bool) -> None:
    """Make the index of a field that was just published, or leave a job that does.

    One that keeps values apart is made at once: nobody may slip in between.
    """
    index = field_index(spec, item, wanted=wanted)
    if index is None:
        return
    if item.unique or not is_large(uow.connection, spec.table):
        index.create(uow.connection)
        return
    title = _("Index: %(entity)s · %(field)s", entity=str(spec.label_plural), field=str(item.label))
    uow.enqueue(BUILD_INDEX.name, {"entity": spec.name, "field": item.name}, title=title[:255])


def _build(context: JobContext, *, entity: str, field: str) -> None:
    """The handler of ``core.build_index``: nobody waits for it, on PostgreSQL not even writers."""
    with context.unit_of_work(write=False) as uow:
        spec = uow.snapshot.entities.get(entity)
    if spec is None or field not in spec:
        return  # retired meanwhile
    index = field_index(spec, spec[field], wanted=True)
    if index is None:
        return
    build_index(context.runtime.database, index)


BUILD_INDEX = Job("core.build_index", _build, _l("Build an index"))
