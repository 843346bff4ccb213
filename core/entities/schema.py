"""Fields as JSON: the JSON Schema of a type for reading and for writing, and each value in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import Any

from core.entities.labels import Labels
from core.fields import FieldSpec
from core.fields import types as t

__all__ = ["MAX_ID", "converter", "read_schema", "reference_schema", "to_json", "write_schema"]

Schema = dict[str, Any]
Converter = Callable[[Any], Any]

MAX_ID = 10**18 - 1
_IDENTIFIER: Schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}
#: Entries of a list of references, as the check of values has it.
_MAX_LINKS = 1_000
_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"


def read_schema(field: FieldSpec, *, masked: bool = False) -> Schema:
    """What a reader of the field gets; null where nothing is stored.

    Child lines are left to the caller, who knows which of their fields the reader may see.
    """
    return {"type": ["string", "null"]} if masked else _nullable(_reading(field.type))


def write_schema(field: FieldSpec) -> Schema:
    """What a writer may give; null empties a field that is not required."""
    schema = _writing(field.type)
    if field.rules is not None:
        lengths = {"minLength": field.rules.min_length, "maxLength": field.rules.max_length}
        schema = schema | {key: value for key, value in lengths.items() if value is not None}
    whole = field.is_always_required or isinstance(field.type, t.Lines)
    return schema if whole else _nullable(schema)


def reference_schema() -> Schema:
    """A reference as it is read; the label is null for a record that the reader may not see."""
    return {
        "type": "object",
        "properties": {"id": _IDENTIFIER, "label": {"type": ["string", "null"]}},
        "required": ["id", "label"],
        "additionalProperties": False,
    }


def _nullable(schema: Schema) -> Schema:
    if not schema:
        return schema
    kind = schema.get("type")
    if not isinstance(kind, str):
        return {"anyOf": [schema, {"type": "null"}]}
    found = {**schema, "type": [kind, "null"]}
    if "enum" in schema:
        found["enum"] = [*schema["enum"], None]
    return found


# Reading


@singledispatch
def _reading(type_: t.FieldType) -> Schema:
    return {"type": "string"}


@_reading.register
def _(type_: t.Integer) -> Schema:
    return {"type": "integer", "format": "int64"}


@_reading.register
def _(type_: t.Number) -> Schema:
    return {"type": "string", "pattern": _DECIMAL}


@_reading.register
def _(type_: t.Boolean) -> Schema:
    return {"type": "boolean"}


@_reading.register
def _(type_: t.Date) -> Schema:
    return {"type": "string", "format": "date"}


@_reading.register
def _(type_: t.DateTime) -> Schema:
    return {"type": "string", "format": "date-time"}


@_reading.register
def _(type_: t.MultiChoice) -> Schema:
    return {"type": "array", "items": {"type": "string"}}


@_reading.register
def _(type_: t.Tags) -> Schema:
    return {"type": "array", "items": {"type": "string"}}


@_reading.register
def _(type_: t.Reference) -> Schema:
    return reference_schema()


@_reading.register
def _(type_: t.File) -> Schema:
    return reference_schema()


@_reading.register
def _(type_: t.References) -> Schema:
    return {"type": "array", "items": reference_schema()}


@_reading.register
def _(type_: t.Lines) -> Schema:
    return {"type": "array", "items": {"type": "object"}}


@_reading.register
def _(type_: t.Document) -> Schema:
    return {"type": ["object", "array", "null"]}


@_reading.register
def _(type_: t.Computed) -> Schema:
    return _reading(type_.result)


# Writing


@singledispatch
def _writing(type_: t.FieldType) -> Schema:
    return _reading(type_)


@_writing.register
def _(type_: t.Text) -> Schema:
    return {"type": "string", "maxLength": type_.max_length}


@_writing.register
def _(type_: t.LongText) -> Schema:
    return {"type": "string", "maxLength": type_.max_length}


@_writing.register
def _(type_: t.Email) -> Schema:
    return {"type": "string", "format": "email", "maxLength": type_.max_length}


@_writing.register
def _(type_: t.Url) -> Schema:
    return {"type": "string", "pattern": "^https?://", "maxLength": type_.max_length}


@_writing.register
def _(type_: t.Integer) -> Schema:
    limits = {"minimum": type_.minimum, "maximum": type_.maximum}
    return {"type": "integer", "format": "int64", **limits}


@_writing.register
def _(type_: t.Number) -> Schema:
    digits = max(type_.precision - type_.scale, 1)
    fraction = rf"(\.[0-9]{{1,{type_.scale}}})?" if type_.scale else ""
    return {"type": "string", "pattern": rf"^-?[0-9]{{1,{digits}}}{fraction}$"}


@_writing.register
def _(type_: t.ChoiceField) -> Schema:
    return {"type": "string", "enum": [choice.value for choice in type_.choices]}


@_writing.register
def _(type_: t.MultiChoice) -> Schema:
    values = [choice.value for choice in type_.choices]
    items = {"type": "string", "enum": values}
    return {"type": "array", "items": items, "maxItems": len(values), "uniqueItems": True}


@_writing.register
def _(type_: t.Tags) -> Schema:
    items: Schema = {"type": "string", "minLength": 1, "maxLength": type_.max_length}
    if type_.groups:
        items["enum" if type_.only_groups else "examples"] = list(type_.by_word)
    return {"type": "array", "items": items, "maxItems": type_.max_items}


@_writing.register
def _(type_: t.Region) -> Schema:
    return {"type": "string", "pattern": "^[0-9]{6}$"}


@_writing.register
def _(type_: t.Reference) -> Schema:
    return dict(_IDENTIFIER)


@_writing.register
def _(type_: t.File) -> Schema:
    return dict(_IDENTIFIER)


@_writing.register
def _(type_: t.References) -> Schema:
    return {"type": "array", "items": dict(_IDENTIFIER), "maxItems": _MAX_LINKS}


@_writing.register
def _(type_: t.Lines) -> Schema:
    return {"type": "array", "items": {"type": "object"}, "maxItems": type_.max_items}


# Values


def to_json(type_: t.FieldType, value: Any, labels: Labels | None = None) -> Any:
    """One value as JSON has it. References become ``{"id", "label"}`` with the given labels.

    Lists of child lines are not for this function: their fields differ by reader.
    """
    convert = converter(type_, labels or {})
    return value if convert is None else convert(value)


def converter(type_: t.FieldType, labels: Labels) -> Converter | None:
    """`to_json` for one type, looked up once for many rows; None where JSON has the value as it is.

    A masked value is a text, whatever the type: it stays what it is.
    """
    return _converter(type_, labels)


@singledispatch
def _converter(type_: t.FieldType, labels: Labels) -> Converter | None:
    return None


@_converter.register
def _(type_: t.Secret, labels: Labels) -> Converter:
    return bool  # that there is one


@_converter.register
def _(type_: t.Number, labels: Labels) -> Converter:
    return _decimal


@_converter.register
def _(type_: t.Boolean, labels: Labels) -> Converter:
    return lambda value: False if value is None else value


@_converter.register
def _(type_: t.Date, labels: Labels) -> Converter:
    return _day


@_converter.register
def _(type_: t.DateTime, labels: Labels) -> Converter:
    return _moment


@_converter.register
def _(type_: t.Reference, labels: Labels) -> Converter:
    return _reference(labels.get(type_.entity, {}))


@_converter.register
def _(type_: t.File, labels: Labels) -> Converter:
    return _reference(labels.get("file", {}))


@_converter.register
def _(type_: t.References, labels: Labels) -> Converter:
    known = labels.get(type_.entity, {})

    def convert(value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        return [{"id": key, "label": known.get(key)} for key in value]

    return convert


@_converter.register
def _(type_: t.Computed, labels: Labels) -> Converter | None:
    return _converter(type_.result, labels)


def _decimal(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else format(value, "f")


def _day(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else value.isoformat()


def _moment(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return value.isoformat().replace("+00:00", "Z")


def _reference(known: Mapping[int, str]) -> Converter:
    def convert(value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        return {"id": value, "label": known.get(value)}

    return convert
