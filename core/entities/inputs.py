"""One input of a form: what it shows for a value, how it is drawn, and the value that was typed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Protocol

from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, page
from core.entities.rendering import Reader, currency_of, display_text
from core.entities.scope import may, may_use
from core.entities.suggest import find_by_words, related_by_words
from core.entities.values import BadValue
from core.fields import types as t
from core.fields.regions import find_region
from core.i18n import gettext
from core.i18n.formats import currency_sign

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "Drawing",
    "FormInput",
    "InputContext",
    "drawing",
    "from_input",
    "is_given",
    "read_input",
    "to_input",
]

#: References to entities of at most so many records are tick boxes instead of a picker.
FEW = 30
_SEPARATORS = re.compile(r"[,，、;；\n]")


class FormInput(Protocol):
    """What was sent, as browsers send it."""

    def getlist(self, name: str, /) -> list[str]: ...
    def __contains__(self, name: str, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...


@dataclass(frozen=True)
class InputContext:
    """Who fills in the form, in which transaction."""

    uow: UnitOfWork
    reader: Reader


@dataclass(frozen=True)
class Drawing:
    """How an input is drawn. ``kind`` is one of ``text textarea rich document number money checkbox
    select checks tags date datetime reference related references region file``; ``type`` is HTML's for a line
    of text, and for a number the keys that a phone offers: ``decimal`` or ``numeric``."""

    kind: str
    type: str = "text"
    options: tuple[tuple[str, str], ...] = ()
    entity: str = ""
    unit: str = ""
    level: str = ""
    #: The field of the same form that narrows what is offered.
    within: str = ""
    accept: str = ""
    #: Tags to choose from, by group: (label, words). ``is_open``: others may be typed in.
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_open: bool = True
    #: The most bytes of a file.
    limit: int = 0
    wide: bool = False


def to_input(type_: t.FieldType, value: Any, context: InputContext) -> tuple[str, ...]:
    """The texts that the input shows for a value; a picker has two, the key and the label."""
    return (
        () if value is None or isinstance(type_, t.Secret) else tuple(_write(type_, value, context))
    )


def from_input(type_: t.FieldType, raw: Sequence[str], context: InputContext) -> Any:
    """The value for the service. Raises `BadValue` for what cannot be understood at all."""
    return _parse(type_, raw, context)


def read_input(type_: t.FieldType, form: FormInput, name: str) -> tuple[str, ...]:
    """The texts that were sent for an input, normalised so that they compare with `to_input`."""
    if isinstance(type_, (t.Reference, t.Related, t.Region)):
        key = (form.getlist(name) or [""])[0]
        label = (form.getlist(f"{name}__label") or [key])[0]
        return (key, label) if key or label.strip() else ()
    if isinstance(type_, t.References):
        typed = [text for text in form.getlist(f"{name}__label") if text.strip()]
        return tuple(key for key in form.getlist(name) if key) + tuple(f"?{text}" for text in typed)
    if isinstance(type_, t.File):
        kept = form.getlist(f"{name}__kept")
        return () if form.getlist(f"{name}__remove") else tuple(key for key in kept if key)
    if isinstance(type_, (t.MultiChoice, t.Boolean)):
        return tuple(form.getlist(name))
    if isinstance(type_, t.Tags):
        return tuple(split_words(form.getlist(name)))
    text = (form.getlist(name) or [""])[0].replace("\r\n", "\n")
    return (text,) if text.strip() else ()


def is_given(type_: t.FieldType, form: FormInput, name: str) -> bool:
    """True when the input was part of the form: a box that is not ticked sends only its mark."""
    marks = (name, f"{name}__label", f"{name}__shown", f"{name}__kept")
    return any(mark in form for mark in marks)


def split_words(raw: Sequence[str]) -> list[str]:
    """The tags that texts of a form hold, several in one with commas between them."""
    words = [word.strip() for text in raw for word in _SEPARATORS.split(text)]
    return [word for word in words if word]


# From the value to the input


@singledispatch
def _write(type_: t.FieldType, value: Any, context: InputContext) -> Sequence[str]:
    return (str(value),)


@_write.register
def _(type_: t.Number, value: Decimal, context: InputContext) -> Sequence[str]:
    return (f"{value.normalize():f}",)


@_write.register
def _(type_: t.Money, value: Decimal, context: InputContext) -> Sequence[str]:
    return (f"{value:f}",)


@_write.register
def _(type_: t.Boolean, value: bool, context: InputContext) -> Sequence[str]:
    return ("1",) if value else ()


@_write.register
def _(type_: t.Date, value: date, context: InputContext) -> Sequence[str]:
    return (value.isoformat(),)


@_write.register
def _(type_: t.DateTime, value: datetime, context: InputContext) -> Sequence[str]:
    return (value.astimezone(context.reader.zone).strftime("%Y-%m-%dT%H:%M"),)


@_write.register
def _(type_: t.MultiChoice, value: list[str], context: InputContext) -> Sequence[str]:
    return value


@_write.register
def _(type_: t.Tags, value: list[str], context: InputContext) -> Sequence[str]:
    return value


@_write.register
def _(type_: t.Region, value: str, context: InputContext) -> Sequence[str]:
    return (value, display_text(type_, value, context.reader))


@_write.register
def _(type_: t.Document, value: Any, context: InputContext) -> Sequence[str]:
    return (json.dumps(value, ensure_ascii=False, indent=2),)


@_write.register
def _(type_: t.Reference, value: int, context: InputContext) -> Sequence[str]:
    return (str(value), display_text(type_, value, context.reader))


@_write.register
def _(type_: t.Related, value: str, context: InputContext) -> Sequence[str]:
    return (value, _related_label(context, value) or value)


@_write.register
def _(type_: t.References, value: list[int], context: InputContext) -> Sequence[str]:
    return [str(key) for key in value]


# How it is drawn


@singledispatch
def drawing(type_: t.FieldType, context: InputContext) -> Drawing:
    """How the input of a type is drawn."""
    return Drawing("text")


@drawing.register
def _(type_: t.Secret, context: InputContext) -> Drawing:
    return Drawing("text", type="password")


@drawing.register
def _(type_: t.LongText, context: InputContext) -> Drawing:
    return Drawing("textarea", wide=True)


@drawing.register
def _(type_: t.RichText, context: InputContext) -> Drawing:
    return Drawing("rich", wide=True)


@drawing.register
def _(type_: t.Document, context: InputContext) -> Drawing:
    return Drawing("document", wide=True)


@drawing.register
def _(type_: t.Email, context: InputContext) -> Drawing:
    return Drawing("text", "email")


@drawing.register
def _(type_: t.Phone, context: InputContext) -> Drawing:
    return Drawing("text", "tel")


@drawing.register
def _(type_: t.Url, context: InputContext) -> Drawing:
    return Drawing("text", "url")


@drawing.register
def _(type_: t.Integer, context: InputContext) -> Drawing:
    return Drawing("number", "numeric")


@drawing.register
def _(type_: t.Number, context: InputContext) -> Drawing:
    return Drawing("number", "decimal")


@drawing.register
def _(type_: t.Money, context: InputContext) -> Drawing:
    sign = currency_sign(currency_of(type_, {}, context.reader.currency))
    # The record names its own currency in another input; a sign here could contradict it.
    if type_.currency_field:
        return Drawing("number", "decimal")
    return Drawing("money", "decimal", unit=sign)


@drawing.register
def _(type_: t.Boolean, context: InputContext) -> Drawing:
    return Drawing("checkbox")


@drawing.register
def _(type_: t.Date, context: InputContext) -> Drawing:
    return Drawing("date")


@drawing.register
def _(type_: t.DateTime, context: InputContext) -> Drawing:
    return Drawing("datetime")


@drawing.register
def _(type_: t.ChoiceField, context: InputContext) -> Drawing:
    options = tuple((choice.value, str(choice.label)) for choice in type_.choices)
    return Drawing("select", options=options)


@drawing.register
def _(type_: t.MultiChoice, context: InputContext) -> Drawing:
    options = tuple((choice.value, str(choice.label)) for choice in type_.choices)
    return Drawing("checks", options=options, wide=len(options) > 4)


@drawing.register
def _(type_: t.Tags, context: InputContext) -> Drawing:
    groups = tuple((str(group.label), group.words) for group in type_.groups)
    return Drawing("tags", groups=groups, is_open=not type_.only_groups, wide=bool(groups))


@drawing.register
def _(type_: t.Region, context: InputContext) -> Drawing:
    return Drawing("region", level=type_.level)


@drawing.register
def _(type_: t.Reference, context: InputContext) -> Drawing:
    return Drawing("reference", entity=type_.entity)


@drawing.register
def _(type_: t.Related, context: InputContext) -> Drawing:
    return Drawing("related")


@drawing.register
def _(type_: t.References, context: InputContext) -> Drawing:
    options = _few(context, type_.entity)
    if options is None:
        return Drawing("references", entity=type_.entity, wide=True)
    return Drawing("checks", options=options, wide=len(options) > 4)


@drawing.register
def _(type_: t.File, context: InputContext) -> Drawing:
    return Drawing("file", limit=type_.max_bytes, wide=True)


@drawing.register
def _(type_: t.Image, context: InputContext) -> Drawing:
    return Drawing("file", accept=",".join(t.PICTURES), limit=type_.max_bytes, wide=True)


def _few(context: InputContext, entity: str) -> tuple[tuple[str, str], ...] | None:
    """All records of a small entity as options; None for a large one, or one without a name."""
    uow = context.uow
    spec = uow.entities.get(entity)
    if spec is None or not may(uow, spec, "read"):
        return ()
    label = spec[spec.label_field]
    if not may_use(uow, spec, label):
        return ()
    found = page(uow, entity, ListQuery(fields=(label.name,), sort=label.name, limit=FEW + 1))
    if len(found.items) > FEW:
        return None
    reader = Reader(context.reader.zone, context.reader.currency, found.labels)
    return tuple(
        (str(row["id"]), display_text(label.type, row[label.name], reader, row) or f"#{row['id']}")
        for row in found.items
    )


# From the input to the value


@singledispatch
def _parse(type_: t.FieldType, raw: Sequence[str], context: InputContext) -> Any:
    return raw[0] if raw else None


@_parse.register
def _(type_: t.Integer, raw: Sequence[str], context: InputContext) -> Any:
    return _number_text(raw[0]) if raw else None


@_parse.register
def _(type_: t.Number, raw: Sequence[str], context: InputContext) -> Any:
    return _number_text(raw[0]) if raw else None


@_parse.register
def _(type_: t.Boolean, raw: Sequence[str], context: InputContext) -> Any:
    return bool(raw)


@_parse.register
def _(type_: t.DateTime, raw: Sequence[str], context: InputContext) -> Any:
    if not raw:
        return None
    try:
        moment = datetime.fromisoformat(raw[0].strip())
    except ValueError:
        raise BadValue("datetime", gettext("Give a day and a time.")) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=context.reader.zone)


@_parse.register
def _(type_: t.MultiChoice, raw: Sequence[str], context: InputContext) -> Any:
    return list(raw) or None


@_parse.register
def _(type_: t.Tags, raw: Sequence[str], context: InputContext) -> Any:
    return list(raw) or None


@_parse.register
def _(type_: t.Document, raw: Sequence[str], context: InputContext) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw[0], parse_constant=_no_number, object_pairs_hook=_named_once)
    except json.JSONDecodeError as error:
        message = gettext(
            "This is no JSON: line %(line)s, column %(column)s.",
            line=error.lineno,
            column=error.colno,
        )
    except (ValueError, RecursionError) as error:
        message = str(error) if isinstance(error, BadValue) else gettext("This is no JSON.")
    raise BadValue("json", message)


@_parse.register
def _(type_: t.Region, raw: Sequence[str], context: InputContext) -> Any:
    key, label = _pair(raw)
    if not label.strip():
        return None
    if key and label in (key, display_text(type_, key, context.reader)):
        return key
    found = find_region(label)
    if found is None:
        raise BadValue("region", gettext("There is no such region."))
    return found


@_parse.register
def _(type_: t.Reference, raw: Sequence[str], context: InputContext) -> Any:
    key, label = _pair(raw)
    if not label.strip():
        return None
    if key and (label == key or label == _label_of(context.uow, type_.entity, key)):
        return key
    return _meant(context, type_.entity, label)


@_parse.register
def _(type_: t.Related, raw: Sequence[str], context: InputContext) -> Any:
    key, label = _pair(raw)
    if not label.strip():
        return None
    if key and label in (key, _related_label(context, key)):
        return key
    found = related_by_words(context.uow, label, context.reader)
    if len(found) == 1:
        return found[0]
    raise BadValue("reference", gettext("Choose a record from the list."))


def _related_label(context: InputContext, text: str) -> str | None:
    """What the record that ``lead:7`` stands for is called; None for who may not see it."""
    entity, _colon, key = text.partition(":")
    if not key.isdecimal() or not key.isascii() or len(key) > 18:
        return None
    return resolve_labels(context.uow, {entity: {int(key)}}).get(entity, {}).get(int(key))


@_parse.register
def _(type_: t.References, raw: Sequence[str], context: InputContext) -> Any:
    keys = [text for text in raw if not text.startswith("?")]
    keys += [str(_meant(context, type_.entity, text[1:])) for text in raw if text.startswith("?")]
    return keys


def _no_number(name: str) -> Any:
    """JSON has no ``NaN`` and no ``Infinity``, though Python reads them."""
    raise ValueError(name)


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            message = gettext("The name “%(name)s” stands there twice.", name=name[:60])
            raise BadValue("json", message)
        found[name] = value
    return found


def _number_text(text: str) -> str:
    """Without separators and currency signs; full-width digits as usual ones."""
    plain = "".join(str(int(c)) if c.isdecimal() else c for c in text)
    return re.sub(r"[,，\s¥￥]", "", plain)


def _pair(raw: Sequence[str]) -> tuple[str, str]:
    key, label = (*raw, "", "")[:2]
    return key, label


def _label_of(uow: UnitOfWork, entity: str, key: str) -> str | None:
    if not key.isdecimal() or len(key) > 18:
        return None
    return resolve_labels(uow, {entity: {int(key)}}).get(entity, {}).get(int(key))


def _meant(context: InputContext, entity: str, words: str) -> int:
    """The one record that a typed name means: for browsers without scripts, and for fast typists."""
    spec = context.uow.entities.get(entity)
    found = find_by_words(context.uow, spec, words, context.reader) if spec else ()
    if len(found) == 1:
        return found[0]
    if found:
        raise BadValue("reference", gettext("Several records fit. Give the whole name."))
    raise BadValue("reference", gettext("Nothing of that name was found."))
