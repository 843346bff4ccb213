"""Undoing an import as a whole: exactly, only where nothing was built on it, and once (S-258)."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from core.audit.models import AuditEntry
from core.entities import service
from core.entities.links import link_table
from core.errors import Forbidden, NotFound, Refused
from core.exchange.history import past_imports
from core.exchange.undo import rehearse, start_undo
from core.faults import planned_fault
from core.files.service import local_copy, open_file
from core.tabular.reader import open_table
from core.work.tables import job_table

#: The long tier asks PostgreSQL as well: what is told does not depend on the database.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

STAMPS = {"version", "updated_at", "updated_by"}


def table(tmp_path, *lines, name="list.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def digest(unit_of_work):
    """A hash of all living rows and links of the sample, but for who changed them when."""

    def read():
        found = []
        with unit_of_work(write=False) as uow:
            for name in ("prospect", "thing", "parcel", "parcel_line"):
                spec = uow.entity(name)
                columns = [f.column for f in spec.stored if f.name not in STAMPS]
                chosen = [spec.table.c[column] for column in columns]
                living = spec.table.c.archived_at.is_(None)
                if name == "parcel_line":
                    parents = uow.entity("parcel").table
                    kept = select(parents.c.id).where(parents.c.archived_at.is_(None))
                    living &= spec.table.c.parcel_id.in_(kept)
                rows = uow.execute(select(*chosen).where(living).order_by(spec.table.c.id))
                found.append([name, [tuple(row) for row in rows]])
            links = link_table(uow.entity("thing"), uow.entity("thing")["helpers"])
            found.append([tuple(row) for row in uow.execute(select(links).order_by(*links.c))])
        return hashlib.sha256(repr(found).encode()).hexdigest()

    return read


@pytest.fixture
def undo(unit_of_work, run_jobs, find_job):
    """``undo(person, job) -> the row of the undo's job, run to its end``"""

    def run(person, job):
        with unit_of_work(person) as uow:
            undo_id = start_undo(uow, job.id)
        run_jobs()
        return find_job(undo_id)

    return run


@pytest.fixture
def report_rows(unit_of_work):
    """``report_rows(person, file id) -> the cells of a report``"""

    def read(person, file_id):
        with unit_of_work(person, write=False) as uow:
            row, stream = open_file(uow, file_id)
            with local_copy(stream) as path:
                return [cells for _line, cells in open_table(path, row.name).rows()]

    return read


def counts(job):
    return [job.result[name] for name in ("removed", "restored", "kept")]


def test_new_records_and_old_values_exactly(admin_id, import_rows, tmp_path, digest, undo):
    """The hash of all rows before the import is the hash after the undo, updates included."""
    head = "company,mobile,email,source,expected_amount,entered_on,note,province"
    import_rows(
        admin_id,
        table(
            tmp_path,
            head,
            "甲有限公司,13800001111,a@example.com,展会,1.25,2024-01-02,旧,江苏省",
            "丙公司,13800003333,,,,,,",
        ),
    )
    before = digest()
    job = import_rows(
        admin_id,
        table(
            tmp_path,
            head,
            "甲集团公司,138 0000 1111,b@example.com,官网,9000,2025/3/4,新,浙江省",
            "丙公司,13800003333,c@example.com,转介,1,2020-02-02,x,北京市",
            "乙公司,13800002222,,转介,,,,",
            "丁公司,13800004444,,转介,,,,",
        ),
        policy="update",
    )
    assert [job.result[name] for name in ("created", "updated")] == [2, 2]
    assert digest() != before
    undone = undo(admin_id, job)
    assert undone.state == "done", undone.error
    # Each new prospect brought a parcel along, by a rule: these go too, with their lines.
    assert counts(undone) == [4, 2, 0]
    assert undone.result["report"] is None
    assert digest() == before


def test_one_after_the_other_the_newest_first(admin_id, import_rows, tmp_path, digest, undo):
    """A later import that was undone is no change since; one that was not is."""
    head = "company,mobile,note"
    states = [digest()]
    jobs = []
    for note in ("一", "二", "三"):
        path = table(tmp_path, head, f"甲公司,13800001111,{note}", f"{note}公司,,{note}")
        jobs.append(import_rows(admin_id, path, policy="update"))
        states.append(digest())
    assert len(set(states)) == 4
    assert counts(undo(admin_id, jobs[2])) == [1, 1, 0]
    assert digest() == states[2]
    assert counts(undo(admin_id, jobs[0])) == [1, 0, 1], "the second one has written it since"
    assert counts(undo(admin_id, jobs[1])) == [1, 1, 0]


def test_back_to_the_beginning(admin_id, import_rows, tmp_path, digest, undo):
    head = "company,mobile,note"
    states, jobs = [digest()], []
    for note in ("一", "二", "三"):
        path = table(tmp_path, head, f"甲公司,13800001111,{note}", f"{note}公司,,{note}")
        jobs.append(import_rows(admin_id, path, policy="update"))
        states.append(digest())
    for job, state in zip(reversed(jobs), reversed(states[:-1]), strict=True):
        assert undo(admin_id, job).result["kept"] == 0
        assert digest() == state


def test_tags_links_and_every_kind_of_field(
    admin_id, make_person, import_rows, tmp_path, digest, undo, unit_of_work
):
    helper, other = make_person("小红"), make_person("小蓝")
    with unit_of_work(admin_id) as uow:
        values = {
            "name": "一", "text": "多\n行", "count": 3, "ratio": "0.1250", "amount": "12.30",
            "is_new": True, "day": "2024-02-29", "moment": "2024-02-29T08:09:10+00:00",
            "size": "s", "sizes": ["m", "s"], "tags": ["红", "蓝"], "region": "320000",
            "keeper": helper, "helpers": [other, helper],
        }  # fmt: skip
        one, two = service.create(uow, "thing", [values, {"name": "二", "tags": ["x"]}])
        service.update(uow, "thing", {two: {"part_of": one}})
    before = digest()
    head = "Record ID,name,text,count,ratio,amount,is_new,day,moment,size,sizes,tags,region,keeper"
    rows = [
        f'{one},甲,另,4,2,99,否,2020-01-01,2020-01-01 01:02:03,l,l,"绿,红",浙江省,小蓝,小红',
        f"{two},乙,另,4,2,99,是,2020-01-01,2020-01-01 01:02:03,l,l,绿,浙江省,小蓝,小蓝",
        ",丙,,,,,,,,,,,,,",
    ]
    job = import_rows(admin_id, table(tmp_path, head + ",helpers", *rows), "thing", policy="update")
    assert [job.result[name] for name in ("created", "updated", "refused")] == [1, 2, 0]
    assert digest() != before
    undone = undo(admin_id, job)
    assert counts(undone) == [1, 2, 0], undone.result
    assert digest() == before


def test_lines_that_are_imported_into_their_parents(
    admin_id, import_rows, tmp_path, digest, undo, unit_of_work
):
    with unit_of_work(admin_id) as uow:
        contents = [{"what": "Tea", "price": "10"}, {"what": "Cup", "price": "5"}]
        (parcel,) = service.create(uow, "parcel", [{"title": "箱", "contents": contents}])
        lines = uow.entity("parcel_line").table
        first = uow.execute(select(lines.c.id).order_by(lines.c.id)).scalars().first()
    before = digest()
    path = table(
        tmp_path, "Record ID,parcel,what,price", f"{first},#{parcel},Tea,99", f",#{parcel},Pot,7"
    )
    job = import_rows(admin_id, path, "parcel_line", policy="update")
    assert [job.result[name] for name in ("created", "updated")] == [1, 1], job.result
    assert digest() != before
    assert counts(undo(admin_id, job)) == [1, 1, 0]
    assert digest() == before


def test_lines_added_since_hold_their_parent(
    admin_id, import_rows, tmp_path, undo, unit_of_work, report_rows
):
    """What a rule made along with the import is looked at like what the file brought."""
    rows = [f"公司{n}厂,1380000000{n},转介" for n in range(3)]
    job = import_rows(admin_id, table(tmp_path, "company,mobile,source", *rows))
    with unit_of_work(admin_id) as uow:
        parcels, lines = uow.entity("parcel").table, uow.entity("parcel_line").table
        first, second, _third = uow.execute(select(parcels.c.id).order_by(parcels.c.id)).scalars()
        service.create(uow, "parcel_line", [{"parcel": first, "what": "Cake"}])
        tea = uow.execute(select(lines.c.id).where(lines.c.parcel_id == second)).scalar_one()
        service.update(uow, "parcel_line", {tea: {"what": "Coffee"}})
    undone = undo(admin_id, job)
    assert counts(undone) == [4, 0, 2]
    told = {cells[0] for cells in report_rows(admin_id, undone.result["report"])}
    assert told == {first, second}
    with unit_of_work(write=False) as uow:
        living = select(lines.c.what).where(lines.c.archived_at.is_(None))
        left = uow.execute(living.where(lines.c.parcel_id.in_((first, second)))).scalars()
        assert set(left) == {"Tea", "Cake", "Coffee"}, "no line was taken from a parcel that stays"


def test_what_was_built_on_it_stays(
    admin_id, make_person, import_rows, tmp_path, undo, unit_of_work, report_rows
):
    """A record changed since by anybody, referred to, or deleted already is listed with why."""
    with unit_of_work(admin_id) as uow:
        (old,) = service.create(uow, "thing", [{"name": "旧", "count": 1}])
    rows = [f",件{n},{n}" for n in range(6)]
    path = table(tmp_path, "Record ID,name,count", f"{old},旧,2", *rows)
    job = import_rows(admin_id, path, "thing", policy="update")
    assert [job.result[name] for name in ("created", "updated")] == [6, 1]
    with unit_of_work(write=False) as uow:
        things = uow.entity("thing").table
        names = dict(uow.execute(select(things.c.name, things.c.id)).all())
    someone = make_person("小王", roles=["typist"])
    with unit_of_work(someone) as uow:
        service.update(uow, "thing", {names["件0"]: {"text": "谈过了"}})
        service.update(uow, "thing", {names["旧"]: {"count": 3}})
        service.create(uow, "thing", [{"name": "零件", "part_of": names["件1"]}])
        service.delete(uow, "thing", [names["件2"]])
    with unit_of_work(admin_id, write=False) as uow:
        foreseen = rehearse(uow, job.id)
    assert (foreseen.removed, foreseen.restored) == (3, 0)
    assert dict(foreseen.kept) == {"changed": 2, "referenced": 1, "gone": 1}
    undone = undo(admin_id, job)
    assert counts(undone) == [3, 0, 4]
    told = {cells[1]: cells[3] for cells in report_rows(admin_id, undone.result["report"])}
    assert told.keys() == {"旧", "件0", "件1", "件2"}
    assert "小王" in told["件0"]
    with unit_of_work(write=False) as uow:
        living = select(things.c.name).where(things.c.archived_at.is_(None))
        left = set(uow.execute(living).scalars())
        assert left == {"旧", "件0", "件1", "零件"}
        assert uow.execute(select(things.c.count).where(things.c.id == old)).scalar_one() == 3


def test_records_of_one_import_that_refer_to_each_other_go_together(
    admin_id, import_rows, tmp_path, undo, unit_of_work, monkeypatch
):
    """… unless one of them stays: then what it refers to stays too."""
    monkeypatch.setattr("core.exchange.jobs.BATCH", 2)
    monkeypatch.setattr("core.exchange.undo.CHUNK", 2)
    rows = ["甲,", "乙,", "甲一,甲", "甲二,甲", "甲二三,甲二", "乙一,乙"]
    job = import_rows(admin_id, table(tmp_path, "name,part_of", *rows), "thing")
    assert job.result["created"] == 6, job.result
    with unit_of_work(admin_id) as uow:
        things = uow.entity("thing").table
        names = dict(uow.execute(select(things.c.name, things.c.id)).all())
        service.update(uow, "thing", {names["甲二三"]: {"text": "x"}})
    with unit_of_work(admin_id, write=False) as uow:
        assert rehearse(uow, job.id).removed == 3
    assert counts(undo(admin_id, job)) == [3, 0, 3]
    with unit_of_work(write=False) as uow:
        living = select(things.c.name).where(things.c.archived_at.is_(None))
        assert set(uow.execute(living).scalars()) == {"甲", "甲二", "甲二三"}


@pytest.mark.parametrize("place", ["uow.before_commit", "audit.before_insert"])
def test_going_on_after_a_crash_in_the_middle(
    place, admin_id, import_rows, tmp_path, digest, unit_of_work, run_jobs, find_job, monkeypatch,
    runtime,
):  # fmt: skip
    """A chunk that was not committed is undone again, one that was is not."""
    monkeypatch.setattr("core.exchange.undo.CHUNK", 40)
    lines = [f"公司{n}厂,{13800000000 + n}," for n in range(60)]
    import_rows(admin_id, table(tmp_path, "company,mobile,email", *lines))
    before = digest()
    lines = [f"公司{n}厂,{13800000000 + n},n{n}@example.com" for n in range(150)]
    job = import_rows(admin_id, table(tmp_path, "company,mobile,email", *lines), policy="update")
    assert [job.result[name] for name in ("created", "updated")] == [90, 60]
    with unit_of_work(admin_id) as uow:
        undo_id = start_undo(uow, job.id)
    # Other jobs and the claim come first, then chunks of 40 entries.
    nth = 5 if place == "uow.before_commit" else 4
    with planned_fault(f"{place}:raise:{nth}") as plan:
        run_jobs()
    assert plan.passages >= nth, "the fault struck"
    halfway = find_job(undo_id)
    assert halfway.state == "queued"
    assert halfway.done in (40, 80), "some chunks were done, some not"
    assert halfway.result["removed"] + halfway.result["restored"] == halfway.done
    runtime.clock.offset += timedelta(minutes=5)
    run_jobs()
    undone = find_job(undo_id)
    assert counts(undone) == [90, 60, 0]
    assert digest() == before
    with unit_of_work(write=False) as uow:
        entries = AuditEntry.__table__
        mine = entries.c.request_id == f"undo-{job.id}"
        changed = uow.execute(
            select(entries.c.record_id).where(mine, entries.c.entity == "prospect")
        )
        ids = list(changed.scalars())
    assert len(ids) == len(set(ids)) == 150, "each record was undone once"


def test_an_import_that_was_stopped_is_undone_too(
    admin_id, import_rows, tmp_path, digest, undo, run_jobs, unit_of_work, monkeypatch, find_job,
    runtime,
):  # fmt: skip
    """What was written before it stopped goes; and the import does not go on afterwards."""
    from core.work.jobs import cancel_job, replay_job

    monkeypatch.setattr("core.exchange.jobs.BATCH", 50)
    before = digest()
    lines = [f"公司{n}厂,{13800000000 + n}" for n in range(120)]
    path = table(tmp_path, "company,mobile", *lines)
    with planned_fault("audit.before_insert:raise:3"):
        job = import_rows(admin_id, path)
    assert job.state == "queued"
    assert digest() != before
    with pytest.raises(Refused), unit_of_work(admin_id) as uow:
        start_undo(uow, job.id)
    with unit_of_work(admin_id) as uow:
        assert cancel_job(uow, job.id)
    assert counts(undo(admin_id, job)) == [50, 0, 0]
    assert digest() == before
    with unit_of_work(admin_id) as uow:
        replay_job(uow, job.id)
    run_jobs()
    assert find_job(job.id).state == "failed"
    assert digest() == before


def test_an_undo_that_was_stopped_goes_on_where_it_ended(
    admin_id, make_person, import_rows, tmp_path, digest, undo, unit_of_work, run_jobs, find_job,
    monkeypatch,
):  # fmt: skip
    """… with the rights of whoever asks now, not of who began it."""
    from core.work.jobs import cancel_job

    monkeypatch.setattr("core.exchange.undo.CHUNK", 10)
    owner = make_person("小李", roles=["own"])
    before = digest()
    lines = [f"公司{n}厂,{13800000000 + n}" for n in range(40)]
    job = import_rows(owner, table(tmp_path, "company,mobile", *lines))
    with unit_of_work(admin_id) as uow:
        undo_id = start_undo(uow, job.id)
    with planned_fault("audit.before_insert:raise:3"):
        run_jobs()
    halfway = find_job(undo_id)
    assert (halfway.state, halfway.result["removed"]) == ("queued", 20)
    with unit_of_work(admin_id) as uow:
        assert cancel_job(uow, undo_id)
        # Begun in somebody's name by an administrator, who has no part in it any more.
        begun = update(job_table).where(job_table.c.id == undo_id)
        uow.execute(begun.values(behind_id=admin_id))
    with unit_of_work(owner, write=False) as uow:
        foreseen = rehearse(uow, job.id)
        assert (foreseen.removed, foreseen.kept) == (20, {})
        assert past_imports(uow)[0][0].may_undo
    undone = undo(owner, job)
    assert (undone.id, undone.actor_id, undone.behind_id) == (undo_id, owner, None)
    assert counts(undone) == [40, 0, 0]
    assert digest() == before


def test_an_edit_at_the_same_instant_is_not_lost(
    admin_id, import_rows, tmp_path, unit_of_work, run_jobs, find_job, monkeypatch, runtime
):
    """Who writes a record while its chunk is looked at comes before or after, never in between."""
    import core.exchange.undo as undoing

    job = import_rows(admin_id, table(tmp_path, "company", "甲公司", "乙公司"))
    with unit_of_work(admin_id) as uow:
        undo_id = start_undo(uow, job.id)
    plain, edits = undoing.judge, []

    def edit():
        try:
            with unit_of_work(admin_id) as uow:
                if not runtime.database.is_sqlite:
                    uow.execute(text("SET LOCAL lock_timeout = '300ms'"))
                service.update(uow, "prospect", {1: {"note": "dazwischen"}})
            edits.append("written")
        except DBAPIError:
            edits.append("waited")

    def judge(*arguments):
        found = plain(*arguments)
        if not edits and not runtime.database.is_sqlite:
            edit()  # SQLite has one writer at a time: it would wait for this very transaction
        return found

    monkeypatch.setattr(undoing, "judge", judge)
    run_jobs()
    assert edits == ([] if runtime.database.is_sqlite else ["waited"])
    assert counts(find_job(undo_id)) == [2, 0, 0]


def test_twice_is_refused(admin_id, import_rows, tmp_path, undo, unit_of_work):
    job = import_rows(admin_id, table(tmp_path, "company", "甲公司"))
    with unit_of_work(admin_id) as uow:
        start_undo(uow, job.id)
    with pytest.raises(Refused, match="正在撤销"), unit_of_work(admin_id) as uow:
        start_undo(uow, job.id)
    with pytest.raises(Refused):
        undo(admin_id, job)


def test_an_undone_import_is_not_undone_again_and_can_be_imported_again(
    admin_id, import_rows, tmp_path, undo, unit_of_work, all_rows
):
    path = table(tmp_path, "company,mobile", "甲公司,13800001111", "乙公司,13800002222")
    job = import_rows(admin_id, path)
    assert counts(undo(admin_id, job)) == [2, 0, 0]
    with pytest.raises(Refused, match="已撤销"), unit_of_work(admin_id, write=False) as uow:
        rehearse(uow, job.id)
    with pytest.raises(Refused, match="已撤销"):
        undo(admin_id, job)
    again = import_rows(admin_id, path)
    assert again.result["created"] == 2, "what is in the recycle bin is no duplicate"
    assert len(all_rows()) == 2
    with unit_of_work(admin_id, write=False) as uow:
        shown, _next = past_imports(uow, "prospect")
    assert [each.may_undo for each in shown] == [True, False]
    assert shown[1].undo_counts == {"removed": 2, "restored": 0, "kept": 0}
    assert shown[0].filename == "list.csv"


def test_whose_import_it_is_decides(
    admin_id, make_person, import_rows, tmp_path, undo, unit_of_work
):
    """Another person's import is not there; an administrator may undo any; a right is needed."""
    owner = make_person("小李", roles=["own"])
    other = make_person("小赵", roles=["own"])
    path = table(tmp_path, "company,mobile", "甲公司,13800001111")
    job = import_rows(owner, path)
    for call in (rehearse, start_undo):
        with pytest.raises(NotFound), unit_of_work(other) as uow:
            call(uow, job.id)
    with unit_of_work(other, write=False) as uow:
        assert past_imports(uow, everyone=True) == ([], None)
    with unit_of_work(admin_id, write=False) as uow:
        assert past_imports(uow)[0] == []
        assert [each.who for each in past_imports(uow, everyone=True)[0]] == ["小李"]
    with unit_of_work() as uow:
        roles = uow.entity("role")
        typist = uow.execute(select(roles.table.c.id).filter_by(name="typist")).scalars().first()
        service.update(uow, "user", {owner: {"roles": [typist]}})
    with pytest.raises(Forbidden), unit_of_work(owner) as uow:
        start_undo(uow, job.id)
    with unit_of_work(owner, write=False) as uow:
        assert past_imports(uow) == ([], None)
    assert counts(undo(admin_id, job)) == [1, 0, 0]


def test_the_rights_of_who_undoes(
    admin_id, make_person, import_rows, tmp_path, undo, unit_of_work, report_rows, all_rows
):
    """What the importer no longer reaches stays; the report is refused once the right is gone (Z8)."""
    owner = make_person("小李", roles=["own"])
    path = table(tmp_path, "company,mobile", "甲公司,13800001111", "乙公司,13800002222")
    job = import_rows(owner, path)
    first, _second = all_rows()
    with unit_of_work() as uow:
        # Handed over without a trace of its own: only the reach is different.
        prospects = uow.entity("prospect")
        uow.execute(
            prospects.table.update()
            .where(prospects.table.c.id == first["id"])
            .values({prospects["owner"].column: admin_id})
        )
    undone = undo(owner, job)
    assert counts(undone) == [1, 0, 1]
    (cells,) = report_rows(owner, undone.result["report"])
    assert cells[0] == first["id"]
    with unit_of_work() as uow:
        roles = uow.entity("role")
        typist = uow.execute(select(roles.table.c.id).filter_by(name="typist")).scalars().first()
        service.update(uow, "user", {owner: {"roles": [typist]}})
    with pytest.raises(NotFound):
        report_rows(owner, undone.result["report"])


def test_a_rule_that_refuses_keeps_its_record_alone(
    admin_id, import_rows, tmp_path, undo, unit_of_work, report_rows, all_rows
):
    """An old value that is no longer taken is no reason to leave the others."""
    head = "company,mobile,industry"
    old = [f"公司{n}厂,{13800000000 + n},旧" for n in range(5)]
    import_rows(admin_id, table(tmp_path, head, *old))
    with unit_of_work() as uow:
        prospects = uow.entity("prospect").table
        third = all_rows()[2]["id"]
        uow.execute(prospects.update().where(prospects.c.id == third).values(industry="禁止"))
    new = [f"公司{n}厂,{13800000000 + n},新" for n in range(5)]
    job = import_rows(admin_id, table(tmp_path, head, *new), policy="update")
    undone = undo(admin_id, job)
    assert counts(undone) == [0, 4, 1]
    assert [row["industry"] for row in all_rows()] == ["旧", "旧", "新", "旧", "旧"]
    (cells,) = report_rows(admin_id, undone.result["report"])
    assert (cells[0], cells[3]) == (third, "This industry is not served.")


def test_nothing_to_undo_is_said(admin_id, import_rows, tmp_path, unit_of_work):
    path = table(tmp_path, "company,email", "甲公司,不是邮箱")
    job = import_rows(admin_id, path)
    assert job.result["refused"] == 1
    with pytest.raises(Refused, match="没有任何更改"), unit_of_work(admin_id) as uow:
        start_undo(uow, job.id)
