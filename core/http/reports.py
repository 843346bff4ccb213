"""A report that a page shows, as a file: what was counted, not the records that it was counted from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flask import Response

from core.audit.recorder import record_act
from core.exchange.exporting import FORMATS, require_export
from core.fields import EntitySpec
from core.http.downloads import file_to_send, stream_response
from core.tabular.writer import write_csv, write_xlsx
from core.work.uow import UnitOfWork

__all__ = ["send_report"]


def send_report(
    uow: UnitOfWork,
    spec: EntitySpec,
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    kind: str = "xlsx",
    details: Mapping[str, Any] | None = None,
) -> Response:
    """The table as .xlsx or CSV, for who may export records of the entity; the audit trail keeps who
    took it, with the ``details`` of what it was about.

    Raises `Forbidden`, and `Invalid` for a ``kind`` that is neither.
    """
    require_export(uow, spec, kind)
    with file_to_send() as file:
        if kind == "csv":
            write_csv(file, header, rows)
        else:
            write_xlsx(file, header, rows, sheet=title)
        told = {"report": title, "format": kind, **(details or {})}
        record_act(uow, "export", entity=spec.name, details=told)
    return stream_response(file, f"{title}-{uow.clock.today():%Y%m%d}.{kind}", FORMATS[kind])
