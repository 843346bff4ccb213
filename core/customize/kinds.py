"""The kinds of fields that REST and the studio name, and how each becomes a field type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.fields import types as t
from core.i18n import LazyText, current_locale

__all__ = ["KINDS", "LocalText", "kind_name", "make_type"]


class LocalText(LazyText):
    """A text that the company wrote in one or more languages; read in the reader's."""

    __slots__ = ("texts",)

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(next(iter(texts.values()), ""))
        self.texts = dict(texts)

    def __str__(self) -> str:
        return self.texts.get(current_locale()) or self.message


def _choices(options: Mapping[str, Any]) -> tuple[t.Choice, ...]:
    found = []
    for item in options.get("choices", ()):
        if isinstance(item, str):
            found.append(t.Choice(item, item))
        else:
            label = item.get("label", item["value"])
            shown = LocalText(label) if isinstance(label, Mapping) else label
            retired = bool(item.get("retired"))
            tone = item.get("tone", "neutral")
            found.append(t.Choice(item["value"], shown, tone, retired=retired))
    return tuple(found)


def _pick(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if options.get(name) is not None}


def _computed(options: Mapping[str, Any]) -> t.FieldType:
    result = make_type(options.get("result", "decimal"), _pick(options, "scale", "precision"))
    return t.Computed(expression=options["expression"], result=result)


#: By name: the type's class, and how its options become its arguments.
KINDS: dict[str, tuple[type[t.FieldType], Callable[[Mapping[str, Any]], t.FieldType]]] = {
    "text": (t.Text, lambda o: t.Text(**_pick(o, "max_length"))),
    "long_text": (t.LongText, lambda o: t.LongText()),
    "rich_text": (t.RichText, lambda o: t.RichText()),
    "integer": (t.Integer, lambda o: t.Integer(**_pick(o, "minimum", "maximum"))),
    "decimal": (t.Number, lambda o: t.Number(**_pick(o, "precision", "scale"))),
    "money": (t.Money, lambda o: t.Money(**_pick(o, "precision", "scale", "currency"))),
    "boolean": (t.Boolean, lambda o: t.Boolean()),
    "date": (t.Date, lambda o: t.Date()),
    "datetime": (t.DateTime, lambda o: t.DateTime()),
    "choice": (t.ChoiceField, lambda o: t.ChoiceField(choices=_choices(o))),
    "multi_choice": (t.MultiChoice, lambda o: t.MultiChoice(choices=_choices(o))),
    "tags": (t.Tags, lambda o: t.Tags()),
    "phone": (t.Phone, lambda o: t.Phone(**_pick(o, "mobile_only"))),
    "email": (t.Email, lambda o: t.Email()),
    "url": (t.Url, lambda o: t.Url()),
    "region": (t.Region, lambda o: t.Region(**_pick(o, "level"))),
    "reference": (t.Reference, lambda o: t.Reference(entity=o["entity"])),
    "references": (t.References, lambda o: t.References(entity=o["entity"])),
    "lines": (t.Lines, lambda o: t.Lines(entity=o["entity"], parent=o["parent"])),
    "file": (t.File, lambda o: t.File()),
    "image": (t.Image, lambda o: t.Image()),
    "auto_number": (t.AutoNumber, lambda o: t.AutoNumber(**_pick(o, "pattern"))),
    "computed": (t.Computed, _computed),
    "document": (t.Document, lambda o: t.Document()),
}

_NAMES = {cls: name for name, (cls, _make) in KINDS.items()}


def make_type(kind: str, options: Mapping[str, Any]) -> t.FieldType:
    """The field type of a kind with its options; `KeyError` for an unknown kind or a missing option."""
    return KINDS[kind][1](options)


def kind_name(type_: t.FieldType) -> str:
    """The kind of a field type, that of the nearest parent for a plugin's own type."""
    for cls in type(type_).__mro__:
        if cls in _NAMES:
            return _NAMES[cls]
    raise TypeError(f"{type(type_).__name__} has no kind")
