"""What is printed of specimens."""

from __future__ import annotations

from core.documents import Document, Facts
from core.entities.query import Record
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

__all__ = ["label"]


def label(uow: UnitOfWork, record: Record) -> Document:
    """All that whoever prints may see of a specimen, by the names of the fields."""
    facts = [(name, str(value)) for name, value in record.values.items() if value is not None]
    return Document(_("Page"), [Facts(facts)], str(record.values["id"]))
