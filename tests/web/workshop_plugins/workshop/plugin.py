"""The hooks of the workshop: entities, roles, verbs, and edits of the form and the list."""

from __future__ import annotations

from core.entities import service
from core.entities.edits import FormEdit, ListEdit
from core.errors import Invalid, Problem
from core.fields import ActionSpec, EntityDef, FieldSpec, File, Given, Reference, Section, Text
from core.plugins import hookimpl
from core.plugins.contributions import RoleTemplate, SlotFill
from workshop import models


def _finish(uow, records, params):
    service.update(uow, "order", {row["id"]: {"status": "done"} for row in records})


def _hand_over(uow, records, params):
    values = {"owner": params["to"], "note": params["remark"]}
    if params["plan"]:
        values["drawing"] = params["plan"]
    service.update(uow, "order", {row["id"]: values for row in records})


def _relocate(uow, records, params):
    if not params["remark"] and any(row["amount"] and row["amount"] > 100 for row in records):
        raise Invalid("Why?", [Problem("remark", "required", "Say why so dear an order moves.")])
    values = {"site": params["site"], "note": params["remark"]}
    service.update(uow, "order", {row["id"]: values for row in records})


SITE = EntityDef("site", models.Site, "Site", "Sites", "name", icon="map-pin", default_sort="name")
ORDER = EntityDef(
    "order",
    models.Order,
    "Order",
    "Orders",
    "title",
    icon="tool",
    list_columns=("title", "status", "site", "amount", "due_on", "mobile", "secret", "owner"),
    sections=(
        Section("Work", ("title", "number", "status", "site", "due_on", "starts_at", "topics")),
        Section("Money", ("amount", "hours", "pieces", "twice")),
    ),
    actions=(
        ActionSpec(
            "finish",
            "Finish",
            _finish,
            when={"field": "status", "op": "ne", "value": "done"},
            confirm="It cannot be opened again.",
            sets={"status": "done"},
        ),
        ActionSpec(
            "relocate",
            "Relocate",
            _relocate,
            params=(
                FieldSpec("site", Reference("site"), "New site", required=True),
                FieldSpec("remark", Text(40), "Remark"),
            ),
            sets={"site": Given("site")},
        ),
        ActionSpec(
            "hand_over",
            "Hand over",
            _hand_over,
            params=(
                FieldSpec("to", Reference("user"), "New owner", required=True),
                FieldSpec("remark", Text(40), "Remark"),
                FieldSpec("plan", File(max_bytes=1_000_000), "New drawing"),
            ),
            undoable=True,
        ),
    ),
)
PART = EntityDef(
    "part", models.Part, "Part", "Parts", "name", parent_field="order", navigable=False,
    list_columns=("name", "quantity", "site"),
)  # fmt: skip
ALL = {"read": "all", "create": "all", "update": "all", "delete": "all", "export": "all"}
OWN = {"read": "own", "create": "own", "update": "own", "delete": "own"}


@hookimpl
def register_entities():
    return [SITE, ORDER, PART]


@hookimpl
def register_roles():
    verbs = {"finish": "all", "hand_over": "all"}
    return [
        RoleTemplate("foreman", "Foreman", {"order": {**ALL, **verbs}, "site": ALL}),
        RoleTemplate(
            "worker",
            "Worker",
            {"order": {**OWN, "finish": "own"}, "site": {"read": "all"}},
            fields={"order": {"secret": "hidden", "mobile": "masked", "amount": "read"}},
        ),
    ]


@hookimpl
def validate_changes(changes, uow):
    """What is sealed stays with its owner."""
    if changes[0].entity.name == "order" and changes[0].kind == "update":
        for change in changes:
            if change.changed("owner") and change.after["secret"] == "sealed":
                yield change.problem("owner", "sealed", "It is sealed.")


@hookimpl
def register_slots():
    return [SlotFill("home.main", lambda uow: f"slot for {uow.actor.name}")]


@hookimpl
def adjust_form(entity, actor):
    return [FormEdit("help", "pieces", "How many to make")] if entity.name == "order" else []


@hookimpl
def adjust_list(entity, actor):
    return [ListEdit("add", "pieces", before="owner")] if entity.name == "order" else []
