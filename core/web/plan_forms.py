"""The form of a step of an import plan: from what was sent to what the plan says, and nothing lost.

What the form does not show of a step stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

from core.exchange.cleaning import join_entries
from core.exchange.duplicates import key_fields
from core.exchange.lookups import MISSING
from core.fields import EntitySpec
from core.fields import types as t

__all__ = ["as_text", "columns_of", "read_step", "tidy"]

LINKS = (t.Reference, t.References)
DATES = (t.Date, t.DateTime)
_POLICIES = ("skip", "update")
_ORDERS = ("mdy", "dmy", "ymd")
_MOST = 500
_LONGEST = 2_000
#: What belongs to the field that a column fills, and goes when it fills another.
_OF_FIELD = ("by", "missing", "new", "dates")


def read_step(
    form: MultiDict[str, str],
    step: Mapping[str, Any],
    spec: EntitySpec | None,
    headings: Sequence[str],
) -> dict[str, Any]:
    """The step as the form says it, for a file with these columns."""
    changed = dict(step)
    _put(changed, "duplicates", form.get("duplicates", "") if _is_update(form) else "")
    key = [tidy(name) for name in form.getlist("key")[:20]]
    declared = set() if spec is None else {item.name for item in key_fields(spec)}
    _put(changed, "key", [] if set(key) == declared else key)
    columns, old = {}, columns_of(step, headings)
    for place, heading in enumerate(headings):
        said = _target(form, f"c{place}", old.get(heading), spec)
        if said:
            columns[heading] = said
    made = {}
    earlier = [*step.get("made", {}).items(), ("", ""), ("", "")]
    for place, (was, given) in enumerate(earlier):
        name, text = tidy(form.get(f"m{place}.field")), tidy(form.get(f"m{place}.text"))
        if name and text:
            said = _target(form, f"m{place}", _with_field(was, given), spec)
            more = {k: v for k, v in _table(said).items() if k != "field"}
            made[name] = {"text": text, **more} if more else text
    _put(changed, "columns", columns)
    _put(changed, "made", made)
    _put(changed, "constants", _constants(form, step.get("constants", {})))
    return changed


def tidy(text: str | None) -> str:
    """What was typed, without what no database keeps, and not without end."""
    return (text or "").replace("\x00", "").strip()[:_LONGEST]


def columns_of(step: Mapping[str, Any], headings: Sequence[str]) -> Mapping[str, Any]:
    """What the plan says of the columns; rows in the plan name the fields themselves."""
    found: Mapping[str, Any] = step.get("columns", {})
    return {name: name for name in headings} if step.get("rows") and not found else found


def _is_update(form: MultiDict[str, str]) -> bool:
    return form.get("duplicates") in _POLICIES[1:]


def _with_field(name: str, given: Any) -> Any:
    return {"field": name, **given} if isinstance(given, Mapping) else name


def _target(form: MultiDict[str, str], prefix: str, given: Any, spec: EntitySpec | None) -> Any:
    """What the plan says of a column: a name, a table, or nothing of one that is not read."""
    old = _table(given)
    said = {key: each for key, each in old.items() if key not in ("field", "text")}
    field = tidy(form.get(f"{prefix}.field"))
    if field != old.get("field", ""):
        said = {key: each for key, each in said.items() if key not in _OF_FIELD}
        if spec is not None and field in spec and isinstance(spec[field].type, LINKS):
            said["missing"] = "refuse"
    elif f"{prefix}.missing" in form:
        missing = form[f"{prefix}.missing"]
        said["missing"] = missing if missing in MISSING else MISSING[0]
        _put(said, "by", tidy(form.get(f"{prefix}.by")))
        new = dict(_pairs(form, f"{prefix}.new_field", f"{prefix}.new_value"))
        _put(said, "new", new if missing == "create" else {})
    if f"{prefix}.dates" in form:
        dates = form[f"{prefix}.dates"]
        _put(said, "dates", dates if dates in _ORDERS else "")
    if f"{prefix}.more" in form:  # its further settings were shown
        known = [
            line for each in form.get(f"{prefix}.known", "").splitlines() if (line := tidy(each))
        ]
        _put(said, "known", known[:_MOST])
        _put(said, "values", dict(_pairs(form, f"{prefix}.from", f"{prefix}.to")))
        _put(said, "match", "loose" if form.get(f"{prefix}.loose") else "")
    if "match" in said and not (said.keys() & {"known", "missing", "by"}):
        del said["match"]
    if not said:
        return field
    return {"field": field, **said} if field else said


def _table(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    return {"field": given} if given else {}


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    if value:
        table[name] = value
    else:
        table.pop(name, None)


def _pairs(form: MultiDict[str, str], left: str, right: str) -> Iterator[tuple[str, str]]:
    """Lines of two boxes, but for those that are blank on both sides."""
    lines = zip(form.getlist(left)[:_MOST], form.getlist(right)[:_MOST], strict=False)
    for one, other in lines:
        if tidy(one) or tidy(other):
            yield tidy(one), tidy(other)


def _constants(form: MultiDict[str, str], old: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the whole file; a list of entries that was not touched stays one."""
    found: dict[str, Any] = {}
    for name, text in _pairs(form, "constant_field", "constant_value"):
        if name:
            same = name in old and as_text(old[name]) == text
            found[name] = old[name] if same else text
    return found


def as_text(value: Any) -> str:
    """A plain value as the form shows it."""
    return join_entries(value) if isinstance(value, list) else str(value)
