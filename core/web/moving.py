"""Records that are put elsewhere on a board or calendar: one field of each is written, with a way back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from flask import redirect, request, url_for
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from core.entities import query, service
from core.entities.labels import resolve_labels
from core.entities.rendering import display_text
from core.entities.scope import require
from core.entities.values import BadValue, check_value
from core.errors import Conflict, Invalid, NotFound, Problem, Refused
from core.fields import ActionSpec, EntitySpec, FieldSpec, Given
from core.fields import types as t
from core.http.addresses import read_number
from core.http.presenting import reader_of, tell
from core.http.requests import runtime, signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.web.acting import ask_again
from core.web.boards import verb_to
from core.web.layouts import board_fields, calendar_fields
from core.web.list_page import own_page
from core.work.uow import UnitOfWork

__all__ = ["MORNING"]

#: When something begins that has a day and no hour yet.
MORNING = time(9)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@blueprint.post("/r/<entity>/move")
@signed_in
def move_card(entity: str) -> Any:
    """Put the record ``ids`` elsewhere on a board or calendar: write ``to`` into the field ``by``, or
    tell it to the verb that does so."""
    sent = request.values
    back = sent.get("back")
    verb, given = None, dict[str, Any]()
    try:
        with unit_of_work() as uow:
            spec = uow.entity(entity)
            fields = [*board_fields(uow, spec), *calendar_fields(uow, spec)]
            by = next((each for each in fields if each.name == sent.get("by")), None)
            key = read_number(sent.get("ids"))
            if by is None or key is None:
                raise NotFound(_("There is no such column."))
            record = query.get(uow, entity, key)
            before = record.values.get(by.name)
            value = _value(by, sent.get("to", ""), before)
            version = read_number(sent.get("version"))
            verb = verb_to(uow, spec, by.name, value)
            told = None if verb is None or verb.sets is None else verb.sets[by.name]
            if verb is not None and isinstance(told, Given):
                given = {told.param: value}
                _check_version(uow, spec, key, version, record.values)
                service.act(uow, entity, verb.name, [key], given)
            else:
                verb = None
                require(uow, spec, "update")
                versions = None if version is None else {key: version}
                _write(uow, spec, key, {by.name: value}, versions)
            label, state = _told(uow, spec, by, record.values, value)
            undo = url_for(
                "web.move_card",
                entity=entity,
                by=by.name,
                ids=key,
                to=_text(before),
                version=_version(uow, spec, key),
                back=back,
            )
    except (Conflict, Invalid, Refused) as error:
        if verb is not None and isinstance(error, Invalid) and _asks(verb, given, error):
            form = MultiDict({f"param.{name}": str(each) for name, each in given.items()})
            return ask_again(entity, verb.name, form, error), error.status
        problems = () if isinstance(error, Conflict) else error.problems
        tell(problems[0].message if problems else error.message, "bad")
        return redirect(own_page(back, spec), 303)
    tell(_("%(record)s: %(state)s.", record=label, state=state), undo_url=undo)
    return redirect(own_page(back, spec), 303)


def _version(uow: UnitOfWork, spec: EntitySpec, key: int) -> int | None:
    """That of the record as it is now, within reach or not: taking the move back is about it alone."""
    if "version" not in spec.table.c:
        return None
    found = select(spec.table.c.version).where(spec.table.c.id == key)
    return int(uow.execute(found).scalar_one())


def _check_version(
    uow: UnitOfWork, spec: EntitySpec, key: int, version: int | None, values: Mapping[str, Any]
) -> None:
    if version is not None and version != _version(uow, spec, key):
        message = _("Somebody changed this record while you worked on it.")
        raise Conflict(message, current=dict(values), yours={})


def _asks(verb: ActionSpec, given: Mapping[str, Any], error: Invalid) -> bool:
    """True when what the verb refuses to do without is one of its parameters, not given yet."""
    further = {item.name for item in verb.params} - set(given)
    return any(problem.field in further for problem in error.problems)


def _write(
    uow: UnitOfWork,
    spec: EntitySpec,
    key: int,
    values: Mapping[str, Any],
    versions: Mapping[int, int] | None,
) -> None:
    """What is seen and not one's own to change is told on the page that shows it."""
    try:
        service.update(uow, spec.name, {key: values}, versions=versions)
    except NotFound:
        raise Refused(_("It is gone, or not yours to change.")) from None


def _value(by: FieldSpec, text: str, before: Any) -> Any:
    """What is written: the key of a column, a day, or a moment; on another day it keeps its hour."""
    if not text:
        return None
    if isinstance(by.type, t.Reference):
        key = read_number(text)
        if key is None:
            raise NotFound(_("There is no such column."))
        return key
    if not isinstance(by.type, (t.Date, t.DateTime)):
        return text
    try:
        if isinstance(by.type, t.Date) or not _DAY.fullmatch(text):
            return check_value(by.type, text)
        zone = runtime().clock.timezone
        hour = MORNING if before is None else before.astimezone(zone).time()
        moved = datetime.combine(check_value(t.Date(), text), hour, zone)
        return check_value(by.type, moved)
    except BadValue as error:
        raise Invalid(str(error), [Problem("to", error.code, str(error))]) from None


def _text(value: Any) -> str:
    """A value as an address holds it, so that `_value` makes it of it again."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return "" if value is None else str(value)


def _told(
    uow: UnitOfWork, spec: EntitySpec, by: FieldSpec, values: Mapping[str, Any], value: Any
) -> tuple[str, str]:
    """What the record is called, and what the column is."""
    wanted: dict[str, set[int]] = {}
    if isinstance(by.type, t.Reference) and value is not None:
        wanted = {by.type.entity: {value}}
    reader = reader_of(uow, resolve_labels(uow, wanted))
    title = display_text(spec[spec.label_field].type, values.get(spec.label_field), reader, values)
    return title or f"#{values['id']}", display_text(by.type, value, reader) or _("None")
