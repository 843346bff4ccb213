"""Which inputs a form has: the fields that a person fills in, in sections, and in child lines."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.entities.defaults import default_of
from core.entities.edits import FormEdit
from core.entities.inputs import FormInput, InputContext, read_input, to_input
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _
from core.security.actor import FieldAccess

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "SYSTEM_FIELDS",
    "blank_line",
    "editable_fields",
    "file_field",
    "form_edits",
    "line_fields",
    "place_of",
    "sections_of",
    "sent_lines",
]

log = logging.getLogger("dougong.web")
#: Kept by the service; no form fills them in.
SYSTEM_FIELDS = frozenset(
    {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "archived_at"}
)


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
    enabled = uow.open_plugins
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
    if item.name in SYSTEM_FIELDS or not item.is_writable:
        return False
    return uow.actor.access(spec).field(item.name) >= FieldAccess.WRITE


# Child lines


def line_fields(context: InputContext, item: FieldSpec) -> tuple[EntitySpec, list[FieldSpec]]:
    assert isinstance(item.type, t.Lines)
    child = context.uow.snapshot.installed_entities[item.type.entity]
    fields = [
        each
        for each in editable_fields(context.uow, child)
        if each.name not in (child.parent_field, "position")
        and not isinstance(each.type, (t.Lines, t.References))
    ]
    return child, fields


def blank_line(context: InputContext, fields: Sequence[FieldSpec]) -> dict[str, tuple[str, ...]]:
    return {
        item.name: to_input(item.type, default_of(context.uow, item), context) for item in fields
    }


def sent_lines(
    context: InputContext, form: FormInput, name: str, fields: Sequence[FieldSpec]
) -> list[tuple[str, str, dict[str, tuple[str, ...]]]]:
    """(index in the form, id, inputs) of the lines that were sent, without those taken out and
    those left blank."""
    blank = blank_line(context, fields)
    removed = set(form.getlist("remove_line"))
    rows = []
    for index in _indexes(form, name):
        prefix = f"{name}.{index}"
        if prefix in removed:
            continue
        key = (form.getlist(f"{prefix}.id") or [""])[0]
        raws = {item.name: read_input(item.type, form, f"{prefix}.{item.name}") for item in fields}
        if key or any(raws[name_] not in ((), blank[name_]) for name_ in raws):
            rows.append((index, key, raws))
    return rows


def _indexes(form: FormInput, name: str) -> list[str]:
    pattern = re.compile(rf"{re.escape(name)}\.([0-9]{{1,6}})\.")
    found = (pattern.match(key) for key in form)
    return sorted({match[1] for match in found if match}, key=int)


# Files


def file_field(context: InputContext, spec: EntitySpec, name: str) -> FieldSpec | None:
    """The file field that the input ``name`` fills, in a child line too; None when it fills none."""
    line, _dot, inner = name.rpartition(".")
    parent, _dot, index = line.partition(".")
    fields = editable_fields(context.uow, spec)
    if line:
        holder = next((each for each in fields if each.name == parent), None)
        if holder is None or not isinstance(holder.type, t.Lines) or not index.isdecimal():
            return None
        fields = line_fields(context, holder)[1]
    found = next((each for each in fields if each.name == inner), None)
    return found if found is not None and isinstance(found.type, t.File) else None


def place_of(context: InputContext, spec: EntitySpec, form: FormInput, name: str) -> str:
    """Where the form shown again has the input ``name``: lines left blank are gone by then."""
    parent, _dot, rest = name.partition(".")
    index, _dot, inner = rest.partition(".")
    if not inner:
        return name
    _child, fields = line_fields(context, spec[parent])
    indexes = [at for at, _key, _raws in sent_lines(context, form, parent, fields)]
    return f"{parent}.{indexes.index(index)}.{inner}" if index in indexes else parent
