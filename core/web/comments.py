"""What people write and put under a record: comments and files; each can be taken back."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from flask import redirect, request, url_for

from core.comments.service import (
    add_comment,
    delete_comment,
    deleted_comment,
    edit_comment,
    restore_comment,
)
from core.entities import query
from core.errors import Conflict, Invalid, NotFound, TooLarge
from core.files.service import attach, store_upload, take_away
from core.http.addresses import read_number
from core.http.presenting import tell
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.web import blueprint
from core.web.details import COMMENT, record_page
from core.web.editing import require_update
from core.web.timelines import RefusedEdit
from core.work.uow import UnitOfWork


@blueprint.post("/r/<entity>/<int:record_id>/comments", endpoint="add_comment")
@signed_in
@COMMENT.taken
def write(entity: str, record_id: int) -> Any:
    """Write a comment; what is wrong with it is told, and what was typed stays in the form."""
    text = request.form.get("text", "")

    def add(uow: UnitOfWork) -> str:
        add_comment(uow, entity, record_id, text, mentions=_mentions())
        return _page(entity, record_id)

    try:
        return COMMENT.save_once(add)
    except Invalid as error:
        tell(error.problems[0].message if error.problems else error.message, "bad")
        return record_page(entity, record_id, text), error.status


@blueprint.post("/comments/<int:comment_id>", endpoint="edit_comment")
@signed_in
def change(comment_id: int) -> Any:
    """Change one's own comment; a refusal stands beside it, with what was typed."""
    text, version = request.form.get("text", ""), read_number(request.form.get("version", ""))
    try:
        with unit_of_work() as uow:
            row = edit_comment(uow, comment_id, text, mentions=_mentions(), version=version)
    except NotFound:
        with unit_of_work(write=False) as uow:
            row = deleted_comment(uow, comment_id)
        tell(_("The comment was deleted meanwhile. What you typed stands in the form."), "bad")
        return record_page(row.entity, row.record_id, text), Conflict.status
    except Conflict:
        message = _("You have changed this comment elsewhere meanwhile; above is what it says now.")
        return _refused(comment_id, text, message), Conflict.status
    except Invalid as error:
        message = error.problems[0].message if error.problems else error.message
        return _refused(comment_id, text, message), error.status
    return redirect(_page(row.entity, row.record_id), 303)


def _refused(comment_id: int, text: str, message: str) -> Any:
    with unit_of_work(write=False) as uow:
        values = query.get(uow, "comment", comment_id).values
    edit = RefusedEdit(comment_id, values["created_at"], text, message)
    return record_page(values["entity"], values["record_id"], edit=edit)


@blueprint.post("/comments/<int:comment_id>/delete", endpoint="delete_comment")
@signed_in
def delete(comment_id: int) -> Any:
    """Take a comment away; the message brings it back."""
    with unit_of_work() as uow:
        row = delete_comment(uow, comment_id)
    undo = url_for("web.restore_comment", comment_id=comment_id)
    tell(_("The comment is deleted."), undo_url=undo)
    return redirect(_page(row.entity, row.record_id), 303)


@blueprint.post("/comments/<int:comment_id>/restore", endpoint="restore_comment")
@signed_in
def restore(comment_id: int) -> Any:
    """Bring back what was taken away."""
    with unit_of_work() as uow:
        row = restore_comment(uow, comment_id)
    return redirect(_page(row.entity, row.record_id), 303)


@blueprint.post("/r/<entity>/<int:record_id>/files")
@signed_in
def add_files(entity: str, record_id: int) -> Any:
    """Put files under the record; all of them, or none with the reason."""
    sent = [each for each in request.files.getlist("files") if each.filename]
    try:
        with unit_of_work() as uow:
            query.get(uow, entity, record_id)
            require_update(uow, uow.entity(entity), record_id)
            for each in sent:
                key = store_upload(uow, cast(BinaryIO, each.stream), each.filename or "")
                attach(uow, key, entity, record_id)
    except (Invalid, TooLarge) as error:
        tell(error.message, "bad")
    else:
        if not sent:
            tell(_("Choose a file."), "warn")
    return redirect(_page(entity, record_id), 303)


@blueprint.post("/files/<int:file_id>/delete")
@signed_in
def delete_file(file_id: int) -> Any:
    """Take a file away from its record; the message brings it back."""
    with unit_of_work() as uow:
        row = take_away(uow, file_id)
    undo = url_for("web.restore_file", file_id=file_id)
    tell(_("The file “%(name)s” is deleted.", name=row.name), undo_url=undo)
    return redirect(_page(row.entity, row.record_id), 303)


@blueprint.post("/files/<int:file_id>/restore")
@signed_in
def restore_file(file_id: int) -> Any:
    """Bring back a file that was taken away."""
    with unit_of_work() as uow:
        row = take_away(uow, file_id, back=True)
    return redirect(_page(row.entity, row.record_id), 303)


def _mentions() -> list[int]:
    """Who was picked from the list below an @."""
    found = (read_number(text) for text in request.form.getlist("mentions"))
    return [key for key in found if key is not None]


def _page(entity: str, record_id: int) -> str:
    return url_for("web.show_record", entity=entity, record_id=record_id) + "#timeline"
