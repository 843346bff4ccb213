"""With whom a record is shared: the list, and the form that adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from flask import redirect, request, url_for

from core.entities import query
from core.entities.form_reading import read_fields
from core.entities.labels import resolve_labels
from core.entities.values import check_value
from core.errors import Forbidden, Invalid, Refused
from core.fields import Choice, ChoiceField, Date, FieldSpec, Reference
from core.http.presenting import draw_controls, input_context, reader_of, tell
from core.http.rendering import render
from core.http.requests import runtime, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_date
from core.security.sharing import (
    Share,
    levels_to_give,
    restore_share,
    share,
    shares_of,
    unshare,
)
from core.web import blueprint
from core.web.details import record_title
from core.work.uow import UnitOfWork

LEVELS = (Choice("read", _l("May read it")), Choice("write", _l("May read and change it")))


@blueprint.get("/r/<entity>/<int:record_id>/shares")
@signed_in
def record_shares(entity: str, record_id: int) -> Any:
    """The list and the form."""
    return _page(entity, record_id)


@blueprint.post("/r/<entity>/<int:record_id>/shares")
@signed_in
def share_record(entity: str, record_id: int) -> Any:
    """Share it with one more person or department."""
    try:
        with unit_of_work() as uow:
            fields = _fields(LEVELS)
            values, problems = read_fields(input_context(uow), fields, request.form)
            if problems:
                raise Invalid(_("Please correct what is marked."), problems)
            values = {each.name: check_value(each.type, values.get(each.name)) for each in fields}
            share(
                uow,
                entity,
                record_id,
                user=values.get("user"),
                department=values.get("department"),
                level=values.get("level") or "read",
                until=_end_of(values.get("until")),
            )
    except Invalid as error:
        return _page(entity, record_id, error), error.status
    tell(_("Shared."))
    return redirect(url_for("web.record_shares", entity=entity, record_id=record_id), 303)


@blueprint.post("/r/<entity>/<int:record_id>/shares/<int:share_id>/end")
@signed_in
def unshare_record(entity: str, record_id: int, share_id: int) -> Any:
    """End one share."""
    with unit_of_work() as uow:
        unshare(uow, entity, record_id, share_id)
    place: dict[str, Any] = {"entity": entity, "record_id": record_id}
    undo = url_for("web.restore_share", **place, share_id=share_id)
    tell(_("It is no longer shared with them."), undo_url=undo)
    return redirect(url_for("web.record_shares", **place), 303)


@blueprint.post(
    "/r/<entity>/<int:record_id>/shares/<int:share_id>/restore", endpoint="restore_share"
)
@signed_in
def restore(entity: str, record_id: int, share_id: int) -> Any:
    """Share it again with whom it was shared until just now."""
    try:
        with unit_of_work() as uow:
            restore_share(uow, entity, record_id, share_id)
    except Refused as error:
        tell(error.message, "bad")
    return redirect(url_for("web.record_shares", entity=entity, record_id=record_id), 303)


def _fields(levels: Sequence[Choice]) -> list[FieldSpec]:
    return [
        FieldSpec("user", Reference("user"), _l("Person")),
        FieldSpec("department", Reference("department"), _l("Department and all below")),
        FieldSpec("level", ChoiceField(tuple(levels)), _l("Right"), default="read", required=True),
        FieldSpec(
            "until", Date(), _l("Until"), help=_l("The last day; for good when it is empty.")
        ),
    ]


def _end_of(day: Any) -> datetime | None:
    """The moment at which a day of the company ends."""
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time(), runtime().clock.timezone)


def _page(entity: str, record_id: int, error: Invalid | None = None) -> str:
    problems = error.by_field() if error else {}
    with unit_of_work(write=False) as uow:
        record = query.get(uow, entity, record_id)
        given = levels_to_give(uow, record.spec, record_id)
        if not given:
            raise Forbidden(_("You do not have the right to share this record."))
        fields = _fields([each for each in LEVELS if each.value in given])
        controls = draw_controls(input_context(uow), fields, {"level": "read"}, problems, {})
        return render(
            "core/records/shares.html",
            spec=record.spec,
            record_id=record_id,
            title=record_title(uow, record),
            shares=_rows(uow, shares_of(uow, entity, record_id), given),
            controls=controls,
            message=problems.get("", ""),
        )


def _rows(uow: UnitOfWork, shares: Sequence[Share], given: Sequence[str]) -> list[dict[str, Any]]:
    ids = {
        "user": {key for one in shares for key in (one.user, one.by) if key is not None},
        "department": {one.department for one in shares if one.department is not None},
    }
    labels, zone = resolve_labels(uow, ids), reader_of(uow).zone
    levels = {each.value: str(each.label) for each in LEVELS}
    people, departments = labels.get("user", {}), labels.get("department", {})
    return [
        {
            "id": one.id,
            "name": people.get(one.user or 0) or departments.get(one.department or 0, "—"),
            "is_department": one.department is not None,
            "level": levels[one.level],
            "by": people.get(one.by or 0, "—"),
            "at": format_date(one.at.astimezone(zone).date()),
            "until": one.until
            and format_date((one.until - timedelta(seconds=1)).astimezone(zone).date()),
            "can_end": one.level in given,
        }
        for one in shares
    ]
