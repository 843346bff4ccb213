"""Follow-ups and tasks on what the demonstration of other modules has made; without it none."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from core.entities import query, service
from core.entities.query import ListQuery
from core.settings.service import put_settings
from plugins.activities.about import dated
from plugins.activities.prompts import Prompt, templates_of

if TYPE_CHECKING:
    from core.fields import EntitySpec
    from core.work.uow import UnitOfWork

__all__ = ["RECORDS", "tell"]

_SEED = 51
#: So many records of an entity are told of, those that were touched last.
RECORDS = 160
_BATCH = 500
_DAYS = 45

_SAID: dict[str, tuple[str, ...]] = {
    "call": (
        "电话确认了产量和工件尺寸，对方希望下周看到布局方案。",
        "询问预算批复进度，设备部还在走内部流程，月底前有结果。",
        "对方反馈竞品报价低一成，解释了焊接节拍和质保差异。",
        "约好周四上午到厂里看现场，门卫登记已办好。",
    ),
    "visit": (
        "到车间看了现有产线，测量了立柱间距，拍了照片带回给工艺组。",
        "与生产经理和设备主管开了一个小时的会，确认节拍为每分钟八箱。",
        "陪同参观样板客户的码垛线，对方对换型时间很满意。",
    ),
    "wechat": (
        "微信发了样机视频和三家同行业案例，对方转给了总经理。",
        "微信确认了送样地址和收件人，样件明天寄出。",
    ),
    "email": (
        "邮件发送了第二版报价和技术协议，请对方法务看付款条款。",
        "邮件回复了电气接口的三个问题，附上了接线图。",
    ),
    "meeting": (
        "线上评审会：工艺方案通过，还需补充安全围栏的尺寸。",
        "商务会议：付款方式谈到三三三一，质保金比例待定。",
    ),
}
_STEPS = ("发布局方案", "上门测量", "确认预算", "送样测试", "跟进报价", "约见总经理")
_TASKS = (
    ("整理本周拜访记录", 0, "normal"),
    ("给工艺组提交现场照片", 1, "high"),
    ("核对样机运输时间", 2, "normal"),
    ("准备下周区域例会的客户清单", 4, "normal"),
    ("补齐客户开票资料", -1, "urgent"),
)
_VISIT = {
    "name": "客户拜访记录",
    "kind": "visit",
    "is_obligatory": False,
    "prompts": [
        {"label": "见到了谁", "kind": "text", "is_required": True},
        {
            "label": "购买意向",
            "kind": "choice",
            "options": ["高", "中", "低"],
            "is_required": True,
        },
        {"label": "预计台数", "kind": "number", "is_required": False},
        {"label": "预计决定日期", "kind": "date", "is_required": False},
    ],
}


def tell(uow: UnitOfWork) -> list[str]:
    """Six weeks of follow-ups by the owners of records, their next steps, and some tasks."""
    put_settings(uow, "activities", {"weekly_quota": 20})
    (template,) = service.create(uow, "follow_up_template", [_VISIT])
    prompts = templates_of(uow)[template].prompts
    # What was said is invented; nothing secret hangs on it.
    rng = random.Random(_SEED)  # noqa: S311
    people: set[int] = set()
    for spec in dated(uow):
        records = _records(uow, spec)
        people |= {row["owner"] for row in records}
        rows = sorted(_follow_ups(rng, spec, records, prompts), key=lambda row: row["happened_at"])
        for start in range(0, len(rows), _BATCH):
            service.create(uow, "follow_up", rows[start : start + _BATCH])
    if people:
        service.create(uow, "task", list(_tasks(rng, uow, sorted(people))))
    return []


def _records(uow: UnitOfWork, spec: EntitySpec) -> list[dict[str, Any]]:
    """Those that were followed up last, and are to be again."""
    if "last_followed_at" not in spec:
        return []
    told = ("owner", "last_followed_at", "next_follow_at")
    wanted = ListQuery(
        fields=(*told, "created_at"),
        filter={"all": [{"field": name, "op": "is_set"} for name in told]},
        sort="-last_followed_at",
        limit=RECORDS,
    )
    return query.page(uow, spec.name, wanted).items


def _follow_ups(
    rng: random.Random,
    spec: EntitySpec,
    records: Sequence[dict[str, Any]],
    prompts: Sequence[Prompt],
) -> Iterator[dict[str, Any]]:
    """The last one is the one that the record knows of, so that nothing of it need be changed."""
    for record in records:
        last = record["last_followed_at"]
        oldest = max(record["created_at"], last - timedelta(days=_DAYS))
        earlier = (
            _working_hour(rng, oldest + (last - oldest) * rng.random())
            for _number in range(rng.choice((0, 0, 1, 1, 2)))
        )
        moments = sorted(each for each in earlier if oldest <= each < last)
        for moment in (*moments, last):
            kind = rng.choices(tuple(_SAID), (40, 25, 15, 10, 10))[0]
            row: dict[str, Any] = {
                "related_entity": spec.name,
                "related_id": record["id"],
                "kind": kind,
                "content": rng.choice(_SAID[kind]),
                "happened_at": moment,
                "owner": record["owner"],
                "created_at": moment,
                "created_by": record["owner"],
            }
            if kind == "visit":
                row["template"] = prompts[0].template
                row["answers"] = _answers(rng, prompts, moment)
            if moment == last and record["next_follow_at"] > last:
                row["next_follow_at"] = record["next_follow_at"]
                row["next_step"] = rng.choice(_STEPS)
            yield row


def _answers(
    rng: random.Random, prompts: Sequence[Prompt], moment: datetime
) -> list[dict[str, Any]]:
    decided = moment.date() + timedelta(days=rng.randint(10, 90))
    said = (
        rng.choice(("设备部王部长", "生产经理", "总经理和采购", "车间主任")),
        rng.choice(("高", "中", "中", "低")),
        str(rng.choice((1, 1, 2, 3))),
        decided.isoformat() if rng.random() < 0.6 else "",
    )
    return [
        {"prompt": prompt.id, "answer": answer}
        for prompt, answer in zip(prompts, said, strict=True)
        if answer
    ]


def _tasks(rng: random.Random, uow: UnitOfWork, people: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Each has some from themselves and one from somebody else; one comes back every week."""
    now = uow.now()
    for place, person in enumerate(people):
        for title, days, priority in _TASKS:
            giver = person if rng.random() < 0.7 else people[place - 1]
            yield {
                "title": title,
                "due_at": _working_hour(rng, now + timedelta(days=days)),
                "priority": priority,
                "assignee": person,
                "created_by": giver,
                "created_at": now - timedelta(days=rng.choice((1, 3, 10))),
                "recurrence": "weekly" if days == 4 else None,
            }


def _working_hour(rng: random.Random, near: datetime) -> datetime:
    """A quarter of an hour between 9:00 and 17:00 in China, on the day of ``near``."""
    return datetime.combine(near.date(), time(), UTC) + timedelta(minutes=15 * rng.randint(4, 36))
