"""The company's rules of a field, read from JSON: what each may say, and of which fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.customize.checks import check_choices
from core.customize.kinds import LocalText
from core.entities.defaults import WORDS, compile_default
from core.entities.patterns import PATTERNS
from core.entities.rule_sets import PARTS
from core.entities.rule_tests import compile_condition, compile_validation
from core.entities.values import BadValue, check_value
from core.errors import Invalid, Problem
from core.expressions import ExpressionError
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.rules import FieldRules, WrittenDefault
from core.i18n import LOCALES
from core.i18n import gettext as _

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["RULE_KEYS", "TONES", "UNSEEN", "is_written", "make_rules", "read_rules", "takes"]

RULE_KEYS = (
    "required", "required_when", "visible_when", "validation", "message", "default", "unique",
    "minimum", "maximum", "min_length", "max_length", "pattern", "groups", "only_groups", "choices",
    "unseen",
)  # fmt: skip
#: What becomes of a rule that looks at something closed to whoever writes; the first by itself.
UNSEEN = ("enforce", "skip")
_NUMBER = t.Number(precision=36, scale=12)
_MESSAGE_LENGTH = 200
_MOST_GROUPS, _MOST_WORDS = 20, 100
#: The colours of badges; the first by itself.
TONES = ("neutral", "info", "good", "warn", "bad")
_UNIQUE = (t.Text, t.Integer, t.Number, t.Date, t.DateTime, t.Reference)


def read_rules(
    uow: UnitOfWork, spec: EntitySpec, field: FieldSpec, body: Mapping[str, Any]
) -> FieldRules:
    """The rules that ``body`` asks of a field: the whole of them; null and absent ask nothing.

    Raises `Invalid` with all problems, each named by its key.
    """
    reader = _Reader(uow, spec, field)
    given = {key: value for key, value in body.items() if value not in (None, "", False, {})}
    for key in sorted(given):
        reader.read(key, given[key])
    if "message" in given and "validation" not in given:
        reader.wrong("message", "required", _("Say what the message is for."))
    for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
        ends = [Decimal(reader.source[key]) for key in (low, high) if key in reader.source]
        if len(ends) == 2 and ends[0] > ends[1]:
            reader.wrong(high, "range", _("The largest is less than the smallest."))
    if "only_groups" in reader.source and "groups" not in given:
        reader.wrong("only_groups", "required", _("Without groups there would be no tags."))
    if not any(part in reader.source for part in PARTS):
        reader.source.pop("unseen", None)  # it looks at nothing
    if reader.problems:
        raise Invalid(_("Please correct what is marked."), reader.problems)
    return make_rules(field, reader.source)


def make_rules(field: FieldSpec, source: Mapping[str, Any]) -> FieldRules:
    """The rules that were read once, as they are stored."""
    return FieldRules(
        source=source,
        required=bool(source.get("required")),
        unique=bool(source.get("unique")),
        required_when=source.get("required_when"),
        visible_when=source.get("visible_when"),
        validation=source.get("validation", ""),
        message=LocalText(source["message"]) if source.get("message") else "",
        default=_default(field.type, source.get("default")),
        minimum=_decimal(source.get("minimum")),
        maximum=_decimal(source.get("maximum")),
        min_length=source.get("min_length"),
        max_length=source.get("max_length"),
        pattern=source.get("pattern", ""),
        groups=tuple(_group(each) for each in source.get("groups", ())),
        only_groups=bool(source.get("only_groups")),
        choices=tuple(_option(each) for each in source.get("choices", ())),
        skips_unseen=source.get("unseen") == "skip",
    )


def takes(field: FieldSpec, key: str) -> bool:
    """True when a rule of this kind means anything for the field."""
    type_ = field.type
    match key:
        case "visible_when":
            return True
        case "minimum" | "maximum":
            return isinstance(type_, (t.Integer, t.Number)) and field.is_writable
        case "min_length" | "max_length":
            lengthy = isinstance(type_, (t.Text, t.LongText))
            return lengthy and not isinstance(type_, t.RichText) and field.is_writable
        case "groups" | "only_groups":
            return isinstance(type_, t.Tags) and field.is_writable
        case "choices":
            return isinstance(type_, t.ChoiceField) and type_.shaped and field.is_writable
        case "pattern":
            return type(type_) is t.Text and field.is_writable
        case "unique":
            return field.is_stored and isinstance(type_, _UNIQUE) and field.is_writable
        case "default" | "required_when":
            return field.is_stored and field.is_writable
        case "unseen":
            return True
        case "required":
            return field.is_writable and not isinstance(type_, t.Boolean)
    return field.is_writable or isinstance(type_, t.Computed)


def _group(source: Mapping[str, Any]) -> t.TagGroup:
    return t.TagGroup(
        LocalText(source["label"]),
        tuple(source["words"]),
        source.get("tone", TONES[0]),
        bool(source.get("single")),
    )


def _option(source: Mapping[str, Any]) -> t.Choice:
    label = source.get("label")
    return t.Choice(
        source["value"],
        LocalText(label) if label else "",
        retired=bool(source.get("retired")),
    )


def _default(type_: t.FieldType, value: Any) -> Any:
    if value is None:
        return None
    if is_written(type_, value):
        return WrittenDefault(value)
    try:
        return check_value(type_, value)
    except BadValue:  # the field was changed since, e.g. an option is gone: begun with nothing
        return None


def is_written(type_: t.FieldType, value: Any) -> bool:
    """True for a default that is worked out, rather than a value."""
    if not isinstance(value, str):
        return False
    return value.startswith("=") or (isinstance(type_, t.Reference) and value in WORDS)


def _decimal(text: Any) -> Decimal | None:
    return None if text is None else Decimal(text)


class _Reader:
    """Reads one rule after another; what is sound comes into ``source``."""

    def __init__(self, uow: UnitOfWork, spec: EntitySpec, field: FieldSpec) -> None:
        self.uow, self.spec, self.field = uow, spec, field
        self.problems: list[Problem] = []
        self.source: dict[str, Any] = {}

    def wrong(self, place: str, code: str, message: str, **data: Any) -> None:
        self.problems.append(Problem(place, code, message, data=data))

    def read(self, key: str, value: Any) -> None:
        if key not in RULE_KEYS:
            name = key[:60]
            self.wrong(name, "unknown_field", _("There is no field %(name)s.", name=name))
        elif not takes(self.field, key):
            self.wrong(key, "kind", _("This kind of field cannot have that."))
        else:
            _HOW[key](self, key, value)

    def flag(self, key: str, value: Any) -> None:
        if value is not True:
            self.wrong(key, "type", _("Expected %(expected)s.", expected=_("true or false")))
        elif not self._is_declared(key):
            self.source[key] = True

    def only_groups(self, key: str, value: Any) -> None:
        if value is not True:
            self.wrong(key, "type", _("Expected %(expected)s.", expected=_("true or false")))
        else:
            self.source[key] = True

    def condition(self, key: str, value: Any) -> None:
        if key == "visible_when" and (reason := self._must_stay()):
            self.wrong(key, "kind", reason)
            return
        try:
            test = compile_condition(self.uow, self.spec, value)
        except Invalid as error:
            for problem in error.problems:
                place = problem.field.replace("filter", key, 1)
                self.wrong(place, problem.code, problem.message)
            return
        if self.field.name in test.own:
            self.wrong(key, "circle", _("A field cannot decide about itself."))
            return
        self.source[key] = value

    def _must_stay(self) -> str:
        if self.spec.parent_field is not None:
            return _("Columns of lines are the same for every line; they cannot vanish.")
        if self.field.name == self.spec.label_field:
            return _("Records are named by this field; it cannot vanish.")
        if self._is_declared("required") and not self.field.custom:
            return _("The module needs this field in every record; it cannot vanish.")
        return ""

    def _is_declared(self, key: str) -> bool:
        """True for ``required`` and ``unique`` that do not come of a rule."""
        by_rule = self.field.rules is not None and getattr(self.field.rules, key)
        return getattr(self.field, key) and not by_rule

    def expression(self, key: str, value: Any) -> None:
        if not isinstance(value, str) or len(value) > 4000:
            self.wrong(key, "type", _("Expected %(expected)s.", expected=_("text")))
            return
        try:
            compile_validation(self.uow, self.spec, value)
        except ExpressionError as error:
            self.wrong_expression(key, error)
        else:
            self.source[key] = value

    def wrong_expression(self, key: str, error: ExpressionError) -> None:
        message = _("%(reason)s (character %(n)s)", reason=error.message, n=error.column)
        self.wrong(key, "expression", message, column=error.column, length=error.length)

    def texts(self, key: str, value: Any) -> None:
        if found := self._texts(key, value, _MESSAGE_LENGTH):
            self.source[key] = found

    def _texts(self, place: str, value: Any, most: int) -> dict[str, str]:
        """A text by language; empty, and told, when it is none."""
        given = dict.fromkeys(LOCALES, value) if isinstance(value, str) else value
        if not isinstance(given, Mapping) or not set(given) <= set(LOCALES):
            self.wrong(place, "type", _("Give a text, in one language or several."))
            return {}
        found = {}
        for locale, text in given.items():
            if not isinstance(text, str) or "\x00" in text or len(text) > most:
                self.wrong(place, "type", _("It has at most %(n)s characters.", n=most))
                return {}
            if text.strip():
                found[locale] = " ".join(text.split())
        return found

    def default(self, key: str, value: Any) -> None:
        try:
            if is_written(self.field.type, value):
                compile_default(self.field.type, value)
            else:
                check_value(self.field.type, value)
        except ExpressionError as error:
            self.wrong_expression(key, error)
        except BadValue as error:
            self.wrong(key, error.code, str(error))
        else:
            self.source[key] = value

    def number(self, key: str, value: Any) -> None:
        try:
            found = check_value(_NUMBER, value)
        except BadValue as error:
            self.wrong(key, error.code, str(error))
        else:
            self.source[key] = f"{found.normalize():f}"

    def length(self, key: str, value: Any) -> None:
        most = getattr(self.field.type, "max_length", 0)
        if type(value) is not int or not 1 <= value <= most:
            self.wrong(key, "range", _("Give a number from %(low)s to %(high)s.", low=1, high=most))
        else:
            self.source[key] = value

    def groups(self, key: str, value: Any) -> None:
        """Each group ``{"label", "words", "tone"?, "single"?}``; no word stands in two."""
        if not isinstance(value, list) or len(value) > _MOST_GROUPS:
            self.wrong(key, "type", _("Give at most %(n)s groups.", n=_MOST_GROUPS))
            return
        taken: set[str] = set()
        found = []
        for place, item in enumerate(value):
            here = f"{key}.{place}"
            known = {"label", "words", "tone", "single"}
            if not isinstance(item, Mapping) or not set(item) <= known:
                self.wrong(here, "type", _("A group has a name and words."))
                continue
            label = self._texts(f"{here}.label", item.get("label", ""), 40)
            words = self._words(f"{here}.words", item.get("words"))
            tone = item.get("tone") or TONES[0]
            if not label:
                self.wrong(f"{here}.label", "required", _("Give the group a name."))
            if tone not in TONES:
                allowed = ", ".join(TONES)
                message = _("Choose one of: %(choices)s.", choices=allowed)
                self.wrong(f"{here}.tone", "choice", message)
            if type(item.get("single", False)) is not bool:
                expected = _("Expected %(expected)s.", expected=_("true or false"))
                self.wrong(f"{here}.single", "type", expected)
            if again := next((word for word in words if word in taken), None):
                message = _("%(word)s is in another group already.", word=again)
                self.wrong(f"{here}.words", "unique", message)
            taken.update(words)
            single = {"single": True} if item.get("single") else {}
            found.append({"label": label, "words": words, "tone": tone} | single)
        self.source[key] = found

    def _words(self, place: str, value: Any) -> list[str]:
        assert isinstance(self.field.type, t.Tags)
        plain = t.Tags(max_length=self.field.type.max_length, max_items=_MOST_WORDS)
        try:
            words: list[str] = check_value(plain, value or []) or []
        except BadValue as error:
            self.wrong(place, error.code, str(error))
            return []
        if not words:
            self.wrong(place, "required", _("Give the words of the group."))
        return words

    def choices(self, key: str, value: Any) -> None:
        """Each option a text, or ``{"value", "label"?}``; what is left out is given no more."""
        before = len(self.problems)
        check_choices(value, self.wrong)
        if len(self.problems) > before:
            return
        found: list[dict[str, Any]] = []
        for place, item in enumerate(value):
            given = {"value": item} if isinstance(item, str) else item
            if not set(given) <= {"value", "label", "retired"}:
                self.wrong(f"{key}.{place}", "type", _("An option has a value and a label."))
                continue
            label = self._texts(f"{key}.{place}.label", given.get("label") or {}, 100)
            option: dict[str, Any] = {"value": given["value"].strip()}
            option |= {"label": label} if label else {}
            found.append(option | ({"retired": True} if given.get("retired") is True else {}))
        if all(option.get("retired") for option in found):
            self.wrong(key, "required", _("Leave one option at least."))
        rules = self.field.rules
        stored = rules.source.get("choices", ()) if rules is not None else ()
        named = {option["value"] for option in found}
        gone = [{**each, "retired": True} for each in stored if each["value"] not in named]
        self.source[key] = found + gone

    def unseen(self, key: str, value: Any) -> None:
        """``enforce`` holds without a word too, and is not kept."""
        if value not in UNSEEN:
            self.wrong(key, "choice", _("Choose one of: %(choices)s.", choices=", ".join(UNSEEN)))
        elif value != UNSEEN[0]:
            self.source[key] = value

    def pattern(self, key: str, value: Any) -> None:
        if not isinstance(value, str) or value not in PATTERNS:
            allowed = ", ".join(PATTERNS)
            self.wrong(key, "choice", _("Choose one of: %(choices)s.", choices=allowed))
        else:
            self.source[key] = value


_HOW: dict[str, Callable[[_Reader, str, Any], None]] = {
    "required": _Reader.flag,
    "unique": _Reader.flag,
    "required_when": _Reader.condition,
    "visible_when": _Reader.condition,
    "validation": _Reader.expression,
    "message": _Reader.texts,
    "default": _Reader.default,
    "minimum": _Reader.number,
    "maximum": _Reader.number,
    "min_length": _Reader.length,
    "max_length": _Reader.length,
    "pattern": _Reader.pattern,
    "groups": _Reader.groups,
    "only_groups": _Reader.only_groups,
    "choices": _Reader.choices,
    "unseen": _Reader.unseen,
}
