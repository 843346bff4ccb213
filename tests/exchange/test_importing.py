"""Imports: mapping, policies, rights, and going on after a crash."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from core.entities import query, service
from core.entities.query import ListQuery
from core.errors import Forbidden, NotFound
from core.exchange.duplicates import ensure_keys
from core.exchange.mapping import propose
from core.exchange.tables import duplicate_key_table
from core.faults import planned_fault
from core.work import jobs

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))


def table(tmp_path, *lines, name="list.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_columns_are_known_by_name_label_and_synonym(unit_of_work, admin_id):
    headings = [
        "客户名称",
        " MOBILE ",
        "手机（必填）",
        "E-Mail",
        "省份*",
        "没有",
        "id",
        "Record ID",
    ]
    with unit_of_work(admin_id, write=False) as uow:
        found = propose(uow, uow.entity("prospect"), headings)
    fields = ["company", "mobile", None, "email", "province", None, None, "id"]
    assert list(found.fields) == fields
    assert {heading for heading, _why in found.notes} == {"手机（必填）", "没有", "id"}


def test_a_person_s_mapping_is_remembered(
    unit_of_work, admin_id, make_person, import_rows, tmp_path
):
    path = table(tmp_path, "Firma,Tel", "甲公司,13800001111")
    import_rows(admin_id, path, mapping={"Firma": "company", "Tel": "mobile"})
    with unit_of_work(admin_id, write=False) as uow:
        assert propose(uow, uow.entity("prospect"), ["firma", "Tel"]).fields == (
            "company",
            "mobile",
        )
    with unit_of_work(make_person(roles=["own"]), write=False) as uow:
        assert propose(uow, uow.entity("prospect"), ["firma", "Tel"]).fields == (None, None)


def test_update_policy_changes_what_the_file_says_and_erases_nothing(
    admin_id, import_rows, all_rows, tmp_path
):
    head = "公司名称,手机,邮箱,预计金额"
    import_rows(admin_id, table(tmp_path, head, "甲有限公司,13800001111,a@example.com,1.2万"))
    again = table(
        tmp_path,
        head,
        "甲股份有限公司,138-0000-1111,,￥5,000.00".replace("￥5,000.00", '"￥5,000.00"'),
        "乙公司,13800002222,,",
        "乙集团公司,13800002222,b@example.com,",
        "乙集团公司,13800002222,b@example.com,",
    )
    job = import_rows(admin_id, again, policy="update")
    counts = {"created": 1, "updated": 2, "duplicates": 1, "refused": 0, "report": None}
    assert {name: job.result[name] for name in counts} == counts
    first, second = all_rows()
    assert (first["company"], first["email"]) == ("甲股份有限公司", "a@example.com")
    assert first["expected_amount"] == Decimal(5000)
    assert second["email"] == "b@example.com"
    third = import_rows(admin_id, again, policy="create")
    assert third.result["created"] == 4


def test_a_row_that_hooks_refuse_does_not_take_its_batch_along(
    admin_id, import_rows, all_rows, tmp_path
):
    """S-256; and the next row of the same company is then the first of it."""
    lines = [f"公司{n}厂,,{'禁止' if n % 50 == 7 else '机械'}" for n in range(200)]
    path = table(tmp_path, "公司名称,手机,行业", *lines, "公司7厂,,机械")
    job = import_rows(admin_id, path)
    assert (job.result["created"], job.result["refused"]) == (197, 4)
    assert job.result["duplicates"] == 0
    assert sum(row["company"] == "公司7厂" for row in all_rows()) == 1


def test_rights_to_the_entity_and_its_fields(
    make_person, import_rows, all_rows, tmp_path, admin_id
):
    """Z5, F5: an import writes no more than its person may."""
    head = "company,source,expected_amount,mobile,score,id,version,created_by,owner"
    path = table(tmp_path, head, f"甲公司,展会,100,13800001111,9,77,5,1,管理员 #{admin_id}")
    with pytest.raises(Forbidden):
        import_rows(make_person(roles=["typist"]), path)
    person = make_person("小王", roles=["masked"])
    job = import_rows(person, path)
    assert job.result["created"] == 1, job.error
    (row,) = all_rows()
    written = ("source", "expected_amount", "mobile", "score")
    assert [row[name] for name in written] == [None, None, None, None]
    assert (row["version"], row["created_by"], row["owner"]) == (1, person, admin_id)
    assert row["id"] != 77


def test_owner_rules_hold(make_person, import_rows, all_rows, tmp_path, admin_id):
    """Z5: who reaches own records alone gives none away, and steals none."""
    own = make_person("小李", roles=["own"])
    path = table(
        tmp_path, "company,owner", "甲公司,管理员", "乙公司,小李", "丙公司,", "丁公司,某人"
    )
    job = import_rows(own, path)
    assert (job.result["created"], job.result["refused"]) == (2, 2)
    assert {row["owner"] for row in all_rows()} == {own}


def test_records_out_of_sight_are_duplicates_but_stay_as_they_are(
    make_person, import_rows, all_rows, tmp_path, admin_id
):
    head = "company,mobile,note"
    import_rows(admin_id, table(tmp_path, head, "甲公司,13800001111,秘密"))
    own = make_person(roles=["own"])
    job = import_rows(own, table(tmp_path, head, "甲公司,13800001111,改"), policy="update")
    counts = {"created": 0, "updated": 0, "duplicates": 1, "refused": 0, "report": None}
    assert {name: job.result[name] for name in counts} == counts
    assert [row["note"] for row in all_rows()] == ["秘密"]


def test_formulas_and_markup_stay_text(admin_id, import_rows, all_rows, tmp_path):
    """F5."""
    notes = ['=HYPERLINK("http://127.0.0.1/")', "<script>alert(1)</script>", "@SUM(1)"]
    quoted = [f'公司{n},"{note.replace(chr(34), chr(34) * 2)}"' for n, note in enumerate(notes)]
    import_rows(admin_id, table(tmp_path, "company,note", *quoted))
    assert [row["note"] for row in all_rows()] == notes


def test_masked_text_is_not_taken_for_the_value(admin_id, import_rows, tmp_path):
    job = import_rows(admin_id, table(tmp_path, "company,mobile", "甲公司,138****1111"))
    assert (job.result["created"], job.result["refused"]) == (0, 1)


def test_going_on_after_a_crash_doubles_nothing(
    admin_id, import_rows, all_rows, tmp_path, monkeypatch, runtime, run_jobs, find_job
):
    """F1: of a batch that was not committed nothing is kept, of those before it everything is."""
    lines = [f"公司{n}厂,{13800000000 + n},{'坏' if n % 10 == 3 else ''}" for n in range(250)]
    path = table(tmp_path, "company,mobile,email", *lines)
    monkeypatch.setattr("core.exchange.jobs.BATCH", 100)
    # The upload is audited first, then each batch: the second one is struck.
    with planned_fault("audit.before_insert:raise:3") as plan:
        job = import_rows(admin_id, path)
    assert plan.passages >= 3, "the fault struck"
    assert job.state == "queued"
    kept = len(all_rows())
    assert 0 < kept < 225
    assert job.done == 100
    assert job.result["created"] == kept
    runtime.clock.offset += timedelta(minutes=5)
    run_jobs()
    job = find_job(job.id)
    assert job.state == "done"
    assert (job.result["created"], job.result["refused"]) == (225, 25)
    assert len(all_rows()) == 225
    assert len({row["mobile"] for row in all_rows()}) == 225


def test_a_worker_that_lost_its_lease_writes_nothing_more(
    admin_id, import_rows, all_rows, tmp_path, monkeypatch, unit_of_work, run_jobs, runtime
):
    """Whoever takes the job over goes on where the other's last commit ended."""
    lines = [f"公司{n}厂,{13800000000 + n}" for n in range(300)]
    path = table(tmp_path, "company,mobile", *lines)
    monkeypatch.setattr("core.exchange.jobs.BATCH", 100)
    plain, struck = jobs.JobContext.advance, []

    def advance(self, uow, done, total=None, **more):
        if done == 200 and not struck:
            struck.append(done)
            uow.execute(jobs.job_table.update().values(lease="another"))
        plain(self, uow, done, total, **more)

    monkeypatch.setattr(jobs.JobContext, "advance", advance)
    job = import_rows(admin_id, path)
    assert struck
    assert len(all_rows()) == 100
    runtime.clock.offset += timedelta(minutes=5)
    run_jobs()
    assert len(all_rows()) == 300
    with unit_of_work(write=False) as uow:
        found = uow.execute(select(jobs.job_table).where(jobs.job_table.c.id == job.id)).one()
    assert found.result["created"] == 300


def test_keys_follow_every_write(unit_of_work, admin_id):
    """The keys equal those made anew from the records, after all kinds of writes."""

    def keys(uow):
        table = duplicate_key_table
        rows = uow.execute(select(table).where(table.c.entity == "prospect", table.c.record_id > 0))
        return {(row.key, row.record_id) for row in rows}

    with unit_of_work(admin_id) as uow:
        items = [{"company": f"公司{n}", "mobile": f"1380000{n:04d}"} for n in range(30)]
        ids = service.create(uow, "prospect", items)
        service.update(uow, "prospect", {key: {"company": "新名"} for key in ids[:10]})
        service.update(uow, "prospect", {ids[11]: {"note": "x"}})
        service.delete(uow, "prospect", ids[5:15])
        service.restore(uow, "prospect", ids[5:8])
    with unit_of_work() as uow:
        followed = keys(uow)
        uow.execute(duplicate_key_table.delete())
        ensure_keys(uow, uow.entity("prospect"))
        assert keys(uow) == followed
        assert len(followed) == 23
        ensure_keys(uow, uow.entity("prospect"))
        count = select(func.count()).select_from(duplicate_key_table)
        assert uow.execute(count.where(duplicate_key_table.c.record_id > 0)).scalar_one() == 23


def test_somebody_else_s_upload_is_not_imported(unit_of_work, make_person, tmp_path, admin_id):
    """CVE-2026-46691: the file of an import belongs to who imports."""
    from core.exchange.jobs import start_import
    from core.files.service import store_upload

    path = table(tmp_path, "company", "甲公司")
    with unit_of_work(admin_id) as uow, path.open("rb") as file:
        file_id = store_upload(uow, file, path.name)
    with pytest.raises(NotFound), unit_of_work(make_person(roles=["own"])) as uow:
        start_import(uow, "prospect", file_id)


def test_an_export_of_a_masked_reader_holds_masks(unit_of_work, make_person, admin_id, tmp_path):
    """Z8: neither the value nor the hidden column, and the audit trail says who."""
    from core.exchange.exporting import ExportRequest, write_export

    with unit_of_work(admin_id) as uow:
        values = {"company": "甲", "mobile": "13800001111", "expected_amount": 5}
        service.create(uow, "prospect", [values])
    person = make_person(roles=["masked"])
    path = tmp_path / "out.csv"
    with unit_of_work(person, write=False) as uow, path.open("wb") as file:
        assert write_export(uow, ExportRequest("prospect", "csv"), file) == 1
    text = path.read_text(encoding="utf-8-sig")
    assert "138****1111" in text
    assert "13800001111" not in text
    assert "Expected amount" not in text
    with unit_of_work(person, write=False) as uow:
        assert query.count(uow, "prospect", ListQuery()) == 1
