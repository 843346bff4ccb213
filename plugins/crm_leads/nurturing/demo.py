"""The demonstration's plan: what people get who left their address at a fair, until they are ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.entities import service

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["tell"]

_TOUCHES = (
    (
        0,
        "感谢您莅临展位",
        "{name}，您好！\n感谢您来到{us}的展位。附上您关注的机型资料，欢迎随时回信。",
    ),
    (
        3,
        "同行是怎么用的",
        "{name}，您好！\n这里有三个与{company}规模相近的案例，看看他们的产能变化。",
    ),
    (
        7,
        "为您安排一次演示",
        "{name}，您好！\n如方便，我们为{company}安排一次线上演示，请回信告知时间。",
    ),
)


def tell(uow: UnitOfWork, pool: int) -> None:
    """A plan that marketing puts leads into; who is ready goes into this pool."""
    touches = [
        {"wait_days": wait, "subject": subject, "body": body} for wait, subject, body in _TOUCHES
    ]
    plan = {"name": "展会线索培育", "threshold": 60, "to_pool": pool, "touches": touches}
    service.create(uow, "nurture_plan", [plan])
