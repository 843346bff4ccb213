"""The hand-over of a leaver: what there is, to whom, how far it is, what came of it, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import Row

from core.admin import blueprint
from core.entities.form_reading import read_fields
from core.entities.labels import resolve_labels
from core.entities.query import ListQuery, get, page
from core.entities.values import BadValue, check_value
from core.entities.writing import refuse
from core.errors import Invalid, Problem, Refused
from core.fields import Boolean, Date, FieldSpec, LongText, References
from core.handover.giving import LONGEST_NOTE, hand_overs_of, start_hand_over
from core.handover.kinds import counts_of, kinds_of
from core.handover.taking_back import (
    find_hand_over,
    may_take_back,
    start_taking_back,
    taken_back_by,
)
from core.http.jobs import OPEN, local
from core.http.presenting import draw_controls, input_context, record_address
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_number
from core.work.uow import UnitOfWork

#: Up to so many people are boxes to tick, more are picked by typing.
FEW = 30
_SUCCESSORS = FieldSpec(
    "successors",
    References("user"),
    _l("Successors"),
    help=_l("Several get the records in turn."),
    required=True,
)
_ON = FieldSpec("on", Date(), _l("From which day"), help=_l("Empty: at once."))
_NOTE = FieldSpec(
    "note",
    LongText(LONGEST_NOTE),
    _l("Note"),
    help=_l("Shown with the result, and kept in the audit trail."),
)
_CLOSE = FieldSpec(
    "close",
    Boolean(),
    _l("Close the account afterwards"),
    help=_l("Sessions and API tokens end; nobody signs in with it any more."),
)


@blueprint.get("/people/<int:key>/hand-over")
@requires("admin")
def hand_over(key: int) -> Any:
    """What the person has, and to whom it may go."""
    return _form(key, {}, {})


@blueprint.post("/people/<int:key>/hand-over")
@requires("admin")
def begin_hand_over(key: int) -> Any:
    """Begin it, or plan it for a day."""
    values: dict[str, Any] = {}
    try:
        with unit_of_work() as uow:
            values, problems = _given(uow)
            refuse(problems)
            job = start_hand_over(
                uow,
                key,
                values["successors"] or (),
                kinds=request.form.getlist("kinds"),
                on=values["on"],
                note=values["note"] or "",
                close=bool(values["close"]),
            )
    except (Invalid, Refused) as error:
        return _form(key, values, error.by_field()), error.status
    return redirect(url_for("admin.show_hand_over", key=job), 303)


def _given(uow: UnitOfWork) -> tuple[dict[str, Any], list[Problem]]:
    """What was filled in, and what of it cannot be understood."""
    fields = (_SUCCESSORS, _ON, _NOTE, _CLOSE)
    values, problems = read_fields(input_context(uow), fields, request.form)
    wrong = {problem.field for problem in problems}
    for item in fields:
        try:
            values[item.name] = check_value(item.type, values[item.name])
        except BadValue as error:
            if item.name not in wrong:
                problems.append(Problem(item.name, error.code, str(error)))
    return values, problems


def _form(key: int, values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    with unit_of_work(write=False) as uow:
        person = get(uow, "user", key, archived=None).values
        kinds = kinds_of(uow)
        counts = counts_of(uow, key, kinds)
        sent = set(request.form.getlist("kinds")) if request.method == "POST" else None
        rows = [
            {
                "name": kind.name,
                "label": kind.label,
                "count": format_number(count),
                "checked": kind.rule.usual if sent is None else kind.name in sent,
            }
            for kind, count in zip(kinds, counts, strict=True)
            if count
        ]
        may_close = person["is_active"] and key != uow.actor.user_id
        fields = [_SUCCESSORS, _ON, _NOTE, *([_CLOSE] if may_close else [])]
        others = _others(uow, key)
        options = {} if others is None else {"successors": others}
        controls = draw_controls(input_context(uow), fields, values, errors, options)
        earlier = [(job, local(job.created_at)) for job in hand_overs_of(uow, key)]
    labels = {"kinds": _("Records"), **{each.name: str(each.label) for each in fields}}
    return render(
        "core/admin/hand_over.html",
        key=key,
        name=person["name"],
        rows=rows,
        controls=controls,
        errors=errors,
        summary=[(name, labels[name], text) for name, text in errors.items() if name in labels],
        general=" ".join(text for name, text in errors.items() if name not in labels),
        earlier=earlier,
    )


def _others(uow: UnitOfWork, key: int) -> list[tuple[str, str]] | None:
    """Who may become a successor; None for so many that they are picked by typing."""
    active = {"field": "is_active", "op": "eq", "value": True}
    wanted = ListQuery(fields=("name",), filter=active, sort="name", limit=FEW + 2)
    found = [row for row in page(uow, "user", wanted).items if row["id"] != key]
    return None if len(found) > FEW else [(str(row["id"]), row["name"]) for row in found]


# The job


@blueprint.get("/hand-overs/<int:key>")
@requires("admin")
def show_hand_over(key: int) -> Any:
    """How far it is and what came of it; htmx asks for the inner part alone."""
    with unit_of_work() as uow:
        job = find_hand_over(uow, key)
        back = taken_back_by(uow, key)
        asked, result = job.arguments, job.result or {}
        people = {asked["person"], *asked["successors"]}
        names = resolve_labels(uow, {"user": people}).get("user", {})
        is_over = job.state not in OPEN
        context = {
            "job": job,
            "name": names.get(asked["person"], f"#{asked['person']}"),
            "person": asked["person"],
            "successors": [names.get(each, f"#{each}") for each in asked["successors"]],
            "note": asked["note"],
            "starts": local(job.run_at) if job.state == "queued" and job.run_at > uow.now() else "",
            "is_over": is_over,
            "asks_again": not is_over or (back is not None and back.state in OPEN),
            "lines": _lines(uow, job, names),
            "moved": format_number(sum(_sums(result.get("moved", {}).values()))),
            "kept": format_number(sum(result.get("kept", {}).values())),
            "has_kept": any(result.get("kept", {}).values()),
            "files": [
                (label, url_for("web.download_file", file_id=result[name]))
                for name, label in (
                    ("report", _("Protocol (CSV)")),
                    ("workbook", _("Protocol (Excel)")),
                )
                if result.get(name)
            ],
            "closed": bool(result.get("closed")),
            "not_closed": result.get("not_closed", ""),
            "back": back,
            "stays": _stays(uow, back) if back is not None else [],
            "may_undo": may_take_back(uow, job),
        }
    fragment = bool(request.headers.get("HX-Request"))
    template = "core/admin/_hand_over_job.html" if fragment else "core/admin/hand_over_job.html"
    return render(template, **context)


def _sums(counts: Any) -> list[int]:
    return [sum(each.values()) for each in counts]


def _lines(uow: UnitOfWork, job: Row[Any], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """What became of each kind: to whom how many, and how many stay."""
    labels = {kind.name: kind.label for kind in kinds_of(uow)}
    result = job.result or {}
    lines = []
    for name in job.arguments["kinds"]:
        moved, kept = result.get("moved", {}).get(name, {}), result.get("kept", {}).get(name, 0)
        if moved or kept:
            to = [
                f"{names.get(int(key), f'#{key}')} {format_number(n)}" for key, n in moved.items()
            ]
            lines.append(
                {
                    "label": labels.get(name, name),
                    "moved": format_number(sum(moved.values())),
                    "to": to,
                    "kept": format_number(kept) if kept else "",
                }
            )
    return lines


def _stays(uow: UnitOfWork, back: Row[Any]) -> Sequence[tuple[str, str | None, str]]:
    """(name, address, why) of the first records that were not taken back."""
    reasons = (back.result or {}).get("reasons", ())
    wanted: dict[str, set[int]] = {}
    for entity, key, _why in reasons:
        wanted.setdefault(entity, set()).add(key)
    labels, address = resolve_labels(uow, wanted), record_address(uow)
    return [
        (labels.get(entity, {}).get(key, f"#{key}"), address(entity, key), why)
        for entity, key, why in reasons
    ]


@blueprint.get("/hand-overs/<int:key>/undo")
@requires("admin")
def confirm_take_back(key: int) -> Any:
    """Ask before a hand-over is taken back."""
    with unit_of_work() as uow:
        job = find_hand_over(uow, key)
    closed = bool((job.result or {}).get("closed"))
    back = url_for("admin.show_hand_over", key=key)
    return render(
        "core/admin/confirm.html",
        title=_("Take the hand-over back?"),
        text=_("Every record goes back to whom it belonged. What was changed since stays."),
        list_title=_("Mind that") if closed else "",
        items=[_("The account is opened again; sessions and API tokens stay ended.")]
        if closed
        else [],
        action=url_for("admin.take_back", key=key),
        label=_("Take back"),
        kind="danger",
        back=back,
        crumb=job.title,
    )


@blueprint.post("/hand-overs/<int:key>/undo")
@requires("admin")
def take_back(key: int) -> Any:
    """Queue the way back."""
    try:
        with unit_of_work() as uow:
            start_taking_back(uow, key)
    except Refused as refusal:
        flash(refusal.message, "bad")
    return redirect(url_for("admin.show_hand_over", key=key), 303)
