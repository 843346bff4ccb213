"""Every page that can be reached is deaf to scripts in what people typed (I12)."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from itertools import count
from urllib.parse import quote

import pytest
from crawling import TEXT, crawl
from sqlalchemy import String, cast, select

from core.entities import service
from core.errors import Invalid
from core.fields import types as t
from core.files.service import store_upload
from core.ops.install import create_user, ensure_department
from core.settings.service import put_settings

# A browser sees no difference between databases: one of them is enough.
pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("workshop", "crm_leads")


# Scripts in what people typed

FORMS = (
    "<script>pwned({n})</script>",
    '"><img src=x onerror=pwned({n})>',
    "'><svg onload=pwned({n})>",
    '" autofocus onfocus=pwned({n}) x="',
    "</title></textarea><svg onload=pwned({n})>",
    "</script><script>pwned({n})</script>",
)
#: For each form, a page that forgets to escape there.
UNESCAPED = tuple(
    zip(
        FORMS,
        (
            "<p>HERE</p>",
            '<input value="HERE">',
            "<input value='HERE'>",
            '<input value="HERE">',
            "<title>HERE</title>",
            "<script>let name = 'HERE'</script>",
        ),
        strict=True,
    )
)


class Canaries:
    """Texts that run ``pwned(n)`` where a page does not escape them; one number for each place."""

    def __init__(self) -> None:
        self.places: dict[int, str] = {}
        self._numbers = count(100)

    def __call__(self, place: str, *, long: bool = False) -> str:
        number = next(self._numbers)
        self.places[number] = place
        if long:
            return " ".join(form.format(n=number) for form in FORMS)
        return FORMS[number % len(FORMS)].format(n=number)

    def unseen(self, text: str) -> list[str]:
        return [place for n, place in self.places.items() if f"pwned({n})" not in text]


@pytest.fixture
def planted(unit_of_work, admin_id, client, bearer):
    """The `Canaries`, put in every place where people write text."""
    canary = Canaries()
    _plant_fields(client, bearer(admin_id), canary)
    with unit_of_work() as uow:
        put_settings(uow, "core", {"company_name": canary("company name")})
        department = ensure_department(uow, canary("department").replace("/", ""))
        service.update(uow, "department", {department: {"name": canary("department's name")}})
        grants = {"lead": {"read": "own"}}
        role = {"name": "canary", "title": canary("role"), "grants": grants}
        service.create(uow, "role", [role])
        person = create_user(uow, "c@example.com", name=canary("person"), password=None)
        values = {"title": canary("job title"), "department": department}
        service.update(uow, "user", {person: values})
    canary.places = {n: p for n, p in canary.places.items() if p != "department"}
    with unit_of_work(admin_id) as uow:
        _plant_records(uow, canary, person)
    with unit_of_work() as uow:
        _plant_the_rest(uow)
    return canary


#: What no person types, or what only takes a form of its own.
UNTYPED = {
    ("role", "name"): "an identifier",
    ("role", "grants"): "made of ticks",
    ("role", "field_rules"): "made of ticks",
    ("role", "permissions"): "made of ticks",
    ("lead_form", "sites"): "a site: what could run is refused",
    ("campaign_target", "related_entity"): "the entity of a record",
    ("order", "story"): "rich text: what could run was taken out of it",
}


def text_fields(uow):
    """(entity, field) of all that holds free text: addresses and numbers are refused with markup."""
    kinds = (t.Text, t.LongText, t.RichText, t.Tags)
    return [
        (spec, item)
        for spec in uow.snapshot.entities.values()
        for item in spec.stored
        if type(item.type) in kinds and item.is_writable and spec.updatable
    ]


def _holds(uow, spec, item):
    column = cast(spec.column(item.name), String)
    return uow.execute(select(spec.table.c.id).where(column.contains("pwned("))).first() is not None


def _first(uow, spec):
    return uow.execute(select(spec.table.c.id).order_by(spec.table.c.id.desc())).first()


def _make(uow, spec):
    """A row of an entity that has none yet, with what it requires."""
    values = {}
    for item in spec.stored:
        if not (item.is_writable and item.required):
            continue
        if isinstance(item.type, t.Reference):
            found = _first(uow, uow.entity(item.type.entity))
            values[item.name] = found and found.id
        elif isinstance(item.type, t.ChoiceField):
            values[item.name] = item.type.choices[0].value
        elif isinstance(item.type, t.Date):
            values[item.name] = "2026-05-01"
        else:
            values[item.name] = "canary"
    with suppress(Invalid), uow.savepoint():
        service.create(uow, spec.name, [values])
    return _first(uow, spec)


def _plant_the_rest(uow):
    """Into each field that none of the above has reached, of a row of each entity."""
    for spec, item in text_fields(uow):
        row = _first(uow, spec) or _make(uow, spec)
        if row is None or _holds(uow, spec, item) or (spec.name, item.name) in UNTYPED:
            continue
        text = f"{item.name}{FORMS[1].format(n=7)}"
        with suppress(Invalid), uow.savepoint():
            value = [text] if isinstance(item.type, t.Tags) else text
            service.update(uow, spec.name, {row.id: {item.name: value}})


def _plant_fields(client, headers, canary):
    field = {
        "name": "x_canary",
        "kind": "choice",
        "label": canary("label of a field"),
        "choices": [{"value": "one", "label": canary("label of a choice")}],
    }
    address = "/api/v1/schema/entities/lead/fields"
    answer = client.post(address, json=field, headers=headers)
    assert answer.status_code == 201, answer.get_data(as_text=True)


def _plant_records(uow, canary, person):
    pool = {"name": canary("pool"), "description": canary("description", long=True)}
    (pool_id,) = service.create(uow, "lead_pool", [pool])
    (campaign,) = service.create(uow, "campaign", [{"name": canary("campaign")}])
    test = {"field_name": "company", "op": "contains"}
    rule = {"name": canary("assignment rule"), "target": "pool"}
    rule["conditions"] = [{**test, "value": canary("value of a rule")}]
    service.create(uow, "assignment_rule", [rule])
    score = {"name": canary("score rule"), "value": canary("value of a score"), "points": 1}
    service.create(uow, "score_rule", [{**test, **score}])
    names = ("company", "contact_name", "wechat", "address", "industry")
    lead = {name: canary(name) for name in names}
    lead |= {"note": canary("note", long=True), "tags": [canary("tag").replace(",", "")]}
    lead |= {"pool": pool_id, "campaign": campaign, "x_canary": "one", "owner": person}
    ids = service.create(uow, "lead", [lead, lead | {"company": "again"}])
    service.update(uow, "lead", {ids[0]: {"lost_reason": canary("a change", long=True)}})
    service.update(uow, "lead", {ids[0]: {"company": canary("company after a change")}})
    (site,) = service.create(uow, "site", [{"name": canary("site")}])
    name = canary("name of a file").replace("/", "")
    order = {
        "title": canary("title"),
        "note": canary("note of an order", long=True),
        "site": site,
        "secret": canary("secret"),
        "story": f"<p>story {''.join(form.format(n=1) for form in FORMS)}"
        '<a href="javascript:pwned(2)" onclick="pwned(3)">x</a><iframe srcdoc="<script>'
        'parent.pwned(4)</script>"></iframe></p>',
        "drawing": store_upload(uow, io.BytesIO(b"%PDF-1.4 nothing"), f"{name}.pdf"),
        "parts": [{"name": canary("part")}],
    }
    service.create(uow, "order", [order])
    touch = {"subject": canary("subject of a touch"), "body": canary("a touch", long=True)}
    plan = {"name": canary("nurture plan"), "threshold": 1, "to_pool": pool_id}
    service.create(uow, "nurture_plan", [plan | {"touches": [touch]}])


@pytest.fixture
def watched(open_page, served):
    """(an administrator's tab without a policy, the numbers that ran in it)."""
    tab = open_page(policy=False)
    ran = []
    tab.context.expose_function("pwned", lambda number: ran.append(number))
    return tab, ran


def test_no_text_that_people_wrote_runs_as_a_script(watched, served, planted):
    """I12: with the policy off, in every generic page; and each text was shown to the reader."""
    tab, ran = watched
    echo = quote(FORMS[1].format(n=5))
    starts = [
        "/",
        "/r/lead/1",
        "/r/lead/1/edit",
        "/r/order/1",
        "/r/order/1/edit",
        "/r/assignment_rule/1",
        "/r/nurture_plan/1",
        "/r/lead_pool/2",
        "/r/lead?filtering=1&filter_field=company&filter_op=contains&filter_value=" + echo,
        "/r/lead?search=" + echo,
        "/search?q=" + echo,
        "/search?q=pwned",
        "/r/campaign?filtering=1",
        "/admin/fields/lead",
        "/admin/entities/new",
        "/admin/people",
        "/admin/roles",
        "/admin/audit?entity=lead&record=1",
        "/admin/privacy?entity=lead&record=1",
    ]
    found = crawl(tab, served, starts, pages=60)
    assert found.bad == []
    text = found.text + _import_page(tab, planted)
    tab.goto("/r/lead/new")
    tab.fill("[name=email]", FORMS[1].format(n=6))
    tab.locator(".form-actions .button-primary").click()
    tab.locator("#error-email").wait_for()
    assert ran == []
    assert planted.unseen(text) == []
    assert "pwned(5)" in text


def test_every_field_of_text_was_planted(planted, unit_of_work):
    """I12: of every entity of these plugins and of the core; what was not is named, with a reason."""
    with unit_of_work() as uow:
        missing = {
            (spec.name, item.name) for spec, item in text_fields(uow) if not _holds(uow, spec, item)
        }
    assert missing <= set(UNTYPED), missing - set(UNTYPED)
    assert len(planted.places) >= 20


@pytest.mark.long
def test_the_policy_has_nothing_to_complain_about(open_page, served, planted):
    """I12: the same pages with the policy on; `open_page` fails on any report of the browser."""
    found = crawl(
        open_page(), served, ["/", "/r/lead/1", "/r/order/1", "/r/order/1/edit"], pages=30
    )
    assert found.bad == []
    assert "pwned(" in found.text


def _import_page(tab, canary):
    heading, cell = canary("heading of a file"), canary("cell of a file")
    rows = "\n".join(f'"{each.replace(chr(34), chr(34) * 2)}",公司' for each in (heading, cell))
    file = {"name": "leads.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    tab.goto("/r/lead/import")
    tab.set_input_files("input[type=file]", file)
    tab.locator(".exchange-form .button-primary").last.click()
    tab.wait_for_url("**/import/*")
    text = tab.evaluate(TEXT)
    tab.locator("main select[name=field]").first.select_option("company")
    tab.locator("main .exchange-form .button-primary").click()
    tab.wait_for_url("**/preview?*")
    return text + tab.evaluate(TEXT)


@pytest.mark.long
def test_a_page_that_does_not_escape_is_caught(watched):
    """I12, the positive control: each form runs in such a page, although it carries our policy."""
    tab, ran = watched
    bodies = [body.replace("HERE", form.format(n=n)) for n, (form, body) in enumerate(UNESCAPED)]
    policy = {"Content-Security-Policy": "default-src 'none'; script-src 'self'"}
    tab.route(
        re.compile(r"/unescaped\?n=[0-9]$"),
        lambda route: route.fulfill(
            body=f"<!doctype html>{bodies[int(route.request.url[-1])]}",
            content_type="text/html",
            headers=policy,
        ),
    )
    for n in range(len(bodies)):
        tab.goto(f"/unescaped?n={n}")
        tab.wait_for_timeout(100)
    assert ran == list(range(len(FORMS)))
