"""An OpenAPI document prepared for reading: operations of one tag, and what goes in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Section", "read_section"]

Schema = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """One line of a table: a parameter, or a member of a body."""

    name: str
    kind: str
    text: str
    required: bool


@dataclass(frozen=True)
class Entry:
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    parameters: tuple[Member, ...]
    body: tuple[Member, ...]
    answer: tuple[Member, ...]
    #: (status, what it means)
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Section:
    """The operations of one tag."""

    name: str
    title: str
    entries: tuple[Entry, ...]


def read_section(document: Schema, tag: str) -> Section:
    """What the document says about one tag; no entries for an unknown one."""
    entries = tuple(
        _entry(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    )
    titles = {each["name"]: each["description"] for each in document["tags"]}
    return Section(tag, titles.get(tag) or tag, entries)


def _entry(document: Schema, path: str, method: str, operation: Schema) -> Entry:
    answers = {status: _resolved(document, it) for status, it in operation["responses"].items()}
    good = next((it for status, it in answers.items() if status.startswith("2")), {})
    return Entry(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        parameters=tuple(
            Member(
                each["name"],
                _kind(document, each["schema"]),
                each.get("description", ""),
                bool(each.get("required")),
            )
            for each in operation["parameters"]
        ),
        body=_members(document, operation.get("requestBody", {})),
        answer=_members(document, good),
        answers=tuple((status, it["description"]) for status, it in answers.items()),
    )


def _members(document: Schema, holder: Schema) -> tuple[Member, ...]:
    content = holder.get("content", {})
    schema: Schema = next((each["schema"] for each in content.values()), {})
    schema = _resolved(document, schema)
    required = schema.get("required", ())
    return tuple(
        Member(name, _kind(document, each), str(each.get("title", "")), name in required)
        for name, each in schema.get("properties", {}).items()
    )


def _resolved(document: Schema, schema: Schema) -> Schema:
    found: Schema = schema
    if "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
    return found


def _kind(document: Schema, schema: Schema) -> str:
    """A type in a few words: ``string (date) | null``, ``object[]``, ``a | b``."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(_kind(document, each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join("null" if each is None else str(each) for each in schema["enum"])
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " | ".join(_named(document, schema, kind) for kind in kinds)


def _named(document: Schema, schema: Schema, kind: str) -> str:
    if kind == "array":
        return f"{_kind(document, schema.get('items', {}))}[]"
    form = schema.get("format", "")
    return f"{kind} ({form})" if form and kind != "null" else kind
