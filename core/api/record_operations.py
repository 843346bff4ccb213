"""The part of the OpenAPI document that comes from one entity: its schemas and its paths."""

from __future__ import annotations

from typing import Any

from core.api.requests import MAX_BATCH_BODY
from core.api.rights import allowed_actions, allowed_verbs
from core.api.shapes import (
    IDENTIFIER,
    MOMENT,
    REFERENCE,
    TEXT,
    listing,
    nullable,
    object_of,
    problem_responses,
)
from core.customize.rules import make_rules
from core.documents import templates_of
from core.entities.field_rules import open_rules
from core.entities.purging import is_purgeable
from core.entities.query import MAX_LIMIT, visible
from core.entities.rule_words import rule_sentences
from core.entities.schema import read_schema, write_schema
from core.entities.timeline import MAX_ENTRIES
from core.fields import ActionSpec, EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import LOCALES
from core.i18n import gettext as _
from core.plugins.contributions import DocumentTemplate
from core.security.actor import FieldAccess
from core.work.uow import UnitOfWork

__all__ = ["record_paths", "record_schemas", "sees_entity"]

Schema = dict[str, Any]
MAX_ITEMS = 1_000
EXAMPLE = '{"field": "id", "op": "gt", "value": 7}'
VERSION: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}

READING = (400, 401, 403, 404, 422, 503)
WRITING = (400, 401, 403, 404, 409, 413, 415, 422, 503)

BODILESS = (400, 401, 403, 404, 409, 413, 422, 503)


def sees_entity(uow: UnitOfWork, spec: EntitySpec) -> bool:
    """True when the actor may do anything with the entity over REST."""
    return bool(allowed_actions(uow, spec) or allowed_verbs(uow, spec))


# Schemas


def record_schemas(uow: UnitOfWork, spec: EntitySpec) -> dict[str, Schema]:
    """``lead`` as it is read; ``lead.create``, ``lead.update`` and, in a batch, ``lead.change``."""
    allowed = allowed_actions(uow, spec)
    found = {spec.name: _read(uow, spec, visible(uow, spec))}
    writable = _writable(uow, spec)
    if "create" in allowed:
        required = [each.name for each in writable if each.is_needed]
        found[f"{spec.name}.create"] = _told(uow, spec, _write(uow, writable, {}, required))
    if "update" in allowed:
        extra = {"version": VERSION} if "version" in spec else {}
        found[f"{spec.name}.update"] = _told(uow, spec, _write(uow, writable, extra, []))
        found[f"{spec.name}.change"] = _write(uow, writable, {"id": IDENTIFIER, **extra}, ["id"])
    return found


def _told(uow: UnitOfWork, spec: EntitySpec, schema: Schema) -> Schema:
    """The schema, its fields described by the company's rules as far as the caller may see them."""
    for each in spec.ruled:
        if each.name in schema["properties"]:
            rules = make_rules(each, open_rules(uow, spec, each))
            told = " ".join(rule_sentences(uow, spec, each, rules))
            schema["properties"][each.name] = {
                **schema["properties"][each.name],
                **({"description": told} if told else {}),
            }
    return schema


def _read(uow: UnitOfWork, spec: EntitySpec, fields: tuple[FieldSpec, ...]) -> Schema:
    access = uow.actor.access(spec)
    properties: dict[str, Schema] = {}
    for each in fields:
        if isinstance(each.type, t.Lines):
            child = uow.snapshot.installed_entities[each.type.entity]
            shown = tuple(item for item in visible(uow, child) if item.is_stored)
            properties[each.name] = listing(_read(uow, child, shown))
        else:
            masked = access.field(each.name) == FieldAccess.MASKED
            properties[each.name] = read_schema(each, masked=masked)
        properties[each.name] = {**properties[each.name], "title": str(each.label)}
    properties["id"] = IDENTIFIER
    if "version" in spec:
        properties["version"] = VERSION
    return {
        "type": "object",
        "properties": properties,
        "required": ["id"],
        "additionalProperties": False,
    }


def _writable(uow: UnitOfWork, spec: EntitySpec) -> list[FieldSpec]:
    access = uow.actor.access(spec)
    return [
        each
        for each in visible(uow, spec)
        if each.is_writable and access.field(each.name) == FieldAccess.WRITE
    ]


def _write(
    uow: UnitOfWork, fields: list[FieldSpec], extra: dict[str, Schema], required: list[str]
) -> Schema:
    properties = {**{each.name: _given(uow, each) for each in fields}, **extra}
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _given(uow: UnitOfWork, field: FieldSpec) -> Schema:
    schema = write_schema(field)
    if isinstance(field.type, t.Lines):
        child = uow.snapshot.installed_entities[field.type.entity]
        fields = [each for each in _writable(uow, child) if each.name != child.parent_field]
        schema["items"] = _write(uow, fields, {"id": IDENTIFIER, "version": VERSION}, [])
    return {**schema, "title": str(field.label)}


# Paths


def record_paths(uow: UnitOfWork, spec: EntitySpec) -> dict[str, dict[str, Schema]]:
    """Every operation on the entity that the actor may use."""
    allowed = allowed_actions(uow, spec)
    root = f"/api/v1/records/{spec.name}"
    one = root + "/{id}"
    paths: dict[str, dict[str, Schema]] = {}

    def add(path: str, method: str, operation: Schema) -> None:
        paths.setdefault(path, {})[method] = operation

    if "read" in allowed:
        add(root, "get", _list(spec))
        add(f"{root}/aggregate", "get", _aggregate(spec))
        add(one, "get", _get(spec))
        add(f"{one}/timeline", "get", _timeline(spec))
        for template in templates_of(uow, spec.name):
            add(f"{one}/documents/{template.name}.pdf", "get", _document(spec, template))
    if "create" in allowed:
        add(root, "post", _create(spec))
    if allowed.intersection(("create", "update", "delete")):
        add(f"{root}/batch", "post", _batch(spec, allowed))
    if "update" in allowed:
        add(one, "patch", _update(spec))
    if "delete" in allowed:
        add(one, "delete", _delete(spec))
        add(f"{one}/restore", "post", _restore(spec))
        if is_purgeable(spec) and uow.actor.manages_security:
            add(f"{one}/purge", "post", _purge(spec))
    for verb in allowed_verbs(uow, spec):
        add(f"{one}/actions/{verb.name}", "post", _act(spec, verb))
    return paths


def _operation(
    spec: EntitySpec,
    name: str,
    summary: str,
    answer: Schema | None,
    *,
    status: int = 200,
    parameters: tuple[Schema, ...] = (),
    body: Schema | None = None,
    body_required: bool = True,
    errors: tuple[int, ...] = READING,
    headers: dict[str, Schema] | None = None,
) -> Schema:
    good: Schema = {"description": _("Done.")}
    if answer is not None:
        good["content"] = {"application/json": {"schema": answer}}
    if headers:
        good["headers"] = headers
    operation: Schema = {
        "operationId": f"{spec.name}.{name}",
        "summary": summary,
        "tags": [spec.name],
        "parameters": list(parameters),
        "responses": {str(status): good, **problem_responses(errors)},
    }
    if body is not None:
        content = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": body_required, "content": content}
    return operation


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, schema: Schema, text: str = "", *, place: str = "query") -> Schema:
    found: Schema = {"name": name, "in": place, "schema": schema}
    if place == "path":
        found["required"] = True
    if text:
        found["description"] = text
    return found


def _id() -> Schema:
    return _parameter("id", IDENTIFIER, place="path")


def _key() -> Schema:
    text = _("The same key with the same body gives the first answer again.")
    schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
    return _parameter("Idempotency-Key", schema, text, place="header")


def _if_match() -> Schema:
    text = _("The version that the change is based on.")
    schema = {"type": "string", "pattern": '^("[0-9]{1,18}"|[*])$'}
    return _parameter("If-Match", schema, text, place="header")


def _finding() -> tuple[Schema, ...]:
    return (
        _parameter(
            "filter",
            {"type": "string", "contentMediaType": "application/json"},
            _("A condition as JSON, e.g. %(example)s", example=EXAMPLE),
        ),
        _parameter("search", TEXT, _("Words that must all be found.")),
        _parameter("archived", {"type": "boolean"}, _("The recycle bin instead.")),
    )


def _list(spec: EntitySpec) -> Schema:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50}
    count = {"type": "string", "enum": ["none", "estimate", "exact"], "default": "none"}
    page = object_of(
        items=listing(_ref(spec.name)),
        next={"type": ["string", "null"]},
        total={"type": ["integer", "null"]},
    )
    parameters = (
        *_finding(),
        _parameter("sort", TEXT, _("Fields, separated by commas; - for descending.")),
        _parameter("limit", limit),
        _parameter("after", TEXT, _("“next” of the page before.")),
        _parameter("count", count),
        _parameter("fields", TEXT, _("Fields, separated by commas.")),
    )
    return _operation(spec, "list", _("List"), page, parameters=parameters)


def _aggregate(spec: EntitySpec) -> Schema:
    group = {"type": "array", "items": TEXT, "maxItems": 3}
    measure = {"type": "array", "items": TEXT, "maxItems": 10}
    rows = object_of(items=listing({"type": "object"}))
    parameters = (
        *_finding(),
        _parameter("group", group, _("Fields to group by.")),
        _parameter("measure", measure, _("count, or sum:, avg:, min:, max: with a number field.")),
    )
    return _operation(spec, "aggregate", _("Counts and sums"), rows, parameters=parameters)


def _get(spec: EntitySpec) -> Schema:
    archived = _parameter("archived", {"type": "boolean"}, _("From the recycle bin."))
    headers = _etag(spec)
    parameters = (_id(), archived)
    return _operation(
        spec, "get", _("Read one"), _ref(spec.name), parameters=parameters, headers=headers
    )


def _etag(spec: EntitySpec) -> dict[str, Schema]:
    return {"ETag": {"schema": TEXT}} if "version" in spec else {}


def _timeline(spec: EntitySpec) -> Schema:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_ENTRIES, "default": 50}
    change = object_of(field=TEXT, label=TEXT, old={}, new={})
    entry = object_of(
        at=MOMENT,
        kind=TEXT,
        actor=nullable(REFERENCE),
        title=TEXT,
        changes=listing(change),
        body=TEXT,
    )
    answer = object_of(items=listing(entry), next={"type": ["string", "null"]})
    parameters = (
        _id(),
        _parameter("limit", limit),
        _parameter("before", MOMENT, _("“next” of the page before.")),
    )
    return _operation(spec, "timeline", _("What happened"), answer, parameters=parameters)


def _document(spec: EntitySpec, template: DocumentTemplate) -> Schema:
    language = _parameter(
        "language",
        {"type": "string", "enum": list(LOCALES)},
        _("The language of the document; the reader's own without it."),
    )
    name = f"documents.{template.name}"
    summary = _("%(document)s as PDF", document=str(template.title))
    found = _operation(spec, name, summary, None, parameters=(_id(), language))
    found["responses"]["200"]["content"] = {
        "application/pdf": {"schema": {"type": "string", "contentMediaType": "application/pdf"}}
    }
    return found


def _create(spec: EntitySpec) -> Schema:
    headers = {"Location": {"schema": TEXT, "required": True}, **_etag(spec)}
    return _operation(
        spec,
        "create",
        _("Create"),
        _ref(spec.name),
        status=201,
        parameters=(_key(),),
        body=_ref(f"{spec.name}.create"),
        errors=WRITING,
        headers=headers,
    )


def _batch(spec: EntitySpec, allowed: frozenset[str]) -> Schema:
    lists: dict[str, Schema] = {"atomic": {"type": "boolean", "default": False}}
    if "create" in allowed:
        lists["create"] = {**listing(_ref(f"{spec.name}.create")), "maxItems": MAX_ITEMS}
    if "update" in allowed:
        lists["update"] = {**listing(_ref(f"{spec.name}.change")), "maxItems": MAX_ITEMS}
    if "delete" in allowed:
        removed = object_of(id=IDENTIFIER, optional={"version": VERSION})
        lists["delete"] = {**listing(removed), "maxItems": MAX_ITEMS}
    error = object_of(field=TEXT, code=TEXT, message=TEXT)
    optional = {"record": _ref(spec.name), "errors": listing(error)}
    result = object_of(status={"type": "integer"}, optional=optional)
    summary = _("Create, change and delete many; at most %(n)s bytes", n=MAX_BATCH_BODY)
    return _operation(
        spec,
        "batch",
        summary,
        object_of(results=listing(result)),
        parameters=(_key(),),
        body={**object_of(optional=lists), "minProperties": 1},
        errors=WRITING,
    )


def _update(spec: EntitySpec) -> Schema:
    return _operation(
        spec,
        "update",
        _("Change"),
        _ref(spec.name),
        parameters=(_id(), _if_match()),
        body=_ref(f"{spec.name}.update"),
        errors=WRITING,
        headers=_etag(spec),
    )


def _delete(spec: EntitySpec) -> Schema:
    parameters = (_id(), _if_match())
    return _operation(
        spec,
        "delete",
        _("Put into the recycle bin"),
        None,
        status=204,
        parameters=parameters,
        errors=BODILESS,
    )


def _restore(spec: EntitySpec) -> Schema:
    return _operation(
        spec,
        "restore",
        _("Take out of the recycle bin"),
        _ref(spec.name),
        parameters=(_id(), _key()),
        errors=BODILESS,
    )


def _purge(spec: EntitySpec) -> Schema:
    return _operation(
        spec,
        "purge",
        _("Remove for good, out of the recycle bin"),
        None,
        status=204,
        parameters=(_id(),),
        errors=BODILESS,
    )


def _act(spec: EntitySpec, verb: ActionSpec) -> Schema:
    properties = {
        each.name: {**write_schema(each), "title": str(each.label)} for each in verb.params
    }
    required = [each.name for each in verb.params if each.required and each.default is None]
    body = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    return _operation(
        spec,
        f"actions.{verb.name}",
        str(verb.label),
        object_of(result={}, record=nullable(_ref(spec.name))),
        parameters=(_id(), _key()),
        body=body,
        body_required=bool(required),
        errors=WRITING,
    )
