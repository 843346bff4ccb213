"""The demonstration story: a machinery maker in Weifang, its people, and 18 months of leads.

Everything follows from one seed and from the clock's today. Companies and people are invented.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from core.entities import query, service
from core.entities.query import ListQuery
from core.ops.install import create_user, ensure_department
from core.settings.service import put_settings
from plugins.crm_leads.nurturing import demo as nurturing

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["DEMO_PASSWORD", "LEADS", "PEOPLE", "tell"]

COMPANY = "潍坊鸢衡机械制造有限公司"
ADDRESS = "山东省潍坊市高新区样板路 1 号\n电话 0536-0000000"
DEMO_PASSWORD = "seven kites over the Bailang"  # noqa: S105 - printed by `init --demo`
LEADS = 2_000
DAYS = 548
_SEED = 370_700
_BATCH = 500


class Person(NamedTuple):
    """Somebody of the story; a head leads the department."""

    key: str
    name: str
    title: str
    department: str
    role: str
    is_head: bool = False


PEOPLE = (
    Person("tan.boyuan", "谭博远", "总经理", "总经办", "viewer", True),
    Person("mu.qingshan", "穆青山", "销售总监", "销售部", "sales_manager", True),
    Person("yan.xiaolu", "闫晓璐", "华东区经理", "销售部/华东组", "sales_manager", True),
    Person("fu.yuheng", "傅宇恒", "销售工程师", "销售部/华东组", "sales"),
    Person("gong.liwen", "宫立文", "华北区经理", "销售部/华北组", "sales_manager", True),
    Person("ning.shuyao", "宁书瑶", "销售工程师", "销售部/华北组", "sales"),
    Person("qin.zhaoyang", "秦朝阳", "西南区经理", "销售部/西南组", "sales_manager", True),
    Person("lei.kexin", "雷可欣", "销售工程师", "销售部/西南组", "sales"),
    Person("shang.ruolan", "尚若兰", "市场经理", "市场部", "marketing", True),
    Person("ji.haifeng", "季海峰", "售后服务经理", "售后服务部", "viewer", True),
    Person("tao.jingyi", "陶静怡", "财务经理", "财务部", "viewer", True),
    Person("kang.wenbin", "康文彬", "法务专员", "法务部", "viewer", True),
)

#: By sales group: provinces, each with cities of which the first is the commonest.
REGIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "华东组": {
        "山东省": ("潍坊市", "青岛市", "济南市", "烟台市", "临沂市", "淄博市"),
        "江苏省": ("苏州市", "无锡市", "徐州市", "南通市"),
        "浙江省": ("宁波市", "杭州市", "台州市"),
        "安徽省": ("合肥市", "芜湖市"),
    },
    "华北组": {
        "河北省": ("石家庄市", "唐山市", "沧州市", "廊坊市"),
        "河南省": ("郑州市", "洛阳市", "新乡市"),
        "山西省": ("太原市", "大同市"),
    },
    "西南组": {
        "四川省": ("成都市", "绵阳市", "德阳市", "宜宾市"),
        "重庆市": ("重庆市",),
        "贵州省": ("贵阳市", "遵义市"),
        "云南省": ("昆明市", "曲靖市"),
    },
}
_GROUP_WEIGHTS = {"华东组": 55, "华北组": 25, "西南组": 20}

#: Industry: words in company names, and the machine that such a company asks about with its price.
INDUSTRIES: dict[str, tuple[tuple[str, ...], str, int]] = {
    "食品加工": (("食品", "粮油", "乳业"), "全自动码垛机", 260_000),
    "农业装备": (("农机", "农业装备", "畜牧机械"), "箱体焊接工作站", 420_000),
    "建材": (("建材", "新型材料", "管业"), "皮带输送线", 180_000),
    "仓储物流": (("物流", "仓储", "供应链"), "剪叉式升降平台", 65_000),
    "汽车零部件": (("汽配", "车桥", "精密部件"), "桁架上下料机械手", 380_000),
    "纺织印染": (("纺织", "印染", "家纺"), "布卷搬运小车", 48_000),
    "化工": (("化工", "涂料", "肥业"), "吨袋自动拆包机", 150_000),
    "包装印刷": (("包装", "印务", "纸业"), "纸垛翻转机", 120_000),
}
_SUFFIXES = (("有限公司", 70), ("科技有限公司", 15), ("股份有限公司", 8), ("集团有限公司", 7))
_FIRST = "鼎瑞恒启泰朗晟凯沃博骏越隆宏昊汇锦卓铭创"
_SECOND = "源腾峰达诚辉航盛拓岳康捷衡宇合维泽丰耀新"
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹"
_GIVEN = "建国志强海燕晓东雪梅永刚丽华春生玉兰俊杰文静立新秀云振宇佳怡少鹏慧敏"
_TITLES = ("总", "经理", "工", "主任")

_SOURCE_WEIGHTS = (
    ("展会", 26),
    ("线上推广", 24),
    ("官网表单", 18),
    ("老客户推荐", 18),
    ("电话营销", 14),
)
_LOST = ("价格超出预算", "选择了其他供应商", "项目暂缓", "交期不能满足", "一直联系不上决策人")
_NOTES = (
    "对{product}感兴趣，希望先看样机视频。",
    "询价{product}，要求含安装调试。",
    "现有设备老化，计划年内更换{product}。",
    "新厂房在建，需要{product}的布局方案。",
    "朋友介绍来的，想到厂里看{product}。",
)
_TAGS = ("重点", "新厂房", "设备更新", "有预算", "比价中", "老板亲自谈", "需要方案")


class Effort(NamedTuple):
    """A campaign of the story, and the channel by which its leads come."""

    name: str
    days_ago: int
    length: int
    budget: int
    source: str


EFFORTS = (
    Effort("春季潍坊装备制造展", 430, 12, 180_000, "展会"),
    Effort("老客户回访月", 300, 30, 20_000, "老客户推荐"),
    Effort("秋季青岛物流自动化展", 190, 10, 220_000, "展会"),
    Effort("官网码垛专题推广", 120, 60, 60_000, "线上推广"),
    Effort("成都西部制造博览会", 40, 12, 260_000, "展会"),
    Effort("冬季新品线上发布会", -25, 2, 50_000, "线上推广"),
)


#: The steps of each, with the days after its beginning.
_STEPS = (("定场地与物料", -30), ("发邀请", -14), ("现场与直播", 0), ("回访与移交线索", 7))


class Running(NamedTuple):
    """A campaign as stored."""

    id: int
    starts: date
    ends: date
    source: str


class Cast(NamedTuple):
    """The ids that leads point to: sellers by group, pools by group, marketing, campaigns."""

    sellers: dict[str, list[int]]
    pools: dict[str, int]
    marketing: int
    campaigns: list[Running]


def tell(uow: UnitOfWork) -> list[str]:
    """Make the company, its people and its leads; the lines tell how to sign in."""
    put_settings(uow, "core", {"company_name": COMPANY, "company_address": ADDRESS})
    people = _people(uow)
    _judging(uow)
    cast = Cast(
        sellers={
            group: [people[p.key] for p in PEOPLE if p.department.endswith(group)]
            for group in REGIONS
        },
        pools=_pools(uow, people),
        marketing=people["shang.ruolan"],
        campaigns=_campaigns(uow, people["shang.ruolan"]),
    )
    # Which people, firms and figures come is invented; nothing secret hangs on it.
    rng = random.Random(_SEED)  # noqa: S311
    leads = list(_leads(rng, cast, uow.now(), uow.clock.today()))
    leads.sort(key=lambda lead: lead["created_at"])
    for start in range(0, len(leads), _BATCH):
        service.create(uow, "lead", leads[start : start + _BATCH])
    _rules(uow, people, cast.pools)  # for what comes in from now on
    _forms(uow, cast)
    _targets(uow, cast)
    nurturing.tell(uow, next(iter(cast.pools.values())))
    return _lines()


def _lines() -> list[str]:
    shown = ("mu.qingshan", "fu.yuheng", "shang.ruolan")
    people = [person for person in PEOPLE if person.key in shown]
    signs = [f"  {person.name}（{person.title}） {_email(person)}" for person in people]
    return [f"{COMPANY}: {len(PEOPLE)} people, password “{DEMO_PASSWORD}”", *signs]


def _email(person: Person) -> str:
    return f"{person.key}@yuanheng.example"


# The company


def _people(uow: UnitOfWork) -> dict[str, int]:
    found: dict[str, int] = {}
    for person in PEOPLE:
        found[person.key] = create_user(
            uow,
            _email(person),
            name=person.name,
            password=DEMO_PASSWORD,
            roles=[person.role],
            department=person.department,
            title=person.title,
        )
        if person.is_head:
            department = ensure_department(uow, person.department)
            service.update(uow, "department", {department: {"head": found[person.key]}})
    return found


def _pools(uow: UnitOfWork, people: dict[str, int]) -> dict[str, int]:
    """One pool a sales group, for its people; the head administers it."""
    heads = {p.department.rpartition("/")[2]: people[p.key] for p in PEOPLE if p.is_head}
    pools = [
        {
            "name": f"{group.removesuffix('组')}公海",
            "description": "、".join(REGIONS[group]) + "的线索，超过时限无人跟进时退回这里。",
            "departments": [ensure_department(uow, f"销售部/{group}")],
            "administrators": [heads[group], people["mu.qingshan"]],
            "daily_claims": 20,
            "holding_limit": 300,
            "department_limit": 500,
            "cool_down_days": 30,
            "idle_days": 30,
            "unconverted_days": 500 if group == "西南组" else None,
            "warn_days": 3,
            "veiled": ["mobile", "phone", "email", "wechat"],
        }
        for group in REGIONS
    ]
    return dict(zip(REGIONS, service.create(uow, "lead_pool", pools), strict=True))


def _judging(uow: UnitOfWork) -> None:
    """How important each channel is, and what makes a lead a good one."""
    policies: tuple[tuple[str, str, int | None], ...] = (
        ("展会", "high", 4),
        ("老客户推荐", "high", 8),
        ("官网表单", "normal", 24),
    )
    policies += (("线上推广", "normal", 24), ("电话营销", "low", None))
    service.create(
        uow,
        "channel_policy",
        [
            {"source": source, "priority": priority, "first_contact_hours": hours}
            for source, priority, hours in policies
        ],
    )
    rules = (
        ("预计金额 50 万以上", "expected_amount", "at_least", "500000", 30),
        ("老客户推荐或展会", "source", "is", "老客户推荐、展会", 20),
        ("有预算", "tags", "contains", "有预算", 20),
        ("老板亲自谈", "tags", "contains", "老板亲自谈", 15),
        ("留了手机", "mobile", "is_set", None, 10),
        ("留了邮箱", "email", "is_set", None, 5),
        ("比价中", "tags", "contains", "比价中", -10),
        ("没说金额", "expected_amount", "is_empty", None, -10),
    )
    names = ("name", "field_name", "op", "value", "points")
    service.create(uow, "score_rule", [dict(zip(names, rule, strict=True)) for rule in rules])


def _rules(uow: UnitOfWork, people: dict[str, int], pools: dict[str, int]) -> None:
    """Who gets new leads that nobody owns: by region, by industry and amount, the rest to be claimed."""
    groups = {group: ensure_department(uow, f"销售部/{group}") for group in REGIONS}

    def test(name: str, value: str, op: str = "is") -> dict[str, str]:
        return {"field_name": name, "op": op, "value": value}

    regions = {group: test("province", "、".join(REGIONS[group])) for group in REGIONS}
    service.create(
        uow,
        "assignment_rule",
        [
            {
                "name": "华东大单：在手最少者",
                "position": 10,
                "conditions": [regions["华东组"], test("expected_amount", "500000", "at_least")],
                "target": "least_loaded",
                "department": groups["华东组"],
                "capacity": 300,
            },
            {
                "name": "西南食品加工：雷可欣",
                "position": 20,
                "conditions": [regions["西南组"], test("industry", "食品加工")],
                "target": "person",
                "person": people["lei.kexin"],
            },
            {
                "name": "华北：轮流",
                "position": 30,
                "conditions": [regions["华北组"]],
                "target": "round_robin",
                "department": groups["华北组"],
            },
            {
                "name": "西南其余：公海领取",
                "position": 40,
                "conditions": [regions["西南组"]],
                "target": "pool",
                "to_pool": pools["西南组"],
            },
        ],
    )


def _forms(uow: UnitOfWork, cast: Cast) -> None:
    """The company's contact page, and the sign-up page of what comes next."""
    latest = max(cast.campaigns, key=lambda one: one.starts)
    service.create(
        uow,
        "lead_form",
        [
            {
                "name": "官网：联系我们",
                "pool": cast.pools["华东组"],
                "title": "告诉我们您想搬什么",
                "intro": "留下联系方式，一个工作日内由所在区域的工程师与您联系。",
                "fields": [
                    "company",
                    "contact_name",
                    "mobile",
                    "email",
                    "province",
                    "city",
                    "note",
                ],
                "sites": ["https://www.yuanheng.example"],
                "thanks": "谢谢！我们会尽快与您联系。",
                "welcome_subject": "{us}已收到您的留言",
                "welcome_text": "{name}，您好：\n\n感谢关注{us}。我们已收到{company}的需求，"
                "所在区域的工程师会在一个工作日内与您联系。",
            },
            {
                "name": "冬季新品线上发布会报名",
                "pool": cast.pools["华东组"],
                "campaign": latest.id,
                "source": latest.source,
                "title": "冬季新品线上发布会",
                "intro": "报名后我们会发送直播链接。",
                "fields": ["company", "contact_name", "mobile", "email"],
            },
        ],
    )


def _targets(uow: UnitOfWork, cast: Cast) -> None:
    """Whom the latest effort is for: important leads that are worked on; some have replied."""
    latest = max(cast.campaigns, key=lambda one: one.starts)
    wanted = [
        {"field": "priority", "op": "eq", "value": "high"},
        {"field": "status", "op": "eq", "value": "following"},
    ]
    asked = ListQuery(fields=("id",), filter={"all": wanted}, sort="id", limit=24)
    states = ("invited", "answered", "invited", "declined", "invited", "planned")
    rows = [
        {
            "campaign": latest.id,
            "related_entity": "lead",
            "related_id": lead["id"],
            "state": states[place % len(states)],
        }
        for place, lead in enumerate(query.page(uow, "lead", asked).items)
    ]
    service.create(uow, "campaign_target", rows)


def _campaigns(uow: UnitOfWork, marketing: int) -> list[Running]:
    """The efforts, each with its steps; the fairs are parts of one plan."""
    today = uow.clock.today()
    (fairs,) = service.create(
        uow,
        "campaign",
        [
            {
                "name": f"{today.year} 行业展会计划",
                "status": "running",
                "source": "展会",
                "starts_on": today - timedelta(days=450),
                "target": "装备、物流、食品行业的设备与采购负责人",
            }
        ],
    )
    rows: list[dict[str, Any]] = []
    for effort in EFFORTS:
        starts = today - timedelta(days=effort.days_ago)
        ends = starts + timedelta(days=effort.length)
        status = "planned" if starts > today else "finished" if ends < today else "running"
        rows.append(
            {
                "name": f"{starts.year} {effort.name}",
                "status": status,
                "starts_on": starts,
                "ends_on": ends,
                "source": effort.source,
                "budget": effort.budget,
                # What was spent differs a little from what was planned.
                "cost": None
                if starts > today
                else effort.budget * (93 + effort.length % 13) // 100,
                "parent": fairs if effort.source == "展会" else None,
                "steps": [
                    {
                        "name": name,
                        "due_on": starts + timedelta(days=after),
                        "person": marketing,
                        "is_done": starts + timedelta(days=after) < today,
                    }
                    for name, after in _STEPS
                ],
            }
        )
    ids = service.create(uow, "campaign", rows)
    return [
        Running(key, row["starts_on"], row["ends_on"], effort.source)
        for key, row, effort in zip(ids, rows, EFFORTS, strict=True)
    ]


# The leads


def _leads(rng: random.Random, cast: Cast, now: datetime, today: date) -> Iterator[dict[str, Any]]:
    firms: set[str] = set()
    mobiles: set[str] = set()
    while len(firms) < LEADS:
        group = _weighted(rng, tuple(_GROUP_WEIGHTS.items()))
        lead = _firm(rng, group)
        if lead["company"] in firms:
            continue
        firms.add(lead["company"])
        lead |= _contact(rng, mobiles)
        created = _moment(rng, today, now)
        lead |= _interest(rng, cast, lead["industry"], created)
        lead |= _progress(rng, cast, group, created, now)
        yield lead


def _firm(rng: random.Random, group: str) -> dict[str, Any]:
    provinces = tuple(REGIONS[group])
    province = provinces[min(int(rng.expovariate(1.1)), len(provinces) - 1)]
    cities = REGIONS[group][province]
    city = cities[min(int(rng.expovariate(0.7)), len(cities) - 1)]
    industry = rng.choice(tuple(INDUSTRIES))
    brand = rng.choice(_FIRST) + rng.choice(_SECOND)
    words = rng.choice(INDUSTRIES[industry][0])
    name = city.removesuffix("市") + brand + words + _weighted(rng, _SUFFIXES)
    return {"company": name, "province": province, "city": city, "industry": industry}


def _contact(rng: random.Random, taken: set[str]) -> dict[str, Any]:
    surname = rng.choice(_SURNAMES)
    named = rng.random() < 0.8
    name = surname + ("".join(rng.sample(_GIVEN, 2)) if named else rng.choice(_TITLES))
    mobile = None
    while mobile is None or mobile in taken:
        prefix = rng.choice(("131", "133", "135", "137", "138", "139", "150", "158", "182", "186"))
        mobile = f"{prefix}{rng.randrange(10**8):08d}"
    taken.add(mobile)
    local = f"{mobile[:3]}{mobile[-4:]}"
    return {
        "contact_name": name,
        "mobile": mobile,
        "email": f"sales{local}@example.com" if rng.random() < 0.35 else None,
        "wechat": f"wx_{local}" if rng.random() < 0.3 else None,
    }


def _moment(rng: random.Random, today: date, now: datetime) -> datetime:
    """A working hour of the last 18 months; the business grows, and Sundays are quiet."""
    while True:
        day = today - timedelta(days=int(DAYS * (1 - rng.random() ** 0.75)))
        if day.weekday() < 5 or rng.random() < 0.25:
            hour = min(max(rng.gauss(6.5, 2.6), 0.5), 12)  # UTC+8: 8:30 to 20:00
            moment = datetime.combine(day, time(), UTC) + timedelta(hours=hour)
            if moment < now:
                return moment.replace(microsecond=0)


def _interest(rng: random.Random, cast: Cast, industry: str, created: datetime) -> dict[str, Any]:
    _words, product, price = INDUSTRIES[industry]
    amount = Decimal(round(price * rng.choice((1, 1, 1, 2, 3)) * rng.uniform(0.7, 1.6), -3))
    source, campaign = _weighted(rng, _SOURCE_WEIGHTS), None
    running = [one for one in cast.campaigns if one.starts <= created.date() <= one.ends]
    if running and rng.random() < 0.6:
        campaign, source = running[0].id, running[0].source
    return {
        "source": source,
        "campaign": campaign,
        "expected_amount": amount if rng.random() < 0.85 else None,
        "tags": rng.sample(_TAGS, rng.choice((0, 0, 1, 1, 2))) or None,
        "note": rng.choice(_NOTES).format(product=product) if rng.random() < 0.7 else None,
        "created_at": created,
    }


def _progress(
    rng: random.Random, cast: Cast, group: str, created: datetime, now: datetime
) -> dict[str, Any]:
    """Where the lead stands today, which depends on its age."""
    age = (now - created).days
    fresh, settled = max(0.0, 1 - age / 20), min(1.0, age / 150)
    status = _weighted(
        rng,
        (
            ("new", int(7 + 80 * fresh)),
            ("following", int(9 + 60 * (1 - settled))),
            ("converted", int(28 * settled)),
            ("lost", int(30 * settled)),
            ("invalid", 6),
        ),
    )
    in_pool = status == "new" and rng.random() < (0.35 if fresh else 0.9)
    owner = None if in_pool else rng.choice(cast.sellers[group])
    typed_in = rng.random() < 0.45
    found: dict[str, Any] = {
        "status": status,
        "owner": owner,
        "pool": cast.pools[group],
        "created_by": cast.marketing if in_pool or not typed_in else owner,
    }
    if status in ("following", "converted", "lost"):
        latest = created + (now - created) * rng.uniform(0.2, 0.98)
        if status == "following":  # what is worked on was seldom left alone for a month
            latest = max(latest, now - timedelta(days=min(rng.expovariate(0.09), 33)))
        found["last_followed_at"] = max(created, _working_hour(rng, latest - timedelta(days=1)))
        found["first_contacted_at"] = min(
            found["last_followed_at"], created + timedelta(hours=rng.expovariate(0.1))
        )
    if owner is not None and status in ("new", "following"):
        found["next_follow_at"] = _working_hour(rng, now + timedelta(days=rng.randint(-3, 12)))
    if status == "converted":
        found["converted_at"] = found["last_followed_at"]
    if status == "lost":
        found["lost_reason"] = rng.choice(_LOST)
    return found


def _working_hour(rng: random.Random, near: datetime) -> datetime:
    """A quarter of an hour between 9:00 and 17:00 in China, on the day of ``near``."""
    return datetime.combine(near.date(), time(), UTC) + timedelta(minutes=15 * rng.randint(4, 36))


def _weighted(rng: random.Random, options: Sequence[tuple[str, int]]) -> str:
    return rng.choices([word for word, _ in options], [weight for _, weight in options])[0]
