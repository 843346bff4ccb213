"""Structure: the rules of one field, set without code, told back in words and weighed first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.customize.rules import RULE_KEYS, read_rules, takes
from core.customize.ruling import Breach, breaches, ruled_field, set_rules
from core.entities.filters import FilterRow, condition_of, filter_fields, read_rows
from core.entities.inputs import split_words
from core.entities.patterns import PATTERNS
from core.entities.rule_sets import broken_rules
from core.entities.rule_words import condition_rows, condition_words, rule_sentences
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.fields.rules import FieldRules
from core.http.filter_rows import address_pairs, filter_row_of
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import LOCALES, use_locale
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.work.uow import UnitOfWork

#: The parts that are conditions, each a group of rows in the address.
CONDITIONS = ("visible_when", "required_when")
_FLAGS = ("required", "unique", "only_groups", "unseen")
#: So many empty groups are there to be filled in.
_BLANK_GROUPS = 2
_NUMBERS = ("min_length", "max_length")
_TEXTS = ("default", "validation", "minimum", "maximum", "pattern")

_TONE_LABELS = {
    "neutral": _l("Grey"),
    "info": _l("Blue"),
    "good": _l("Green"),
    "warn": _l("Amber"),
    "bad": _l("Red"),
}


@dataclass
class _Condition:
    """One condition as its editor holds it. ``kept`` is one that needs more than rows."""

    mode: str = "all"
    rows: list[FilterRow] = field(default_factory=list)
    kept: Mapping[str, Any] | None = None


@dataclass
class _Editor:
    """What the page's form holds."""

    conditions: dict[str, _Condition]
    texts: dict[str, str]
    flags: frozenset[str] = frozenset()
    groups: Sequence[Mapping[str, Any]] = ()
    choices: Sequence[Mapping[str, str]] = ()


@blueprint.get("/fields/<entity>/<field>/rules")
@requires("admin")
def field_rules(entity: str, field: str) -> Any:
    """The rules in force; with ``?check=1`` what those in the address would come to."""
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        item = ruled_field(spec, field)
        if "check" not in request.args:
            return _page(uow, spec, item, _stored(item), item.rules)
        editor = _sent(item)
        try:
            rules = read_rules(uow, spec, item, _body(uow, spec, item, editor))
        except Invalid as error:
            return _page(uow, spec, item, editor, None, error=error), 422
        return _page(uow, spec, item, editor, rules, breaches(uow, spec, item, rules), new=True)


@blueprint.post("/fields/<entity>/<field>/rules")
@requires("admin")
def save_field_rules(entity: str, field: str) -> Any:
    """Put rules into force that were weighed before; the form brings them as JSON."""
    try:
        body = orjson.loads(request.form.get("rules", ""))
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Invalid(_("This page is out of date. Load it again and repeat what you did."))
    with unit_of_work() as uow:
        item = set_rules(uow, entity, field, body)
    flash(_("The rules of %(label)s are in force.", label=str(item.label)), "good")
    return redirect(url_for("admin.field_rules", entity=entity, field=field), 303)


# The form and the rules


def _stored(item: FieldSpec) -> _Editor:
    """The form of the rules in force."""
    source = item.rules.source if item.rules else {}
    conditions = {}
    for part in CONDITIONS:
        found = condition_rows(source.get(part))
        conditions[part] = _Condition(*found) if found else _Condition(kept=source[part])
    texts = {name: str(source.get(name, "")) for name in (*_TEXTS, *_NUMBERS)}
    texts |= {f"message_{code}": source.get("message", {}).get(code, "") for code in LOCALES}
    flags = frozenset(name for name in _FLAGS if source.get(name))
    return _Editor(conditions, texts, flags, source.get("groups", ()), _options(item))


def _sent(item: FieldSpec) -> _Editor:
    """The form that the address holds: the rows of each condition come behind its name."""
    pairs: dict[str, list[tuple[str, str]]] = {"": []}
    here = ""
    for name, value in address_pairs():
        here = value if name == "part" else here
        pairs.setdefault(here, []).append((name, value))
    first, stored = request.args, _stored(item)
    conditions = {}
    for part in CONDITIONS:
        group = pairs.get(part, [])
        kept = stored.conditions[part].kept if f"keep_{part}" in first else None
        mode = "any" if ("filter_mode", "any") in group else "all"
        conditions[part] = _Condition(mode, read_rows(group), kept)
    names = (*_TEXTS, *_NUMBERS, *(f"message_{code}" for code in LOCALES))
    texts = {name: first.get(name, "").strip() for name in names}
    flags = frozenset({*_FLAGS} & set(first))
    return _Editor(conditions, texts, flags, _sent_groups(), _sent_options())


def _sent_groups() -> list[dict[str, Any]]:
    """The groups of tags in the address: each part of one is sent, so that they stay side by side."""
    columns = (f"group_{part}" for part in (*LOCALES, "words", "tone", "single"))
    rows = zip(*(request.args.getlist(column) for column in columns), strict=False)
    found = []
    for *labels, words, tone, single in rows:
        label = {code: text for code, text in zip(LOCALES, labels, strict=True) if text.strip()}
        listed = split_words([words])
        if label or listed:
            group = {"label": label, "words": listed, "tone": tone}
            found.append(group | ({"single": True} if single else {}))
    return found


def _options(item: FieldSpec) -> list[dict[str, str]]:
    """What there is to choose from, each with its value and what it is called in each language."""
    if not takes(item, "choices"):
        return []
    assert isinstance(item.type, t.ChoiceField)
    found: list[dict[str, str]] = [
        {"value": choice.value} for choice in item.type.choices if not choice.retired
    ]
    for code in LOCALES:
        with use_locale(code):
            for row, choice in zip(
                found, (each for each in item.type.choices if not each.retired), strict=True
            ):
                row[code] = str(choice.label)
    return found


def _sent_options() -> list[dict[str, str]]:
    """The options in the address; one without any name is taken out."""
    columns = ("value", *LOCALES)
    rows = zip(*(request.args.getlist(f"choice_{each}") for each in columns), strict=False)
    found = []
    for cells in rows:
        row = {name: " ".join(text.split()) for name, text in zip(columns, cells, strict=True)}
        name = next((row[code] for code in LOCALES if row[code]), "")
        if name:
            found.append(row | {"value": row["value"] or name[:64]})
    return found


def _body(uow: UnitOfWork, spec: EntitySpec, item: FieldSpec, editor: _Editor) -> dict[str, Any]:
    """The form as the description that the service takes."""
    usable = filter_fields(uow, spec)
    body: dict[str, Any] = {flag: True for flag in editor.flags}
    if body.pop("unseen", False):
        body["unseen"] = "skip"
    for part, condition in editor.conditions.items():
        found = condition_of(condition.rows, usable, condition.mode)
        body[part] = condition.kept if found is None else found
    body |= {name: text for name in _TEXTS if (text := editor.texts[name])}
    body |= {name: _whole(text) for name in _NUMBERS if (text := editor.texts[name])}
    messages = {code: editor.texts[f"message_{code}"] for code in LOCALES}
    body["message"] = {code: text for code, text in messages.items() if text}
    if editor.groups:
        body["groups"] = list(editor.groups)
    is_shaped = item.rules is not None and bool(item.rules.choices)
    if takes(item, "choices") and (is_shaped or list(editor.choices) != _options(item)):
        body["choices"] = [
            {"value": row["value"], "label": {c: row[c] for c in LOCALES if row[c]}}
            for row in editor.choices
        ]
    if "default" in body and isinstance(item.type, (t.MultiChoice, t.Tags)):
        body["default"] = [part.strip() for part in body["default"].split(",") if part.strip()]
    return body


def _whole(text: str) -> Any:
    return int(text) if text.isdecimal() and len(text) < 9 else text


# The page


def _page(
    uow: UnitOfWork,
    spec: EntitySpec,
    item: FieldSpec,
    editor: _Editor,
    rules: FieldRules | None,
    found: Sequence[Breach] = (),
    *,
    new: bool = False,
    error: Invalid | None = None,
) -> str:
    errors = _errors(error.problems) if error else {}
    broken = broken_rules(uow, spec)
    return render(
        "core/admin/field_rules.html",
        spec=spec,
        item=item,
        takes={key: takes(item, key) for key in RULE_KEYS},
        tag_groups=[*editor.groups, *({} for _each in range(_BLANK_GROUPS))],
        choices=[*editor.choices, *({} for _each in range(_BLANK_GROUPS))],
        tones=[(tone, str(label)) for tone, label in _TONE_LABELS.items()],
        groups={part: _group(uow, spec, each) for part, each in editor.conditions.items()},
        texts=editor.texts,
        flags=editor.flags,
        patterns=[(name, str(label)) for name, (label, _test) in PATTERNS.items()],
        locales=[("zh_CN", "中文"), ("en", "English")],
        told=rule_sentences(uow, spec, item, rules) if rules else [],
        broken=[reason for (name, _part), reason in broken.items() if name == item.name],
        breaches=found,
        new=new,
        rules=orjson.dumps(dict(rules.source)).decode() if rules else "{}",
        errors=errors,
        summary=[(name, _titles().get(name, name), text) for name, text in errors.items()],
    )


def _group(uow: UnitOfWork, spec: EntitySpec, condition: _Condition) -> dict[str, Any]:
    """What the editor of a condition draws."""
    usable = filter_fields(uow, spec)
    return {
        "mode": condition.mode,
        "rows": [filter_row_of(uow, usable, row) for row in condition.rows],
        "empty": filter_row_of(uow, usable, FilterRow()),
        "kept": condition_words(uow, spec, condition.kept) if condition.kept else "",
    }


def _errors(problems: Sequence[Problem]) -> dict[str, str]:
    """The first message for each part of the form."""
    found: dict[str, str] = {}
    for problem in problems:
        found.setdefault(problem.field.partition(".")[0], problem.message)
    return found


def _titles() -> dict[str, str]:
    return {
        "visible_when": _("Which records it applies to"),
        "required_when": _("Required when"),
        "required": _("Required"),
        "default": _("Begins with"),
        "unique": _("No two records alike"),
        "minimum": _("Smallest"),
        "maximum": _("Largest"),
        "min_length": _("Shortest text"),
        "max_length": _("Longest text"),
        "pattern": _("Way of writing"),
        "validation": _("Must hold"),
        "message": _("Message"),
        "groups": _("Tags in groups"),
        "only_groups": _("No other tags"),
        "choices": _("What to choose from"),
    }
