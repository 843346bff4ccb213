"""The company's own entities, and the life of its own fields, while all runs."""

from __future__ import annotations

from typing import Any

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.shapes import MOMENT, TEXT, listing, nullable, object_of
from core.api.structure import ENTITY, FIELD, LABEL, NEW_FIELD, described_entity, described_field
from core.customize import entities, service
from core.customize.entity_checks import MAX_COLUMNS
from core.customize.purge import Purged, retired
from core.http.requests import requires, unit_of_work
from core.i18n import lazy_gettext as _l

NAMES = {"type": "array", "items": TEXT, "maxItems": MAX_COLUMNS, "uniqueItems": True}
ICON = {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,39}$"}
NEW_ENTITY = object_of(
    name={"type": "string", "pattern": "^x(_[a-z0-9]+)+$", "maxLength": 42},
    label=LABEL,
    fields={"type": "array", "items": NEW_FIELD, "minItems": 1},
    optional={
        "label_plural": LABEL,
        "icon": ICON,
        "owned": {"type": "boolean"},
        "parent": {"type": "string", "maxLength": 63},
        "label_field": {"type": "string", "maxLength": 63},
        "list_columns": NAMES,
        "roles": {"type": "object"},
    },
)
CHANGED_ENTITY = object_of(
    optional={
        "label": LABEL,
        "label_plural": LABEL,
        "icon": ICON,
        "label_field": {"type": "string", "maxLength": 63},
        "list_columns": NAMES,
    }
)
CHANGED_FIELD = object_of(
    optional={
        name: {"anyOf": [schema, {"type": "null"}]}
        for name, schema in NEW_FIELD["properties"].items()
        if name in service.CHANGEABLE
    }
)
RETIRED = object_of(entity=TEXT, field=nullable(TEXT), label=TEXT, retired_at=nullable(MOMENT))
ERRORS = (403, 404, 409, 422)


@blueprint.post("/v1/schema/entities")
@requires("admin")
@operation(
    _l("Add an entity of one's own"),
    "schema",
    status=201,
    body=NEW_ENTITY,
    answer=ENTITY,
    errors=(403, 409, 422),
)
def create_entity() -> Response:
    """An entity that is at once part of everything."""
    arguments()
    body = json_body()
    with unit_of_work() as uow:
        spec = entities.add_entity(uow, body)
        return answer(described_entity(uow, spec), 201)


@blueprint.patch("/v1/schema/entities/<entity>")
@requires("admin")
@operation(
    _l("Change an entity of one's own"),
    "schema",
    body=CHANGED_ENTITY,
    answer=ENTITY,
    errors=ERRORS,
)
def change_entity(entity: str) -> Response:
    """Its labels, its icon, the columns of its list, and what its records are called by."""
    arguments()
    body = json_body()
    with unit_of_work() as uow:
        spec = entities.change_entity(uow, entity, body)
        return answer(described_entity(uow, spec))


@blueprint.post("/v1/schema/entities/<entity>/retire")
@requires("admin")
@operation(_l("Retire an entity of one's own"), "schema", status=204, errors=(403, 404, 409))
def retire_entity(entity: str) -> Response:
    """Hidden everywhere; its records stay."""
    arguments()
    with unit_of_work() as uow:
        entities.retire_entity(uow, entity)
    return Response(status=204)


@blueprint.post("/v1/schema/entities/<entity>/restore")
@requires("admin")
@operation(_l("Restore a retired entity"), "schema", answer=ENTITY, errors=(403, 404, 409))
def restore_entity(entity: str) -> Response:
    """Shown again, with its records."""
    arguments()
    with unit_of_work() as uow:
        spec = entities.restore_entity(uow, entity)
        return answer(described_entity(uow, spec))


@blueprint.patch("/v1/schema/entities/<entity>/fields/<field>")
@requires("admin")
@operation(
    _l("Change a field of one's own"), "schema", body=CHANGED_FIELD, answer=FIELD, errors=ERRORS
)
def change_field(entity: str, field: str) -> Response:
    """What is not the column itself; null takes an option away."""
    arguments()
    body = json_body()
    with unit_of_work() as uow:
        return answer(described_field(service.change_field(uow, entity, field, body)))


@blueprint.post("/v1/schema/entities/<entity>/fields/<field>/retire")
@requires("admin")
@operation(_l("Retire a field of one's own"), "schema", status=204, errors=(403, 404, 409))
def retire_field(entity: str, field: str) -> Response:
    """Hidden everywhere; its values stay."""
    arguments()
    with unit_of_work() as uow:
        service.retire_field(uow, entity, field)
    return Response(status=204)


@blueprint.post("/v1/schema/entities/<entity>/fields/<field>/restore")
@requires("admin")
@operation(_l("Restore a retired field"), "schema", answer=FIELD, errors=ERRORS)
def restore_field(entity: str, field: str) -> Response:
    """Shown again, with its values."""
    arguments()
    with unit_of_work() as uow:
        return answer(described_field(service.restore_field(uow, entity, field)))


@blueprint.get("/v1/schema/retired")
@requires("admin")
@operation(
    _l("Entities and fields that are retired"),
    "schema",
    answer=object_of(items=listing(RETIRED)),
    errors=(403,),
)
def list_retired() -> Response:
    """What can be restored, or is dropped by ``dougong schema purge``."""
    arguments()
    with unit_of_work(write=False) as uow:
        return answer({"items": [_retired(each) for each in retired(uow)]})


def _retired(each: Purged) -> dict[str, Any]:
    return {
        "entity": each.entity,
        "field": each.field,
        "label": str(each.label),
        "retired_at": each.retired_at,
    }
