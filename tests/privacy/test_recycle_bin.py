"""The recycle bin: what is in it goes for good when it may, and says so where it is in the way."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from core.cli.main import dougong
from core.customize.ruling import set_rules
from core.db.base import metadata
from core.entities import purging, query, service
from core.entities.purging import EMPTY_BINS, purge
from core.entities.query import ListQuery
from core.errors import Forbidden, Invalid, NotFound
from core.files.cleaning import CLEAN_UPLOADS
from core.files.service import attach, open_file, store_upload
from core.settings.service import put_settings
from core.testing.installation import PASSWORD

#: The long tier asks PostgreSQL as well.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

PARTS = [{"title": "件", "amount": "1"}, {"title": "二", "amount": "2"}]


@pytest.fixture
def make(unit_of_work, admin_id):
    """``make({…}, …) -> ids`` of specimens"""

    def create(*items):
        with unit_of_work(admin_id) as uow:
            return service.create(uow, "specimen", [{"name": "甲", **item} for item in items])

    return create


@pytest.fixture
def bin_(unit_of_work, admin_id):
    """``bin_(ids)`` puts them into the recycle bin."""

    def archive(ids):
        with unit_of_work(admin_id) as uow:
            service.delete(uow, "specimen", ids)

    return archive


@pytest.fixture
def kept(runtime):
    """``kept() -> (ids of specimens, how many lines)``, in the bin or not."""

    def count():
        specimens, parts = (
            metadata.tables[f"dummy_plugin_{name}"] for name in ("specimen", "specimen_part")
        )
        with runtime.read_connection() as connection:
            ids = connection.execute(select(specimens.c.id)).scalars().all()
            lines = connection.execute(select(func.count()).select_from(parts)).scalar_one()
        return set(ids), lines

    return count


def test_a_record_goes_with_all_that_is_its_own(
    make, bin_, kept, unit_of_work, admin_id, run_jobs, runtime
):
    """Lines, links, shares, drafts and files; the trail says who did it, and an event that it was."""
    one, other = make({"parts": PARTS}, {})
    before = list(runtime.storage.iter_keys())
    with unit_of_work(admin_id) as uow:
        service.update(uow, "specimen", {one: {"relatives": [other]}})
        file = store_upload(uow, io.BytesIO(b"text"), "a.txt")
        attach(uow, file, "specimen", one)
    bin_([one])
    with unit_of_work(admin_id) as uow:
        assert purge(uow, "specimen", [one]) == [one]
    assert kept() == ({other}, 0)
    with unit_of_work(admin_id) as uow:
        with pytest.raises(NotFound):
            open_file(uow, file)
        acts = ListQuery(filter={"field": "action", "op": "eq", "value": "purge"})
        told = query.page(uow, "audit_entry", acts).items
        assert sorted(each["entity"] for each in told) == ["specimen", *["specimen_part"] * 2]
        assert {each["actor"] for each in told} == {admin_id}
        seen = ListQuery(filter={"field": "type", "op": "eq", "value": "core.RecordsPurged"})
        assert [each["payload"]["ids"] for each in query.page(uow, "event", seen).items] == [[one]]
    runtime.clock.move(timedelta(days=2))
    with unit_of_work() as uow:
        uow.enqueue(CLEAN_UPLOADS.name, {})
    run_jobs()
    assert list(runtime.storage.iter_keys()) == before


@pytest.mark.parametrize("by", ["reference", "link"])
def test_what_others_name_stays_until_they_do_not(make, bin_, kept, unit_of_work, admin_id, by):
    """Nothing changes behind the back of a record: not even what the database would clear."""
    (named,) = make({"parts": PARTS})
    given = {"origin": named} if by == "reference" else {"relatives": [named]}
    (naming,) = make(given)
    bin_([named])
    with unit_of_work(admin_id) as uow:
        assert purge(uow, "specimen", [named]) == []
    assert kept() == ({named, naming}, 2)
    bin_([naming])
    with unit_of_work(admin_id) as uow:
        assert sorted(purge(uow, "specimen", [named, naming])) == [named, naming]
    assert kept() == (set(), 0)


def test_without_the_question_the_other_record_would_change(
    make, bin_, unit_of_work, admin_id, monkeypatch
):
    """Positive control: the database itself lets it go, and empties the field."""
    (named,) = make({})
    (naming,) = make({"origin": named})
    bin_([named])
    monkeypatch.setattr(purging, "_named", lambda *_given: set())
    with unit_of_work(admin_id) as uow:
        assert purge(uow, "specimen", [named]) == [named]
    with unit_of_work(admin_id, write=False) as uow:
        assert query.get(uow, "specimen", naming).values["origin"] is None


def test_the_setting_empties_the_bins_in_time(
    make, bin_, kept, unit_of_work, admin_id, run_jobs, runtime
):
    """Nothing goes without it; then what is older, and in the order in which it can."""
    (named,) = make({"parts": PARTS})
    (naming,) = make({"origin": named})
    (later,) = make({})
    bin_([named, naming])

    def run():
        with unit_of_work() as uow:
            uow.enqueue(EMPTY_BINS.name, {})
        run_jobs()
        return kept()[0]

    runtime.clock.move(timedelta(days=31))
    bin_([later])
    assert run() == {named, naming, later}
    with unit_of_work(admin_id) as uow:
        put_settings(uow, "core_bin", {"keep_days": 30})
    assert run() == {later}


def test_comments_and_files_that_were_taken_away_go_in_time_too(
    make, unit_of_work, admin_id, run_jobs, runtime
):
    """Their record is still there; what is as old and was not taken away stays."""
    from core.comments.service import add_comment, delete_comment
    from core.files.service import take_away

    (key,) = make({})
    before = set(runtime.storage.iter_keys())
    with unit_of_work(admin_id) as uow:
        put_settings(uow, "core_bin", {"keep_days": 30})
        files = [store_upload(uow, io.BytesIO(each), "a.txt") for each in (b"kept", b"gone")]
        for file in files:
            attach(uow, file, "specimen", key)
        take_away(uow, files[1])
        kept_comment, gone = (add_comment(uow, "specimen", key, text) for text in ("Kept", "Gone"))
        delete_comment(uow, gone)
        tables = [uow.snapshot.installed_entities[name].table for name in ("comment", "file")]

    def there():
        with unit_of_work(admin_id) as uow:
            uow.enqueue(EMPTY_BINS.name, {})
        run_jobs()
        with unit_of_work(admin_id) as uow:
            uow.enqueue(CLEAN_UPLOADS.name, {})
        run_jobs()
        with unit_of_work(write=False) as uow:
            return [sorted(uow.execute(select(table.c.id)).scalars()) for table in tables]

    runtime.clock.move(timedelta(days=29))
    assert there() == [[kept_comment, gone], files]
    runtime.clock.move(timedelta(days=2))
    assert there() == [[kept_comment], files[:1]]
    assert len(set(runtime.storage.iter_keys()) - before) == 1


@pytest.mark.databases("sqlite")
def test_the_command_empties_a_bin(make, bin_, kept, runtime, monkeypatch):
    """What is old enough, of the records that are named; it asks first."""
    config = runtime.config
    monkeypatch.setenv("DOUGONG_HOME", str(config.home))
    monkeypatch.setenv("DOUGONG_DATABASE_URL", str(config.database_url))
    monkeypatch.setenv("DOUGONG_SECRET_KEY", config.secret_key)
    monkeypatch.setenv("DOUGONG_PLUGINS_PATH", ":".join(map(str, config.plugin_folders)))
    gone, alive = make({}, {})
    bin_([gone])

    def run(*arguments, text=""):
        done = CliRunner().invoke(dougong, ["purge", *arguments], input=text)
        return done.exit_code, done.stdout

    assert run("--older-than", "0", text="n\n")[0] != 0
    assert run("--older-than", "0", "--entity", "user", "--yes")[0] != 0
    assert run("--older-than", "1", "--yes", "--json") == (0, '{"purged": 0}\n')
    assert kept()[0] == {gone, alive}
    named = ("--entity", "specimen", "--yes", "--json")
    assert run("--older-than", "0", *named) == (0, '{"purged": 1}\n')
    assert kept()[0] == {alive}


def test_who_may(make, bin_, kept, unit_of_work, admin_id, make_person, client, bearer, sign_in):
    """Administrators, not behind a limited token; people and roles go never."""
    one, two, three, alive = make({}, {}, {}, {})
    bin_([one, two, three])
    person = make_person("阅", roles=("viewer",), password=PASSWORD)
    with pytest.raises(Forbidden), unit_of_work(person) as uow:
        purge(uow, "specimen", [one])
    with unit_of_work(admin_id) as uow:
        for entity in ("user", "role", "department"):
            with pytest.raises(Forbidden):
                purge(uow, entity, [1])
        with pytest.raises(NotFound):
            purge(uow, "specimen", [alive])
    path = f"/api/v1/records/specimen/{one}/purge"
    assert client.post(path, headers=bearer(person)).status_code == 403
    assert client.post(path, headers=bearer(admin_id, ["*.read"])).status_code == 403
    assert kept()[0] == {one, two, three, alive}
    assert client.post(path, headers=bearer(admin_id)).status_code == 204
    browser = sign_in()
    page = browser.get("/r/specimen/bin").get_data(as_text=True)
    assert 'formaction="/r/specimen/purge"' in page
    data = {"ids": str(two), "csrf_token": browser.csrf, "back": "/r/specimen/bin"}
    assert browser.post("/r/specimen/purge", data=data).status_code == 200
    assert kept()[0] == {two, three, alive}
    assert browser.post("/r/specimen/purge", data={**data, "confirmed": "1"}).status_code == 303
    assert kept()[0] == {three, alive}


def test_a_value_taken_by_a_deleted_record_says_so(make, bin_, unit_of_work, admin_id, make_person):
    """To who may look into the bin; others are told no more than that it is taken."""
    with unit_of_work(admin_id) as uow:
        set_rules(uow, "specimen", "name", {"unique": True})
        grants = {"specimen": {"read": "all", "create": "all"}}
        service.create(uow, "role", [{"name": "maker", "title": "M", "grants": grants}])
    (gone,) = make({"name": "独"})
    bin_([gone])
    told = {}
    for who in (admin_id, make_person("作", roles=("maker",))):
        with pytest.raises(Invalid) as refused, unit_of_work(who) as uow:
            service.create(uow, "specimen", [{"name": "独"}])
        (problem,) = refused.value.problems
        assert (problem.field, problem.code) == ("name", "taken")
        told[who] = problem.message
    assert [f"#{gone}" in message for message in told.values()] == [True, False]
    with pytest.raises(Invalid) as refused, unit_of_work(list(told)[1]) as uow, uow.elevated():
        service.create(uow, "specimen", [{"name": "独"}])  # as a rule that writes for that person
    assert f"#{gone}" not in refused.value.problems[0].message
    with unit_of_work(admin_id) as uow:
        purge(uow, "specimen", [gone])
        service.create(uow, "specimen", [{"name": "独"}])
