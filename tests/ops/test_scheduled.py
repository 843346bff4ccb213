"""Backups by the clock, their page and REST, and what administrators are told of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core.backup.scheduled import GROUP, find_backups, is_overdue, kept, lacks_backup
from core.backup.writing import verify_backup
from core.ops.doctor import examine
from core.settings.service import put_settings

ZONE = ZoneInfo("Asia/Shanghai")


def test_the_newest_of_days_weeks_and_months_stay():
    """S-224: a year of daily backups leaves 7 days, 4 weeks and 3 months, and never nothing."""
    last = datetime(2026, 12, 31, 2, tzinfo=UTC)
    moments = [(n, last - timedelta(days=n)) for n in range(365)]
    stay = kept(moments, ZONE, days=7, weeks=4, months=3)
    assert stay >= set(range(7))
    days = sorted((last - timedelta(days=n)).astimezone(ZONE).date() for n in stay)
    assert [str(each) for each in days][:3] == ["2026-10-31", "2026-11-30", "2026-12-13"]
    assert len(stay) == 7 + 2 + 2
    assert kept(moments, ZONE, days=0, weeks=0, months=0) == {0}
    assert kept([], ZONE, days=1, weeks=1, months=1) == set()


@pytest.mark.parametrize("changed", ["2026-03-29", "2026-10-25"])
def test_the_day_on_which_the_clock_is_changed_has_one_backup(changed):
    """In Berlin: what was made when it was due is what was due, all night and the next."""
    zone = ZoneInfo("Europe/Berlin")
    day = datetime.combine(date.fromisoformat(changed), time(1), zone)
    made = day.astimezone(UTC) + timedelta(minutes=5)
    settings = {"daily": True, "hour": 1}
    due = datetime.combine(day.date() + timedelta(days=1), time(1), zone).astimezone(UTC)
    before = [made + timedelta(minutes=30 * n) for n in range(60)]
    assert not any(lacks_backup(settings, made, at, zone) for at in before if at < due)
    assert lacks_backup(settings, made, due, zone)


@pytest.mark.databases("sqlite", later=("postgresql",))
def test_backups_are_made_checked_dropped_and_missed_by_the_clock(
    runtime, unit_of_work, run_jobs, tmp_path
):
    """Q3, S-224: daily at its time, once; old files go; damage and silence are told."""
    # At noon, whenever it runs: of two backups of one day the later stays.
    tomorrow = runtime.clock.now().astimezone(ZONE).date() + timedelta(days=1)
    runtime.clock.move(datetime.combine(tomorrow, time(12), ZONE) - runtime.clock.now())
    settings = {"daily": True, "hour": 2, "folder": str(tmp_path / "kept")}
    with unit_of_work() as uow:
        put_settings(uow, GROUP, settings | {"keep_days": 2, "keep_weeks": 0, "keep_months": 0})
        uow.enqueue("core.backup", {"scheduled": True})
    run_jobs()
    for _day in range(3):
        with unit_of_work() as uow:
            uow.enqueue("core.backup", {"scheduled": True})
            uow.enqueue("core.backup", {"scheduled": True})
        run_jobs()
        runtime.clock.move(timedelta(days=1))
    with unit_of_work(write=False) as uow:
        rows = find_backups(uow)
    assert len(rows) == 2, "one a day, the oldest is dropped"
    names = {row.name for row in rows}
    assert {path.name for path in (tmp_path / "kept").iterdir()} == names
    assert verify_backup(tmp_path / "kept" / rows[0].name).tables
    last = rows[0].made_at.astimezone(ZONE)
    due = datetime.combine(last + timedelta(days=last.hour >= 2), time(2), ZONE)
    for minutes, late in ((-1, False), (59, False), (61, True)):
        runtime.clock.move(due - runtime.clock.now() + timedelta(minutes=minutes))
        with unit_of_work(write=False) as uow:
            assert is_overdue(uow) is late, "an hour after it was due, and not before"
    assert {e.check: e.state for e in examine(runtime)}["backups"] == "warning"
    damaged = Path(rows[0].folder) / rows[0].name
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with unit_of_work() as uow:
        uow.enqueue("core.check_backup", {"key": rows[0].id})
    run_jobs()
    found = [each for each in examine(runtime) if each.check == "backups"]
    assert [damaged.name in each.detail for each in found if each.state == "problem"] == [True]


@pytest.mark.databases("sqlite")
def test_the_page_is_for_administrators(
    runtime, unit_of_work, run_jobs, sign_in, make_person, bearer, admin_id, client
):
    """S-224: list, make now, check, download, each kept in the audit trail; nobody else may."""
    browser = sign_in()
    csrf = {"csrf_token": browser.csrf}
    assert browser.post("/admin/backups", data=csrf).status_code == 302
    run_jobs()
    with unit_of_work(write=False) as uow:
        (row,) = find_backups(uow)
    page = browser.get("/admin/backups").get_data(as_text=True)
    assert row.name in page
    answer = browser.get(f"/admin/backups/{row.id}/file")
    assert answer.data == (Path(row.folder) / row.name).read_bytes()
    assert row.name in browser.get("/admin/audit").get_data(as_text=True)
    assert browser.post(f"/admin/backups/{row.id}/check", data=csrf).status_code == 302
    headers = bearer(admin_id)
    items = client.get("/api/v1/backups", headers=headers).json["items"]
    assert [item["name"] for item in items] == [row.name]
    assert client.post("/api/v1/backups", headers=headers).status_code == 202
    (Path(row.folder) / row.name).unlink()
    assert browser.get(f"/admin/backups/{row.id}/file").status_code == 404
    make_person("员工", password="a long enough password")
    other = sign_in("person1@example.com", "a long enough password")
    token = bearer(make_person("程序"))
    for path in ("/admin/backups", f"/admin/backups/{row.id}/file"):
        assert other.get(path).status_code == 403
        assert client.get(path).status_code in (302, 401, 403)
    assert other.post("/admin/backups", data={"csrf_token": other.csrf}).status_code == 403
    assert client.get("/api/v1/backups", headers=token).status_code == 403
    assert client.post("/api/v1/backups", headers=token).status_code == 403
