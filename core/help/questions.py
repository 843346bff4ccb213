"""Asking the people who help (S-244): who they are, who reads a question, and who is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, FromClause, exists, false, func, or_, select, true

from core.db.base import metadata
from core.entities import service
from core.entities.links import link_table_name
from core.errors import Forbidden, Invalid, Problem
from core.fields import EntityDef, FieldSpec, Tags
from core.help.models import HelpQuestion
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.notifications.service import notify
from core.plugins.contributions import NotificationKind, SettingsGroup
from core.security.models import Role, User
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.entities.changes import Change
    from core.work.uow import UnitOfWork

__all__ = [
    "ANSWERED",
    "ASKED",
    "HELP",
    "ask",
    "follow_answers",
    "help_question",
    "helpers",
    "is_helper",
    "unknown_helpers",
]

#: A place of ours, without what stands behind the question mark: that may name people.
_PAGE = re.compile(r"/(?!/)[^\s?#\\]{0,199}")
_SUBJECT = 60

HELP = SettingsGroup(
    "core_help",
    _l("Help"),
    (
        FieldSpec(
            "helpers",
            Tags(),
            _l("Who answers questions"),
            help=_l("The e-mail addresses of people here. Empty: the administrators."),
            default=[],
        ),
    ),
)

ASKED = NotificationKind(
    "core.help_asked", _l("Somebody is stuck and asks"), _l("%(who)s asks: %(record)s"), "headset"
)
ANSWERED = NotificationKind(
    "core.help_answered",
    _l("An answer to a question of yours"),
    _l("%(who)s has answered: %(record)s"),
    "headset",
)


def helpers(uow: UnitOfWork) -> list[int]:
    """The active people whom the settings name; the administrators where they name none of those."""
    people, roles = User.__table__.c, Role.__table__.c
    active = select(people.id).where(people.is_active, people.archived_at.is_(None))
    named = [text.strip().lower() for text in get_setting(uow, "core_help", "helpers") or ()]
    if named:
        found = uow.execute(active.where(func.lower(people.email).in_(named))).scalars().all()
        if found:
            return sorted(found)
    links = metadata.tables[link_table_name("core_user", "roles")].c
    admins = (
        select(links.source_id)
        .join(Role.__table__, roles.id == links.target_id)
        .where(roles.is_admin, roles.archived_at.is_(None))
    )
    return sorted(uow.execute(active.where(people.id.in_(admins))).scalars())


def is_helper(uow: UnitOfWork) -> bool:
    """Whether the actor is one of those who answer."""
    if "helpers" not in uow.memo:
        uow.memo["helpers"] = frozenset(helpers(uow))
    return uow.actor.user_id in uow.memo["helpers"]


def unknown_helpers(uow: UnitOfWork, addresses: Sequence[str]) -> list[str]:
    """Those of the addresses that belong to nobody who is active."""
    people = User.__table__.c
    wanted = {text.strip().lower(): text for text in addresses}
    asked = select(func.lower(people.email)).where(
        func.lower(people.email).in_(wanted), people.is_active, people.archived_at.is_(None)
    )
    known = set(uow.execute(asked).scalars())
    return [text for key, text in wanted.items() if key not in known]


def question_scope(uow: UnitOfWork, action: str, table: FromClause) -> ColumnElement[bool]:
    """The questions that the actor reaches: one's own, and for those who help all; nobody else's.

    Nor those of somebody whom an administrator has signed in as.
    """
    if uow.actor.user_id is None or uow.actor.behind is not None or action != "read":
        return false()
    if is_helper(uow):
        return true()
    return or_(false(), table.c.asked_by_id == uow.actor.user_id)


#: Written by `ask` alone; the conversation is made of comments, for whom the question is readable.
help_question = EntityDef(
    name="help_question",
    model=HelpQuestion,
    label=_l("Question"),
    label_plural=_l("Questions"),
    label_field="subject",
    icon="headset",
    list_columns=("subject", "asked_by", "page", "created_at", "answered_at"),
    default_sort="-created_at",
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    navigable=False,
    directory=True,
    scope=question_scope,
)


def ask(uow: UnitOfWork, question: str, page: str = "") -> int:
    """Ask those who help, and tell them; the id of the question.

    Raises `Invalid` for an empty or a long text.
    """
    if uow.actor.user_id is None or uow.actor.token_scopes is not None:
        raise Forbidden(_("You do not have the right to do this."))
    text = question.replace("\r\n", "\n").strip()
    if not text:
        message = _("Write something first.")
        raise Invalid(message, [Problem("question", "required", message)])
    words = " ".join(text.split())
    values = {
        "subject": words if len(words) <= _SUBJECT else f"{words[:_SUBJECT]}…",
        "question": text,
        "page": page if _PAGE.fullmatch(page) else None,
        "asked_by": uow.actor.user_id,
    }
    with uow.elevated():
        (key,) = service.create(uow, "help_question", [values])
    notify(uow, ASKED.name, helpers(uow), entity="help_question", record_ids=[key])
    return key


def follow_answers(changes: Sequence[Change], uow: UnitOfWork) -> None:
    """Comments on questions were written just now: who asked is told, and they count as answered."""
    if changes[0].kind != "create" or changes[0].entity.name != "comment":
        return
    keys = {
        change.after["record_id"] for change in changes if change.after["entity"] == "help_question"
    }
    if not keys:
        return
    table, comments = HelpQuestion.__table__.c, uow.entity("comment").table.c
    # Who has written in the conversation before is told of comments by those.
    wrote = exists().where(
        comments.entity == "help_question",
        comments.record_id == table.id,
        comments.created_by == table.asked_by_id,
    )
    asked = select(table.id, table.asked_by_id, wrote.label("wrote")).where(
        table.id.in_(keys), table.asked_by_id != uow.actor.user_id
    )
    rows = uow.execute(asked).all()
    if not rows:
        return
    with uow.elevated():
        service.update(uow, "help_question", {row.id: {"answered_at": uow.now()} for row in rows})
    for row in rows:
        if not row.wrote:
            who, key = [row.asked_by_id], [row.id]
            notify(uow, ANSWERED.name, who, entity="help_question", record_ids=key)
