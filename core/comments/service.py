"""Writing, changing and taking away comments; their writers alone change them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from core.comments.definitions import COMMENTED, MENTIONED
from core.entities import query, service
from core.entities.scope import is_about_others
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.i18n import gettext as _
from core.notifications.service import notify
from core.security.explain import sees_record
from core.security.models import User

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = [
    "add_comment",
    "delete_comment",
    "deleted_comment",
    "edit_comment",
    "restore_comment",
    "takes_comments",
]

#: More people than these are not told by one comment.
MOST_MENTIONS = 20
#: What stands after an @; a name, which may have spaces in it, is the beginning of it.
_AT = re.compile(r"@([^@\r\n]{1,100})")


def add_comment(
    uow: UnitOfWork, entity: str, record_id: int, text: str, *, mentions: Iterable[int] = ()
) -> int:
    """Write ``text`` under the record; the id of the comment.

    Whoever may read the record may comment on it. People are named by ``@`` and their name, or by
    ``mentions`` where several have that name; those who may read the record are told. Raises
    `NotFound` for a record out of reach, `Invalid` for an empty or a long text.
    """
    spec = uow.entity(entity)
    record = query.get(uow, entity, record_id)
    if uow.actor.user_id is None or not takes_comments(spec):
        raise _no_right()
    _check_token(uow, spec)
    values = {"entity": entity, "record_id": record_id, "text": _checked(text)}
    with uow.elevated():
        (key,) = service.create(uow, "comment", [values])
    mentioned = _tell_mentioned(uow, entity, record_id, text, mentions)
    _tell_concerned(uow, entity, record_id, record.values.get("owner"), mentioned)
    return key


def edit_comment(
    uow: UnitOfWork,
    comment_id: int,
    text: str,
    *,
    mentions: Iterable[int] = (),
    version: int | None = None,
) -> Row[Any]:
    """Change one's own comment; who is named anew is told. The comment as it was.

    With the ``version`` that was read, one that was changed meanwhile raises `Conflict`.
    """
    row = _own(uow, comment_id)
    versions = None if version is None else {comment_id: version}
    with uow.elevated():
        service.update(uow, "comment", {comment_id: {"text": _checked(text)}}, versions=versions)
    before = set(_people_named(uow, row.text))
    new = [key for key in _people_named(uow, text) if key not in before]
    _tell_mentioned(uow, row.entity, row.record_id, "", [*mentions, *new])
    return row


def delete_comment(uow: UnitOfWork, comment_id: int) -> Row[Any]:
    """Take one's own comment away, or as an administrator that of anybody; what it was."""
    row = _own(uow, comment_id, or_admin=True)
    with uow.elevated():
        service.delete(uow, "comment", [comment_id])
    return row


def deleted_comment(uow: UnitOfWork, comment_id: int) -> Row[Any]:
    """One's own comment that is in the recycle bin; `NotFound` for any other."""
    return _own(uow, comment_id, archived=True)


def restore_comment(uow: UnitOfWork, comment_id: int) -> Row[Any]:
    """Bring back what was taken away: who did it may, and who may take away anybody's; not its writer
    where somebody else did."""
    row = _find(uow, comment_id, archived=True)
    if row.updated_by != uow.actor.user_id and not uow.actor.manages_security:
        raise Forbidden(_("Only who deleted this may bring it back."))
    with uow.elevated():
        service.restore(uow, "comment", [comment_id])
    return row


def takes_comments(spec: EntitySpec) -> bool:
    """False for what itself is about a record, as a file or a comment is: nobody would read them."""
    return not is_about_others(spec)


def _check_token(uow: UnitOfWork, spec: EntitySpec) -> None:
    """No token for reading writes anything."""
    if not uow.actor.token_allows(spec.governed_by, "update"):
        raise _no_right()


def _no_right() -> Forbidden:
    return Forbidden(_("You do not have the right to do this."))


def _checked(text: str) -> str:
    found = text.replace("\r\n", "\n").strip()  # a line counts as one, as it does in the browser
    if not found:
        message = _("Write something first.")
        raise Invalid(message, [Problem("text", "required", message)])
    return found


def _own(uow: UnitOfWork, key: int, *, or_admin: bool = False, archived: bool = False) -> Row[Any]:
    """The comment; `Forbidden` when it is another's."""
    row = _find(uow, key, archived=archived)
    if row.created_by != uow.actor.user_id and not (or_admin and uow.actor.manages_security):
        raise Forbidden(_("Only who wrote a comment may change it."))
    return row


def _find(uow: UnitOfWork, key: int, *, archived: bool) -> Row[Any]:
    """The comment, which its reader reads with the record; else `NotFound`."""
    table = uow.snapshot.installed_entities["comment"].table
    row = uow.execute(select(table).where(table.c.id == key)).one_or_none()
    if row is None or (row.archived_at is not None) is not archived:
        raise NotFound(_("There is no such comment."))
    query.get(uow, row.entity, row.record_id)
    _check_token(uow, uow.entity(row.entity))
    return row


# Telling people


def _tell_mentioned(
    uow: UnitOfWork, entity: str, record_id: int, text: str, mentions: Iterable[int]
) -> set[int]:
    """Tell those who are named and may read the record; who they are."""
    wanted = dict.fromkeys([*mentions, *_people_named(uow, text)])
    spec = uow.entity(entity)
    told = [key for key in list(wanted)[:MOST_MENTIONS] if sees_record(uow, key, spec, record_id)]
    notify(uow, MENTIONED.name, told, entity=entity, record_ids=[record_id])
    return set(told)


def _people_named(uow: UnitOfWork, text: str) -> list[int]:
    """Active people whose name stands after an @, where nobody else has it: the longest name counts."""
    words = _AT.findall(text)
    beginnings = {word[:size] for word in words for size in range(1, len(word) + 1)}
    if not beginnings:
        return []
    table = User.__table__
    asked = select(table.c.id, table.c.name).where(
        table.c.name.in_(sorted(beginnings)), table.c.is_active, table.c.archived_at.is_(None)
    )
    by_name: dict[str, list[int]] = {}
    for row in uow.execute(asked):
        by_name.setdefault(row.name, []).append(row.id)
    found = []
    for word in words:
        sizes = range(len(word), 0, -1)
        name = next((word[:size] for size in sizes if word[:size] in by_name), None)
        if name is not None and len(by_name[name]) == 1:
            found += by_name[name]
    return found


def _tell_concerned(
    uow: UnitOfWork, entity: str, record_id: int, owner: int | None, mentioned: set[int]
) -> None:
    """Tell who is responsible for the record, and who has commented on it before."""
    table = uow.snapshot.installed_entities["comment"].table
    writers = (
        select(table.c.created_by)
        .distinct()
        .where(
            table.c.entity == entity, table.c.record_id == record_id, table.c.archived_at.is_(None)
        )
    )
    people = {key for key in uow.execute(writers).scalars() if key is not None}
    people |= {owner} if owner is not None else set()
    spec = uow.entity(entity)
    told = [key for key in sorted(people - mentioned) if sees_record(uow, key, spec, record_id)]
    notify(uow, COMMENTED.name, told, entity=entity, record_ids=[record_id])
