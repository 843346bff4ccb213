"""Saved views of a list: what its address says, under a name; one's own, or for everybody.

A view gives nobody a right: what it asks is asked by whoever opens it, and refused in the words of
the list where it names a field that this reader may not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Row,
    Table,
    delete,
    false,
    insert,
    select,
    update,
)

from core.audit.recorder import record_act
from core.db.base import metadata
from core.db.types import BigId, PlainText, UtcDateTime
from core.entities.scope import require
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.i18n import gettext as _
from core.settings.gone import keep_gone, take_gone
from core.settings.preferences import get_preference, put_preference

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = [
    "SHARE",
    "ListView",
    "choose_first",
    "delete_view",
    "get_view",
    "list_view_table",
    "restore_view",
    "save_view",
    "update_view",
    "views_of",
]

#: The right to make a view for everybody.
SHARE = "core.share_views"
TITLE_LENGTH, QUERY_LENGTH = 40, 8_000
#: Views of a person for one entity, and of all together for everybody.
MOST = 50
#: What is kept of a view that was taken away: with the same number it is the same to all who chose it.
_RESTORED = ("id", "title", "query", "owner_id", "shared", "is_first")

list_view_table = Table(
    "core_list_view",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("entity", PlainText(63), nullable=False),
    Column("title", PlainText(TITLE_LENGTH), nullable=False),
    #: The address of the list in this state, without the place in the pages.
    Column("query", PlainText(QUERY_LENGTH), nullable=False),
    Column("owner_id", BigId, ForeignKey("core_user.id", ondelete="SET NULL"), index=True),
    Column("shared", Boolean, nullable=False, server_default=false()),
    #: What everybody begins with who has not chosen otherwise; one shared view of an entity at most.
    Column("is_first", Boolean, nullable=False, server_default=false()),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_core_list_view_entity_title", "entity", "title"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class ListView:
    """A view as its reader sees it."""

    id: int
    title: str
    query: str
    is_shared: bool
    #: Whether this reader may change it.
    is_changeable: bool
    #: Whether it is what this reader's list begins with.
    is_first: bool


def views_of(uow: UnitOfWork, spec: EntitySpec) -> list[ListView]:
    """The reader's own and the shared ones, by title; `Forbidden` for who may read no such record."""
    require(uow, spec, "read")
    c = list_view_table.c
    wanted = select(list_view_table).where(c.entity == spec.name, _visible(uow))
    rows = uow.execute(wanted.order_by(c.shared, c.title, c.id).limit(2 * MOST)).all()
    first = _first_id(uow, spec, rows)
    return [_view(uow, row, first) for row in rows]


def get_view(uow: UnitOfWork, spec: EntitySpec, key: int) -> ListView:
    """One of them; `NotFound` for what is somebody else's as for what does not exist."""
    return _find(views_of(uow, spec), key)


def choose_first(uow: UnitOfWork, spec: EntitySpec, view: ListView | None) -> None:
    """What this person's list begins with from now on; None for all records."""
    put_preference(uow, _key(spec), 0 if view is None else view.id)


def save_view(
    uow: UnitOfWork, spec: EntitySpec, title: str, query: str, *, shared: bool = False
) -> int:
    """Keep a view; its id. `Invalid` for a title that is empty, long or taken; `Forbidden` to share."""
    if shared:
        _require_share(uow)
    same = [each for each in views_of(uow, spec) if each.is_shared is shared]
    _check_number(same)
    values = {"title": _title(title, same), "query": _query(query), "shared": shared}
    values |= {"entity": spec.name, "owner_id": uow.actor.user_id, "updated_at": uow.now()}
    made = insert(list_view_table).values(values).returning(list_view_table.c.id)
    key: int = uow.execute(made).scalar_one()
    _note(uow, "save_view", shared, values)
    return key


def update_view(uow: UnitOfWork, spec: EntitySpec, key: int, **values: Any) -> None:
    """Change ``title``, ``query``, ``shared`` or ``is_first`` (for everybody) of a view."""
    views = views_of(uow, spec)
    view = _changeable(views, key)
    shared = bool(values.get("shared", view.is_shared))
    if shared or view.is_shared:
        _require_share(uow)
    same = [each for each in views if each.is_shared is shared and each.id != key]
    changed: dict[str, Any] = {"shared": shared, "updated_at": uow.now()}
    changed["title"] = _title(values.get("title", view.title), same)
    if "query" in values:
        changed["query"] = _query(values["query"])
    if not shared or "is_first" in values:
        changed["is_first"] = shared and bool(values.get("is_first"))
    c = list_view_table.c
    if changed.get("is_first"):
        uow.execute(update(list_view_table).where(c.entity == spec.name).values(is_first=False))
    uow.execute(update(list_view_table).where(c.id == key).values(changed))
    _note(uow, "save_view", shared or view.is_shared, {"entity": spec.name, **changed})


def delete_view(uow: UnitOfWork, spec: EntitySpec, key: int) -> ListView:
    """Take a view away; what it was. The last one of a list that a person took away can be restored."""
    view = _changeable(views_of(uow, spec), key)
    if view.is_shared:
        _require_share(uow)
    c = list_view_table.c
    row = uow.execute(select(list_view_table).where(c.id == key)).one()
    uow.execute(delete(list_view_table).where(c.id == key))
    keep_gone(uow, _gone(spec), {name: getattr(row, name) for name in _RESTORED})
    _note(uow, "delete_view", view.is_shared, {"entity": spec.name, "title": view.title})
    return view


def restore_view(uow: UnitOfWork, spec: EntitySpec, key: int) -> ListView:
    """Bring back the view that the actor has taken away last, as it was: whoever begins with it does
    so again, unless everybody begins with another by now.

    Raises `NotFound` for any other, and whatever saving it raises.
    """
    views, kept = views_of(uow, spec), take_gone(uow, _gone(spec), key)
    if kept["shared"]:
        _require_share(uow)
    same = [each for each in views if each.is_shared is kept["shared"]]
    _check_number(same)
    values = {**kept, "title": _title(kept["title"], same)}
    c = list_view_table.c
    others = select(c.id).where(c.entity == spec.name, c.is_first)
    values["is_first"] = kept["is_first"] and uow.execute(others.limit(1)).first() is None
    values |= {"entity": spec.name, "updated_at": uow.now()}
    uow.execute(insert(list_view_table).values(values))
    _note(uow, "save_view", kept["shared"], values)
    return get_view(uow, spec, key)


def _visible(uow: UnitOfWork) -> Any:
    c = list_view_table.c
    return c.shared | (c.owner_id == uow.actor.user_id)


def _view(uow: UnitOfWork, row: Row[Any], first: int | None) -> ListView:
    is_own = row.owner_id is not None and row.owner_id == uow.actor.user_id
    may_share = uow.actor.has_permission(SHARE)
    changeable = may_share if row.shared else is_own
    return ListView(row.id, row.title, row.query, row.shared, changeable, row.id == first)


def _first_id(uow: UnitOfWork, spec: EntitySpec, rows: Sequence[Row[Any]]) -> int | None:
    chosen = get_preference(uow, _key(spec))
    if chosen == 0 or chosen in [row.id for row in rows]:
        return chosen or None
    return next((row.id for row in rows if row.is_first), None)


def _key(spec: EntitySpec) -> str:
    return f"view:{spec.name}"


def _gone(spec: EntitySpec) -> str:
    return f"view:{spec.name}"


def _check_number(same: Sequence[ListView]) -> None:
    if len(same) >= MOST:
        raise Invalid(_("There are %(n)s views already. Delete one first.", n=len(same)))


def _find(views: Sequence[ListView], key: int) -> ListView:
    found = next((view for view in views if view.id == key), None)
    if found is None:
        raise NotFound(_("There is no such view."))
    return found


def _changeable(views: Sequence[ListView], key: int) -> ListView:
    view = _find(views, key)
    if not view.is_changeable:
        raise Forbidden(_("This view is for everybody; you may not change it."))
    return view


def _require_share(uow: UnitOfWork) -> None:
    if not uow.actor.has_permission(SHARE):
        raise Forbidden(_("You may not make views for everybody."))


def _title(text: str, same: list[ListView]) -> str:
    title, problem = " ".join(text.split()), ""
    if not title:
        problem = _("Give the view a name.")
    elif len(title) > TITLE_LENGTH:
        problem = _("Use at most %(n)s characters.", n=TITLE_LENGTH)
    elif title.casefold() in {view.title.casefold() for view in same}:
        problem = _("There is a view of this name already.")
    if problem:
        raise Invalid(problem, [Problem("title", "invalid", problem)])
    return title


def _query(text: str) -> str:
    if len(text) > QUERY_LENGTH:
        raise Invalid(_("This filter is too long to be kept."))
    return text


def _note(uow: UnitOfWork, act: str, shared: bool, values: dict[str, Any]) -> None:
    """What concerns everybody stands in the audit trail; one's own views are nobody's business."""
    if shared:
        told: dict[str, Any] = {
            name: values[name] for name in ("entity", "title", "query") if name in values
        }
        record_act(uow, act, details=told)
