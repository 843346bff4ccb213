"""Forms from field descriptions: a labelled control for each, and what was typed into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.errors import Refusal
from core.fields import FieldSpec
from core.fields import types as t
from core.http.rendering import macros
from core.http.requests import runtime

if TYPE_CHECKING:
    from markupsafe import Markup
    from werkzeug.datastructures import MultiDict

__all__ = ["Options", "control", "messages", "read", "summary"]

#: ``(value, label)`` pairs.
Options = Sequence[tuple[Any, Any]]


def messages(error: Refusal) -> dict[str, str]:
    """The first message for each field; those of no field under the empty name."""
    found: dict[str, str] = {}
    for problem in error.problems:
        found.setdefault(problem.field, problem.message)
    return found or {"": error.message}


def summary(errors: Mapping[str, str], fields: Iterable[FieldSpec]) -> list[tuple[str, str, str]]:
    """Errors as ``ui.error_summary`` takes them, in the order of the form."""
    labels = {field.name: str(field.label) for field in fields}
    order = list(labels)
    names = sorted(errors, key=lambda name: order.index(name) if name in labels else len(order))
    return [(name, labels.get(name, name), errors[name]) for name in names if name]


def control(
    field: FieldSpec, value: Any, error: str = "", options: Options | None = None
) -> Markup:
    """The field's label, control, help and error. ``options`` are the records a reference offers."""
    ui = macros()
    help_ = str(field.help)
    several = isinstance(field.type, (t.MultiChoice, t.References))
    if isinstance(field.type, t.Boolean):
        inner, label = ui.checkbox(field.name, str(field.label), checked=bool(value)), ""
    else:
        inner, label = _control(field, value, error, help_, options), str(field.label)
    drawn: Markup = ui.field(
        label,
        inner,
        field.name,
        error=error,
        help=help_,
        required=field.required,
        wide=several or isinstance(field.type, t.LongText),
        group=several or isinstance(field.type, t.Boolean),
    )
    return drawn


def _control(field: FieldSpec, value: Any, error: str, help_: str, options: Options | None) -> Any:
    ui, name, text = macros(), field.name, _typed(value)
    common = {"required": field.required, "error": error, "help": help_}
    match field.type:
        case t.References():
            return ui.multi_select(name, _texts(options), [str(item) for item in value or ()])
        case t.MultiChoice():
            return ui.multi_select(name, _choices(field.type), list(value or ()))
        case t.ChoiceField():
            return ui.select_input(name, options or _choices(field.type), text, **common)
        case t.Tags():
            return ui.tags_input(name, value or (), **common)
        case t.LongText():
            return ui.textarea(name, text, **common)
        case t.Integer() | t.Number():
            return ui.number_input(name, text, **common)
        case t.Date():
            return ui.date_input(name, text, **common)
        case t.DateTime():
            return ui.datetime_input(name, text, **common)
    if options is not None:
        return ui.select_input(name, options, text, **common)
    kinds = {t.Email: "email", t.Phone: "tel", t.Url: "url"}
    kind = next((kind for cls, kind in kinds.items() if isinstance(field.type, cls)), "text")
    return ui.text_input(name, text, kind, **common)


def _texts(options: Options | None) -> list[tuple[str, Any]]:
    return [(str(value), label) for value, label in options or ()]


def _choices(type_: t.ChoiceField) -> Options:
    return [(choice.value, str(choice.label)) for choice in type_.choices]


def _typed(value: Any) -> str:
    """A stored value as a person would type it."""
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(runtime().clock.timezone):%Y-%m-%dT%H:%M}"
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
    return str(value)


def read(fields: Iterable[FieldSpec], form: MultiDict[str, str]) -> dict[str, Any]:
    """What was typed, by field; the service checks it. Times are in the company's zone."""
    return {field.name: _read(field, form) for field in fields}


def _read(field: FieldSpec, form: MultiDict[str, str]) -> Any:
    match field.type:
        case t.Boolean():
            return field.name in form
        case t.References() | t.MultiChoice():
            return form.getlist(field.name)
        case t.Tags():
            words = form.get(field.name, "").replace("，", ",").split(",")
            return [word.strip() for word in words if word.strip()]
        case t.DateTime():
            return _in_zone(form.get(field.name, ""))
    return form.get(field.name, "").strip() or None


def _in_zone(text: str) -> datetime | str | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=runtime().clock.timezone)
    except ValueError:
        return text or None
