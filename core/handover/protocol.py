"""The protocol of a hand-over: each record, from whom to whom, or why it stays; as CSV and workbook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.entities.labels import resolve_labels
from core.files.access import ADMINISTRATORS
from core.files.service import store_result
from core.handover.kinds import Kind, find_kind
from core.handover.tables import hand_over_line_table
from core.i18n import gettext as _
from core.tabular.writer import write_csv, write_xlsx

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = ["store_protocol"]

_READ = 500
#: A worksheet holds no more.
_MOST_ROWS = 1_000_000


@contextmanager
def store_protocol(
    context: JobContext, person: int, bulks: Mapping[str, int]
) -> Iterator[Callable[[UnitOfWork], dict[str, int | None]]]:
    """Write both files; what the block is given keeps them, for administrators alone, as part of a
    transaction, and answers their numbers as ``report`` and ``workbook``."""
    with TemporaryFile() as text, TemporaryFile() as book:
        with context.unit_of_work(write=False) as uow:
            header = [_("Kind"), _("Number"), _("Name"), _("Leaver"), _("Successor"), _("Result")]
            count = 0

            def counted() -> Iterator[list[Any]]:
                nonlocal count
                for line in _lines(uow, person, bulks):
                    count += 1
                    yield line

            write_csv(text, header, counted())
            has_book = count <= _MOST_ROWS
            if has_book:
                write_xlsx(book, header, _lines(uow, person, bulks))
            title = _("Hand-over protocol")

        def keep(writing: UnitOfWork) -> dict[str, int | None]:
            def store(file: Any, name: str) -> int:
                file.seek(0)
                place = {"action": ADMINISTRATORS, "entity": "user"}
                return store_result(writing, file, name, job_id=context.job_id, **place)

            return {
                "report": store(text, f"{title}.csv"),
                "workbook": store(book, f"{title}.xlsx") if has_book else None,
            }

        yield keep


def _lines(uow: UnitOfWork, person: int, bulks: Mapping[str, int]) -> Iterator[list[Any]]:
    people: dict[int, str] = {}
    for name, bulk in bulks.items():
        yield from _lines_of(uow, find_kind(uow, name), bulk, person, people)


def _lines_of(
    uow: UnitOfWork, kind: Kind, bulk: int, person: int, people: dict[int, str]
) -> Iterator[list[Any]]:
    c, last = hand_over_line_table.c, 0
    mine = select(hand_over_line_table).where(c.bulk_id == bulk).order_by(c.record_id).limit(_READ)
    while rows := uow.execute(mine.where(c.record_id > last)).all():
        last = rows[-1].record_id
        wanted = {kind.spec.name: {row.record_id for row in rows}}
        unknown = {person, *(row.successor_id for row in rows)} - people.keys() - {None}
        found = resolve_labels(uow, wanted | {"user": unknown})
        people |= found.get("user", {})
        names = found.get(kind.spec.name, {})
        for row in rows:
            to = "" if row.successor_id is None else people.get(row.successor_id, "")
            result = _("Stays: %(why)s", why=row.reason) if row.reason else _("Handed over")
            name = names.get(row.record_id, "")
            yield [kind.label, row.record_id, name, people.get(person, ""), to, result]
