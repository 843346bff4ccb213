"""Forms as they are drawn: their inputs in sections, holding what is stored or what was typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup

from core.entities.field_rules import FieldState, field_states
from core.entities.form_fields import (
    SYSTEM_FIELDS,
    blank_line,
    editable_fields,
    form_edits,
    line_fields,
    sections_of,
    sent_lines,
)
from core.entities.form_reading import fingerprints, read_form, shown_value
from core.entities.incoming import check_given
from core.entities.inputs import (
    Drawing,
    FormInput,
    InputContext,
    drawing,
    is_given,
    read_input,
    to_input,
)
from core.entities.rendering import display_html
from core.errors import Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import gettext as _

__all__ = [
    "Control",
    "Form",
    "FormSection",
    "LineRow",
    "build_form",
    "control_for",
    "form_states",
    "summary",
]


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
    #: Other inputs decide whether it applies and is required; one that does not apply is not drawn.
    follows: bool = False
    applies: bool = True
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

    @property
    def follows(self) -> bool:
        """True when some input follows what is filled in elsewhere."""
        return any(control.follows for section in self.sections for control in section.controls)


def form_states(
    context: InputContext,
    spec: EntitySpec,
    values: Mapping[str, Any],
    form: FormInput | None = None,
) -> dict[str, FieldState]:
    """How the fields that follow others stand: with ``values``, or what was typed over them."""
    if not any(item.rules and item.rules.is_conditional for item in spec.ruled):
        return {}
    return field_states(context.uow, spec, held_values(context, spec, values, form))


def held_values(
    context: InputContext,
    spec: EntitySpec,
    values: Mapping[str, Any],
    form: FormInput | None = None,
) -> Mapping[str, Any]:
    """What a form holds: ``values``, and over them what was typed as far as it can be read."""
    if form is None:
        return values
    given, _unread = read_form(context, spec, form)
    (checked,), _wrong = check_given(context.uow, spec, [given])
    return {**values, **checked}


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
        if item.name not in SYSTEM_FIELDS and item.name not in hidden
        if item.name in editable or values.get(item.name) not in (None, [])
    ]
    controls: dict[str, Control] = {}
    states = form_states(context, spec, values, form)
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
            raw = _raw(item, context, shown_value(item, values), form, name)
            made = control_for(context, item, raw, error=errors.get(name, ""))
            controls[name] = replace(made, help=" ".join(helps)) if helps else made
        if name in states:
            required = states[name].required and name in editable
            controls[name] = replace(
                controls[name], follows=True, applies=states[name].applies, required=required
            )
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
    options: Sequence[tuple[Any, str]] | None = None,
) -> Control:
    """The input of one field, holding the texts ``raw``. ``options`` are the (value, label) pairs to
    choose from where they are other than the type's own: the records that a reference offers."""
    drawn = drawing(item.type, context) if options is None else _choice(item.type, options)
    if isinstance(item.type, t.ChoiceField) and item.type.retired_values.difference(raw):
        drawn = _without_retired(drawn, item.type.retired_values.difference(raw))
    if item.within and not name:  # columns of lines stand in forms under other names
        drawn = replace(drawn, within=item.within)
    if drawn.groups and not drawn.is_open:
        drawn = _with_others(drawn, raw)
    return Control(
        name or item.name,
        str(item.label),
        drawn,
        raw=raw,
        required=item.required,
        help=str(item.help) or _type_help(drawn),
        error=error,
        chosen=_chosen(context, item, raw) if drawn.kind in ("references", "file") else (),
    )


def _choice(type_: t.FieldType, options: Sequence[tuple[Any, str]]) -> Drawing:
    pairs = tuple((str(value), label) for value, label in options)
    if isinstance(type_, (t.References, t.MultiChoice)):
        return Drawing("checks", options=pairs, wide=True)
    return Drawing("select", options=pairs)


def _without_retired(drawn: Drawing, values: frozenset[str]) -> Drawing:
    """Retired options are offered to records that hold them, and to no others."""
    kept = tuple(option for option in drawn.options if option[0] not in values)
    return replace(drawn, options=kept)


def _with_others(drawn: Drawing, raw: Sequence[str]) -> Drawing:
    """Where only tags of groups are given, those that the record has all the same stand last."""
    known = {word for _label, group in drawn.groups for word in group}
    others = tuple(word for word in raw if word not in known)
    return replace(drawn, groups=(*drawn.groups, (_("Others"), others))) if others else drawn


def _type_help(drawn: Drawing) -> str:
    if drawn.kind == "document":
        return _("An object or a list, written as JSON.")
    return _("Separate them with commas.") if drawn.kind == "tags" and drawn.is_open else ""


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
    keys = [int(text) for text in raw if text.isdecimal() and len(text) < 18]
    labels = resolve_labels(context.uow, {entity: set(keys)}).get(entity, {})
    return tuple((str(key), labels.get(key, _("Not visible to you"))) for key in keys)


def _summary(
    spec: EntitySpec, problems: Sequence[Problem], controls: Mapping[str, Control]
) -> list[tuple[str, str, str]]:
    order = {name: place for place, name in enumerate(controls)}
    inputs = {name: name for name in controls} | {
        cell.name: cell.name
        for control in controls.values()
        for row in control.lines
        for cell in row.controls
    }
    found = []
    for problem in sorted(problems, key=lambda p: order.get(p.field.partition(".")[0], 99)):
        first = problem.field.partition(".")[0]
        label = str(spec[first].label) if first in spec else str(spec.label)
        where = inputs.get(problem.field) or inputs.get(first, "")
        found.append((where, label, problem.message))
    return found


def summary(errors: Mapping[str, str], fields: Iterable[FieldSpec]) -> list[tuple[str, str, str]]:
    """Errors by field as ``ui.error_summary`` takes them, in the order of the form."""
    labels = {field.name: str(field.label) for field in fields}
    order = list(labels)
    names = sorted(errors, key=lambda name: order.index(name) if name in labels else len(order))
    return [(name, labels.get(name, name), errors[name]) for name in names if name]


def _lines_control(
    context: InputContext,
    item: FieldSpec,
    values: Sequence[Mapping[str, Any]],
    form: FormInput | None,
    errors: Mapping[str, str],
    add: bool,
) -> Control:
    child, fields = line_fields(context, item)
    rows: list[tuple[str, dict[str, tuple[str, ...]]]]
    if form is not None and f"{item.name}__shown" in form:
        rows = [(key, raws) for _at, key, raws in sent_lines(context, form, item.name, fields)]
    else:
        rows = [
            (str(line["id"]), {f.name: to_input(f.type, line.get(f.name), context) for f in fields})
            for line in values
        ]
    if add or not rows:
        rows.append(("", blank_line(context, fields)))
    lines = [
        _line_row(context, item.name, str(place), key, raws, fields, errors)
        for place, (key, raws) in enumerate(rows)
    ]
    empty = _line_row(context, item.name, "NEW", "", blank_line(context, fields), fields, {})
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
