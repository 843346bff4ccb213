"""What a file most likely is: its entity by its name and columns, its steps, and their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from core.exchange.chosen_keys import key_candidates
from core.exchange.duplicates import key_fields
from core.exchange.mapping import importable_fields, propose
from core.exchange.plans.saved import importable_entities
from core.fields import EntitySpec
from core.fields import types as t
from core.i18n import LOCALES, use_locale
from core.tabular.keys import loose_form
from core.tabular.reader import FORMATS

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["guess_entity", "guess_steps", "name_in_plan", "order_steps"]

#: What counts beside the share of columns that are fields of the entity.
_CALLED, _ALMOST_CALLED, _WHOLE = 0.6, 0.3, 0.2
#: Less than this is no guess.
_LIKELY = 0.3
_LINKS = (t.Reference, t.References)


def guess_steps(
    uow: UnitOfWork, file: str, header: Sequence[str], entity: str | None = None
) -> list[dict[str, Any]]:
    """The steps of a file with these columns, as a plan says them.

    The ``entity`` is guessed unless it is given, and stays empty when nothing is likely. A column
    that refers to records of the same file is read by a second step, when all are there.
    """
    name = guess_entity(uow, file, header) if entity is None else entity
    step: dict[str, Any] = {"file": file, "entity": name}
    spec = importable_entities(uow).get(name)
    if spec is None:
        return [step]
    columns = {
        heading: field
        for heading, field in zip(header, propose(uow, spec, header).fields, strict=True)
        if heading and field and field != "id" and list(header).count(heading) == 1
    }
    own = {h: n for h, n in columns.items() if _refers_to(spec, n) == name}
    first = {h: _column(spec, n) for h, n in columns.items() if h not in own}
    key = _key(uow, spec, set(columns.values()) - set(own.values()))
    step |= {"key": key} if key else {}
    step |= {"columns": first} if first else {}
    telling = key or [item.name for item in key_fields(spec)]
    known = {h: n for h, n in columns.items() if n in telling and h not in own}
    if not own or not known:
        return [step]
    later = {**known, **{h: _column(spec, n) for h, n in own.items()}}
    again = {**step, "duplicates": "update", "columns": later}
    return [step, again]


def guess_entity(uow: UnitOfWork, file: str, header: Sequence[str]) -> str:
    """The entity whose records a file most likely holds; empty when none is likely."""
    stem, best = loose_form(PurePath(file).stem), ("", _LIKELY)
    for name, spec in importable_entities(uow).items():
        fields = {n for n in propose(uow, spec, header).fields if n and n != "id"}
        score = len(fields) / max(len(header), 1) + _is_called(spec, stem)
        needed = {n for n, item in importable_fields(uow, spec).items() if item.is_needed}
        if needed and needed <= fields:
            score += _WHOLE
        if score > best[1]:
            best = name, score
    return best[0]


def order_steps(uow: UnitOfWork, steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps, each behind those that make what it refers to; otherwise as they are.

    Steps of one entity keep their order, and of a circle the first comes first.
    """
    waiting = list(enumerate(steps))
    made = {step.get("entity") for step in steps}
    needs = [_needed(uow, step) & made for step in steps]
    ordered: list[Mapping[str, Any]] = []
    while waiting:
        left = {number: step.get("entity") for number, step in waiting}
        free = [
            number
            for number, step in waiting
            if not any(
                entity in needs[number] - {step.get("entity")}
                or (other < number and entity == step.get("entity"))
                for other, entity in left.items()
            )
        ]
        chosen = free[0] if free else waiting[0][0]
        ordered.append(steps[chosen])
        waiting = [each for each in waiting if each[0] != chosen]
    return ordered


def name_in_plan(file: str, header: Sequence[str], steps: Sequence[Mapping[str, Any]]) -> str:
    """Under which name a plan reads an uploaded file: its own, one that differs in case or blanks,
    or the only one of the same format whose columns it has all. Empty for a file of no step."""
    names = list(dict.fromkeys(str(step["file"]) for step in steps if step.get("file")))
    if file in names:
        return file
    kind = _format(file)
    same = [name for name in names if _format(name) == kind]
    alike = [name for name in same if loose_form(name) == loose_form(file)]
    if not alike:
        alike = [
            name for name in same if (wanted := _headings(name, steps)) and wanted <= set(header)
        ]
    return alike[0] if len(alike) == 1 else ""


def _headings(name: str, steps: Sequence[Mapping[str, Any]]) -> set[str]:
    return {
        heading for step in steps if step.get("file") == name for heading in step.get("columns", ())
    }


def _format(name: str) -> str:
    return FORMATS.get(PurePath(name).suffix.lower(), "")


def _is_called(spec: EntitySpec, stem: str) -> float:
    names = {loose_form(spec.name)}
    for locale in LOCALES:
        with use_locale(locale):
            names |= {loose_form(str(spec.label)), loose_form(str(spec.label_plural))}
    if stem in names:
        return _CALLED
    return _ALMOST_CALLED if any(len(n) > 1 and n in stem for n in names) else 0.0


def _key(uow: UnitOfWork, spec: EntitySpec, mapped: set[str]) -> list[str]:
    """The key that a plan has to say because the declared fields are not filled; else none."""
    declared = {item.name for item in key_fields(spec)}
    if declared & mapped or spec.label_field not in mapped:
        return []
    return [spec.label_field] if spec.label_field in key_candidates(uow, spec) else []


def _column(spec: EntitySpec, name: str) -> Any:
    """A column of the field; where it refers to records the plan says what is done without one."""
    return {"field": name, "missing": "refuse"} if isinstance(spec[name].type, _LINKS) else name


def _refers_to(spec: EntitySpec, name: str) -> str:
    type_ = spec[name].type if name in spec else None
    return type_.entity if isinstance(type_, _LINKS) else ""


def _needed(uow: UnitOfWork, step: Mapping[str, Any]) -> set[Any]:
    """The entities that the fields of a step refer to."""
    spec = uow.entities.get(str(step.get("entity")))
    if spec is None:
        return set()
    columns = step.get("columns", {}).values()
    named = [each.get("field", "") if isinstance(each, Mapping) else each for each in columns]
    fields = [*named, *step.get("made", ()), *step.get("constants", ())]
    return {_refers_to(spec, name) for name in fields} - {""}
