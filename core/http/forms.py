"""Forms whose text is not lost: to an error, a closed tab, a second click, or the end of the session.

A page with a form of its own declares it once, e.g. ``NEW_TASK = KeptForm("task", "activities.new_task")``:

- ``@NEW_TASK.taken`` stands on the view that takes what is sent;
- ``NEW_TASK.save_once(make)`` saves it there, a form that is sent twice only once;
- ``NEW_TASK.draft(uow)`` is what somebody goes on with, in the view that shows the form;
- ``NEW_TASK.drawn(uow, sent)`` goes to the template, for the macros of ``core/ui.html``.

What is sent after the session has ended becomes a draft of the person for whom the form was drawn:
its key says so and is signed. Nobody else is ever shown it, whoever signs in next on that browser.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from flask import Response, current_app, flash, g, jsonify, redirect, request, url_for
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.wrappers import Response as BaseResponse

from core.entities import query
from core.entities.drafts import (
    Draft,
    discard_draft,
    find_drafts,
    put_aside,
    save_draft,
    take_up,
)
from core.entities.form_fields import editable_fields
from core.entities.incoming import readable
from core.entities.offers import offered
from core.entities.scope import require
from core.errors import Forbidden, Invalid, Refusal, Refused
from core.http.addresses import read_number
from core.http.limits import take_form
from core.http.masking import mask
from core.http.requests import actor, origin, runtime, unit_of_work
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.security.actor import SYSTEM
from core.security.directory import load_actor
from core.work.idempotency import find_answer, keep_answer, was_used
from core.work.uow import UnitOfWork

#: The rest is for the gate in front of all pages and for the pages of drafts.
__all__ = ["DrawnForm", "KeptForm", "read_version"]

View = TypeVar("View", bound=Callable[..., Any])
#: The forms that are drawn from declarations; their inputs are fields.
_GENERIC = ("web.new_record", "web.edit_record")
#: Whoever reads a record writes below it.
_READ = "web.show_record"
_DRAFTS = "web.keep_draft"
#: Belong to the page, not to what was typed.
_NOT_TYPED = frozenset({"csrf_token", "form_key", "record", "page", "draft", "files_lost"})
_OF_GENERIC = ("version", "seen")
_OFFERED = 3
#: A longer form brings files along: read without a session only so often.
_SHORT = 2_000_000
#: For so long what is sent by a form is kept without a session.
_TRUSTED_FOR = timedelta(days=7)


@dataclass(frozen=True)
class DrawnForm:
    """What a template needs of a form that is kept."""

    #: Goes with the form as ``form_key``.
    key: str
    keep_url: str
    drop_url: str
    #: Empty for the generic form.
    page: str
    record_id: int
    #: To go on with, newest first: ``{"key", "what", "when", "url"}``.
    drafts: Sequence[Mapping[str, str]]
    #: Whether it holds what was typed and is not saved.
    is_changed: bool
    #: Whether files were chosen that are not kept.
    lost_files: bool


class _Place(NamedTuple):
    """A form of one record, or of a record that is still to be made: number 0."""

    entity: str
    page: str
    record_id: int
    #: What one must be allowed to with the record, to keep what was typed.
    verb: str = "update"

    @property
    def own_page(self) -> str:
        return "" if self.page in _GENERIC else self.page

    def address(self, **more: Any) -> str:
        for name in next(current_app.url_map.iter_rules(self.page)).arguments:
            more[name] = self.entity if name == "entity" else self.record_id
        if self.page == _READ:
            more["_anchor"] = "timeline"
        return url_for(self.page, **more)


@dataclass(frozen=True)
class KeptForm:
    """A form of an entity on the page of an endpoint, with the record's number in its address if it
    is the form of one. Without an entity the address names that too."""

    entity: str
    page: str
    #: The input by which a draft is known again, where it is not the field that names the record.
    known_by: str = ""
    #: The verb of the record that the form is for, where it does not change its values.
    verb: str = "update"

    def taken(self, view: View) -> View:
        """Marks the view to which the form is sent; its address has the same parts as the page's."""
        view.dougong_form = self  # type: ignore[attr-defined]
        return view

    def draft(self, uow: UnitOfWork) -> MultiDict[str, str] | None:
        """The inputs of the draft that the address names as ``?draft=``; files gone by now are left out."""
        wanted, place = request.args.get("draft", ""), self._place()
        drafts = _drafts(uow, place) if wanted else []
        found = next((each for each in drafts if each.key == wanted), None)
        if found is None:
            return None
        inputs = [pair for pair in found.inputs if not _is_lost_file(uow, *pair)]
        return MultiDict([*inputs, ("form_key", found.key)])

    def drawn(
        self,
        uow: UnitOfWork,
        sent: Mapping[str, str] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> DrawnForm:
        """For the page with what was ``sent`` or drafted, or without: then drafts are offered.

        ``record`` are the values of the record, if there is one.
        """
        place = self._place()
        page = place.own_page or None
        return DrawnForm(
            key=self.key(sent),
            keep_url=url_for(_DRAFTS, entity=place.entity, page=page),
            drop_url=url_for("web.drop_draft", entity=place.entity, page=page),
            page=place.own_page,
            record_id=place.record_id,
            drafts=_offers(uow, place, record or {}, self.known_by) if sent is None else [],
            is_changed=sent is not None,
            lost_files=sent is not None and "files_lost" in sent,
        )

    def key(self, sent: Mapping[str, str] | None = None) -> str:
        """A key that goes with the form, the same for what was ``sent`` before: signed for the reader."""
        key = _key_of(sent) if sent else ""
        key, who = key or secrets.token_urlsafe(16), actor()
        if who.user_id is None or who.behind is not None:
            return key  # who acts as somebody else leaves them nothing without a session
        second = str(int(runtime().clock.now().timestamp()))
        config = runtime().config
        return f"{key}.{who.user_id}.{second}.{_proof(config.secret_key, self._place(), key, who.user_id, second)}"

    def answered(self) -> str | None:
        """Where it led that just this form was sent before; None when it was not."""
        with unit_of_work(write=False) as uow:
            return self._answer(uow)

    def save_once(self, make: Callable[[UnitOfWork], str]) -> Any:
        """Do what was sent: ``make(uow)`` answers where that leads. The same form sent again leads there too.

        Whatever ``make`` raises is raised, and nothing is saved.
        """
        key, digest = _key_of(request.form), _digest()
        try:
            with unit_of_work() as uow:
                if (found := self._answer(uow)) is not None:
                    return redirect(found, 303)
                location = make(uow)
                if key:
                    self.discard(uow)
                    keep_answer(uow, f"form:{key}:{digest[:32]}", digest, 303, location)
        except Refused:  # perhaps the same form, at the same instant
            if (found := self.answered()) is not None:
                return redirect(found, 303)
            raise
        return redirect(location, 303)

    def discard(self, uow: UnitOfWork) -> None:
        """Drop the draft of the form that was sent: it is saved."""
        place = self._place()
        discard_draft(uow, place.entity, place.record_id, _key_of(request.form))

    def _answer(self, uow: UnitOfWork) -> str | None:
        key, digest = _key_of(request.form), _digest()
        found = find_answer(uow, f"form:{key}:{digest[:32]}", digest) if key else None
        return found.body if found else None

    def _place(self) -> _Place:
        """Of this request, on whose page the form may also be a guest: then it is of no record."""
        parts = request.view_args or {}
        named = next(current_app.url_map.iter_rules(self.page)).arguments
        numbers = (parts[name] for name in named if isinstance(parts.get(name), int))
        entity = self.entity or parts.get("entity", "")
        return _Place(entity, self.page, next(numbers, 0), self.verb)


def read_version(form: Mapping[str, str]) -> int:
    """The version of the record that the form was drawn with. Raises `Invalid` without one."""
    version = read_number(form.get("version", ""))
    if version is None:
        raise Invalid(_("This page is out of date. Load it again and repeat what you did."))
    return version


# Drafts


def keep_sent_draft(entity: str) -> str:
    """Keep what the form holds so far; the time of day, to be shown."""
    with unit_of_work() as uow:
        _keep(uow, _sent_place(entity), _key_of(request.form))
        return _time(uow)


def drop_sent_draft(entity: str) -> tuple[str, str]:
    """Drop one's own draft: (the address of the form as it is without, where that is taken back)."""
    place, key = _sent_place(entity), _required_key()
    with unit_of_work() as uow:
        put_aside(uow, uow.entity(entity).name, place.record_id, key)
    undo = url_for(
        "web.restore_draft",
        entity=entity,
        key=key,
        record=place.record_id or None,
        page=place.own_page or None,
    )
    return place.address(), undo


def restore_dropped_draft(entity: str) -> str:
    """Bring back one's own draft that was dropped: the address of its form, with it where it is there."""
    place, key = _sent_place(entity), request.args.get("key", "")
    if not key:
        raise Invalid(_("This address cannot be read."))
    with unit_of_work() as uow:
        found = take_up(uow, uow.entity(entity).name, place.record_id, key)
    return place.address(draft=key) if found else place.address()


def _keep(uow: UnitOfWork, place: _Place, key: str) -> None:
    key = key or _required_key()
    spec = uow.entity(place.entity)
    if place.page == _READ:
        query.get(uow, place.entity, place.record_id)
    elif not place.record_id:
        require(uow, spec, "create")
    elif place.verb not in offered(uow, spec, place.record_id):
        raise Forbidden(_("You do not have the right to do this."))
    if not was_used(uow, f"form:{key}:"):  # sent before the form was, arrived after it
        save_draft(uow, place.entity, place.record_id, key, _typed(uow, place))


def _typed(uow: UnitOfWork, place: _Place) -> list[tuple[str, str]]:
    """The inputs as they were sent; of the generic form those of fields that the person may fill in."""
    sent = list(request.form.items(multi=True))
    if place.own_page:
        kept = [pair for pair in sent if pair[0] not in _NOT_TYPED]
        kept.append(("page", place.page))
    else:
        known = {item.name for item in editable_fields(uow, uow.entity(place.entity))}
        kept = [
            (name, text)
            for name, text in sent
            if name in _OF_GENERIC or name.partition(".")[0].partition("__")[0] in known
        ]
    if any(each.filename for each in request.files.values()):
        kept.append(("files_lost", "1"))
    return kept


def _drafts(uow: UnitOfWork, place: _Place) -> list[Draft]:
    found = find_drafts(uow, place.entity, place.record_id)
    return [each for each in found if dict(each.inputs).get("page", "") == place.own_page]


def _offers(
    uow: UnitOfWork, place: _Place, values: Mapping[str, Any], known_by: str
) -> list[dict[str, str]]:
    drafts = [each for each in _drafts(uow, place) if not _is_over(uow, each, values)]
    known_by = known_by or uow.entity(place.entity).label_field
    zone, today = uow.clock.timezone, uow.clock.today()
    offers = []
    for draft in drafts[:_OFFERED]:
        when = format_datetime(draft.at, zone)
        is_today = draft.at.astimezone(zone).date() == today
        offers.append(
            {
                "key": draft.key,
                "what": _what(draft, known_by),
                "when": when[-5:] if is_today else when,
                "url": place.address(draft=draft.key),
            }
        )
    return offers


def _what(draft: Draft, known_by: str) -> str:
    """What it is about, in a few words: its own, else the first record that it names."""
    named = (text for name, text in draft.inputs if name.endswith("__label") and text)
    return (dict(draft.inputs).get(known_by) or next(named, ""))[:60]


def _is_over(uow: UnitOfWork, draft: Draft, values: Mapping[str, Any]) -> bool:
    """True for what was typed before the person's own last saving: it came in after it."""
    began, current = read_number(dict(draft.inputs).get("version", "")), values.get("version")
    return (
        current is not None
        and values.get("updated_by") == uow.actor.user_id
        and began is not None
        and began < current
    )


def _is_lost_file(uow: UnitOfWork, name: str, text: str) -> bool:
    if not name.endswith("__kept") or not text.isdecimal():
        return False
    key = read_number(text)
    return key is None or key not in readable(uow, "file", {key})


def _sent_place(entity: str) -> _Place:
    """Which form a draft is of: a page that there is, or the generic one."""
    record_id = read_number(request.values.get("record", "")) or 0
    page = request.args.get("page", "")
    if not page:
        return _Place(entity, _GENERIC[record_id > 0], record_id)
    for view in current_app.view_functions.values():
        form: KeptForm | None = getattr(view, "dougong_form", None)
        if form is not None and (form.entity, form.page) == (entity, page):
            return _Place(entity, page, record_id, form.verb)
    raise Invalid(_("This page is out of date. Load it again and repeat what you did."))


def _time(uow: UnitOfWork) -> str:
    return format_datetime(uow.now(), uow.clock.timezone)[-5:]


# Without a session


def keep_without_session() -> BaseResponse | None:
    """Keep what a form sends, or its draft, although the session it was drawn in is over.

    The answer: to sign in and back to the form with all that was typed, or straight back when the
    person has signed in again meanwhile. None for what is no such form, or somebody else's.
    Call it only for what our own pages send.
    """
    form = getattr(current_app.view_functions[request.endpoint or ""], "dougong_form", None)
    if form is None and request.endpoint != _DRAFTS:
        return None
    length = request.content_length
    if actor().is_anonymous and (length is None or length > _SHORT):
        take_form()
    if form is None:
        kept = _kept(_sent_place((request.view_args or {})["entity"]))
        if actor().is_anonymous:
            return _json({"at": kept[1] if kept else ""}, 401)
        # The page goes on with the token of the new session.
        return _json({"at": kept[1], "token": mask(g.csrf)}, 200) if kept else None
    kept = _kept(form._place())
    if kept is None:
        return None
    if actor().is_anonymous:
        address = url_for("web.sign_in_page", next=kept[0])
    else:
        address = kept[0]
        flash(
            _("You have signed in again meanwhile. What you typed is in the form: save it now."),
            "warn",
        )
    return redirect(address, 303)


def _json(body: Mapping[str, str], status: int) -> Response:
    answer = jsonify(body)
    answer.status_code = status
    return answer


def _kept(place: _Place) -> tuple[str, str] | None:
    """(address of the form with what was kept, the time of day); None when nothing was kept."""
    user_id = _signer(place)
    if user_id is None or actor().user_id not in (None, user_id):
        return None
    key = _key_of(request.form)
    try:
        with UnitOfWork(runtime(), SYSTEM, origin=origin()) as uow:
            person = load_actor(uow, user_id)
            if person is None:
                return None
            uow.actor = person
            _keep(uow, place, key)
            return place.address(draft=key), _time(uow)
    except Refusal:  # may do so no more, or it is too long
        return None


def _signer(place: _Place) -> int | None:
    """For whom the form was drawn that was sent; None when its key does not prove it, or is too old."""
    key, who, second, proof = (*request.form.get("form_key", "").split("."), "", "", "", "")[:4]
    user_id, began = read_number(who), read_number(second)
    if user_id is None or began is None:
        return None
    config = runtime().config
    is_ours = any(
        hmac.compare_digest(proof.encode(), _proof(each, place, key, user_id, second).encode())
        for each in (config.secret_key, *config.old_secret_keys)
    )
    age = runtime().clock.now().timestamp() - began
    return user_id if is_ours and age < _TRUSTED_FOR.total_seconds() else None


def _proof(secret: str, place: _Place, key: str, user_id: int, second: str) -> str:
    said = repr(("form kept", *place, key, user_id, second)).encode()
    return hmac.new(secret.encode(), said, hashlib.sha256).hexdigest()[:32]


# What was sent


def _key_of(sent: Mapping[str, str]) -> str:
    """The key of a form, without its signature."""
    return sent.get("form_key", "").partition(".")[0][:60]


def _required_key() -> str:
    key = _key_of(request.form)
    if not key:
        raise Invalid(_("This page is out of date. Load it again and repeat what you did."))
    return key


def _digest() -> str:
    """What makes two forms the same: all that was sent but for the tokens."""
    if "form_digest" not in g:  # once: files are read after it
        parts = sorted(
            pair
            for pair in request.form.items(multi=True)
            if pair[0] not in ("csrf_token", "form_key")
        )
        sent = request.files.items(multi=True)
        files = sorted((name, str(each.filename), _size(each)) for name, each in sent)
        said = repr((request.path, _key_of(request.form), parts, files))
        g.form_digest = hashlib.sha256(said.encode()).hexdigest()
    return str(g.form_digest)


def _size(sent: FileStorage) -> int:
    size = sent.stream.seek(0, 2)
    sent.stream.seek(0)
    return size
