"""S-053, S-054: what a telephone system, a mail gateway or a WeChat archive logs, over REST."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import event

from core.entities import query, service
from core.entities.timeline import timeline

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PATH = "/api/v1/records/follow_up"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("activities", "crm_leads", "crm_sales")


@pytest.fixture
def world(unit_of_work, team):
    """A customer of 傅宇恒 with a contact, and a lead of 宁书瑶."""
    with unit_of_work() as uow:
        (customer,) = service.create(
            uow,
            "customer",
            [{"name": "鼎源农机", "source": "展会", "phone": "0536-8880000", "owner": team.fu}],
        )
        (contact,) = service.create(
            uow,
            "contact",
            [
                {
                    "name": "王建国",
                    "customer": customer,
                    "mobile": "13800138000",
                    "email": "wang@dingyuan.example",
                    "wechat": "wang_jg",
                }
            ],
        )
        lead = {"company": "恒泰物流", "mobile": "13900139000", "owner": team.ning}
        (lead,) = service.create(uow, "lead", [lead])
        service.update(uow, "user", {team.yan: {"mobile": "13700137000"}})
    return {"customer": customer, "contact": contact, "lead": lead}


@pytest.fixture
def system(unit_of_work, make_person):
    """The person in whose name the telephone system posts."""
    with unit_of_work() as uow:
        grants = {
            "follow_up": {"create": "all", "read": "all"},
            **{name: {"read": "all"} for name in ("customer", "contact", "lead")},
        }
        role = {"name": "pbx", "title": "PBX", "grants": grants}
        role |= {"permissions": ["activities.log_communications"]}
        service.create(uow, "role", [role])
    return make_person("Telephone", roles=("pbx",))


@pytest.fixture
def post(client, bearer, runtime):
    def send(person, **values):
        moment = runtime.clock.now() - timedelta(minutes=3)
        body = {"kind": "call", "content": "来电", "happened_at": moment.isoformat(), **values}
        return client.post(PATH, json=body, headers=bearer(person))

    return send


def test_a_call_stands_on_the_customer_with_time_direction_and_length(
    post, system, world, team, read, unit_of_work
):
    """S-053: however the number is written; the customer's timeline tells of the contact's call."""
    answer = post(
        system, party="+86 138 0013 8000", direction="in", seconds=125, external_id="pbx:1"
    )
    assert answer.status_code == 201, answer.json
    kept = read("follow_up", answer.json["id"])
    assert (kept["related_entity"], kept["related_id"]) == ("contact", world["contact"])
    with unit_of_work(team.fu, write=False) as uow:
        items = timeline(uow, "customer", world["customer"])
    (told,) = [each for each in items if each.kind == "call"]
    assert told.at == kept["happened_at"]
    assert "2:05" in told.title
    assert "王建国" in told.title


def test_the_page_of_a_call_tells_what_was_logged(post, system, world, team, browser_of):
    answer = post(
        system, party="13800138000", direction="out", seconds=0, consent=False, external_id="pbx:7"
    )
    page = browser_of(team.manager).get(f"/r/follow_up/{answer.json['id']}").get_data(as_text=True)
    assert "我方发起 · 未接听 · 13800138000 · pbx:7 · 未同意" in page


def test_its_owner_is_whose_number_it_came_to_or_else_the_record_s(post, system, world, team, read):
    def owner(**values):
        answer = post(system, **values)
        assert answer.status_code == 201, answer.json
        values = read("follow_up", answer.json["id"])
        return values["owner"], values["department"] is not None

    there = {"party": "13900139000", "direction": "out"}
    assert owner(**there, external_id="a", own_party="137 0013 7000") == (team.yan, True)
    assert owner(**there, external_id="b", own_party="8001") == (team.ning, True)
    assert owner(**there, external_id="c", owner=team.fu) == (team.fu, True)
    assert owner(party="13811112222", external_id="d")[0] == system


def test_a_mail_and_a_message_find_their_contact(post, system, world, read):
    """S-053, S-054: three messages of an archive; that the customer agreed is kept."""
    mail = post(system, kind="email", party="WANG@dingyuan.example", external_id="mail:1")
    assert read("follow_up", mail.json["id"])["related_id"] == world["contact"]
    for number, consent in enumerate((True, True, False)):
        answer = post(
            system,
            kind="wechat",
            party="wang_jg",
            consent=consent,
            content=f"第 {number} 条",
            external_id=f"wecom:{number}",
        )
        kept = read("follow_up", answer.json["id"])
        assert (kept["related_entity"], kept["related_id"]) == ("contact", world["contact"])
        assert kept["consent"] is consent


def test_a_customer_is_found_where_no_contact_is(post, system, world, read):
    answer = post(system, party="05368880000", seconds=0, external_id="pbx:9")
    kept = read("follow_up", answer.json["id"])
    assert (kept["related_entity"], kept["related_id"]) == ("customer", world["customer"])


def test_what_nobody_has_is_kept_all_the_same(post, system, world, read):
    answer = post(system, party="13811112222", external_id="pbx:2")
    kept = read("follow_up", answer.json["id"])
    assert (kept["related_id"], kept["party"]) == (None, "13811112222")


def test_nobody_is_told_of_a_call_that_was_on_their_own_line(
    post, system, world, team, unit_of_work
):
    from core.notifications.service import count_unread

    post(system, party="13900139000", own_party="13700137000", external_id="pbx:10")
    with unit_of_work(team.yan, write=False) as uow:
        assert count_unread(uow) == 0
    with unit_of_work(system) as uow:  # positive control: what somebody else gives is told
        item = {"kind": "call", "content": "确认了产量和工件尺寸。", "owner": team.yan}
        service.create(uow, "follow_up", [item])
    with unit_of_work(team.yan, write=False) as uow:
        assert count_unread(uow) == 1


def test_who_left_owns_no_new_call(post, system, world, team, read, unit_of_work):
    with unit_of_work() as uow:
        service.update(uow, "user", {team.yan: {"is_active": False}})
    answer = post(system, party="13900139000", own_party="13700137000", external_id="pbx:8")
    assert read("follow_up", answer.json["id"])["owner"] == team.ning


def test_what_lies_in_the_bin_is_logged_once_too(post, system, world, unit_of_work):
    made = post(system, external_id="pbx:6").json["id"]
    with unit_of_work() as uow:
        service.delete(uow, "follow_up", [made])
    assert post(system, external_id="pbx:6").status_code == 422


def test_each_is_logged_once(post, system, world, client, bearer, unit_of_work):
    assert post(system, external_id="pbx:3").status_code == 201
    again = post(system, external_id="pbx:3")
    assert again.status_code == 422
    assert [each["field"] for each in again.json["errors"]] == ["external_id"]
    rows = [{"kind": "call", "content": "来电", "external_id": "pbx:4"} for _ in range(2)]
    both = client.post(f"{PATH}/batch", json={"create": rows}, headers=bearer(system))
    assert 422 in {both.status_code, *(each["status"] for each in both.json.get("results", ()))}
    with unit_of_work(write=False) as uow:
        same = {"field": "external_id", "op": "in", "value": ["pbx:3", "pbx:4"]}
        assert query.count(uow, "follow_up", query.ListQuery(filter=same)) <= 2


def test_only_who_may_log_logs_and_nobody_is_asked_to_write_well(
    post, system, world, team, ask_for, client, bearer
):
    ask_for(require_next=True, min_length=20)
    refused = post(team.fu, external_id="mine", party="13800138000")
    assert refused.status_code == 422
    assert "external_id" in {each["field"] for each in refused.json["errors"]}
    made = post(system, external_id="pbx:5", party="13800138000")
    assert made.status_code == 201, made.json
    path, headers = f"{PATH}/{made.json['id']}", bearer(team.fu)
    assert client.patch(path, json={"external_id": None}, headers=headers).status_code in (403, 422)


def test_no_number_tells_of_a_record_out_of_reach(post, world, team, unit_of_work, read):
    """Z: who may log, but not read the lead, learns nothing from where the call is put."""
    with unit_of_work() as uow:
        grants = {"follow_up": {"create": "all", "read": "all"}}
        role = {"name": "narrow", "title": "N", "grants": grants}
        role |= {"permissions": ["activities.log_communications"]}
        service.create(uow, "role", [role])
        roles = query.page(uow, "role", query.ListQuery(limit=50)).items
        narrow = next(each["id"] for each in roles if each["name"] == "narrow")
        service.update(uow, "user", {team.viewer: {"roles": [narrow]}})
    answer = post(team.viewer, external_id="x:1", party="13900139000")
    assert answer.status_code == 201, answer.json
    assert read("follow_up", answer.json["id"])["related_id"] is None


def test_what_was_logged_is_no_update_that_somebody_wrote(
    post, system, world, team, ask_for, unit_of_work, write, browser_of
):
    """S-055: the quota counts what people write: for who is told, on one's first page, and among the numbers."""
    from plugins.activities.quota import _behind

    for number in range(3):
        values = {"party": "13800138000", "own_party": "13700137000"}
        post(system, external_id=f"pbx:{number}", **values)
    with unit_of_work() as uow:
        assert team.yan in _behind(uow, 2)
    ask_for(weekly_quota=2)
    write(team.yan)
    assert "<b>1/2</b>" in browser_of(team.yan).get("/").get_data(as_text=True)
    numbers = browser_of(team.manager).get("/activities/statistics?period=this_week")
    row = re.search(r"闫晓璐.*?</tr>", numbers.get_data(as_text=True), re.S)[0]
    told = [text for text in re.findall(r">([\d/]+)<", row) if text != "0"]
    assert told == ["4", "4", "1/2"], "all calls, logged or not, and what was written"


def test_a_hundred_are_placed_with_as_many_questions_as_two(
    unit_of_work, system, world, runtime, team
):
    """Those of several people, of a contact and of a lead."""
    people = [team.fu, team.yan, team.ning, team.manager]
    numbers = [f"1370013700{place}" for place in range(len(people))]
    with unit_of_work() as uow:
        named = {key: {"mobile": own} for key, own in zip(people, numbers, strict=True)}
        service.update(uow, "user", named)
    engine, said = runtime.database.engine, []

    def note(_connection, _cursor, statement, *_more):
        said.append(statement)

    def log(n, mark):
        rows = [
            {
                "kind": "call",
                "content": "来电",
                "party": ("13800138000", "13900139000")[k % 2],
                "own_party": numbers[k % len(numbers)],
                "external_id": f"{mark}{k}",
            }
            for k in range(n)
        ]
        with unit_of_work(system) as uow:
            said.clear()
            service.create(uow, "follow_up", rows)
            return len(said)

    event.listen(engine, "before_cursor_execute", note)
    try:
        log(2, "warm")
        two, many = log(2, "two"), log(100, "many")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert two > 5
    assert many <= two + 2
