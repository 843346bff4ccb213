#!/usr/bin/env python3
"""The restore drill at full size: back up, restore into an empty place, serve, compare, examine.

    tools/with_services.py .venv/bin/python benchmarks/drill.py [--rows 1000000] [--megabytes 500]
    … --sqlite | --keep FOLDER | --to sqlite

The leads are those of `benchmarks.search`, each with an entry in the audit trail that is sealed, and
files beside. The clock of a restore stops when a person who signs in has got the list of leads.
Then the restored installation is backed up itself: the digest of each table must be the same.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.search import BATCH, installation  # noqa: E402

MEGABYTE = 1 << 20
FILE = 2 * MEGABYTE


def main() -> None:
    """Fill, back up, restore, serve, examine, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=int, default=500, help="of files, 2 MB each")
    parser.add_argument("--sqlite", action="store_true")
    parser.add_argument(
        "--to", choices=("sqlite", "postgresql"), help="restore into the other kind"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--fill-only", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dougong-drill-")))
        here = installation(options.keep or temporary, options.rows, sqlite=options.sqlite)
        _add_history(here, options.rows)
        _add_files(here, options.megabytes)
        if options.fill_only:
            return
        kind = options.to or here.database.url.get_backend_name()
        drill(here, temporary, kind)


def drill(here: Any, folder: Path, kind: str) -> None:
    """A line for each step; stops with an error where something is not as it was."""
    from core.app import create_app
    from core.backup.writing import verify_backup, write_backup
    from core.ops.doctor import examine
    from core.ops.restore import restore_backup

    file = folder / "of-all"
    with told("backup, written and read again"):
        done = write_backup(here, file)
    print(f"  {done.rows:,} rows, {done.files:,} files, {done.size / MEGABYTE:,.0f} MB", flush=True)
    there = _empty(here, folder / "there", kind)
    with told(f"restore into {kind}, to the first page served"):
        restored = restore_backup(there, file)
        print(f"  of it {restored.seconds:.1f} s until the rows and files are there")
        browser = create_app(there).test_client()
        who = {"email": "bench@example.com", "password": "a roof of brackets"}
        assert browser.post("/sign-in", data=who).status_code == 302
        assert "有限公司" in browser.get("/r/lead").get_data(as_text=True)
    assert not _problems(restored.findings), restored.findings
    with told("doctor"):
        examine(there)
    with told("doctor, in full"):
        findings = examine(there, full=True)
    print("  " + "; ".join(f"{e.check}: {e.detail}" for e in findings if e.state != "ok"))
    assert not _problems(findings), findings
    write_backup(there, folder / "again")
    before, after = (verify_backup(folder / name) for name in ("of-all", "again"))
    changed = [name for name in before.tables if before.tables[name] != after.tables.get(name)]
    print(f"digests of {len(before.tables) - len(changed)} tables equal; others: {changed}")
    print(f"files equal: {before.files == after.files}")
    # What the restore and the sign-in add is all that may differ.
    added_to = {"core_audit_entry", "core_event", "core_session", "core_sign_in"}
    assert set(changed) <= added_to, changed
    assert before.files == after.files


def _problems(findings: Any) -> list[Any]:
    """What is wrong, but for work that waits: no worker runs here."""
    return [
        each
        for each in findings
        if each.state == "problem" and each.check not in ("jobs", "outbox")
    ]


@contextmanager
def told(what: str) -> Iterator[None]:
    """Print how long it took, and how much memory this process has had at most."""
    begin = time.perf_counter()
    yield
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.perf_counter() - begin:.1f} s, at most {most:,.0f} MB", flush=True)


def _empty(here: Any, home: Path, kind: str) -> Any:
    from benchmarks.run import database_url
    from core.boot import boot
    from core.config import Config

    url = f"sqlite:///{home}/dougong.db" if kind == "sqlite" else database_url("restored")
    chosen = {"DOUGONG_HOME": str(home), "DOUGONG_DATABASE_URL": url, "DOUGONG_REDIS_URL": ""}
    chosen["DOUGONG_SECRET_KEY"] = here.config.secret_key
    kept = {key: text for key, text in os.environ.items() if not key.startswith("DOUGONG_")}
    home.mkdir()
    anchors = here.config.home / "audit-anchors.jsonl"
    if anchors.exists():
        shutil.copy(anchors, home)
    return boot(Config.from_environment({**kept, **chosen}))


def _add_history(here: Any, rows: int) -> None:
    """An entry of the audit trail for each lead, sealed."""
    from sqlalchemy import func, select

    from core.audit.models import AuditEntry
    from core.audit.sealing import seal_pending
    from core.db.bulk import bulk_insert
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    names = ("entity", "record_id", "action", "actor_id", "at", "channel", "request_id", "changes")
    table: Any = AuditEntry.__table__
    with here.read_connection() as connection:
        there = connection.execute(select(func.count()).select_from(table)).scalar_one()
    if there >= rows:
        return
    with told(f"{rows:,} entries of history, sealed"):
        for start in range(0, rows, BATCH):
            with UnitOfWork(here, SYSTEM, origin=Origin("cli")) as uow:
                now = uow.now()
                made = [
                    ("lead", n + 1, "create", 1, now, "web", f"request-{n:012}",
                     {"company": [None, f"潍坊鸢衡{n}机械有限公司"], "status": [None, "new"],
                      "mobile": [None, f"13{n:09}"], "tags": [None, ["展会", "潍坊"]]})
                    for n in range(start, min(start + BATCH, rows))
                ]  # fmt: skip
                bulk_insert(uow.connection, table, names, made)
        seal_pending(here)


def _add_files(here: Any, megabytes: int) -> None:
    """Files of 2 MB that nothing can pack, attached to the first leads."""
    from sqlalchemy import func, select, update

    from core.files.models import StoredFileRecord
    from core.files.service import store_upload
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    table: Any = StoredFileRecord.__table__
    with here.read_connection() as connection:
        there = connection.execute(select(func.count()).select_from(table)).scalar_one()
    wanted = megabytes * MEGABYTE // FILE
    for number in range(there, wanted):
        with UnitOfWork(here, SYSTEM, origin=Origin("cli")) as uow:
            key = store_upload(uow, BytesIO(os.urandom(FILE)), f"附件{number}.bin")
            attached = {"entity": "lead", "record_id": number + 1}
            uow.execute(update(table).where(table.c.id == key).values(attached))


if __name__ == "__main__":
    main()
