"""The hooks of the sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.documents import Document, Facts
from core.entities import service
from core.entities.query import Record
from core.errors import Refused
from core.fields import ActionSpec, EntityDef, FieldSpec, Reference, Text
from core.plugins import hookimpl
from core.plugins.contributions import DocumentTemplate
from oracle_sample.models import Account, Deal, Line, Note


def approve(uow: Any, records: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> list[int]:
    """Win the deals; what was done is told by id alone."""
    ids = [record["id"] for record in records]
    service.update(uow, "oracle_deal", {key: {"stage": "won", "won": True} for key in ids})
    return ids


def assign(uow: Any, records: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> None:
    """Give one deal to somebody."""
    for record in records:
        service.update(uow, "oracle_deal", {record["id"]: {"owner": params["to"]}})


def why_not_approved(uow: Any, records: Sequence[Mapping[str, Any]]) -> None:
    """In words of its own for one kind of lost deals only."""
    if any(record["won"] for record in records):
        raise Refused("It cannot be won and lost.")


def sheet(uow: Any, record: Record) -> Document:
    """All that its reader may see of a record."""
    return Document("Sheet", [Facts([(name, str(value)) for name, value in record.values.items()])])


@hookimpl
def register_documents() -> Iterable[DocumentTemplate]:
    entities = ("oracle_account", "oracle_deal", "oracle_note")
    return [DocumentTemplate(entity, "sheet", "Sheet", sheet) for entity in entities]


@hookimpl
def register_entities() -> Iterable[EntityDef]:
    return [
        EntityDef("oracle_account", Account, "Account", "Accounts", "name", default_sort="name"),
        EntityDef(
            "oracle_deal",
            Deal,
            "Deal",
            "Deals",
            "title",
            actions=(
                ActionSpec(
                    "approve", "Approve", approve,
                    params=(FieldSpec("reason", Text(60), "Reason", required=True),),
                    when={"field": "stage", "op": "ne", "value": "lost"},
                    why_not=why_not_approved,
                ),
                ActionSpec(
                    "assign", "Assign", assign,
                    params=(FieldSpec("to", Reference("user"), "To", required=True),),
                    when={"field": "title", "op": "ne", "value": "Sealed"},
                    bulk=False,
                ),
            ),
        ),
        EntityDef("oracle_line", Line, "Line", "Lines", "product", parent_field="deal"),
        EntityDef("oracle_note", Note, "Note", "Notes", "text", default_sort="-id"),
    ]  # fmt: skip
