"""Whether a description of a field is one: its name, its labels, the options of its kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from core.customize.kinds import KINDS
from core.customize.tables import custom_field_table
from core.entities.computed import check_expression
from core.entities.dependencies import Circle, build_graph
from core.entities.sequences import check_pattern
from core.entities.values import BadValue, check_value
from core.errors import Invalid, Problem
from core.expressions import ExpressionError
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import LOCALES
from core.i18n import gettext as _
from core.reference.reading import LOOKUP, has_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "CUSTOMISABLE_KINDS",
    "MAX_FIELDS",
    "NAME",
    "SEARCHED",
    "check_choices",
    "check_labels",
    "check_meaning",
    "check_new_field",
    "check_options",
    "marked",
]

#: Forty characters beyond the prefix: names of columns, link tables and indexes are made from it.
NAME = re.compile(r"x_[a-z0-9_]{1,40}")
#: Of one entity, the declared ones and the retired ones of the company's included.
MAX_FIELDS = 200
#: Lines need an entity of their own; documents have their own editors.
CUSTOMISABLE_KINDS = tuple(kind for kind in KINDS if kind not in ("lines", "document"))
_COMMON = frozenset(
    {
        "name",
        "kind",
        "label",
        "help",
        "required",
        "unique",
        "default",
        "searchable",
        "index",
        "mask",
    }
)
_OPTIONS: dict[str, frozenset[str]] = {
    "text": frozenset({"max_length"}),
    "integer": frozenset({"minimum", "maximum"}),
    "decimal": frozenset({"precision", "scale"}),
    "money": frozenset({"precision", "scale", "currency"}),
    "choice": frozenset({"choices"}),
    "multi_choice": frozenset({"choices"}),
    "phone": frozenset({"mobile_only"}),
    "region": frozenset({"level"}),
    "reference": frozenset({"entity"}),
    "references": frozenset({"entity"}),
    "auto_number": frozenset({"pattern"}),
    "computed": frozenset({"expression", "result", "precision", "scale"}),
}


Wrong = Callable[[str, str, str], None]


def marked(problems: Collection[Problem]) -> Invalid:
    """The refusal that names what is wrong."""
    return Invalid(_("Please correct what is marked."), list(problems))


def check_new_field(
    uow: UnitOfWork, spec: EntitySpec, body: Mapping[str, Any]
) -> tuple[str, str, dict[str, str], dict[str, Any]]:
    """(name, kind, labels, options) of a field described as ``{"name", "kind", "label", …}``.

    ``spec`` may be an entity that is not published yet. Raises `Invalid`.
    """
    problems: list[Problem] = []

    def wrong(place: str, code: str, message: str) -> None:
        problems.append(Problem(place, code, message))

    kind = body.get("kind")
    if kind not in CUSTOMISABLE_KINDS:
        message = _("Choose one of: %(choices)s.", choices=", ".join(CUSTOMISABLE_KINDS))
        raise marked([Problem("kind", "choice", message)])
    name = body.get("name")
    described = _described(uow, spec.name)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        wrong("name", "name", _("A name begins with x_ and has small letters, digits and _."))
    elif name in described or name in {field.name for field in spec.fields}:
        wrong("name", "taken", _("There is a field of this name already."))
    elif len(described | {field.name for field in spec.fields}) >= MAX_FIELDS:
        wrong("name", "too_many", _("At most %(n)s fields.", n=MAX_FIELDS))
    labels = check_labels(body.get("label"))
    if labels is None:
        wrong("label", "required", _("Give a label, in one language or several."))
    options = {key: value for key, value in body.items() if key not in ("name", "kind", "label")}
    check_options(uow, spec, kind, options, wrong)
    if problems:
        raise marked(problems)
    return str(name), kind, labels or {}, options


def _described(uow: UnitOfWork, entity: str) -> set[str]:
    """The company's fields of an entity, retired ones too: their columns are still there."""
    table = custom_field_table
    return set(uow.execute(select(table.c.name).where(table.c.entity == entity)).scalars())


def check_labels(given: Any) -> dict[str, str] | None:
    """A text, or texts by language, as texts by language; None for anything else."""
    if isinstance(given, str):
        given = dict.fromkeys(LOCALES, given)
    if not isinstance(given, Mapping) or not given:
        return None
    found = {}
    for locale, text in given.items():
        if locale not in LOCALES or not isinstance(text, str) or not text.strip():
            return None
        if len(text) > 100 or "\x00" in text:
            return None
        found[locale] = " ".join(text.split())
    return found


def check_options(
    uow: UnitOfWork, spec: EntitySpec, kind: str, options: dict[str, Any], wrong: Wrong
) -> None:
    """Tell ``wrong`` what cannot be; the text of ``help`` is replaced by texts by language."""
    for key in sorted(set(options) - _COMMON - _OPTIONS.get(kind, frozenset())):
        wrong(key[:60], "unknown_field", _("There is no field %(name)s.", name=key[:60]))
    for key in ("required", "unique", "searchable", "index", "mobile_only"):
        if key in options and not isinstance(options[key], bool):
            wrong(key, "type", _("Expected %(expected)s.", expected=_("true or false")))
    for key, low, high in (("max_length", 1, 4000), ("precision", 1, 36), ("scale", 0, 12)):
        if key in options and not (type(options[key]) is int and low <= options[key] <= high):
            wrong(key, "range", _("Give a number from %(low)s to %(high)s.", low=low, high=high))
    for key in ("minimum", "maximum"):
        if key in options and not (type(options[key]) is int and abs(options[key]) < 10**18):
            wrong(key, "type", _("Expected %(expected)s.", expected=_("a whole number")))
    if options.get("help"):
        options["help"] = check_labels(options["help"])
        if options["help"] is None:
            wrong("help", "type", _("Give a text, in one language or several."))
    if "mask" in options and not re.fullmatch(r"[0-9]{0,2}-[0-9]{0,2}", str(options["mask"])):
        wrong("mask", "mask", _("Write a mask as 3-4: how many characters to keep at each end."))
    if kind in ("choice", "multi_choice"):
        check_choices(options.get("choices"), wrong)
    targets = [*uow.snapshot.entities, spec.name]
    if kind in ("reference", "references") and options.get("entity") not in targets:
        wrong("entity", "choice", _("Name an entity."))
    _check_fitting(kind, options, wrong)
    if kind == "region" and options.get("level", "district") not in (
        "province",
        "city",
        "district",
    ):
        wrong(
            "level", "choice", _("Choose one of: %(choices)s.", choices="province, city, district")
        )
    if kind == "auto_number":
        try:
            check_pattern(str(options.get("pattern", "{seq:6}")))
        except ValueError:
            wrong(
                "pattern",
                "pattern",
                _("A pattern has {seq} once, and may have {yyyy}, {mm}, {dd}."),
            )
    if kind == "computed" and options.get("result", "decimal") not in _RESULTS:
        wrong("result", "choice", _("Choose one of: %(choices)s.", choices=", ".join(_RESULTS)))
    if kind == "computed" and not isinstance(options.get("expression"), str):
        wrong("expression", "required", _("Please fill this in."))
    if "currency" in options and not re.fullmatch(r"[A-Z]{3}", str(options["currency"])):
        wrong("currency", "currency", _("Give a currency code such as CNY."))


def _check_fitting(kind: str, options: Mapping[str, Any], wrong: Wrong) -> None:
    """What a kind cannot be: lists are not unique, only texts are searched, numbers hold their scale."""
    message = _("This kind of field cannot have that.")
    if options.get("searchable") and kind not in SEARCHED:
        wrong("searchable", "kind", message)
    for key in ("unique", "index"):
        if options.get(key) and kind in _UNORDERED:
            wrong(key, "kind", message)
    if options.get("required") and kind in ("computed", "auto_number"):
        wrong("required", "kind", message)
    if kind in ("decimal", "money", "computed"):
        default = t.Money() if "money" in (kind, options.get("result")) else t.Number()
        precision = options.get("precision", default.precision)
        scale = options.get("scale", default.scale)
        if type(precision) is int and type(scale) is int and scale > precision:
            wrong("scale", "range", _("There are more digits after the point than in all."))


SEARCHED = ("text", "long_text", "rich_text", "email", "phone", "url", "auto_number")
_UNORDERED = ("long_text", "rich_text", "multi_choice", "tags", "references", "computed")
_RESULTS = ("text", "integer", "decimal", "money", "boolean", "date", "datetime")


def check_choices(choices: Any, wrong: Wrong) -> None:
    """Tell ``wrong`` what is no list of options."""
    if not isinstance(choices, list) or not 1 <= len(choices) <= 500:
        wrong("choices", "choices", _("Give a list of 1 to 500 options."))
        return
    values = []
    for item in choices:
        value = item.get("value") if isinstance(item, Mapping) else item
        if not isinstance(value, str) or not value.strip() or len(value) > 64 or "\x00" in value:
            wrong("choices", "choices", _("An option is a text of at most 64 characters."))
            return
        label = item.get("label", value) if isinstance(item, Mapping) else value
        if not (isinstance(label, str) or check_labels(label)):
            wrong("choices", "choices", _("Give a label, in one language or several."))
            return
        values.append(value)
    if len(set(values)) != len(values):
        wrong("choices", "choices", _("Two options are the same."))


def check_meaning(uow: UnitOfWork, spec: EntitySpec, field: FieldSpec) -> None:
    """What only the finished field shows: the expression compiles, the default fits."""
    try:
        if isinstance(field.type, t.Computed):
            _check_formula(uow, spec, field.type)
        if field.default is not None:
            check_value(field.type, field.default)
    except ExpressionError as error:
        place = {"column": error.column, "length": error.length}
        message = _("%(reason)s (character %(n)s)", reason=error.message, n=error.column)
        problem = Problem("expression", "expression", message, data=place)
        raise Invalid(message, [problem]) from None
    except BadValue as error:
        raise Invalid(str(error), [Problem("default", error.code, str(error))]) from None


def _check_formula(uow: UnitOfWork, spec: EntitySpec, type_: t.Computed) -> None:
    """It compiles, hangs on nothing that hangs on it, and looks into tables that there are."""
    installed = {**uow.snapshot.installed_entities, spec.name: spec}
    expression = check_expression(installed, spec, type_.expression, type_.result)
    try:
        build_graph({**uow.snapshot.entities, spec.name: spec}, installed, strict=True)
    except Circle as circle:
        message = _("It would be computed from itself: %(fields)s", fields=str(circle))
        raise ExpressionError(message, 1, len(type_.expression)) from None
    for source, (start, end) in expression.sources.items():
        if source.kind == LOOKUP and source.name is not None and not has_table(uow, source.name):
            message = _("There is no reference table %(name)s.", name=source.name[:60])
            raise ExpressionError(message, start + 1, end - start)
