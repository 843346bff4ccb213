"""I16: what other systems post may be forged, odd, too much, or come twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from core.entities import query, service

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PATH = "/api/v1/records/follow_up"
GOOD = {"kind": "call", "content": "来电", "party": "13900139000", "external_id": "pbx:0"}
#: (what is odd, what it says in place of the good)
ODD: tuple[tuple[str, object], ...] = (
    *(("kind", each) for each in (None, "", "nonsense", 7, ["call"], {"a": 1}, True)),
    *(("content", each) for each in (7, ["x"], {"a": 1}, "x" * 200_000, "a\x00b", "\ud800", True)),
    *(("party", each) for each in (7, [], {}, "x" * 5_000, "a\x00b", "\r\nBcc: a@b.cn", "=cmd|' /C'!A0")),
    *(("own_party", each) for each in (7, [], {}, "x" * 5_000, "' OR 1=1 --")),
    *(("external_id", each) for each in (7, [], {}, "x" * 5_000, "a\x00b")),
    *(("seconds", each) for each in (-1, 10**12, "long", 1.5, [], {}, True)),
    *(("direction", each) for each in ("sideways", 7, [], {})),
    *(("happened_at", each) for each in ("soon", 7, "9999-99-99T00:00:00Z", "0001-01-01T00:00:00Z", [], {})),
    *(("owner", each) for each in (10**9, "1; DROP TABLE", [], {}, -1)),
    *(("related_entity", each) for each in ("user", "role", "core_user", "x", 7, [])),
    *(("related_id", each) for each in (10**18, -1, "x", [], {})),
    *((name, 1) for name in ("id", "version", "created_by", "is_admin", "__class__", "x_none", "")),
)  # fmt: skip


@pytest.fixture
def system(unit_of_work, make_person):
    """In whose name the telephone system posts: they log, and read leads."""
    with unit_of_work() as uow:
        grants = {"follow_up": {"create": "all", "read": "all"}, "lead": {"read": "all"}}
        role = {"name": "pbx", "title": "PBX", "grants": grants}
        role |= {"permissions": ["activities.log_communications"]}
        service.create(uow, "role", [role])
    return make_person("Telephone", roles=("pbx",))


@pytest.fixture
def rows(unit_of_work):
    """``rows()``: how many of each kind of record there are, but for what each write leaves behind."""

    def count():
        with unit_of_work(write=False) as uow:
            return {
                name: uow.execute(select(func.count()).select_from(spec.table)).scalar_one()
                for name, spec in uow.snapshot.entities.items()
                if name
                not in ("audit_entry", "event", "session", "api_token", "job", "notification")
            }

    return count


def test_what_is_odd_makes_no_other_record(client, bearer, system, rows, make_lead, team):
    """I16: forged, of the wrong kind, too long, of another time: taken as it is declared, or refused."""
    make_lead(team.fu, mobile="13900139000")
    headers, before, taken = bearer(system), rows(), 0
    for number, (name, value) in enumerate(ODD):
        body = {**GOOD, "external_id": f"pbx:{number}", name: value}
        answer = client.post(PATH, json=body, headers=headers)
        assert answer.status_code in (201, 400, 403, 422), (
            name,
            value,
            answer.status_code,
            answer.text,
        )
        taken += answer.status_code == 201
    after = rows()
    assert after == {**before, "follow_up": before["follow_up"] + taken}
    assert taken < len(ODD) / 2


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"7", b"[[", b"{", b'{"kind": "call", "kind": 7}', b"\xff\xfe", b"a=1"],
)
def test_what_is_no_object_is_refused(client, bearer, system, rows, body):
    headers, before = {**bearer(system), "Content-Type": "application/json"}, rows()
    assert client.post(PATH, data=body, headers=headers).status_code in (400, 422)
    assert rows() == before


def test_the_good_one_is_taken(client, bearer, system, rows):
    """The positive control of the two above."""
    before = rows()
    assert client.post(PATH, json=GOOD, headers=bearer(system)).status_code == 201
    assert rows() == {**before, "follow_up": before["follow_up"] + 1}


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.long)])
def test_one_that_comes_twice_at_once_is_logged_once(app, bearer, system, unit_of_work, rounds):
    """I16: a gateway that sends again before it was answered."""
    headers = bearer(system)
    for number in range(rounds):
        ready = Barrier(3)

        def send(_n, number=number, ready=ready):
            browser = app.test_client()
            ready.wait()
            body = {**GOOD, "external_id": f"twice:{number}"}
            return browser.post(PATH, json=body, headers=headers).status_code

        with ThreadPoolExecutor(3) as pool:
            answers = sorted(pool.map(send, range(3)))
        assert answers == [201, 422, 422]
    with unit_of_work(write=False) as uow:
        assert query.count(uow, "follow_up", query.ListQuery()) == rounds
