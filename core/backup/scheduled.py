"""Backups by the clock: made daily, checked, and kept for as long as the settings say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, delete, insert, select, update

from core.audit.recorder import record_act
from core.backup.tables import backup_table
from core.backup.writing import verify_backup, write_backup
from core.errors import NotFound, Refused
from core.fields import Boolean, FieldSpec, Integer, Secret, Text
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.plugins.contributions import Job, Schedule, SettingsGroup
from core.settings.service import get_secret, get_setting

if TYPE_CHECKING:
    from core.work.jobs import JobContext
    from core.work.uow import UnitOfWork

__all__ = [
    "BACKUP",
    "BACKUPS",
    "BACKUPS_MADE",
    "CHECK_BACKUP",
    "GROUP",
    "LATE_AFTER",
    "OVERDUE_AFTER",
    "backup_file",
    "find_backups",
    "is_overdue",
    "kept",
    "lacks_backup",
    "newest_backup",
]

#: The newest backup is older than this: somebody should look, also where none are made daily.
OVERDUE_AFTER = timedelta(days=2)
#: The day's backup has been due for so long and is not there.
LATE_AFTER = timedelta(hours=1)
GROUP = "core_backup"


def _kept(name: str, label: Any, default: int) -> FieldSpec:
    return FieldSpec(name, Integer(minimum=0, maximum=400), label, default=default, required=True)


BACKUPS = SettingsGroup(
    GROUP,
    _l("Backups"),
    (
        FieldSpec("daily", Boolean(), _l("Back up every day"), default=False),
        FieldSpec(
            "hour",
            Integer(minimum=0, maximum=23),
            _l("At the hour"),
            help=_l("From 0 to 23, in the time of the company."),
            default=2,
            required=True,
        ),
        FieldSpec(
            "folder",
            Text(1000),
            _l("Folder"),
            help=_l(
                "On the server. Empty: backups in the home. A copy on another machine is wise."
            ),
        ),
        _kept("keep_days", _l("Keep the last of so many days"), 7),
        _kept("keep_weeks", _l("Keep the last of so many weeks"), 4),
        _kept("keep_months", _l("Keep the last of so many months"), 12),
        FieldSpec(
            "passphrase",
            Secret(),
            _l("Passphrase"),
            help=_l("Encrypts the backups. Without it nobody can restore them: keep a copy."),
        ),
    ),
)


def make_backup(context: JobContext, scheduled: bool = False) -> dict[str, Any]:
    """Make one, check it, and drop those that are no longer to be kept.

    ``scheduled``: only when the day's is due and there is none yet.
    """
    runtime = context.runtime
    # A copy of our settings names our folder: what lies there is not a workspace's to keep or drop.
    is_ours = runtime.config.workspace is None
    with context.unit_of_work(write=False) as uow:
        now, zone = uow.now(), runtime.clock.timezone
        if scheduled and not (is_ours and is_due(uow, now, zone)):
            return {"due": False}
        chosen = get_setting(uow, GROUP, "folder") if is_ours else None
        folder = Path(chosen or runtime.config.home / "backups")
        passphrase = get_secret(uow, GROUP, "passphrase")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"dougong-{now.astimezone(zone):%Y%m%d-%H%M%S}-{context.job_id}.backup"
    done = write_backup(runtime, folder / name, passphrase=passphrase, tell=context.progress)
    with context.unit_of_work() as uow:
        values = {
            "name": name,
            "folder": str(folder),
            "made_at": now,
            "size": done.size,
            "row_count": done.rows,
            "file_count": done.files,
            "encrypted": passphrase is not None,
            "verified_at": uow.now(),
        }
        uow.execute(insert(backup_table).values(values))
        dropped = _drop_old(uow, zone)
        record_act(uow, "backup", details={"name": name, "size": done.size, "dropped": dropped})
    return {"name": name, "size": done.size, "dropped": dropped}


BACKUP = Job(
    "core.backup",
    make_backup,
    title=_l("Back up"),
    max_attempts=3,
    limit=1,
    time_limit=timedelta(hours=6),
)
#: Looks whether the day's backup is due: its hour is a setting.
BACKUPS_MADE = Schedule(
    "backup", BACKUP.name, every=timedelta(minutes=30), arguments={"scheduled": True}
)


def is_due(uow: UnitOfWork, now: datetime, zone: ZoneInfo) -> bool:
    """Whether the moment of today's backup has passed without one."""
    newest = newest_backup(uow)
    return lacks_backup(uow.snapshot.settings[GROUP], newest and newest.made_at, now, zone)


def lacks_backup(
    settings: Mapping[str, Any], newest: datetime | None, now: datetime, zone: ZoneInfo
) -> bool:
    """Whether backups are made daily and there is none since the moment that was last due."""
    moment = _last_moment(settings["hour"], now, zone)
    return bool(settings["daily"]) and (newest is None or newest < moment)


def _last_moment(hour: int, now: datetime, zone: ZoneInfo) -> datetime:
    day = now.astimezone(zone).date()
    moment = datetime.combine(day, time(hour), zone)
    if (
        moment.astimezone(UTC) > now
    ):  # by the calendar: days in which the clock is changed are shorter, or longer
        moment = datetime.combine(day - timedelta(days=1), time(hour), zone)
    return moment.astimezone(UTC)


def newest_backup(uow: UnitOfWork) -> Row[Any] | None:
    """The newest one that is known to be whole."""
    table = backup_table
    whole = select(table).where(table.c.problem.is_(None))
    return uow.execute(whole.order_by(table.c.made_at.desc(), table.c.id.desc())).first()


def is_overdue(uow: UnitOfWork) -> bool:
    """Whether the day's backup should have been there by now."""
    return is_due(uow, uow.now() - LATE_AFTER, uow.runtime.clock.timezone)


def find_backups(uow: UnitOfWork) -> list[Row[Any]]:
    """All that are kept, newest first."""
    table = backup_table
    return list(uow.execute(select(table).order_by(table.c.made_at.desc(), table.c.id.desc())))


def backup_file(uow: UnitOfWork, key: int) -> Path:
    """The file of a backup. Raises `NotFound`, also where it lies on another server."""
    row = uow.execute(select(backup_table).where(backup_table.c.id == key)).one_or_none()
    if row is None:
        raise NotFound(_("There is no such backup."))
    path: Path = Path(row.folder) / row.name
    if not path.is_file():
        raise NotFound(_("The file is not on this server: %(path)s", path=str(path)))
    return path


def check_backup(context: JobContext, key: int) -> dict[str, Any]:
    """Read a backup again and note whether it is still whole."""
    with context.unit_of_work(write=False) as uow:
        path, passphrase = backup_file(uow, key), get_secret(uow, GROUP, "passphrase")
    problem = None
    try:
        verify_backup(path, passphrase)
    except Refused as error:
        problem = error.message[:500]
    with context.unit_of_work() as uow:
        values = {"problem": problem} | ({} if problem else {"verified_at": uow.now()})
        uow.execute(update(backup_table).where(backup_table.c.id == key).values(values))
    return {"problem": problem}


CHECK_BACKUP = Job("core.check_backup", check_backup, title=_l("Check a backup"), limit=1)


def kept(
    moments: Iterable[tuple[int, datetime]], zone: ZoneInfo, *, days: int, weeks: int, months: int
) -> set[int]:
    """Which of the backups (id, when) stay: the newest of each of the last days, weeks and months
    that have one, and always the newest of all."""
    newest = sorted(moments, key=lambda each: each[1], reverse=True)
    chosen = {newest[0][0]} if newest else set()
    for period, count in ((_day, days), (_week, weeks), (_month, months)):
        last: dict[Any, int] = {}
        for key, moment in newest:
            last.setdefault(period(moment.astimezone(zone).date()), key)
        chosen |= set(list(last.values())[:count])
    return chosen


def _day(day: date) -> Any:
    return day


def _week(day: date) -> Any:
    return day.isocalendar()[:2]


def _month(day: date) -> Any:
    return day.year, day.month


def _drop_old(uow: UnitOfWork, zone: ZoneInfo) -> int:
    rows = find_backups(uow)
    staying = kept(
        [(row.id, row.made_at) for row in rows if row.problem is None],
        zone,
        days=get_setting(uow, GROUP, "keep_days"),
        weeks=get_setting(uow, GROUP, "keep_weeks"),
        months=get_setting(uow, GROUP, "keep_months"),
    )
    dropped = [row for row in rows if row.id not in staying and row.problem is None]
    for row in dropped:
        uow.execute(delete(backup_table).where(backup_table.c.id == row.id))
        (Path(row.folder) / row.name).unlink(missing_ok=True)
    return len(dropped)
