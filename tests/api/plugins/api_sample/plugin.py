"""What the plugin registers."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import column, select, table

from api_sample.models import Note, NoteLine
from core.entities import service
from core.fields import ActionSpec, EntityDef, FieldSpec, Reference, Text
from core.plugins import hookimpl
from core.plugins.contributions import RoleTemplate, TimelineItem, TimelineSource


def close(uow, records, params):
    """Close notes, and give them to somebody else when that was asked."""
    values = {"status": "closed"}
    if params["to"] is not None:
        values["owner"] = params["to"]
    service.update(uow, "note", {record["id"]: values for record in records})
    return {"closed": len(records), "amount": records[0]["amount"]}


CLOSE = ActionSpec(
    "close",
    "Close",
    close,
    params=(
        FieldSpec("reason", Text(100), "Reason", required=True),
        FieldSpec("to", Reference("user"), "To"),
    ),
)


def echoes(uow, spec, record_id, before, limit):
    """One entry, an hour before now."""
    return [TimelineItem(uow.now() - timedelta(hours=1), "echo", "An echo", body="…")]


def failing(uow, spec, record_id, before, limit):
    """A source that is broken: it asks a table that is not there, which ends a transaction."""
    return list(uow.execute(select(table("nowhere", column("echo")))))


@hookimpl
def register_entities():
    return [
        EntityDef("note", Note, "Note", "Notes", "title", actions=(CLOSE,)),
        EntityDef("note_line", NoteLine, "Line", "Lines", "text", parent_field="note"),
    ]


@hookimpl
def register_roles():
    own = {"read": "own", "create": "own", "update": "own", "delete": "own", "close": "own"}
    return [
        RoleTemplate("writer", "Writer", {"note": own}),
        RoleTemplate(
            "clerk",
            "Clerk",
            {"note": {"read": "all", "update": "all"}},
            {"note": {"phone": "masked", "amount": "hidden"}},
        ),
    ]


@hookimpl
def register_timeline():
    return [
        TimelineSource("failing", failing, entity="note"),
        TimelineSource("echoes", echoes, entity="note"),
    ]
