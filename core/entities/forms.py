"""Forms: which inputs a person gets, in which sections, and what was filled in."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from markupsafe import Markup

from core.entities.edits import FormEdit
from core.entities.inputs import (
    Drawing,
    FormInput,
    InputContext,
    drawing,
    from_input,
    is_given,
    read_input,
    to_input,
)
from core.entities.rendering import display_html
from core.entities.values import BadValue
from core.errors import Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.actor import FieldAccess

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Control",
    "Form",
    "FormSection",
    "build_form",
    "control_for",
    "editable_fields",
    "fingerprints",
    "read_form",
    "sections_of",
]

log = logging.getLogger("dougong.web")
_SYSTEM = frozenset(
    {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at"}
)


@dataclass(frozen=True)
class Control:
    """One input, or a value that is only shown when ``shown`` is set."""

    name: str
    label: str
    drawing: Drawing
    raw: tuple[str, ...] = ()
    required: bool = False
    help: str = ""
    error: str = ""
    shown: Markup | None = None
    #: (id, label) of the records that references to many hold.
    chosen: tuple[tuple[str, str], ...] = ()
    #: For child lines: the rows, each its key and its controls; and an empty row to copy.
    lines: tuple[LineRow, ...] = ()
    empty_line: LineRow | None = None


@dataclass(frozen=True)
class LineRow:
    """One child line in a form."""

    index: str
    key: str
    controls: tuple[Control, ...]


@dataclass(frozen=True)
class FormSection:
    """A titled part of a form."""

    title: str
    controls: tuple[Control, ...]


@dataclass
class Form:
    """What a form page shows."""

    sections: list[FormSection]
    #: (name, label, message), in the order of the form.
    errors: list[tuple[str, str, str]] = field(default_factory=list)
    #: What each input showed at first, in short: so that the server knows what was changed.
    seen: str = ""


# Which fields


def sections_of(spec: EntitySpec, names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """(title, field names): the declared sections, then what no section mentions."""
    left = dict.fromkeys(names)
    found: list[tuple[str, list[str]]] = []
    for section in spec.sections:
        inside = [name for name in section.fields if name in left]
        for name in inside:
            left.pop(name)
        if inside:
            found.append((str(section.title), inside))
    if left:
        found.append((_("Further details") if found else _("Details"), list(left)))
    return found


def form_edits(uow: UnitOfWork, spec: EntitySpec) -> dict[str, list[FormEdit]]:
    """What plugins ask of the form, by field; what names no field is logged and left out."""
    enabled = uow.snapshot.enabled
    found: dict[str, list[FormEdit]] = {}
    if not uow.runtime.plugins.has("adjust_form", enabled):
        return found
    for edits in uow.runtime.plugins.ask("adjust_form", enabled, entity=spec, actor=uow.actor):
        for edit in edits:
            if edit.field in spec:
                found.setdefault(edit.field, []).append(edit)
            else:
                log.warning("adjust_form: %s has no field %s", spec.name, edit.field)
    return found


def editable_fields(uow: UnitOfWork, spec: EntitySpec) -> list[FieldSpec]:
    """The fields that this person fills in."""
    edits = form_edits(uow, spec)
    return [
        item
        for item in spec
        if _is_editable(uow, spec, item)
        and not any(edit.kind in ("hide", "readonly") for edit in edits.get(item.name, ()))
    ]


def _is_editable(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec) -> bool:
    if item.name in _SYSTEM or not item.is_writable or isinstance(item.type, t.Document):
        return False
    return uow.actor.access(spec).field(item.name) >= FieldAccess.WRITE


# Drawing


def build_form(
    context: InputContext,
    spec: EntitySpec,
    *,
    values: Mapping[str, Any],
    form: FormInput | None = None,
    problems: Sequence[Problem] = (),
    add_line: str = "",
) -> Form:
    """The form of a new record (``values`` are its defaults) or of an existing one, filled with
    what was typed when ``form`` is given. ``add_line`` names lines that get another row."""
    uow = context.uow
    edits = form_edits(uow, spec)
    errors = {problem.field: problem.message for problem in reversed(problems)}
    editable = {item.name: item for item in editable_fields(uow, spec)}
    hidden = {name for name, found in edits.items() if any(edit.kind == "hide" for edit in found)}
    names = [
        item.name
        for item in spec
        if item.name not in _SYSTEM and item.name not in hidden
        if item.name in editable or values.get(item.name) not in (None, [])
    ]
    controls: dict[str, Control] = {}
    for name in names:
        item = spec[name]
        helps = [str(edit.text) for edit in edits.get(name, ()) if edit.kind == "help"]
        if name not in editable:
            shown = display_html(item.type, values.get(name), context.reader, values)
            if isinstance(item.type, t.Lines):
                continue
            controls[name] = Control(name, str(item.label), Drawing("shown"), shown=shown)
        elif isinstance(item.type, t.Lines):
            controls[name] = _lines_control(
                context, item, values.get(name) or [], form, errors, add_line == name
            )
        else:
            raw = _raw(item, context, values.get(name), form, name)
            made = control_for(context, item, raw, error=errors.get(name, ""))
            controls[name] = replace(made, help=" ".join(helps)) if helps else made
    sections = [
        FormSection(title, tuple(controls[name] for name in inside if name in controls))
        for title, inside in sections_of(spec, names)
    ]
    return Form(
        [section for section in sections if section.controls],
        _summary(spec, problems, controls),
        fingerprints(context, spec, values),
    )


def control_for(
    context: InputContext,
    item: FieldSpec,
    raw: tuple[str, ...],
    *,
    name: str = "",
    error: str = "",
) -> Control:
    """The input of one field, holding the texts ``raw``."""
    drawn = drawing(item.type, context)
    return Control(
        name or item.name,
        str(item.label),
        drawn,
        raw=raw,
        required=item.required,
        help=str(item.help) or _type_help(item.type),
        error=error,
        chosen=_chosen(context, item, raw) if drawn.kind in ("references", "file") else (),
    )


def _type_help(type_: t.FieldType) -> str:
    return _("Separate them with commas.") if isinstance(type_, t.Tags) else ""


def _raw(
    item: FieldSpec, context: InputContext, value: Any, form: FormInput | None, name: str
) -> tuple[str, ...]:
    if form is not None and is_given(item.type, form, name):
        return read_input(item.type, form, name)
    return to_input(item.type, value, context)


def _chosen(
    context: InputContext, item: FieldSpec, raw: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    from core.entities.labels import resolve_labels

    entity = "file" if isinstance(item.type, t.File) else item.type.entity  # type: ignore[attr-defined]
    keys = [int(text) for text in raw if text.isdecimal()]
    labels = resolve_labels(context.uow, {entity: set(keys)}).get(entity, {})
    return tuple((str(key), labels.get(key, _("Not visible to you"))) for key in keys)


def _summary(
    spec: EntitySpec, problems: Sequence[Problem], controls: Mapping[str, Control]
) -> list[tuple[str, str, str]]:
    order = {name: place for place, name in enumerate(controls)}
    found = []
    for problem in sorted(problems, key=lambda p: order.get(p.field.partition(".")[0], 99)):
        first = problem.field.partition(".")[0]
        label = str(spec[first].label) if first in spec else str(spec.label)
        found.append((problem.field, label, problem.message))
    return found


# Child lines


def _line_fields(context: InputContext, item: FieldSpec) -> tuple[EntitySpec, list[FieldSpec]]:
    assert isinstance(item.type, t.Lines)
    child = context.uow.snapshot.installed_entities[item.type.entity]
    fields = [
        each
        for each in editable_fields(context.uow, child)
        if each.name not in (child.parent_field, "position")
        and not isinstance(each.type, (t.Lines, t.References))
    ]
    return child, fields


def _lines_control(
    context: InputContext,
    item: FieldSpec,
    values: Sequence[Mapping[str, Any]],
    form: FormInput | None,
    errors: Mapping[str, str],
    add: bool,
) -> Control:
    child, fields = _line_fields(context, item)
    rows: list[tuple[str, dict[str, tuple[str, ...]]]]
    if form is not None and f"{item.name}__shown" in form:
        rows = _sent_rows(context, form, item.name, fields)
    else:
        rows = [
            (str(line["id"]), {f.name: to_input(f.type, line.get(f.name), context) for f in fields})
            for line in values
        ]
    if add or not rows:
        rows.append(("", _blank(context, fields)))
    lines = [
        _line_row(context, item.name, str(place), key, raws, fields, errors)
        for place, (key, raws) in enumerate(rows)
    ]
    empty = _line_row(context, item.name, "NEW", "", _blank(context, fields), fields, {})
    return Control(
        item.name,
        str(item.label),
        Drawing("lines", wide=True),
        required=item.required,
        help=str(item.help),
        error=errors.get(item.name, ""),
        lines=tuple(lines),
        empty_line=empty,
    )


def _line_row(
    context: InputContext,
    name: str,
    index: str,
    key: str,
    raws: Mapping[str, tuple[str, ...]],
    fields: Sequence[FieldSpec],
    errors: Mapping[str, str],
) -> LineRow:
    prefix = f"{name}.{index}"
    controls = tuple(
        control_for(
            context,
            item,
            raws.get(item.name, ()),
            name=f"{prefix}.{item.name}",
            error=errors.get(f"{prefix}.{item.name}", ""),
        )
        for item in fields
    )
    return LineRow(index, key, controls)


def _blank(context: InputContext, fields: Sequence[FieldSpec]) -> dict[str, tuple[str, ...]]:
    return {item.name: to_input(item.type, default_of(item), context) for item in fields}


def default_of(item: FieldSpec) -> Any:
    """The value that a new record begins with."""
    return item.default() if callable(item.default) else item.default


def _sent_rows(
    context: InputContext, form: FormInput, name: str, fields: Sequence[FieldSpec]
) -> list[tuple[str, dict[str, tuple[str, ...]]]]:
    """(id, inputs) of the lines that were sent, without those taken out and those left blank."""
    blank = _blank(context, fields)
    removed = set(form.getlist("remove_line"))
    rows = []
    for index in _indexes(form, name):
        prefix = f"{name}.{index}"
        if prefix in removed:
            continue
        key = (form.getlist(f"{prefix}.id") or [""])[0]
        raws = {item.name: read_input(item.type, form, f"{prefix}.{item.name}") for item in fields}
        if key or any(raws[name_] not in ((), blank[name_]) for name_ in raws):
            rows.append((key, raws))
    return rows


def _indexes(form: FormInput, name: str) -> list[str]:
    pattern = re.compile(rf"{re.escape(name)}\.([0-9]{{1,6}})\.")
    found = (pattern.match(key) for key in form)  # type: ignore[attr-defined]
    return sorted({match[1] for match in found if match}, key=int)


# Reading


def fingerprints(context: InputContext, spec: EntitySpec, values: Mapping[str, Any]) -> str:
    """What the inputs show for ``values``, a few letters each."""
    parts = []
    for item in editable_fields(context.uow, spec):
        parts.append(f"{item.name}={_fingerprint(_shown_texts(context, item, values))}")
    return ",".join(parts)


def _shown_texts(context: InputContext, item: FieldSpec, values: Mapping[str, Any]) -> Any:
    value = values.get(item.name)
    if not isinstance(item.type, t.Lines):
        return to_input(item.type, value, context)
    _child, fields = _line_fields(context, item)
    return tuple(
        (str(line["id"]), tuple(to_input(f.type, line.get(f.name), context) for f in fields))
        for line in value or ()
    )


def _fingerprint(texts: Any) -> str:
    return f"{crc32(repr(texts).encode()):08x}"


def read_form(
    context: InputContext,
    spec: EntitySpec,
    form: FormInput,
    *,
    current: Mapping[str, Any] | None = None,
    skip: frozenset[str] = frozenset(),
) -> tuple[dict[str, Any], list[Problem]]:
    """The values for the service, and what could not be understood.

    Of an existing record (``current``) only what the person changed is taken, compared with what
    the form showed at first, so that somebody else's change of another field is never undone.
    """
    seen = _read_seen((form.getlist("seen") or [""])[0])
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for item in editable_fields(context.uow, spec):
        if item.name in skip or not is_given(item.type, form, item.name):
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
            values[item.name] = from_input(item.type, texts, context)
        except BadValue as error:
            problems.append(Problem(item.name, error.code, str(error)))
    return values, problems


def _read_seen(text: str) -> dict[str, str]:
    parts = (part.partition("=") for part in text[:20_000].split(",") if "=" in part)
    return {name: mark for name, _equals, mark in parts}


def _sent_texts(context: InputContext, item: FieldSpec, form: FormInput) -> Any:
    if not isinstance(item.type, t.Lines):
        return read_input(item.type, form, item.name)
    _child, fields = _line_fields(context, item)
    rows = _sent_rows(context, form, item.name, fields)
    return tuple((key, tuple(raws[f.name] for f in fields)) for key, raws in rows)


def _read_lines(
    context: InputContext,
    item: FieldSpec,
    form: FormInput,
    current: Mapping[str, Any],
    problems: list[Problem],
) -> list[dict[str, Any]]:
    _child, fields = _line_fields(context, item)
    old = {str(line["id"]): line for line in current.get(item.name) or ()}
    lines = []
    for place, (key, raws) in enumerate(_sent_rows(context, form, item.name, fields)):
        line: dict[str, Any] = {"id": int(key)} if key.isdecimal() else {}
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
