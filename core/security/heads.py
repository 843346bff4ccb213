"""Who leads whom: the nearest head of a department that is somebody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, select

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Tree", "head_above", "heads_of"]

#: By department the one above, and who leads it.
Tree = dict[int, tuple[int | None, int | None]]


def heads_of(uow: UnitOfWork) -> Tree:
    """All departments, in one statement; a head who is no longer active is none."""
    entities = uow.snapshot.installed_entities
    tree, user = entities["department"].table, entities["user"].table
    led = tree.outerjoin(user, and_(user.c.id == tree.c.head_id, user.c.is_active))
    rows = uow.execute(
        select(tree.c.id, tree.c.parent_id, user.c.id.label("head")).select_from(led)
    )
    return {row.id: (row.parent_id, row.head) for row in rows}


def head_above(tree: Tree, department: int | None, *, but: int | None = None) -> int | None:
    """The head of the department, or of the nearest above that has another than ``but``."""
    while department is not None and department in tree:
        parent, head = tree[department]
        if head not in (None, but):
            return head
        department = parent
    return None
