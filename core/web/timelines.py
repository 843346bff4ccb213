"""A record's timeline as it is drawn: what happened, comments with their tools, and files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import url_for

from core.entities.rendering import Reader, display_text
from core.entities.timeline import TimelineEntry, timeline
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.presenting import reader_of
from core.i18n import gettext as _
from core.i18n.formats import format_datetime
from core.work.uow import UnitOfWork

__all__ = ["RefusedEdit", "drawn_timeline"]

#: A long text's change is cut here.
CHANGE_LENGTH = 200
_UNSHOWN = frozenset(
    {"id", "version", "archived_at", "created_at", "created_by", "updated_at", "updated_by"}
)
_MARKS = {
    "create": ("plus", "good"),
    "update": ("edit", "neutral"),
    "delete": ("trash", "bad"),
    "restore": ("arrow-back-up", "good"),
    "comment": ("message-circle", "info"),
    "file": ("paperclip", "neutral"),
    "call": ("phone", "info"),
    "mail": ("mail", "info"),
    "email": ("mail", "info"),
    "wechat": ("brand-wechat", "info"),
    "visit": ("map-pin", "info"),
    "task": ("circle-check", "good"),
    "meeting": ("users", "info"),
    "approval": ("clipboard-check", "info"),
}


@dataclass(frozen=True)
class RefusedEdit:
    """A comment that could not be changed as it was typed."""

    comment: int
    written_at: datetime
    text: str
    message: str


def drawn_timeline(
    uow: UnitOfWork,
    spec: EntitySpec,
    record_id: int,
    limit: int,
    *,
    before: datetime | None = None,
    has_tools: bool = True,
    can_update: bool = False,
    edit: RefusedEdit | None = None,
) -> dict[str, Any]:
    """``items`` for ``ui.timeline``, the newest ``before`` a moment, and ``older_url`` when there are
    earlier ones. Who ``can_update`` the record takes files of others away too.

    The comment of a refused ``edit`` is among them: where it is older, they begin with it.
    """
    entries = timeline(uow, spec.name, record_id, before=before, limit=limit + 1)
    end = min(limit, len(entries))
    while 0 < end < len(entries) and entries[end].at == entries[end - 1].at:
        end += 1  # the next page asks for what is earlier than the last of this one
    shown = entries[:end]
    if edit is not None and all(entry.data.get("comment") != edit.comment for entry in shown):
        from_it = edit.written_at + timedelta(microseconds=1)
        if before != from_it:
            return drawn_timeline(
                uow,
                spec,
                record_id,
                limit,
                before=from_it,
                has_tools=has_tools,
                can_update=can_update,
                edit=edit,
            )
    page = url_for("web.show_record", entity=spec.name, record_id=record_id)
    is_cut = len(entries) > limit
    return {
        "items": [
            _item(uow, entry)
            | _tools(uow, entry, has_tools=has_tools, can_update=can_update)
            | _editing(entry, edit, page)
            for entry in shown
        ],
        "older_url": f"{page}?tab=timeline&before={_moment(shown[-1].at)}" if is_cut else "",
    }


def _moment(at: datetime) -> str:
    """As an address holds it: without a sign that means something there."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _editing(entry: TimelineEntry, edit: RefusedEdit | None, page: str) -> dict[str, Any]:
    """What the form of a comment needs: the version that is shown, and what was refused."""
    comment = entry.data.get("comment")
    if not comment:
        return {}
    form = {"version": entry.data["version"], "cancel_url": f"{page}#timeline"}
    if edit is not None and comment == edit.comment:
        form |= {"typed": edit.text, "problem": edit.message}
    return form


def _item(uow: UnitOfWork, entry: TimelineEntry) -> dict[str, Any]:
    icon, tone = _MARKS.get(entry.kind, ("activity", "neutral"))
    reader = reader_of(uow, entry.labels)
    nobody = _("The system") if entry.actor is None else _("Somebody")
    changes = (
        [] if entry.kind == "create" else [c for c in entry.changes if c.field.name not in _UNSHOWN]
    )
    return {
        "icon": icon,
        "tone": tone,
        "who": entry.actor_label or nobody,
        "title": entry.title,
        "when": format_datetime(entry.at, reader.zone),
        "when_iso": entry.at.isoformat(),
        "body": entry.body,
        "changes": [
            (
                str(change.field.label),
                _change_text(change.field, change.old, reader),
                _change_text(change.field, change.new, reader),
            )
            for change in changes
        ],
    }


def _tools(
    uow: UnitOfWork, entry: TimelineEntry, *, has_tools: bool, can_update: bool
) -> dict[str, Any]:
    """What may be done with a comment or a file, and where it is."""
    data = entry.data
    has_tools = has_tools and "origin" not in data  # where it was written it is changed
    own = has_tools and entry.actor is not None and entry.actor == uow.actor.user_id
    if comment := data.get("comment"):
        return {
            "edit_url": url_for("web.edit_comment", comment_id=comment) if own else "",
            "delete_url": url_for("web.delete_comment", comment_id=comment)
            if own or (has_tools and uow.actor.manages_security)
            else "",
        }
    if file := data.get("file"):
        return {
            "file": data["name"],
            "file_size": data["size"] or 0,
            "file_url": url_for("web.download_file", file_id=file),
            "picture": data["media"] in t.PICTURES,
            "delete_url": url_for("web.delete_file", file_id=file)
            if own or (has_tools and can_update)
            else "",
        }
    if data.get("place") or data.get("pictures"):
        return {"place": data.get("place"), "pictures": data.get("pictures") or ()}
    return {}


def _change_text(item: FieldSpec, value: Any, reader: Reader) -> str:
    if isinstance(item.type, t.Lines):
        return _("%(n)s lines", n=len(value or ()))
    text = display_text(item.type, value, reader)
    return text if len(text) <= CHANGE_LENGTH else f"{text[:CHANGE_LENGTH]}…"
