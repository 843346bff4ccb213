"""Visits that are checked in where they are: what a telephone says of its place and moment (S-247).

The place is what the browser told, once, at a tap. It is written by the verb ``check_in`` alone,
which roles grant by name, and is never changed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from core.entities import service
from core.errors import Invalid, Problem
from core.fields import DateTime, FieldSpec, Integer, Number
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.i18n.formats import format_datetime, format_number, format_time

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "CHECKED_IN",
    "PARAMS",
    "PLACE",
    "can_check_in",
    "check_in",
    "drawn_place",
    "geo_address",
    "in_words",
    "is_wanted",
    "read_check_in",
]

#: The fields of a follow-up that hold it: all of them, or none.
PLACE = ("checked_in_at", "latitude", "longitude", "accuracy")
#: What statistics count and lists find.
CHECKED_IN = ("checked_in_at", "is_set")
#: Clocks of phones and servers differ.
_PATIENCE = timedelta(minutes=5)
#: A form that waits for a connection, or a draft, is given up after so long.
_OLDEST = timedelta(days=7)
_EXACT = Decimal("0.000001")
_HIGHEST = {"latitude": 90, "longitude": 180}
#: Positions by the network alone are this vague; beyond it nothing is said any more.
_VAGUEST = 1_000_000

PARAMS = (
    FieldSpec("latitude", Number(8, 6), _l("Latitude"), required=True),
    FieldSpec("longitude", Number(9, 6), _l("Longitude"), required=True),
    FieldSpec(
        "accuracy", Integer(minimum=0, maximum=_VAGUEST), _l("Accuracy in metres"), required=True
    ),
    FieldSpec("checked_in_at", DateTime(), _l("Checked in at"), help=_l("Empty: now.")),
)


def check_in(
    uow: UnitOfWork, follow_ups: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """The verb: the service has checked the right, that it is a visit, and that it is the first time."""
    moment = params.get("checked_in_at") or uow.now()
    if problems := list(_problems(uow, {**params, "checked_in_at": moment})):
        raise Invalid(_("Please correct what is marked."), problems)
    place = {name: params[name] for name in PLACE if name != "checked_in_at"}
    place["checked_in_at"] = moment
    ids = service.update(uow, "follow_up", {row["id"]: place for row in follow_ups})
    return {"checked_in": ids}


def _problems(uow: UnitOfWork, place: Mapping[str, Any]) -> Iterable[Problem]:
    for name, highest in _HIGHEST.items():
        if abs(place[name]) > highest:
            yield Problem(name, "range", _("This is no place on earth."))
    moment = place["checked_in_at"]
    if moment > uow.now() + _PATIENCE:
        yield Problem("checked_in_at", "future", _("Nobody checks in ahead of time."))
    elif moment < uow.now() - _OLDEST:
        yield Problem("checked_in_at", "range", _("This check-in is too old. Check in again."))


# The form


def can_check_in(uow: UnitOfWork) -> bool:
    """True for who is offered to check visits in."""
    return uow.actor.access(uow.entity("follow_up")).may("check_in")


def drawn_place(uow: UnitOfWork, typed: Mapping[str, str]) -> dict[str, str]:
    """What the box of the form holds: when the form was opened first, and what was noted before."""
    opened = typed.get("opened_at") or uow.now().isoformat()
    noted = {name: typed.get(name, "") for name in PLACE}
    return {"opened_at": opened, "zone": str(uow.clock.timezone), **noted}


def is_wanted(form: Mapping[str, str]) -> bool:
    """True when a visit was checked in while it was written; of other kinds it says nothing."""
    return form.get("kind") == "visit" and any(form.get(name, "").strip() for name in PLACE)


def read_check_in(uow: UnitOfWork, form: Mapping[str, str]) -> dict[str, Any]:
    """What the script of the form filled in, as the verb takes it. Raises `Invalid`.

    It belongs to this very form: what an older one left is not taken for now.
    """
    moment, opened = _moment(form, "checked_in_at"), _moment(form, "opened_at")
    place = {name: _number(form, name) for name in _HIGHEST}
    accuracy = form.get("accuracy", "")
    is_whole = moment is not None and None not in place.values() and accuracy.isdecimal()
    if not is_whole or len(accuracy) > 7:
        message = _("The position is not complete. Check in again, or remove it.")
        raise Invalid(_("Please correct what is marked."), [Problem("place", "place", message)])
    assert moment is not None
    if opened is None or moment < opened - _PATIENCE:
        message = _("This check-in is older than the form. Check in again.")
        raise Invalid(_("Please correct what is marked."), [Problem("place", "range", message)])
    return {
        **{name: str(value) for name, value in place.items()},
        "accuracy": int(accuracy),
        "checked_in_at": moment.isoformat(),
    }


def _moment(form: Mapping[str, str], name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(form.get(name, "").strip())
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _number(form: Mapping[str, str], name: str) -> Decimal | None:
    try:
        found = Decimal(form.get(name, "").strip()[:40])
        return found.quantize(_EXACT) if found.is_finite() else None
    except InvalidOperation:
        return None


# How it is told


def in_words(uow: UnitOfWork, values: Mapping[str, Any]) -> str:
    """“Checked in at 10:32, ±15 m”, as far as the values are there; with the day where it is another
    one than that of the visit."""
    moment = values.get("checked_in_at")
    if moment is None:
        return ""
    zone = uow.clock.timezone
    when = format_datetime(moment, zone)
    happened = values.get("happened_at")
    if happened is not None and happened.astimezone(zone).date() == moment.astimezone(zone).date():
        when = format_time(moment, zone)
    accuracy = values.get("accuracy")
    if accuracy is None:
        return _("Checked in at %(time)s", time=when)
    return _("Checked in at %(time)s, ±%(n)s m", time=when, n=format_number(accuracy))


def geo_address(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """(address for the telephone's own map, the coordinates as text); None without both of them.

    It is opened by a program on the device: nothing is asked of any server.
    """
    latitude, longitude = values.get("latitude"), values.get("longitude")
    if not isinstance(latitude, Decimal) or not isinstance(longitude, Decimal):
        return None  # not there, hidden, or masked
    text = f"{latitude:.6f}, {longitude:.6f}"
    vague = values.get("accuracy")
    uncertain = f";u={vague}" if isinstance(vague, int) else ""
    return f"geo:{latitude:.6f},{longitude:.6f}{uncertain}", text
