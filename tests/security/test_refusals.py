"""Z3, Z4, Z5: what is refused tells nothing, changes nothing, and cannot be smuggled in."""

from __future__ import annotations

import hashlib
import random
import re
from typing import Any

import pytest
from operations import OPERATIONS, REFUSED, TESTED, Probe
from oracle import Oracle
from probing import _actors, _tokens
from worlds import populate, tell

from core.db.base import metadata
from core.entities import query, service
from core.errors import Conflict, Invalid, NotFound, Refusal
from core.work.uow import UnitOfWork

#: The long tier asks PostgreSQL as well: what is shown does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

SELLER = {
    "oracle_deal": {a: "own" for a in ("read", "create", "update", "delete", "export", "assign")},
    "oracle_account": {"read": "own", "create": "own", "update": "own"},
}


@pytest.fixture
def make_role(unit_of_work):
    def make(name: str, grants: Any, rules: Any = None) -> str:
        with unit_of_work() as uow:
            service.create(
                uow,
                "role",
                [{"name": name, "title": name, "grants": grants, "field_rules": rules or {}}],
            )
        return name

    return make


@pytest.fixture
def seller(make_role, make_person):
    make_role("seller", SELLER)
    return make_person("Seller", roles=("seller",))


@pytest.fixture
def foreign(unit_of_work, admin_id):
    """A deal that is somebody else's."""
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "Foreign", "secret": "alpha"}])
    return key


MISSING = 999_999

BY_ID = {
    "get": lambda uow, key: query.get(uow, "oracle_deal", key),
    "update": lambda uow, key: service.update(uow, "oracle_deal", {key: {"title": "x"}}),
    "update with a version": lambda uow, key: service.update(
        uow, "oracle_deal", {key: {"title": "x"}}, versions={key: 7}
    ),
    "update with nonsense": lambda uow, key: service.update(
        uow, "oracle_deal", {key: {"nonsense": "x"}}
    ),
    "delete": lambda uow, key: service.delete(uow, "oracle_deal", [key]),
    "restore": lambda uow, key: service.restore(uow, "oracle_deal", [key]),
    "act": lambda uow, key: service.act(uow, "oracle_deal", "assign", [key], {"to": 1}),
    "point at it": lambda uow, key: service.create(
        uow, "oracle_account", [{"name": "x", "owner": uow.actor.user_id, "department": key}]
    ),
}


@pytest.mark.parametrize("way", [way for way in BY_ID if way != "point at it"])
def test_what_is_out_of_reach_looks_like_what_is_missing(unit_of_work, seller, foreign, way):
    """Z3: the same error, the same words."""
    told = []
    for key in (foreign, MISSING):
        with pytest.raises(NotFound) as refused, unit_of_work(seller) as uow:
            BY_ID[way](uow, key)
        told.append((refused.value.message.replace(str(key), "#"), refused.value.problems))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "", None),
        ("patch", "", {"title": "x"}),
        ("patch", "", {"nonsense": "x"}),
        ("patch", "", {"title": "x", "version": 5}),
        ("delete", "", None),
        ("post", "/restore", {}),
        ("post", "/actions/assign", {"to": 1}),
        ("get", "/timeline", None),
    ],
)
def test_answers_of_rest_are_byte_identical(client, bearer, seller, foreign, method, path, body):
    """Z3 over HTTP, headers included."""
    answers = []
    headers = bearer(seller)
    for key in (foreign, MISSING):
        answer = client.open(
            f"/api/v1/records/oracle_deal/{key}{path}", method=method, json=body, headers=headers
        )
        kept = sorted(
            (k, v) for k, v in answer.headers if k != "X-Request-Id" and k != "Content-Length"
        )
        answers.append(
            (answer.status_code, kept, answer.get_data().replace(str(key).encode(), b"#"))
        )
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_a_reference_to_what_is_out_of_reach_is_one_to_nothing(unit_of_work, seller, admin_id):
    """Z3, Z10."""
    with unit_of_work(admin_id) as uow:
        (foreign,) = service.create(uow, "oracle_account", [{"name": "Foreign"}])
    told = []
    for key in (foreign, MISSING):
        for values in ({"account": key}, {"partners": [key]}):
            with pytest.raises(Invalid) as refused, unit_of_work(seller) as uow:
                service.create(uow, "oracle_deal", [{"title": "x", **values}])
            told.append([(p.field, p.code, p.message) for p in refused.value.problems])
    assert told[0] == told[2]
    assert told[1] == told[3]


@pytest.mark.parametrize("key", [0, -1, 10**18, 2**63, 10**40, True, "1", None, 1.5])
def test_what_cannot_be_an_id_is_missing(unit_of_work, admin_id, key):
    for way in ("get", "update", "delete", "restore"):
        with pytest.raises(NotFound), unit_of_work(admin_id) as uow:
            BY_ID[way](uow, key)


LOGS = {"core_session", "core_api_token", "core_sign_in"}


def digest(uow: UnitOfWork) -> str:
    """All that the database holds, but for what notes that somebody was there."""
    found = hashlib.sha256()
    for name in sorted(metadata.tables):
        if name.startswith(("core_", "oracle_sample_")) and "__x_" not in name and name not in LOGS:
            rows = sorted(
                map(repr, uow.connection.exec_driver_sql(f'SELECT * FROM "{name}"').all())
            )
            found.update(name.encode() + "\n".join(rows).encode())
    return found.hexdigest()


WRITES = ("update_row", "create_row", "delete_row", "restore_row", "use_verb", "write_lines")
REST = ("rest_refused_patch", "rest_refused_delete")


def test_nothing_is_written_when_a_call_is_refused(runtime, app, unit_of_work, database_kind):
    """Z4: in a transaction that its caller commits all the same, and over REST."""
    rng = random.Random(11)
    populate(runtime, 11)
    tokens = _tokens(runtime)
    oracle, actors, client = Oracle(tell(runtime)), _actors(runtime, tokens), app.test_client()
    with unit_of_work(write=False) as uow:
        before = digest(uow)
    refused = 0
    wanted = 150 if database_kind == "sqlite" else 40
    while refused < wanted:
        user = rng.choice(list(tokens))
        headers = {"Authorization": f"Bearer {tokens[user]}"}
        probe = Probe(runtime, oracle, rng, user, rng.choice(TESTED), actors[user], client, headers)
        probe.write = lambda do, probe=probe: _committed(runtime, probe.actor, do)
        got, _expected = OPERATIONS[rng.choice((*WRITES, *REST))](probe)
        if got == REFUSED:
            refused += 1
            with unit_of_work(write=False) as uow:
                assert digest(uow) == before


def _committed(runtime: Any, actor: Any, do: Any) -> str:
    """As a careless caller would: the refusal is swallowed and the transaction committed."""
    from core.work.uow import Origin

    with UnitOfWork(runtime, actor, origin=Origin("test")) as uow:
        try:
            with uow.savepoint():
                do(uow)
                raise LookupError
        except LookupError:
            return "done"
        except Refusal:
            return REFUSED


# Z5


SMUGGLED = {
    "id": 4711, "version": 99, "created_at": "2020-01-01T00:00:00Z", "created_by": 1,
    "updated_at": "2020-01-01T00:00:00Z", "updated_by": 1, "archived_at": "2020-01-01T00:00:00Z",
    "owner_id": 1, "department_id": 1, "account_id": 1, "reviewer_id": 1, "number": "D1-1",
    "margin": "1.00", "total": "1.00", "is_admin": True, "roles": [1], "x_secret": "1",
    "__class__": "x", "table": "core_user", "": "x", "oracle_sample_deal.id": 1, "created_By": 1,
    "ID": 1, "ｏwner": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", SMUGGLED)
def test_only_declared_writable_fields_are_written(unit_of_work, client, bearer, admin_id, name):
    """Z5: on creation and on change, in the service and over REST, even for an administrator."""
    with unit_of_work(admin_id) as uow:
        (key,) = service.create(uow, "oracle_deal", [{"title": "Mine"}])
    value, headers = SMUGGLED[name], bearer(admin_id)
    with unit_of_work(write=False) as uow:
        before = digest(uow)
    for call in (
        lambda uow: service.create(uow, "oracle_deal", [{"title": "x", name: value}]),
        lambda uow: service.update(uow, "oracle_deal", {key: {"title": "x", name: value}}),
        lambda uow: service.update(
            uow, "oracle_deal", {key: {"lines": [{"product": "x", "parent": 1, name: value}]}}
        ),
    ):
        with pytest.raises(Invalid) as refused, unit_of_work(admin_id) as uow:
            call(uow)
        assert refused.value.problems
    with unit_of_work(write=False) as uow:
        before_rest = digest(uow)
    assert before_rest == before
    path = "/api/v1/records/oracle_deal"
    answers = [client.post(path, json={"title": "x", name: value}, headers=headers)]
    answers.append(client.patch(f"{path}/{key}", json={"title": "x", name: value}, headers=headers))
    expected = {400, 422} if name != "version" else {400, 409, 422}
    assert {answer.status_code for answer in answers} <= expected
    with unit_of_work(write=False) as uow:
        assert digest(uow) == before


def test_a_writer_of_all_fields_writes_all_of_them(unit_of_work, admin_id):
    """The other side of Z5: what is declared writable is written."""
    given = {
        "title": "T", "amount": "1.00", "cost": "0.5", "quantity": 3, "won": True,
        "closes_on": "2026-02-28", "seen_at": "2026-01-01T00:00:00Z", "stage": "lost",
        "flags": ["hot"], "tags": ["a"], "phone": "13900001111", "email": "a@example.com",
        "site": "https://example.com/", "notes": "n", "body": "<p>b</p>", "region": "370700",
        "secret": "s", "reviewer": admin_id, "owner": admin_id, "watchers": [admin_id],
        "lines": [{"product": "p", "price": "1", "quantity": 2}],
    }  # fmt: skip
    with unit_of_work(admin_id) as uow:
        spec = uow.entity("oracle_deal")
        (key,) = service.create(uow, "oracle_deal", [given])
        record = query.get(uow, "oracle_deal", key).values
    left = {f.name for f in spec if f.is_writable} - set(given)
    assert left == {"account", "partners", "department"}
    assert all(record[name] not in (None, []) for name in given)


def test_a_conflict_shows_the_other_value_only_as_its_reader_may_see_it(
    unit_of_work, make_role, make_person
):
    """Z6: the second editor's answer obeys field rules."""
    make_role(
        "editor",
        {"oracle_deal": {"read": "all", "update": "all"}},
        {"oracle_deal": {"secret": "hidden", "phone": "masked"}},
    )
    editor = make_person("Editor", roles=("editor",))
    with unit_of_work() as uow:
        (key,) = service.create(
            uow, "oracle_deal", [{"title": "a", "secret": "deep", "phone": "13900001111"}]
        )
        service.update(uow, "oracle_deal", {key: {"title": "b"}})
    with pytest.raises(Conflict) as refused, unit_of_work(editor) as uow:
        service.update(uow, "oracle_deal", {key: {"title": "c"}}, versions={key: 1})
    assert "secret" not in refused.value.current
    assert refused.value.current["phone"] == "139****1111"
    assert "deep" not in repr(refused.value.__dict__)
    assert not re.search("13900001111", repr(refused.value.__dict__))
