"""Drafts of forms: kept while one types, dropped when that is wanted."""

from __future__ import annotations

from typing import Any

from flask import redirect

from core.http.forms import drop_sent_draft, keep_sent_draft, restore_dropped_draft
from core.http.presenting import tell
from core.http.requests import signed_in
from core.i18n import gettext as _
from core.web import blueprint


@blueprint.post("/r/<entity>/draft")
@signed_in
def keep_draft(entity: str) -> Any:
    """Keep what the form holds so far; answers the time of day, to be shown."""
    return {"at": keep_sent_draft(entity)}


@blueprint.post("/r/<entity>/draft/discard")
@signed_in
def drop_draft(entity: str) -> Any:
    """Drop one's own draft and begin with the form as it would be without; the message brings it back."""
    address, undo = drop_sent_draft(entity)
    tell(_("The draft was discarded."), undo_url=undo)
    return redirect(address, 303)


@blueprint.post("/r/<entity>/draft/restore")
@signed_in
def restore_draft(entity: str) -> Any:
    """Bring one's own draft back, and go on with it."""
    return redirect(restore_dropped_draft(entity), 303)
