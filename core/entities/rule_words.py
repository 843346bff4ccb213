"""Rules of fields told back as sentences, and conditions as rows of the filter's editor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.entities.filters import FilterRow, operator_label, row_text
from core.entities.labels import resolve_labels
from core.entities.patterns import PATTERNS
from core.entities.rendering import Reader, display_text
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.rules import FieldRules, WrittenDefault
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["condition_rows", "condition_words", "rule_sentences"]

_VARIABLES = {
    "me": _l("who writes"),
    "my_department": _l("the department of who writes"),
    "today": _l("today"),
    "now": _l("now"),
}


def rule_sentences(
    uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, rules: FieldRules
) -> list[str]:
    """What the rules come to, one sentence each."""
    found = []
    if rules.visible_when is not None:
        words = condition_words(uow, spec, rules.visible_when)
        found.append(_("Applies only when %(condition)s.", condition=words))
    if rules.required:
        found.append(_("Must be filled in."))
    elif rules.required_when is not None:
        words = condition_words(uow, spec, rules.required_when)
        found.append(_("Must be filled in when %(condition)s.", condition=words))
    if rules.unique:
        found.append(_("No two records have the same."))
    if rules.default is not None:
        found.append(_default(uow, item, rules.default))
    found += _limits(rules)
    if rules.validation:
        found.append(_("This must hold: %(rule)s", rule=rules.validation))
        if message := str(rules.message):
            found.append(_("Otherwise it is told: “%(words)s”", words=message))
    if rules.skips_unseen:
        found.append(_("Not asked of those who may not see what it looks at."))
    return found


def _default(uow: UnitOfWork, item: FieldSpec, default: Any) -> str:
    if isinstance(default, WrittenDefault):
        word = _VARIABLES.get(default.source)
        value = default.source.removeprefix("=") if word is None else str(word)
    else:
        value = display_text(item.type, default, _reader(uow, _ids(item, [default])))
    return _("Begins with: %(value)s", value=value)


def _limits(rules: FieldRules) -> Iterator[str]:
    low, high = rules.minimum, rules.maximum
    if low is not None:
        yield _("At least %(low)s.", low=f"{low:f}")
    if high is not None:
        yield _("At most %(high)s.", high=f"{high:f}")
    if rules.min_length is not None:
        yield _("At least %(n)s characters.", n=rules.min_length)
    if rules.max_length is not None:
        yield _("At most %(n)s characters.", n=rules.max_length)
    for group in rules.groups:
        words = {"group": str(group.label), "words": _(", ").join(group.words)}
        if group.single:
            yield _("One of %(group)s at most: %(words)s", **words)
        else:
            yield _("Of %(group)s: %(words)s", **words)
    if rules.only_groups:
        yield _("No other tags are given.")
    if rules.choices:
        given = [str(each.label) or each.value for each in rules.choices if not each.retired]
        yield _("To choose from: %(words)s", words=_(", ").join(given))
    if rules.pattern:
        yield _("Written as %(what)s.", what=str(PATTERNS[rules.pattern][0]))


# Conditions


def condition_words(uow: UnitOfWork, spec: EntitySpec, source: Mapping[str, Any]) -> str:
    """A sound condition in words: “Status is Done and Amount is at least ¥100.00”."""
    return _words(uow, spec, source, outermost=True)


def _words(uow: UnitOfWork, spec: EntitySpec, source: Any, *, outermost: bool = False) -> str:
    for key, between in (("all", _(" and ")), ("any", _(" or "))):
        if key in source:
            parts = [_words(uow, spec, part) for part in source[key]]
            joined = between.join(parts)
            return joined if outermost or len(parts) < 2 else f"({joined})"
    if "not" in source:
        inner = _words(uow, spec, source["not"], outermost=True)
        return _("not (%(condition)s)", condition=inner)
    item = _tested(uow, spec, source["field"])
    row = _row(source)
    if row is None:
        return _("%(field)s %(operator)s %(value)s", **_plainly(uow, spec, item, source))
    values = source.get("value")
    ids = _ids(item, values if isinstance(values, list) else [values])
    return row_text(row, item, _reader(uow, ids))


def _tested(uow: UnitOfWork, spec: EntitySpec, path: str) -> FieldSpec:
    """The field at the end of a path, called by all that leads there; one that is gone, by its name."""
    item, here, labels = None, uow.snapshot.installed_entities.get(spec.name), []
    for name in path.split("."):
        item = None if here is None else here.by_name.get(name)
        if item is None:
            return FieldSpec(path, t.Text(), path)
        labels.append(str(item.label))
        here = uow.snapshot.installed_entities.get(getattr(item.type, "entity", ""))
    assert item is not None
    return replace(item, label=" · ".join(labels))


def _plainly(
    uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, source: Mapping[str, Any]
) -> dict[str, str]:
    """The words for a value that is a variable, or another field."""
    value = source["value"]
    of_field = "field" in value
    other = str(_tested(uow, spec, value["field"]).label if of_field else _VARIABLES[value["var"]])
    operator = str(operator_label(item.type, source["op"]))
    return {"field": str(item.label), "operator": operator, "value": other}


def _ids(item: FieldSpec, values: list[Any]) -> dict[str, set[int]]:
    type_ = item.value_type
    if not isinstance(type_, (t.Reference, t.References)):
        return {}
    found: dict[str, set[int]] = defaultdict(set)
    for value in values:
        if str(value).isdecimal() and len(str(value)) < 18:
            found[type_.entity].add(int(value))
    return found


def _reader(uow: UnitOfWork, ids: Mapping[str, set[int]]) -> Reader:
    currency = uow.snapshot.settings["core"]["currency"]
    return Reader(uow.clock.timezone, currency, resolve_labels(uow, ids) if ids else {})


# Rows


def condition_rows(source: Mapping[str, Any] | None) -> tuple[str, list[FilterRow]] | None:
    """(``all`` or ``any``, the rows) of a condition; None for one that needs more than rows."""
    if source is None:
        return "all", []
    mode = "any" if "any" in source else "all"
    parts = source.get(mode, [source])
    rows = [_row(part) if "field" in part else None for part in parts]
    found = [row for row in rows if row is not None and "." not in row.field]
    return (mode, found) if len(found) == len(parts) else None


def _row(leaf: Mapping[str, Any]) -> FilterRow | None:
    name, op, value = leaf["field"], leaf["op"], leaf.get("value")
    if value == {"var": "me"} and op in ("eq", "ne"):
        return FilterRow(name, "is_me" if op == "eq" else "is_not_me")
    if isinstance(value, Mapping):
        return None
    values = value if isinstance(value, list) else [] if value is None else [value]
    return FilterRow(name, op, tuple(_text(each) for each in values))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
