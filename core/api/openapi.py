"""The OpenAPI 3.1 document of exactly what one caller may use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from core import __version__
from core.api.operations import Operation
from core.api.record_operations import record_paths, record_schemas, sees_entity
from core.api.shapes import IDENTIFIER, PROBLEM, problem_responses
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

__all__ = ["Route", "build_document"]

#: (path as the router has it, method, description)
Route = tuple[str, str, Operation]
Schema = dict[str, Any]

_STATUSES: dict[int, Callable[[], str]] = {
    400: lambda: _("The request is malformed."),
    401: lambda: _("No token, or one that is not known."),
    403: lambda: _("The caller lacks the right."),
    404: lambda: _("There is no such thing, or none that the caller may see."),
    409: lambda: _("The state of things does not allow it, or somebody changed it meanwhile."),
    413: lambda: _("The body is too large."),
    415: lambda: _("The body is not JSON."),
    422: lambda: _("Values are wrong; each is named."),
    429: lambda: _("Too many requests in a minute; Retry-After says how long to wait."),
    503: lambda: _("Busy; try again after a moment."),
}


def build_document(uow: UnitOfWork, routes: Iterable[Route]) -> Schema:
    """The document for the actor of ``uow``: described routes, and the records they may use."""
    schemas: dict[str, Schema] = {"Problem": PROBLEM}
    paths: dict[str, dict[str, Schema]] = {}
    tags = []
    for spec in uow.entities.values():
        if not sees_entity(uow, spec):
            continue
        tags.append({"name": spec.name, "description": str(spec.label_plural)})
        schemas |= record_schemas(uow, spec)
        paths |= record_paths(uow, spec)
    for rule, method, described in routes:
        path, parameters = _path(rule)
        found = _described(method, path, parameters, described)
        paths.setdefault(path, {})[method.lower()] = found
        if all(tag["name"] != described.tag for tag in tags):
            tags.append({"name": described.tag, "description": ""})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": str(uow.snapshot.settings.get("core", {}).get("company_name") or "Dougong"),
            "version": __version__,
        },
        "tags": tags,
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
            "responses": _responses(),
        },
    }


def _responses() -> dict[str, Schema]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": text(), "content": content}
        for status, text in _STATUSES.items()
    }


def _path(rule: str) -> tuple[str, list[Schema]]:
    """``/x/<record:id>`` as ``/x/{id}``, and its parameters."""
    parameters: list[Schema] = []

    def replace(match: re.Match[str]) -> str:
        is_number = (match[1] or "").startswith(("record", "int"))
        schema = IDENTIFIER if is_number else {"type": "string", "minLength": 1, "maxLength": 63}
        parameters.append({"name": match[2], "in": "path", "required": True, "schema": schema})
        return "{" + match[2] + "}"

    return re.sub(r"<(?:([^:<>]+):)?([^<>]+)>", replace, rule), parameters


def _described(method: str, path: str, parameters: list[Schema], described: Operation) -> Schema:
    wanted: Mapping[str, Any] = described.parameters or {}
    parameters = parameters + [
        {"name": name, "in": "query", "schema": schema} for name, schema in wanted.items()
    ]
    errors = {400, 401, 429, 503, *described.errors}
    operation: Schema = {
        "operationId": f"{described.tag}.{method.lower()}.{path.strip('/').replace('/', '.')}",
        "summary": str(described.summary),
        "tags": [described.tag],
        "parameters": parameters,
    }
    if described.body is not None:
        errors |= {413, 415}
        operation["requestBody"] = {
            "required": not described.body_optional,
            "content": {described.body_type: {"schema": described.body}},
        }
    answer: Schema = {"description": _("Done.")}
    if described.answer is not None:
        answer["content"] = {"application/json": {"schema": described.answer}}
    operation["responses"] = {str(described.status): answer, **problem_responses(errors)}
    return operation
