"""JSON Schemas that several operations share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.entities.schema import MAX_ID, reference_schema

__all__ = [
    "IDENTIFIER",
    "MOMENT",
    "PROBLEM",
    "REFERENCE",
    "TEXT",
    "items_of",
    "listing",
    "nullable",
    "object_of",
    "problem_responses",
]

Schema = dict[str, Any]

IDENTIFIER: Schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}
TEXT: Schema = {"type": "string"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
REFERENCE: Schema = reference_schema()


def object_of(*, optional: dict[str, Schema] | None = None, **properties: Schema) -> Schema:
    """An object with these members and no others; all required but for the optional ones."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
        "additionalProperties": False,
    }


def items_of(schema: Schema) -> Schema:
    """``{"items": […]}``"""
    return object_of(items=listing(schema))


def listing(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "errors": listing(
            {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "item": {"type": "integer"},
                },
                "required": ["field", "code", "message"],
            }
        ),
        "current": {"type": "object"},
        "yours": {"type": "object"},
    },
    "required": ["type", "title", "status", "errors"],
}


def problem_responses(statuses: Iterable[int]) -> dict[str, Schema]:
    """References to the shared answers of refusals, by status."""
    return {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)
    }
