"""The parameters of configured products: what may be given, and how it is read and written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from core.entities.values import BadValue, check_value
from core.expressions import Kind, fold
from core.fields import FieldType, Number, Tags, Text
from core.i18n import gettext as _

__all__ = ["RESERVED", "Parameter", "Wrong", "check_definitions", "parameter_of", "read", "written"]

#: What formulas may use beside the parameters, and is therefore no name of one.
RESERVED = ("quantity", "list_price", "day", "day_number")
_NAME = re.compile(r"[^\W\d][^\[\].．\"“”'\n]*")
_NUMBER = re.compile(r"[+-]?[0-9]{1,14}(\.[0-9]{1,6})?")
_YES = frozenset({"true", "yes", "1", "是", "on"})
_NO = frozenset({"false", "no", "0", "否", "off", ""})
_KINDS = {
    "number": Kind.NUMBER,
    "choice": Kind.TEXT,
    "text": Kind.TEXT,
    "yes_no": Kind.BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that is asked: its name is what formulas call it."""

    name: str
    kind: str = "number"
    unit: str = ""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    choices: tuple[str, ...] = ()
    default: str = ""
    is_optional: bool = False

    @property
    def value_kind(self) -> Kind:
        """What it is in formulas."""
        return _KINDS.get(self.kind, Kind.TEXT)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A parameter that was given wrongly, or not at all."""

    name: str
    code: str
    message: str


def parameter_of(row: Mapping[str, Any]) -> Parameter:
    """The parameter that a stored line describes, or one as it was given: what does not fit its
    field is left out, and told where the line itself is checked."""
    return Parameter(
        name=_fitting(Text(40), row.get("name")) or "",
        kind=_fitting(Text(20), row.get("kind")) or "number",
        unit=_fitting(Text(20), row.get("unit")) or "",
        minimum=_fitting(Number(18, 4), row.get("minimum")),
        maximum=_fitting(Number(18, 4), row.get("maximum")),
        choices=tuple(_fitting(Tags(max_length=60), row.get("choices")) or ()),
        default=_fitting(Text(60), row.get("default_value")) or "",
        is_optional=bool(row.get("is_optional")),
    )


def _fitting(type_: FieldType, value: Any) -> Any:
    try:
        return check_value(type_, value)
    except BadValue:
        return None


def check_definitions(parameters: Sequence[Parameter]) -> Iterable[tuple[int, str, str, str]]:
    """(place, field, code, message) of what is wrong with parameters, beside each other."""
    seen: set[str] = set()
    for place, each in enumerate(parameters):
        name = fold(each.name)
        if not _NAME.fullmatch(each.name):
            message = _("Begin with a letter, and use no dots, brackets or quotation marks.")
            yield place, "name", "name", message
        elif name in RESERVED:
            message = _("%(name)s means something else in formulas.", name=each.name)
            yield place, "name", "reserved", message
        elif name in seen:
            yield place, "name", "taken", _("There is a parameter of this name already.")
        seen.add(name)
        if each.minimum is not None and each.maximum is not None and each.minimum > each.maximum:
            yield place, "maximum", "range", _("The most is less than the least.")
        if each.kind == "choice" and not each.choices:
            yield place, "choices", "required", _("Say between what one chooses.")
        elif each.default:
            _value, wrong = _read_one(each, each.default)
            if wrong is not None:
                yield place, "default_value", wrong.code, wrong.message


def read(
    parameters: Sequence[Parameter], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Wrong]]:
    """The values by name, typed as formulas want them, and what is wrong with what was given.

    What was not given has its default; names go by any case and width.
    """
    by_name = {fold(str(name)): value for name, value in given.items()}
    values: dict[str, Any] = {}
    problems: list[Wrong] = []
    for each in parameters:
        raw = by_name.pop(fold(each.name), None)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            raw = each.default
        value, wrong = _read_one(each, raw)
        if wrong is not None:
            problems.append(wrong)
        values[each.name] = value
    for name in by_name:
        message = _("The product has no parameter %(name)s.", name=name[:40])
        problems.append(Wrong(name, "unknown", message))
    return values, problems


def _read_one(each: Parameter, raw: Any) -> tuple[Any, Wrong | None]:
    if each.kind == "yes_no":
        return _read_flag(each, raw)
    text = str(raw).strip() if isinstance(raw, (str, int, float, Decimal)) else None
    if text is None or isinstance(raw, bool):
        return None, _wrong(each, "type", _("Write a number or a text."))
    if not text:
        missing = None if each.is_optional else _wrong(each, "required", _("Please fill this in."))
        return None, missing
    if each.kind == "number":
        return _read_number(each, text)
    if len(text) > 200:
        return None, _wrong(each, "too_long", _("At most %(n)s characters.", n=200))
    if each.kind == "choice":
        known = {fold(choice): choice for choice in each.choices}
        if fold(text) not in known:
            message = _("Choose one of %(choices)s.", choices=_(", ").join(each.choices))
            return None, _wrong(each, "choice", message)
        return known[fold(text)], None
    return text, None


def _read_flag(each: Parameter, raw: Any) -> tuple[Any, Wrong | None]:
    if isinstance(raw, bool):
        return raw, None
    text = fold(str(raw))
    if text not in _YES | _NO:
        return None, _wrong(each, "type", _("Say yes or no."))
    return text in _YES, None


def _read_number(each: Parameter, text: str) -> tuple[Any, Wrong | None]:
    plain = fold(text).replace(",", "")
    try:
        value = Decimal(plain) if _NUMBER.fullmatch(plain) else None
    except InvalidOperation:
        value = None
    if value is None:
        return None, _wrong(each, "number", _("This is not a number."))
    if each.minimum is not None and value < each.minimum:
        message = _("At least %(n)s.", n=_number_text(each.minimum))
        return None, _wrong(each, "range", message)
    if each.maximum is not None and value > each.maximum:
        message = _("At most %(n)s.", n=_number_text(each.maximum))
        return None, _wrong(each, "range", message)
    return value, None


def _wrong(each: Parameter, code: str, message: str) -> Wrong:
    return Wrong(each.name, code, _("%(name)s: %(why)s", name=each.name, why=message))


def _number_text(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def written(
    parameters: Sequence[Parameter], values: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """The values as a quote line stores them, and in words: ``power 15 kW, material 304``."""
    stored: dict[str, Any] = {}
    words = []
    for each in parameters:
        value = values.get(each.name)
        if value is None:
            continue
        if isinstance(value, Decimal):
            stored[each.name] = _number_text(value)
            unit = f" {each.unit}" if each.unit else ""
            words.append(f"{each.name} {stored[each.name]}{unit}")
        elif isinstance(value, bool):
            stored[each.name] = value
            if value:
                words.append(each.name)
        else:
            stored[each.name] = value
            words.append(f"{each.name} {value}")
    return stored, ", ".join(words)[:500]
