"""What exists: entities, fields and verbs as the caller may see them; and fields of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.rights import allowed_actions, allowed_verbs
from core.api.rule_shapes import RULES
from core.api.shapes import TEXT, listing, nullable, object_of
from core.customize.kinds import kind_name
from core.customize.ruling import set_rules
from core.customize.service import CUSTOMISABLE_KINDS, add_field
from core.entities.conditions import operators
from core.entities.field_rules import open_rules
from core.entities.query import visible
from core.fields import ActionSpec, EntitySpec, FieldSpec
from core.fields import types as t
from core.http.requests import requires, signed_in, unit_of_work
from core.i18n import lazy_gettext as _l
from core.security.actor import ACTIONS, FieldAccess
from core.work.uow import UnitOfWork

BOOLEAN = {"type": "boolean"}
CHOICE = object_of(value=TEXT, label=TEXT)
FIELD = object_of(
    name=TEXT,
    kind=TEXT,
    label=TEXT,
    help=TEXT,
    required=BOOLEAN,
    unique=BOOLEAN,
    readonly=BOOLEAN,
    masked=BOOLEAN,
    searchable=BOOLEAN,
    custom=BOOLEAN,
    owner=TEXT,
    choices=nullable(listing(CHOICE)),
    entity=nullable(TEXT),
    operators=listing(TEXT),
    rules=RULES,
)
ACTION = object_of(name=TEXT, label=TEXT, bulk=BOOLEAN, params=listing(FIELD))
ENTITY = object_of(
    name=TEXT,
    plugin=TEXT,
    label=TEXT,
    label_plural=TEXT,
    label_field=TEXT,
    list_columns=listing(TEXT),
    icon=TEXT,
    parent_field=nullable(TEXT),
    owned=BOOLEAN,
    custom=BOOLEAN,
    rights=listing(TEXT),
    fields=listing(FIELD),
    actions=listing(ACTION),
)
LABEL = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 100},
        {
            "type": "object",
            "properties": {
                locale: {"type": "string", "minLength": 1, "maxLength": 100}
                for locale in ("zh_CN", "en")
            },
            "minProperties": 1,
            "additionalProperties": False,
        },
    ]
}
NEW_FIELD = object_of(
    name={"type": "string", "pattern": "^x_[a-z0-9_]{1,40}$"},
    kind={"type": "string", "enum": list(CUSTOMISABLE_KINDS)},
    label=LABEL,
    optional={
        "help": LABEL,
        "required": BOOLEAN,
        "unique": BOOLEAN,
        "searchable": BOOLEAN,
        "index": BOOLEAN,
        "mobile_only": BOOLEAN,
        "default": {},
        "mask": {"type": "string", "pattern": "^[0-9]{0,2}-[0-9]{0,2}$"},
        "max_length": {"type": "integer", "minimum": 1, "maximum": 4000},
        "minimum": {"type": "integer"},
        "maximum": {"type": "integer"},
        "precision": {"type": "integer", "minimum": 1, "maximum": 36},
        "scale": {"type": "integer", "minimum": 0, "maximum": 12},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "choices": {"type": "array", "minItems": 1, "maxItems": 500},
        "level": {"type": "string", "enum": ["province", "city", "district"]},
        "entity": {"type": "string", "maxLength": 63},
        "pattern": {"type": "string", "maxLength": 40},
        "expression": {"type": "string", "maxLength": 4000},
        "result": TEXT,
    },
)


@blueprint.get("/v1/schema")
@signed_in
@operation(_l("Entities and fields"), "schema", answer=object_of(entities=listing(ENTITY)))
def get_schema() -> Response:
    """Entities that the caller may read, create, or use a verb of."""
    arguments()
    with unit_of_work() as uow:
        found = [
            described
            for spec in uow.entities.values()
            if (described := described_entity(uow, spec))["rights"]
        ]
        return answer({"entities": found})


@blueprint.post("/v1/schema/entities/<entity>/fields")
@requires("admin")
@operation(
    _l("Add a field of one's own"),
    "schema",
    status=201,
    body=object_of(
        **{name: NEW_FIELD["properties"][name] for name in NEW_FIELD["required"]},
        optional={**NEW_FIELD["properties"], "rules": RULES},
    ),
    answer=FIELD,
    errors=(403, 404, 409, 422),
)
def create_field(entity: str) -> Response:
    """A field that is at once part of everything."""
    arguments()
    body = json_body()
    with unit_of_work() as uow:
        rules = body.pop("rules", None)
        field = add_field(uow, entity, body)
        if rules:
            field = set_rules(uow, entity, field.name, rules)
        asked = open_rules(uow, uow.entity(entity), field)
        return answer(described_field(field, rules=asked), 201)


def described_entity(uow: UnitOfWork, spec: EntitySpec) -> dict[str, Any]:
    """An entity as the caller may see it."""
    access = uow.actor.access(spec)
    verbs = allowed_verbs(uow, spec)
    allowed = allowed_actions(uow, spec)
    can = [action for action in ACTIONS if action in allowed]
    return {
        "name": spec.name,
        "plugin": spec.plugin,
        "label": str(spec.label),
        "label_plural": str(spec.label_plural),
        "label_field": spec.label_field,
        "list_columns": list(spec.list_columns),
        "icon": spec.icon,
        "parent_field": spec.parent_field,
        "owned": spec.owned,
        "custom": spec.custom,
        "rights": [*can, *(verb.name for verb in verbs)],
        "fields": [
            described_field(each, access.field(each.name), open_rules(uow, spec, each))
            for each in visible(uow, spec)
        ],
        "actions": [_action(verb) for verb in verbs],
    }


def _action(verb: ActionSpec) -> dict[str, Any]:
    return {
        "name": verb.name,
        "label": str(verb.label),
        "bulk": verb.bulk,
        "params": [described_field(each) for each in verb.params],
    }


def described_field(
    field: FieldSpec,
    access: FieldAccess = FieldAccess.WRITE,
    rules: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A field as somebody with that access sees it."""
    usable = access >= FieldAccess.READ and not isinstance(field.type, t.Lines)
    return {
        "name": field.name,
        "kind": kind_name(field.type),
        "label": str(field.label),
        "help": str(field.help),
        "required": field.required,
        "unique": field.unique,
        "readonly": not field.is_writable or access < FieldAccess.WRITE,
        "masked": access == FieldAccess.MASKED,
        "searchable": field.searchable,
        "custom": field.custom,
        "owner": field.owner,
        "choices": _choices(field.value_type),
        "entity": getattr(field.type, "entity", None),
        "operators": sorted(operators(field.type)) if usable else [],
        "rules": dict(rules or {}),
    }


def _choices(type_: t.FieldType) -> list[dict[str, str]] | None:
    if not isinstance(type_, t.ChoiceField):
        return None
    return [{"value": choice.value, "label": str(choice.label)} for choice in type_.choices]
