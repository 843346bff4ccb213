"""What was filled in: read from what the browser sent, and only what the person changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from core.entities.form_fields import editable_fields, line_fields, sent_lines
from core.entities.inputs import (
    FormInput,
    InputContext,
    from_input,
    is_given,
    read_input,
    to_input,
)
from core.entities.values import BadValue
from core.errors import Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t

__all__ = ["changed_since", "fingerprints", "read_fields", "read_form", "shown_value"]


def read_form(
    context: InputContext,
    spec: EntitySpec,
    form: FormInput,
    *,
    current: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """The values for the service, and what could not be understood.

    Of an existing record (``current``) only what the person changed is taken, compared with what
    the form showed at first, so that somebody else's change of another field is never undone.
    """
    seen = _read_seen((form.getlist("seen") or [""])[0])
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for item in editable_fields(context.uow, spec):
        if not is_given(item.type, form, item.name):
            continue
        texts = _sent_texts(context, item, form)
        if current is not None:
            before = seen.get(item.name) or _fingerprint(_shown_texts(context, item, current))
            if before == _fingerprint(texts):
                continue
        if isinstance(item.type, t.Lines):
            values[item.name] = _read_lines(context, item, form, current or {}, problems)
            continue
        try:
            value = from_input(item.type, texts, context)
        except BadValue as error:
            problems.append(Problem(item.name, error.code, str(error)))
            continue
        if isinstance(item.type, t.Related):
            entity, _colon, key = (value or "").partition(":")
            values[item.type.entity_field] = entity or None
            value = key or None
        values[item.name] = value
    return values, problems


def _read_lines(
    context: InputContext,
    item: FieldSpec,
    form: FormInput,
    current: Mapping[str, Any],
    problems: list[Problem],
) -> list[dict[str, Any]]:
    _child, fields = line_fields(context, item)
    old = {str(line["id"]): line for line in current.get(item.name) or ()}
    lines = []
    for place, (_at, key, raws) in enumerate(sent_lines(context, form, item.name, fields)):
        # A line that somebody else removed meanwhile is made anew: what was typed is not lost.
        line: dict[str, Any] = {"id": int(key)} if key in old else {}
        for each in fields:
            raw = raws[each.name]
            known = old.get(key)
            if known is not None and raw == to_input(each.type, known.get(each.name), context):
                continue
            try:
                line[each.name] = from_input(each.type, raw, context)
            except BadValue as error:
                where = f"{item.name}.{place}.{each.name}"
                problems.append(Problem(where, error.code, str(error)))
        lines.append(line)
    return lines


def read_fields(
    context: InputContext, fields: Iterable[FieldSpec], form: FormInput
) -> tuple[dict[str, Any], list[Problem]]:
    """The values of all ``fields``, and what could not be understood: an input that was not sent is
    empty. For the forms of the core's own pages, which draw each of their fields."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for item in fields:
        texts = read_input(item.type, form, item.name)
        try:
            values[item.name] = from_input(item.type, texts, context)
        except BadValue as error:
            values[item.name] = texts[0] if texts else None
            problems.append(Problem(item.name, error.code, str(error)))
    return values, problems


def shown_value(item: FieldSpec, values: Mapping[str, Any]) -> Any:
    """What the input of a field shows: a record of any entity goes with its entity, as ``lead:7``."""
    value = values.get(item.name)
    if isinstance(item.type, t.Related) and value is not None:
        return f"{values.get(item.type.entity_field)}:{value}"
    return value


def _sent_texts(context: InputContext, item: FieldSpec, form: FormInput) -> Any:
    if not isinstance(item.type, t.Lines):
        return read_input(item.type, form, item.name)
    _child, fields = line_fields(context, item)
    rows = sent_lines(context, form, item.name, fields)
    return tuple((key, tuple(raws[f.name] for f in fields)) for _at, key, raws in rows)


# What the form showed at first


def fingerprints(context: InputContext, spec: EntitySpec, values: Mapping[str, Any]) -> str:
    """What the inputs show for ``values``, a few letters each."""
    parts = []
    for item in editable_fields(context.uow, spec):
        parts.append(f"{item.name}={_fingerprint(_shown_texts(context, item, values))}")
    return ",".join(parts)


def changed_since(
    context: InputContext, spec: EntitySpec, seen: str, values: Mapping[str, Any]
) -> list[str]:
    """The fields that show something else now than when ``seen`` was taken by `fingerprints`."""
    before, now = _read_seen(seen), _read_seen(fingerprints(context, spec, values))
    return [name for name, mark in now.items() if before.get(name, mark) != mark]


def _shown_texts(context: InputContext, item: FieldSpec, values: Mapping[str, Any]) -> Any:
    value = shown_value(item, values)
    if not isinstance(item.type, t.Lines):
        return to_input(item.type, value, context)
    _child, fields = line_fields(context, item)
    return tuple(
        (str(line["id"]), tuple(to_input(f.type, line.get(f.name), context) for f in fields))
        for line in value or ()
    )


def _fingerprint(texts: Any) -> str:
    return f"{crc32(repr(texts).encode()):08x}"


def _read_seen(text: str) -> dict[str, str]:
    parts = (part.partition("=") for part in text[:20_000].split(",") if "=" in part)
    return {name: mark for name, _equals, mark in parts}
