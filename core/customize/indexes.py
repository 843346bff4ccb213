"""Indexes of new fields: at once on small tables, by a job beside all work on large ones."""

from __future__ import annotations

from sqlalchemy import select, update

from core.customize.changing import begin, finish
from core.customize.ddl import field_index, is_large
from core.customize.reading import WAITS
from core.customize.tables import custom_field_table
from core.db.indexes import build_index
from core.fields import EntitySpec, FieldSpec
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job
from core.security.actor import SYSTEM
from core.work.claims import JOB
from core.work.jobs import JobContext
from core.work.uow import UnitOfWork

__all__ = ["BUILD_INDEX", "provide"]


def provide(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, *, wanted: bool) -> bool:
    """Make the index of a field that was just published, or leave a job that does.

    True when the field has to wait for it: nothing would keep its values apart meanwhile. SQLite has
    one writer, whom a job would keep waiting as long.
    """
    index = field_index(spec, item, wanted=wanted)
    if index is None:
        return False
    at_once = item.unique and uow.runtime.database.is_sqlite
    if at_once or not is_large(uow.connection, spec.table):
        index.create(uow.connection)
        return False
    title = _("Index: %(entity)s · %(field)s", entity=str(spec.label_plural), field=str(item.label))
    uow.enqueue(BUILD_INDEX.name, {"entity": spec.name, "field": item.name}, title=title[:255])
    return item.unique


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
    if spec[field].readonly:
        with UnitOfWork(context.runtime, SYSTEM, origin=JOB) as uow:
            _open(uow, entity, field)


def _open(uow: UnitOfWork, entity: str, field: str) -> None:
    """From now on the field takes values."""
    begin(uow)
    c = custom_field_table.c
    mine = (c.entity == entity) & (c.name == field)
    options = uow.execute(select(c.options).where(mine)).scalar_one()
    options = {key: value for key, value in options.items() if key != WAITS}
    uow.execute(update(custom_field_table).where(mine).values(options=options))
    finish(uow, "change_field", entity, field, {field: {WAITS: None}})


BUILD_INDEX = Job("core.build_index", _build, _l("Build an index"))
