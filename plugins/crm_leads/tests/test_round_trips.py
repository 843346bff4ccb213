"""How often the database is asked by the calls that programs and people make all day."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from sqlalchemy import event

from core.entities import query, service
from core.entities.aggregate import aggregate
from core.entities.labels import resolve_labels
from core.errors import NotFound

RECORDS = "/api/v1/records/lead"
LIST = {"fields": "company,mobile,status,owner,pool,created_at", "sort": "-created_at"}
FILTER = json.dumps(
    {
        "all": [
            {"field": "status", "op": "eq", "value": "new"},
            {"field": "company", "op": "contains", "value": "农机"},
        ]
    }
)


@pytest.fixture
def asked(app, runtime, bearer, admin_id, make_leads):
    """``asked(method, path, **options)``: the statements and the transactions of one call, warm."""
    headers = bearer(admin_id)
    make_leads(3)

    def call(method, path, **options):
        statements, begun = [], []

        def note(_connection, _cursor, statement, *_more):
            statements.append(statement)

        def note_begin(connection):
            begun.append(connection)

        engine = runtime.database.engine
        for _turn in range(2):
            statements.clear()
            begun.clear()
            event.listen(engine, "before_cursor_execute", note)
            event.listen(engine, "begin", note_begin)
            try:
                answer = app.test_client().open(path, method=method, headers=headers, **options)
            finally:
                event.remove(engine, "before_cursor_execute", note)
                event.remove(engine, "begin", note_begin)
            assert answer.status_code in (200, 201), answer.get_data(as_text=True)
        control = ("BEGIN", "SELECT set_config")
        return [each for each in statements if not each.startswith(control)], len(begun)

    return call


def test_a_creation_is_one_transaction_of_five_statements(asked, runtime):
    """The epoch, the row, the audit entry, the key of duplicates, the event."""
    statements, begun = asked("POST", RECORDS, json={"company": "甲", "mobile": "13800005678"})
    assert len(statements) == (6 if runtime.database.is_sqlite else 5), statements
    assert begun == (2 if runtime.database.is_sqlite else 1)  # there a writer says so at its begin


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        (RECORDS, {"query_string": LIST}, 2),
        (RECORDS, {"query_string": {**LIST, "filter": FILTER, "count": "exact"}}, 3),
        (f"{RECORDS}/1", {}, 2),
        (f"{RECORDS}/aggregate?group=status&group=owner&measure=sum:expected_amount", {}, 2),
    ],
)
def test_what_is_read_takes_the_epoch_and_a_statement_or_two(asked, path, options, expected):
    """Names of people and pools are kept; an exact count is one statement more."""
    statements, begun = asked("GET", path, **options)
    assert (len(statements), begun) == (expected, 1), statements


@pytest.mark.databases("sqlite")  # which tells its plan whatever the number of rows
def test_counts_and_sums_are_answered_by_an_index_alone(runtime, unit_of_work, make_leads):
    make_leads(3)
    plans = []

    def explain(connection, _cursor, statement, parameters, *_more):
        if statement.startswith("SELECT") and "count(*)" in statement:
            asked = connection.connection.cursor().execute(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
            plans.append(" ".join(row[3] for row in asked))

    event.listen(runtime.database.engine, "before_cursor_execute", explain)
    try:
        with unit_of_work(write=False) as uow:
            assert query.count(uow, "lead", query.ListQuery(filter=json.loads(FILTER))) == 3
            sums = ["count", "sum:expected_amount"]
            aggregate(uow, "lead", ["status", "owner"], sums, query.ListQuery())
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", explain)
    counted, summed = plans
    assert "COVERING INDEX ix_crm_leads_lead_status_created_at_id_company" in counted
    assert "COVERING INDEX ix_crm_leads_lead_status_owner_id_expected_amount" in summed
    assert "GROUP BY" not in summed  # for which it would sort all rows


def test_a_body_of_unknown_length_is_read_like_another(app, bearer, admin_id):
    """Such a caller is recognised in a transaction of its own: nobody knows how long it sends."""
    answer = app.test_client().post(
        RECORDS,
        data=json.dumps({"company": "乙"}),
        headers={**bearer(admin_id), "Transfer-Encoding": "chunked"},
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 201, answer.get_data(as_text=True)


def test_who_made_a_lead_sees_it_as_all_others_do(unit_of_work, team, read):
    """What was just written is not asked for again, and reads the same."""
    item = {
        "company": "丙",
        "expected_amount": "1200.005",
        "tags": ["大客户"],
        "next_follow_at": "2026-03-01T08:00:00+08:00",
    }
    with unit_of_work(team.fu) as uow:
        (lead,) = service.create(uow, "lead", [item])
        seen = query.get(uow, "lead", lead)
    assert seen.values == read(lead, team.fu)
    assert str(seen.values["expected_amount"]) == str(read(lead, team.fu)["expected_amount"])


def test_what_is_changed_or_undone_after_it_was_made_is_seen_so(unit_of_work):
    with unit_of_work() as uow:
        (lead,) = service.create(uow, "lead", [{"company": "丁"}])
        service.update(uow, "lead", {lead: {"company": "戊"}})
        assert query.get(uow, "lead", lead).values["company"] == "戊"
        with suppress(ZeroDivisionError), uow.savepoint():
            (lost,) = service.create(uow, "lead", [{"company": "己"}])
            1 / 0  # noqa: B018 - whatever goes wrong
        with pytest.raises(NotFound):
            query.get(uow, "lead", lost)
        service.delete(uow, "lead", [lead])
        with pytest.raises(NotFound):
            query.get(uow, "lead", lead)


def test_names_that_are_not_committed_are_not_kept(unit_of_work, team):
    """A rolled back change of a name never reaches what other transactions are told."""
    with suppress(ZeroDivisionError), unit_of_work() as uow:
        service.update(uow, "user", {team.fu: {"name": "傅改名"}})
        assert resolve_labels(uow, {"user": {team.fu}})["user"][team.fu] == "傅改名"
        1 / 0  # noqa: B018 - whatever goes wrong
    with unit_of_work() as uow:
        assert resolve_labels(uow, {"user": {team.fu}})["user"][team.fu] == "傅宇恒"
