"""How comments are arranged as an entity, and what people are told of."""

from __future__ import annotations

from core.comments.access import comment_scope
from core.comments.models import Comment
from core.fields import EntityDef
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import NotificationKind

__all__ = ["COMMENTED", "MENTIONED", "comment"]

#: Written by `core.comments.service` alone, which asks for the right to the record.
comment = EntityDef(
    name="comment",
    model=Comment,
    label=_l("Comment"),
    label_plural=_l("Comments"),
    label_field="text",
    icon="message-circle",
    list_columns=("text", "created_by", "created_at"),
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    navigable=False,
    directory=True,
    scope=comment_scope,
)

MENTIONED = NotificationKind(
    "core.mentioned",
    _l("Somebody mentions you"),
    _l("%(who)s mentioned you in a comment on %(record)s."),
    icon="at",
)
COMMENTED = NotificationKind(
    "core.commented",
    _l("A comment on a record of yours"),
    _l("%(who)s commented on %(record)s."),
    icon="message-circle",
)
