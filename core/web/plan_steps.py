"""One step of an import plan: what its rows are, and what becomes of each column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from flask import flash, redirect, request, url_for

from core.errors import Invalid, NotFound, Refusal
from core.exchange.chosen_keys import key_candidates
from core.exchange.duplicates import key_fields
from core.exchange.jobs import open_upload
from core.exchange.mapping import importable_fields
from core.exchange.plans.accepting import accept
from core.exchange.plans.checking import check_step, lookup_fields
from core.exchange.plans.guessing import guess_steps
from core.exchange.plans.preparing import prepare
from core.exchange.plans.reading import read_step as parse_step
from core.exchange.plans.rehearsing import REHEARSED
from core.exchange.plans.saved import (
    PlanFile,
    SavedPlan,
    change_plan,
    files_of,
    find_own,
    importable_entities,
)
from core.exchange.plans.suggesting import Suggestion, suggestions
from core.fields import EntitySpec
from core.files.service import local_copy, open_file
from core.http.addresses import read_number
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_number
from core.tabular.errors import TableError
from core.tabular.reader import Table
from core.tabular.textfile import ENCODINGS
from core.web import blueprint
from core.web.plan_forms import DATES, LINKS, as_text, columns_of, read_step, tidy
from core.web.plans import headings_of, in_step, lacking
from core.web.preview import short
from core.work.uow import UnitOfWork

__all__ = ["accepted_in", "button_of"]

_SAMPLES = 3


@blueprint.get("/import-plans/<int:plan_id>/steps/<int:number>")
@signed_in
def plan_step(plan_id: int, number: int) -> Any:
    """The columns of a file and what becomes of them."""
    with unit_of_work() as uow:
        saved, step = _step(uow, plan_id, number)
        return _page(uow, saved, number, step)


@blueprint.post("/import-plans/<int:plan_id>/steps/<int:number>")
@signed_in
def change_plan_step(plan_id: int, number: int) -> Any:
    """Keep the step: its entity and how the file is read, what is suggested, or all of its form."""
    form, verb = request.form, request.form.get("do", "")
    with unit_of_work() as uow:
        saved, step = _step(uow, plan_id, number)
        steps: list[Any] = saved.steps
        files = files_of(uow, plan_id)
        if verb == "read":
            steps[number - 1] = _read_anew(uow, step, files)
        elif "accept" in form:
            steps = accept(saved.content, accepted_in(form.getlist("accept"))).get("step", [])
        else:
            spec = importable_entities(uow).get(str(step.get("entity")))
            steps[number - 1] = read_step(form, step, spec, _headings(uow, step, files))
        version = read_number(form.get("version")) or 0
        change_plan(uow, plan_id, version, content={**saved.content, "step": steps})
    if verb == "back":
        return redirect(url_for("web.import_plan", plan_id=plan_id) + "#steps", 303)
    flash(_("Saved."))
    return redirect(url_for("web.plan_step", plan_id=plan_id, number=number), 303)


def accepted_in(texts: Sequence[str]) -> list[tuple[int, str, str, str]]:
    """What was accepted of the suggestions, as their buttons say it."""
    found = []
    for text in texts[:500]:
        try:
            number, *words = json.loads(text)
        except (ValueError, TypeError):
            continue
        if type(number) is int and len(words) == 3 and all(type(each) is str for each in words):
            column, written, like = (each.replace("\x00", "")[:2_000] for each in words)
            found.append((number, column, written, like))
    return found


def button_of(suggestion: Mapping[str, Any]) -> str:
    """What the button of a suggestion sends; empty where there is nothing to accept."""
    if suggestion["is_matched"]:
        return ""
    names = ("step", "column", "text", "like")
    return json.dumps([suggestion[name] for name in names], ensure_ascii=False)


def _step(uow: UnitOfWork, plan_id: int, number: int) -> tuple[SavedPlan, dict[str, Any]]:
    saved = find_own(uow, plan_id)
    if not 0 < number <= len(saved.steps):
        raise NotFound(_("The plan has no step %(n)s.", n=number))
    return saved, saved.steps[number - 1]


def _read_anew(
    uow: UnitOfWork, step: Mapping[str, Any], files: Mapping[str, PlanFile]
) -> dict[str, Any]:
    """The step of another entity, or of another sheet: its columns are proposed anew."""
    entity = tidy(request.form.get("entity"))
    read = {name: text for name in ("sheet", "encoding") if (text := tidy(request.form.get(name)))}
    if entity == step.get("entity") and not read:
        return dict(step)
    if not step.get("file"):
        return {**step, "entity": entity}
    try:
        header = headings_of(uow, {**step, **read}, files)
    except Refusal:
        header = []
    found = guess_steps(uow, step["file"], header, entity)[0]
    if entity == step.get("entity") and set(step.get("columns", ())) <= set(header):
        found = dict(step)  # the same columns, read otherwise
    return {**found, **read}


def _headings(uow: UnitOfWork, step: Mapping[str, Any], files: Mapping[str, PlanFile]) -> list[str]:
    """The columns that the form shows: those of the file, then those that only the plan knows."""
    try:
        header = headings_of(uow, step, files)
    except Refusal:
        header = []
    return _every(header, step)


def _every(header: Sequence[str], step: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*filter(None, header), *step.get("columns", ())]))


def _page(uow: UnitOfWork, saved: SavedPlan, number: int, step: Mapping[str, Any]) -> str:
    files, entities = files_of(uow, saved.id), importable_entities(uow)
    spec = entities.get(str(step.get("entity")))
    table, refusal = _look(uow, step, files)
    headings = _every(table["header"], step)
    usable = {} if spec is None else importable_fields(uow, spec)
    keyed = {} if spec is None else key_candidates(uow, spec)
    declared = [] if spec is None else [item.name for item in key_fields(spec)]
    keys = step.get("key") or declared
    faults: list[str] = []
    found: list[Suggestion] = []
    if spec is not None and not refusal:
        faults, found = _checked(uow, number, step, table["header"], files)
    return render(
        "core/exchange/plans/step.html",
        plan=saved,
        step=step,
        number=number,
        count=len(saved.steps),
        spec=spec,
        refusal=refusal,
        faults=faults,
        missing=lacking(uow, parse_step(number, step)[0]),
        suggestions=[(each.as_json(), button_of(each.as_json())) for each in found],
        entities=sorted(
            ((name, str(each.label_plural)) for name, each in entities.items()),
            key=lambda pair: pair[1],
        ),
        sheets=[(name, name) for name in table["sheets"]] if len(table["sheets"]) > 1 else (),
        encodings=[(name, name) for name in ENCODINGS] if table["format"] == "csv" else (),
        encoding=table["encoding"],
        options=[(item.name, str(item.label)) for item in usable.values()],
        columns=[
            _column(uow, spec, f"c{place}", heading, step, table)
            for place, heading in enumerate(headings)
        ],
        made=_made(uow, spec, step),
        constants=[
            *((name, as_text(value)) for name, value in step.get("constants", {}).items()),
            *[("", "")] * 2,
        ],
        key_options=[(item.name, str(item.label)) for item in keyed.values()],
        keys=keys,
        key_labels=[str(spec[name].label) for name in keys if spec and name in spec],
        format_number=format_number,
    )


def _look(
    uow: UnitOfWork, step: Mapping[str, Any], files: Mapping[str, PlanFile]
) -> tuple[dict[str, Any], str]:
    """(what the file looks like, why it cannot be read)"""
    nothing = {"header": [], "samples": [], "sheets": (), "format": "", "encoding": ""}
    name = step.get("file")
    if not name:
        rows = parse_step(1, step)[0].rows
        header = list(dict.fromkeys(key for row in rows for key in row))
        samples = [[row.get(key) for key in header] for row in rows[:_SAMPLES]]
        return {**nothing, "header": header, "samples": samples}, ""
    if name not in files:
        return nothing, _("Upload the file %(name)s.", name=name)
    chosen = {"sheet": step.get("sheet"), "encoding": step.get("encoding")}
    try:
        with open_upload(uow, files[name].id, **chosen) as table:
            return _described(table), ""
    except Invalid as error:
        is_text = "encoding" in {problem.code for problem in error.problems}
        return {**nothing, "format": "csv" if is_text else ""}, error.message


def _described(table: Table) -> dict[str, Any]:
    return {
        "header": table.header,
        "samples": [cells for _line, cells in islice(table.rows(), _SAMPLES)],
        "sheets": table.sheets,
        "format": table.format,
        "encoding": table.encoding.replace("-sig", ""),
    }


def _column(
    uow: UnitOfWork,
    spec: EntitySpec | None,
    prefix: str,
    heading: str,
    step: Mapping[str, Any],
    table: Mapping[str, Any],
) -> dict[str, Any]:
    given = columns_of(step, [heading]).get(heading)
    header = table["header"]
    said = {"field": given} if isinstance(given, str) else given or {}
    texts = (as_text(each.get("text", "") if isinstance(each, Mapping) else each)
             for each in step.get("made", {}).values())  # fmt: skip
    place = header.index(heading) if heading in header else None
    cells = [] if place is None else [row[place] for row in table["samples"]]
    return {
        "heading": heading,
        "is_missing": bool(header) and place is None,
        "samples": [short(cell) for cell in cells if cell is not None],
        **_target(uow, spec, prefix, said),
        #: What can be said of it: for a field, or for a text that is made of it.
        "is_used": bool(said) or any(heading in text for text in texts),
    }


def _made(
    uow: UnitOfWork, spec: EntitySpec | None, step: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Fields that are made of columns, with two empty lines."""
    found = []
    for place, (name, given) in enumerate([*step.get("made", {}).items(), ("", ""), ("", "")]):
        table = dict(given) if isinstance(given, Mapping) else {"text": given}
        shown = _target(uow, spec, f"m{place}", {"field": name, **table})
        found.append({**shown, "text": table.get("text", "")})
    return found


def _target(
    uow: UnitOfWork, spec: EntitySpec | None, prefix: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """What the form shows of a column: its field, and what can be said for a field of that kind."""
    name = str(given.get("field", ""))
    item = spec.by_name.get(name) if spec is not None else None
    is_link = item is not None and isinstance(item.type, LINKS)
    other = uow.entities.get(item.type.entity) if item and isinstance(item.type, LINKS) else None
    values = [(one, as_text(text)) for one, text in given.get("values", {}).items()]
    new = [(one, as_text(text)) for one, text in given.get("new", {}).items()]
    may_make = other is not None and other.name in importable_entities(uow)
    return {
        "prefix": prefix,
        "field": name,
        "is_link": is_link,
        "is_date": isinstance(item.type, DATES) if item is not None else not name,
        "by": given.get("by", ""),
        "by_options": [(each.name, str(each.label)) for each in lookup_fields(uow, other).values()]
        if other
        else [],
        "missing": given.get("missing", "refuse"),
        "other": str(other.label) if other else "",
        "may_make": may_make,
        "new": [*new, ("", "")],
        "new_options": [
            (each.name, str(each.label)) for each in importable_fields(uow, other).values()
        ]
        if other and may_make
        else [],
        "dates": given.get("dates", ""),
        "known": "\n".join(given.get("known", ())),
        "is_loose": given.get("match") == "loose",
        "values": [*values, ("", "")],
        "count": len(values),
        "is_open": bool(given.keys() - {"field", "text", "missing"})
        or given.get("missing", "refuse") != "refuse",
    }


def _checked(
    uow: UnitOfWork,
    number: int,
    content: Mapping[str, Any],
    header: Sequence[str],
    files: Mapping[str, PlanFile],
) -> tuple[list[str], list[Suggestion]]:
    """(what is wrong with the step, what its texts may mean)"""
    step, faults = parse_step(number, content)
    if not faults:
        faults = list(check_step(uow, step, header))
    if faults:
        return in_step(step, faults), []
    if not step.file:
        return [], []
    _row, stream = open_file(uow, files[step.file].id)
    with local_copy(stream) as path:
        try:
            return [], suggestions(uow, prepare(step, path, REHEARSED))
        except TableError as error:
            return [error.message], []
