"""Import plans: those that are kept, and one of them with its files and steps in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePath
from typing import Any, cast

from flask import Response, flash, redirect, request, url_for
from werkzeug.datastructures import FileStorage

from core.errors import Invalid, Refusal, Refused, TooLarge
from core.exchange.jobs import open_upload
from core.exchange.mapping import importable_fields
from core.exchange.plans.checking import check_step, header_of
from core.exchange.plans.guessing import guess_steps, name_in_plan, order_steps
from core.exchange.plans.model import PlanFault, Step
from core.exchange.plans.reading import parse_plan, read_content, read_step
from core.exchange.plans.running import past_plans
from core.exchange.plans.saved import (
    PlanFile,
    SavedPlan,
    change_plan,
    delete_plan,
    drop_file,
    files_of,
    find_own,
    find_saved,
    importable_entities,
    plans_of,
    put_file,
    restore_plan,
    save_plan,
)
from core.exchange.plans.writing import write_plan
from core.files.service import store_upload
from core.files.storage import safe_filename
from core.http.addresses import read_number
from core.http.asking import ask
from core.http.downloads import stream_response
from core.http.limits import limited
from core.http.presenting import tell
from core.http.rendering import render
from core.http.requests import runtime, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime, format_number
from core.tabular.reader import Table
from core.web import blueprint
from core.web.importing import ACCEPT, MAX_TABLE
from core.web.plan_forms import tidy
from core.work.uow import UnitOfWork

__all__ = ["headings_of", "in_step", "lacking", "plan_page"]

_RUNS = 20


@dataclass
class StepRow:
    """One step as the plan's page lists it."""

    number: int
    file: str
    #: What its records are called; empty until an entity is chosen.
    entity: str
    policy: str
    #: How many fields are filled.
    fields: int
    rows: int
    faults: list[str] = field(default_factory=list)
    #: Required fields that nothing fills: rows that make records are refused.
    missing: list[str] = field(default_factory=list)


# All plans


@blueprint.get("/import-plans")
@signed_in
def import_plans() -> Any:
    """The reader's plans and those shared with them, and what came of the last ones."""
    with unit_of_work() as uow:
        return _list_page(uow)


@blueprint.post("/import-plans")
@signed_in
@limited("import")
def add_import_plan() -> Any:
    """A new plan: from its file, from the files that it is to read, or with nothing but a name."""
    plan, sent = request.files.get("plan"), _sent("files")
    with unit_of_work() as uow:
        try:
            content: dict[str, Any] = {}
            title = tidy(request.form.get("title"))
            if plan is not None and plan.filename:
                name = safe_filename(plan.filename)
                content = read_content(plan.stream.read(2_000_000), name)
                title = title or parse_plan(content, PurePath(name).stem).title
            elif not title and sent:
                title = PurePath(safe_filename(sent[0].filename or "")).stem
            plan_id = save_plan(uow, title, content)
        except Invalid as error:
            return _list_page(uow, error), 422
        _take_files(uow, find_saved(uow, plan_id), sent)
    return redirect(url_for("web.import_plan", plan_id=plan_id), 303)


def _list_page(uow: UnitOfWork, error: Refusal | None = None) -> str:
    return render(
        "core/exchange/plans/list.html",
        plans=plans_of(uow),
        runs=past_plans(uow, _RUNS),
        refusal=error,
        accept=ACCEPT,
        format_number=format_number,
        when=_when,
    )


def _when(moment: Any) -> str:
    return format_datetime(moment, runtime().clock.timezone)


def _sent(name: str) -> list[FileStorage]:
    return [each for each in request.files.getlist(name) if each.filename]


# One plan


@blueprint.get("/import-plans/<int:plan_id>")
@signed_in
def import_plan(plan_id: int) -> Any:
    """Files, steps, what is wrong with them, and the plan as a file."""
    with unit_of_work() as uow:
        return plan_page(uow, find_saved(uow, plan_id))


@blueprint.get("/import-plans/<int:plan_id>/plan.toml")
@signed_in
def import_plan_file(plan_id: int) -> Response:
    """The plan as the command line takes it."""
    with unit_of_work() as uow:
        saved = find_saved(uow, plan_id)
    file = BytesIO(write_plan(saved.content).encode())
    return stream_response(file, safe_filename(f"{saved.title}.toml"), "application/toml")


@blueprint.post("/import-plans/<int:plan_id>")
@signed_in
def change_import_plan(plan_id: int) -> Any:
    """What it is called, and who may use it."""
    with unit_of_work() as uow:
        saved = find_own(uow, plan_id)
        try:
            title, shared = tidy(request.form.get("title")), "shared" in request.form
            change_plan(uow, plan_id, _version(), title=title, shared=shared)
        except Invalid as error:
            return plan_page(uow, saved, error), 422
    flash(_("Saved."))
    return redirect(url_for("web.import_plan", plan_id=plan_id), 303)


@blueprint.post("/import-plans/<int:plan_id>/toml")
@signed_in
def write_import_plan(plan_id: int) -> Any:
    """The plan as somebody has typed it; what is wrong with its shape is told beside it."""
    text = request.form.get("toml", "").replace("\r\n", "\n")
    with unit_of_work() as uow:
        saved = find_own(uow, plan_id)
        try:
            content = read_content(text.encode(), "TOML")
            parse_plan(content, saved.title)
            change_plan(uow, plan_id, _version(), content=content)
        except Invalid as error:
            return plan_page(uow, saved, error, toml=text), 422
    flash(_("Saved."))
    return redirect(url_for("web.import_plan", plan_id=plan_id), 303)


@blueprint.post("/import-plans/<int:plan_id>/copy")
@signed_in
def copy_import_plan(plan_id: int) -> Any:
    """A copy of one's own, to change."""
    with unit_of_work() as uow:
        saved = find_saved(uow, plan_id)
        title = _("Copy of %(name)s", name=saved.title)[:120]
        copy_id = save_plan(uow, title, {**saved.content, "title": title})
        for each in files_of(uow, plan_id).values():
            put_file(uow, copy_id, each.name, each.id)
    return redirect(url_for("web.import_plan", plan_id=copy_id), 303)


@blueprint.post("/import-plans/<int:plan_id>/delete")
@signed_in
def delete_import_plan(plan_id: int) -> Any:
    """Delete a plan; what it imported stays."""
    with unit_of_work() as uow:
        delete_plan(uow, plan_id)
    tell(_("Deleted."), undo_url=url_for("web.restore_import_plan", plan_id=plan_id))
    return redirect(url_for("web.import_plans"), 303)


@blueprint.post("/import-plans/<int:plan_id>/restore")
@signed_in
def restore_import_plan(plan_id: int) -> Any:
    """Bring back the plan that was deleted last."""
    try:
        with unit_of_work() as uow:
            restore_plan(uow, plan_id)
    except Refused as error:
        tell(error.message, "bad")
        return redirect(url_for("web.import_plans"), 303)
    return redirect(url_for("web.import_plan", plan_id=plan_id), 303)


# Its files


@blueprint.post("/import-plans/<int:plan_id>/files")
@signed_in
@limited("import")
def add_plan_files(plan_id: int) -> Any:
    """Files for the plan, each under the name that it uses; those of no step get one. One that is
    taken away is brought ``back`` by the message."""
    back = read_number(request.args.get("back"))
    with unit_of_work() as uow:
        saved = find_saved(uow, plan_id)
        if name := request.form.get("remove"):
            _remove_file(uow, plan_id, tidy(name))
        elif back is not None:
            _first_look(uow, back)
            put_file(uow, plan_id, tidy(request.args.get("name")), back)
        elif sent := _sent("files"):
            _take_files(uow, saved, sent)
        else:
            return plan_page(uow, saved, Invalid(_("Choose a file."))), 422
    return redirect(url_for("web.import_plan", plan_id=plan_id), 303)


def _remove_file(uow: UnitOfWork, plan_id: int, name: str) -> None:
    gone = files_of(uow, plan_id).get(name)
    drop_file(uow, plan_id, name)
    if gone is not None:
        undo = url_for("web.add_plan_files", plan_id=plan_id, name=name, back=gone.id)
        tell(_("The file “%(name)s” is deleted.", name=name), undo_url=undo)


def _take_files(uow: UnitOfWork, saved: SavedPlan, sent: Sequence[FileStorage]) -> None:
    """Keep the uploads; what cannot be used is told on the next page."""
    steps, fresh = saved.steps, False
    for upload in sent:
        name = safe_filename(upload.filename or "")
        try:
            file_id = store_upload(uow, cast(Any, upload.stream), name, max_bytes=MAX_TABLE)
            header = _first_look(uow, file_id)
            known = name_in_plan(name, header, steps)
            if not known and not saved.is_mine:
                raise Invalid(_("The plan reads no such file."))
            put_file(uow, saved.id, known or name, file_id)
        except (Invalid, TooLarge) as error:
            flash(f"{name}{_(': ')}{error.message}", "bad")
            continue
        if not known:
            steps, fresh = [*steps, *guess_steps(uow, name, header)], True
    if fresh:
        if not saved.steps:
            steps = [dict(step) for step in order_steps(uow, steps)]
        change_plan(uow, saved.id, saved.version, content={**saved.content, "step": steps})


def _first_look(uow: UnitOfWork, file_id: int) -> list[str]:
    """The columns of a file; none where its encoding has to be chosen first."""
    try:
        with open_upload(uow, file_id) as table:
            return table.header
    except Invalid as error:
        if "encoding" in {problem.code for problem in error.problems}:
            return []
        raise


# Its steps


@blueprint.post("/import-plans/<int:plan_id>/steps")
@signed_in
def change_plan_steps(plan_id: int) -> Any:
    """Move a step, take it away once that is confirmed, add one, or put all behind what they refer to."""
    with unit_of_work() as uow:
        saved = find_own(uow, plan_id)
        steps: list[Any] = saved.steps
        if "remove" in request.form and "confirmed" not in request.form:
            return _ask_to_remove(saved)
        for verb in ("up", "down", "remove"):
            number = read_number(request.form.get(verb))
            if number is not None and 0 < number <= len(steps):
                step = steps.pop(number - 1)
                if verb != "remove":
                    place = number - 2 if verb == "up" else number
                    steps.insert(max(place, 0), step)
        if "order" in request.form:
            steps = list(order_steps(uow, steps))
        if "add" in request.form:
            steps += _new_steps(uow, saved)
        change_plan(uow, plan_id, _version(), content={**saved.content, "step": steps})
    return redirect(url_for("web.import_plan", plan_id=plan_id) + "#steps", 303)


def _ask_to_remove(saved: SavedPlan) -> str:
    number = request.form.get("remove", "")[:9]
    return ask(
        _("Remove step %(n)s", n=number),
        _("Its columns, values and look-ups go with it. This cannot be taken back."),
        action=url_for("web.change_plan_steps", plan_id=saved.id),
        label=_("Remove"),
        back=url_for("web.import_plan", plan_id=saved.id),
        crumb=saved.title,
        hidden=[("remove", number), ("version", str(_version())), ("confirmed", "1")],
    )


def _new_steps(uow: UnitOfWork, saved: SavedPlan) -> list[dict[str, Any]]:
    name, files = tidy(request.form.get("file")), files_of(uow, saved.id)
    if name not in {*files, *saved.files}:
        raise Invalid(_("Choose a file."))
    header = _first_look(uow, files[name].id) if name in files else []
    entity = tidy(request.form.get("entity"))
    return guess_steps(uow, name, header, entity if entity in importable_entities(uow) else None)


# Their page


def _version() -> int:
    return read_number(request.form.get("version")) or 0


def plan_page(
    uow: UnitOfWork, saved: SavedPlan, error: Refusal | None = None, *, toml: str | None = None
) -> str:
    """The page of a plan; ``error`` is why something was not done."""
    files, entities = files_of(uow, saved.id), importable_entities(uow)
    headings = _Headings(uow, files)
    rows = [_row(uow, n, step, headings) for n, step in enumerate(saved.steps, 1)]
    wanted = [*saved.files, *(name for name in files if name not in saved.files)]
    return render(
        "core/exchange/plans/plan.html",
        plan=saved,
        steps=rows,
        files=[(name, files.get(name), name in saved.files) for name in wanted],
        is_ready=bool(rows) and not any(row.faults for row in rows),
        refusal=error,
        toml=write_plan(saved.content) if toml is None else toml,
        toml_refused=toml is not None,
        accept=ACCEPT,
        entities=sorted(
            ((name, str(spec.label_plural)) for name, spec in entities.items()),
            key=lambda pair: pair[1],
        ),
        runs=[row for row in past_plans(uow, _RUNS) if row.arguments.get("saved_id") == saved.id][
            :5
        ],
        may_delete=saved.is_mine or (saved.is_shared and uow.actor.is_admin),
        format_number=format_number,
        when=_when,
    )


class _Headings:
    """The columns of files that several steps may read, each looked at once."""

    def __init__(self, uow: UnitOfWork, files: Mapping[str, PlanFile]) -> None:
        self._uow = uow
        self._files = files
        self._known: dict[tuple[Any, ...], list[str]] = {}

    def of(self, content: Mapping[str, Any]) -> list[str]:
        """The columns of what a step reads. Raises as `headings_of`."""
        if not content.get("file"):
            return headings_of(self._uow, content, self._files)
        key = tuple(content.get(name) for name in ("file", "sheet", "encoding"))
        if key not in self._known:
            self._known[key] = headings_of(self._uow, content, self._files)
        return self._known[key]


def _row(uow: UnitOfWork, number: int, content: Mapping[str, Any], headings: _Headings) -> StepRow:
    step, faults = read_step(number, content)
    spec = uow.entities.get(step.entity)
    row = StepRow(
        number,
        step.file,
        step.entity if spec is None else str(spec.label_plural),
        step.duplicates,
        len(step.mapped),
        len(step.rows),
    )
    if not step.entity:
        row.faults = [_("Choose what its rows are.")]
        return row
    if not faults:
        try:
            faults = list(check_step(uow, step, headings.of(content)))
        except Refusal as refusal:
            row.faults = [refusal.message]
            return row
    row.faults = in_step(step, faults)
    row.missing = lacking(uow, step)
    return row


def in_step(step: Step, faults: Sequence[PlanFault]) -> list[str]:
    """What is wrong with a step, on a page that says which one it is."""
    return [str(fault).removeprefix(step.place).lstrip(",:，：、 ") for fault in faults]


def lacking(uow: UnitOfWork, step: Step) -> list[str]:
    """The required fields of new records that a step does not fill."""
    spec = uow.entities.get(step.entity)
    if spec is None or step.duplicates == "update":
        return []
    given = set(step.mapped)
    usable = importable_fields(uow, spec).values()
    return [str(item.label) for item in usable if item.is_needed and item.name not in given]


def headings_of(
    uow: UnitOfWork, content: Mapping[str, Any], files: Mapping[str, PlanFile]
) -> list[str]:
    """The columns of what a step reads. Raises `Invalid` without the file, and for a bad one."""
    name = content.get("file")
    if not name:
        return header_of(read_step(1, content)[0])
    if name not in files:
        raise Invalid(_("Upload the file %(name)s.", name=name))
    with open_upload(
        uow, files[name].id, sheet=content.get("sheet"), encoding=content.get("encoding")
    ) as table:
        opened: Table = table
        return opened.header
