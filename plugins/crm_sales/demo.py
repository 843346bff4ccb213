"""The demonstration story, second part: the machinery maker's customers and what they may buy.

Everything follows from one seed and from the clock's today. Where the module of leads has told its
part, its people are here too, and some of the customers are what became of its leads.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from stdnum.cn import uscc

from core.entities import query, service
from core.entities.query import ListQuery
from core.ops.install import create_user
from core.tabular.cleaning import company_key
from plugins.crm_sales.models import OTHER
from plugins.crm_sales.stages import Step, first_process, stages_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["CONTACTS", "CUSTOMERS", "OPPORTUNITIES", "tell"]

CUSTOMERS, CONTACTS, OPPORTUNITIES = 120, 200, 150
DAYS = 548
_FROM_LEADS = 45
_SEED = 370_701

_CITIES = (
    ("山东省", "潍坊市", "370700"),
    ("山东省", "青岛市", "370200"),
    ("山东省", "临沂市", "371300"),
    ("江苏省", "苏州市", "320500"),
    ("浙江省", "宁波市", "330200"),
    ("河北省", "沧州市", "130900"),
    ("河南省", "郑州市", "410100"),
    ("四川省", "成都市", "510100"),
    ("重庆市", "重庆市", "500100"),
)
#: By the first two digits of a region, which group of the sales department works there.
_GROUPS = {"13": "华北组", "14": "华北组", "41": "华北组"} | dict.fromkeys(
    ("50", "51", "52", "53"), "西南组"
)
#: Industry: words in company names, what such a company buys, and about what that costs.
_TRADES: dict[str, tuple[tuple[str, ...], tuple[tuple[str, int], ...]]] = {
    "食品加工": (("食品", "粮油"), (("全自动码垛机", 260_000), ("装箱机器人单元", 390_000))),
    "农业装备": (("农机", "畜牧设备"), (("箱体焊接工作站", 420_000), ("喷涂输送线", 680_000))),
    "建材": (("建材", "管业"), (("皮带输送线", 180_000), ("管材打捆机", 95_000))),
    "仓储物流": (("物流", "仓储设备"), (("剪叉式升降平台", 65_000), ("托盘输送系统", 520_000))),
    "汽车零部件": (("汽配", "车桥"), (("桁架上下料机械手", 380_000), ("轮毂翻转机", 140_000))),
    "化工": (("化工", "肥业"), (("吨袋自动拆包机", 150_000), ("粉料灌装线", 610_000))),
    "包装印刷": (("包装", "纸业"), (("纸垛翻转机", 120_000), ("自动裹膜机", 58_000))),
}
_FIRST = "泰信德昌盛荣广金长永华新联中正方元吉顺"
_SECOND = "和兴茂达成业利隆润通明远升平安邦翔泽"
_ENDINGS = ("有限公司", "有限公司", "有限公司", "科技有限公司", "股份有限公司")
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹"
_GIVEN = "建国志强海燕晓东雪梅永刚丽华春生玉兰俊杰文静立新秀云振宇佳怡少鹏慧敏"
_TITLES = ("总经理", "采购经理", "生产厂长", "设备主管", "技术部长", "采购专员")
_SOURCES = (("展会", 28), ("老客户推荐", 26), ("线上推广", 20), ("官网表单", 14), ("电话营销", 12))
_LEVELS = (("A", 12), ("B", 28), ("C", 45), ("D", 15))
_TAGS = ("战略客户", "设备更新", "新厂房", "付款及时", "样板工程", "价格敏感", "出口型")
_RIVALS = ("青州联成机械", "昆山锐动自动化", "广东博勒智能", "济南华工装备")
#: Why deals are lost, with how often, and what is written beside it.
_LOST = (
    ("价格", 26, "报价超出客户预算两成"),
    ("跟进不及时", 24, "样机参观后两周没有回访"),
    ("重复联系", 14, "同一客户两人报价不一"),
    ("交期", 12, "客户要求四十天，我们需六十天"),
    ("产品不符合需求", 10, "节拍达不到每分钟十二箱"),
    ("项目暂缓", 8, None),
    ("其他", 6, "客户自行改造旧设备"),
)
_WON = (("服务", 30), ("产品与技术", 26), ("客户关系", 16), ("交期", 14), ("价格", 14))
_SIZES = (
    ("20人以下", 10),
    ("20-99人", 34),
    ("100-499人", 38),
    ("500-999人", 12),
    ("1000-9999人", 6),
)
_STEPS = (
    "提交修改后的布局图",
    "约总经理到厂看样机",
    "确认付款方式",
    "核对节拍与产能",
    "等客户立项批复",
)
_PLANS = (
    "先以单机切入，二期争取整线。突出本地售后两小时到场。",
    "决策人看重节拍，安排到同行工厂参观。",
    "对手报价低一成，强调三年质保与备件价格。",
)


class Cast(NamedTuple):
    """Who sells where."""

    sellers: Mapping[str, Sequence[int]]

    def of(self, rng: random.Random, region: str) -> int:
        """Somebody of the group that works in the region."""
        group = _GROUPS.get(region[:2], "华东组")
        return rng.choice(self.sellers.get(group) or next(iter(self.sellers.values())))


def tell(uow: UnitOfWork) -> list[str]:
    """Make customers, the people there, a second process, and what is sold through both."""
    # Which firms and figures come is invented; nothing secret hangs on it.
    rng = random.Random(_SEED)  # noqa: S311
    cast = _cast(uow)
    processes = _processes(uow)
    leads = _leads(uow)
    customers = list(_customers(uow, rng, cast, leads))
    ids = service.create(uow, "customer", [each["values"] for each in customers])
    _subsidiaries(uow, ids)
    _look_after(uow, customers, ids)
    contacts = _contacts(uow, rng, customers, ids)
    deals = _deals(uow, rng, customers, ids, contacts, processes)
    _outcomes(uow, customers, ids)
    return [f"{len(ids)} customers, {sum(map(len, contacts))} contacts, {deals} opportunities"]


def _cast(uow: UnitOfWork) -> Cast:
    """The sellers of the first part by their groups; without it one of our own."""
    found: dict[str, list[int]] = {}
    groups = ListQuery(fields=("name",), search="组", limit=100)
    for group in query.page(uow, "department", groups).items:
        about = {"field": "department", "op": "eq", "value": group["id"]}
        people = query.page(uow, "user", ListQuery(fields=("id",), filter=about, sort="id")).items
        if people:
            found[group["name"]] = [row["id"] for row in people]
    if not found:
        seller = create_user(
            uow,
            "fu.yuheng@yuanheng.example",
            name="傅宇恒",
            password="seven kites over the Bailang",  # noqa: S106 - that of the first part
            roles=["sales"],
            department="销售部/华东组",
            title="销售工程师",
        )
        found["华东组"] = [seller]
    return Cast(found)


def _processes(uow: UnitOfWork) -> list[list[Step]]:
    """The process that a company begins with, now asking for what matters, and one for exports."""
    first = first_process(uow)
    asks: dict[str, dict[str, Any]] = {
        "初步接洽": {"key_tasks": ["确认决策人"]},
        "需求分析": {"required_fields": ["amount"], "key_tasks": ["现场测量", "确认节拍与产能"]},
        "方案报价": {"required_fields": ["amount", "expected_close_on"]},
    }
    steps = stages_of(uow, processes=[first]).of(first)
    asked = {step.id: asks[step.name] for step in steps if step.name in asks}
    if asked:
        service.update(uow, "stage", asked)
    (export,) = service.create(
        uow,
        "sales_process",
        [
            {
                "name": "非标整线流程",
                "description": "需要送样或现场测试的整线项目。",
                "stages": [
                    {"name": "初步沟通", "probability": 10, "days_allowed": 20},
                    {"name": "现场勘测", "probability": 25, "days_allowed": 30},
                    {"name": "送样测试", "probability": 45, "days_allowed": 45},
                    {"name": "商务谈判", "probability": 75, "days_allowed": 30},
                    {"name": "赢单", "probability": 100, "is_won": True},
                    {"name": "输单", "probability": 0, "is_lost": True},
                ],
            }
        ],
    )
    book = stages_of(uow, processes=[first, export])
    return [book.of(first), book.of(export)]


def _leads(uow: UnitOfWork) -> list[dict[str, Any]]:
    """Leads of the first part that were converted: their customers are here."""
    spec = uow.entities.get("lead")
    if spec is None or spec.plugin != "crm_leads":
        return []
    done = {"field": "status", "op": "eq", "value": "converted"}
    return query.page(
        uow, "lead", ListQuery(filter=done, sort="converted_at,id", limit=_FROM_LEADS)
    ).items


def _outcomes(uow: UnitOfWork, customers: Sequence[Mapping[str, Any]], ids: Sequence[int]) -> None:
    """What the leads became: their history stands there, too."""
    pairs = [
        (each["lead"]["id"], "customer", key)
        for each, key in zip(customers, ids, strict=True)
        if each["lead"]
    ]
    if not pairs:
        return
    made = {"field": "lead", "op": "is_set"}
    asked = ListQuery(fields=("lead",), filter=made, sort="id", limit=500)
    deals = query.page(uow, "opportunity", asked).items
    pairs += [(deal["lead"], "opportunity", deal["id"]) for deal in deals]
    rows = [
        {"lead": lead, "related_entity": entity, "related_id": key} for lead, entity, key in pairs
    ]
    service.create(uow, "lead_outcome", rows)


def _customers(
    uow: UnitOfWork, rng: random.Random, cast: Cast, leads: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    taken: set[str] = set()
    now, today = uow.now(), uow.clock.today()
    for lead in leads:
        if company_key(lead["company"]) in taken:
            continue
        taken.add(company_key(lead["company"]))
        since = lead["converted_at"] or lead["created_at"]
        trade = lead["industry"] if lead["industry"] in _TRADES else "食品加工"
        values = {name: lead[name] for name in ("province", "city", "industry", "owner")}
        values |= {"name": lead["company"], "source": lead["source"] or OTHER}
        yield {"values": _further(rng, values, since), "trade": trade, "lead": lead}
    while len(taken) < CUSTOMERS:
        province, city, code = rng.choice(_CITIES)
        trade = rng.choice(tuple(_TRADES))
        brand = rng.choice(_FIRST) + rng.choice(_SECOND)
        name = (
            city.removesuffix("市") + brand + rng.choice(_TRADES[trade][0]) + rng.choice(_ENDINGS)
        )
        if company_key(name) in taken:
            continue
        taken.add(company_key(name))
        values = {
            "name": name,
            "province": province,
            "city": city,
            "industry": trade,
            "source": _weighted(rng, _SOURCES),
            "owner": cast.of(rng, code),
        }
        since = _moment(rng, today, now)
        yield {"values": _further(rng, values, since), "trade": trade, "lead": None}


def _further(rng: random.Random, values: dict[str, Any], since: datetime) -> dict[str, Any]:
    code = None
    if rng.random() < 0.7:
        body = (
            f"91{rng.choice(('370700', '370200', '320500', '130900'))}MA3{rng.randrange(10**6):06d}"
        )
        code = body + uscc.calc_check_digit(body)
    level = _weighted(rng, _LEVELS)
    return {
        **values,
        "uscc": code,
        "level": level,
        "priority": "high" if level == "A" else "normal",
        "size": _weighted(rng, _SIZES),
        "phone": f"0536-8{rng.randrange(10**6):06d}" if rng.random() < 0.4 else None,
        "tags": rng.sample(_TAGS, rng.choice((0, 0, 1, 2))) or None,
        "created_at": since,
        "created_by": values["owner"],
    }


def _subsidiaries(uow: UnitOfWork, ids: Sequence[int]) -> None:
    """Two groups of companies, and some that others introduced."""
    groups = {ids[-1]: ids[-2], ids[-3]: ids[-2], ids[-4]: ids[-5]}
    service.update(uow, "customer", {key: {"parent": parent} for key, parent in groups.items()})
    brought = {ids[8]: ids[0], ids[11]: ids[0], ids[14]: ids[3]}
    service.update(uow, "customer", {key: {"referrer": by} for key, by in brought.items()})


def _look_after(
    uow: UnitOfWork, customers: Sequence[Mapping[str, Any]], ids: Sequence[int]
) -> None:
    """Important ones were called these days; every third of them its owner leaves alone."""
    pairs = zip(ids, customers, strict=True)
    important = [key for key, each in pairs if each["values"]["priority"] == "high"]
    called = {
        key: {"last_followed_at": uow.now() - timedelta(hours=5 + 11 * (place % 3))}
        for place, key in enumerate(important)
        if place % 3
    }
    service.update(uow, "customer", called)


def _contacts(
    uow: UnitOfWork, rng: random.Random, customers: Sequence[Mapping[str, Any]], ids: Sequence[int]
) -> list[list[int]]:
    """One to three people at each customer: who decides, and who reports to them."""
    counts = [1] * len(ids)
    while sum(counts) < CONTACTS:
        place = rng.randrange(len(ids))
        counts[place] += 1 if counts[place] < 3 else 0
    rows: list[dict[str, Any]] = []
    mobiles: set[str] = set()
    for customer, key, count in zip(customers, ids, counts, strict=True):
        lead = customer["lead"]
        for place in range(count):
            name = rng.choice(_SURNAMES) + "".join(rng.sample(_GIVEN, 2))
            mobile = _mobile(rng, mobiles)
            if lead is not None and place == 0:
                name, mobile = lead["contact_name"] or name, lead["mobile"] or mobile
            decides = place == 0 and rng.random() < 0.6
            rows.append(
                {
                    "customer": key,
                    "name": name,
                    "mobile": mobile,
                    "title": _TITLES[0] if decides else rng.choice(_TITLES[1:]),
                    "email": f"k{mobile[:3]}{mobile[-4:]}@example.com"
                    if rng.random() < 0.4
                    else None,
                    "wechat": f"wx_{mobile[-6:]}" if rng.random() < 0.4 else None,
                    "is_decision_maker": decides,
                    "created_at": customer["values"]["created_at"],
                    "created_by": customer["values"]["owner"],
                }
            )
    made = iter(service.create(uow, "contact", rows))
    found = [[next(made) for _place in range(count)] for count in counts]
    below = {key: {"reports_to": people[0]} for people in found for key in people[1:]}
    service.update(uow, "contact", below)
    return found


def _mobile(rng: random.Random, taken: set[str]) -> str:
    while True:
        mobile = (
            f"{rng.choice(('136', '138', '139', '151', '159', '188'))}{rng.randrange(10**8):08d}"
        )
        if mobile not in taken:
            taken.add(mobile)
            return mobile


# What is sold

_IMPORTANT_FROM = 1_000_000


class _Story(NamedTuple):
    """An opportunity, and the stays before the stage in which it stands."""

    values: dict[str, Any]
    stays: list[tuple[int, datetime, datetime]]


def _deals(
    uow: UnitOfWork,
    rng: random.Random,
    customers: Sequence[Mapping[str, Any]],
    ids: Sequence[int],
    contacts: Sequence[Sequence[int]],
    processes: Sequence[list[Step]],
) -> int:
    stories = []
    for number in range(OPPORTUNITIES):
        # Each lead has its own; of the others some buy again and again.
        place = number if number < len(ids) // 2 else int(len(ids) * rng.random() ** 1.4)
        steps = processes[1] if rng.random() < 0.25 else processes[0]
        stories.append(
            _story(rng, customers[place], ids[place], contacts[place], steps, uow.now(), number)
        )
    made = service.create(uow, "opportunity", [story.values for story in stories])
    visits = [
        {
            "opportunity": key,
            "stage": stage,
            "entered_at": since,
            "left_at": until,
            "days": Decimal((until - since).total_seconds() / 86_400).quantize(Decimal("0.1")),
        }
        for key, story in zip(made, stories, strict=True)
        for stage, since, until in story.stays
    ]
    service.create(uow, "stage_visit", visits)
    # How far a lost one had come: an import would take it for a stay of its own.
    furthest = {
        key: {"furthest_stage": story.stays[-1][0]}
        for key, story in zip(made, stories, strict=True)
        if story.values["lost_reason"] and story.stays
    }
    service.update(uow, "opportunity", furthest)
    return len(made)


def _story(
    rng: random.Random,
    customer: Mapping[str, Any],
    key: int,
    people: Sequence[int],
    steps: Sequence[Step],
    now: datetime,
    number: int,
) -> _Story:
    product, price = rng.choice(_TRADES[customer["trade"]][1])
    pieces = rng.choice((1, 1, 1, 2, 3))
    since = customer["values"]["created_at"]
    begun = _working_hour(rng, since + (now - since) * rng.uniform(0.02, 0.95) + timedelta(days=1))
    begun = min(begun, now)
    lead = customer["lead"] if number < _FROM_LEADS else None
    if lead is not None:
        begun = since
    stays, here, entered = _walk(rng, steps, begun, now)
    foreign = rng.random() < 0.05
    lost = rng.choices(_LOST, [weight for _reason, weight, _note in _LOST])[0]
    won = _weighted(rng, _WON)
    amount = Decimal(round(price * pieces * rng.uniform(0.85, 1.25), -3))
    values = {
        "name": f"{customer['values']['name'][:4]} {product}{f'{pieces}台' if pieces > 1 else ''}",
        "customer": key,
        "contact": rng.choice(people),
        "process": here.process,
        "stage": here.id,
        "amount": round(amount / 7, -2) if foreign else amount,
        "currency": "USD" if foreign else "CNY",
        "expected_close_on": _close_on(rng, here, entered, now),
        "priority": "high" if amount >= _IMPORTANT_FROM else "normal",
        "competitors": rng.sample(_RIVALS, rng.choice((0, 1, 1, 2))) or None,
        "strategy": rng.choice(_PLANS) if rng.random() < 0.35 else None,
        "next_step": None if here.is_closed else rng.choice(_STEPS),
        "lost_reason": lost[0] if here.is_lost else None,
        "won_reason": won if here.is_won else None,
        "closing_note": lost[2] if here.is_lost else None,
        "done_tasks": _done(here, steps),
        "closed_on": entered.date() if here.is_closed else None,
        "stage_entered_at": entered,
        "owner": customer["values"]["owner"],
        "lead": lead["id"] if lead is not None else None,
        "created_at": begun,
        "created_by": customer["values"]["owner"],
    }
    return _Story(values, stays)


def _walk(
    rng: random.Random, steps: Sequence[Step], begun: datetime, now: datetime
) -> tuple[list[tuple[int, datetime, datetime]], Step, datetime]:
    """From stage to stage until today: on, out, or still there."""
    stays: list[tuple[int, datetime, datetime]] = []
    way = [step for step in steps if not step.is_lost]
    lost = next((step for step in steps if step.is_lost), None)
    entered = begun
    for step, following in zip(way, way[1:], strict=False):
        spent = timedelta(days=(step.days_allowed or 20) * rng.uniform(0.2, 1.6))
        left = max(_working_hour(rng, entered + spent), entered + timedelta(hours=1))
        if left >= now:
            return stays, step, entered
        stays.append((step.id, entered, left))
        entered = left
        if lost is not None and rng.random() < 0.17:
            return stays, lost, entered
        if following.is_won:
            return stays, following, entered
    return stays, way[-1], entered


def _done(here: Step, steps: Sequence[Step]) -> list[str] | None:
    """The key tasks of the stages that it has left."""
    end = next((step for step in steps if step.is_won), here) if here.is_lost else here
    return [task for step in steps if step.position < end.position for task in step.tasks] or None


def _working_hour(rng: random.Random, near: datetime) -> datetime:
    """A quarter of an hour between 9:00 and 17:00 in China, on the day of ``near``."""
    return datetime.combine(near.date(), time(), UTC) + timedelta(minutes=15 * rng.randint(4, 36))


def _close_on(rng: random.Random, here: Step, entered: datetime, now: datetime) -> date:
    if here.is_closed:
        return (entered + timedelta(days=rng.randint(-15, 10))).date()
    return (now + timedelta(days=rng.randint(-5, 20) + 2 * (100 - here.probability) // 2)).date()


def _moment(rng: random.Random, today: date, now: datetime) -> datetime:
    """A working hour of the last 18 months."""
    while True:
        day = today - timedelta(days=3 + int((DAYS - 3) * (1 - rng.random() ** 0.8)))
        if day.weekday() < 5 or rng.random() < 0.2:
            minutes = 60 + 15 * rng.randint(0, 32)  # 9:00 to 17:00 in China
            moment = datetime.combine(day, time(), UTC) + timedelta(minutes=minutes)
            if moment < now:
                return moment


def _weighted(rng: random.Random, options: Sequence[tuple[str, int]]) -> str:
    return rng.choices([word for word, _ in options], [weight for _, weight in options])[0]
