"""The sample plugin, dirty lists with the truth about them, and a way to import a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.entities import query
from core.entities.query import ListQuery
from core.exchange.jobs import start_import
from core.files.service import store_upload
from core.work.tables import job_table

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT.parent / "shared" / "tools" / "dirty_leads.py"


@pytest.fixture(scope="session")
def dougong_plugins():
    return ("exchange_sample",)


@pytest.fixture(scope="session")
def dougong_plugin_folders():
    return (ROOT / "tests" / "plugins",)


@pytest.fixture(scope="session")
def dirty_leads(tmp_path_factory):
    """``dirty_leads(name, rows, encoding=None) -> (path, truth)``"""
    if not SCRIPT.exists():
        pytest.skip("needs ../shared/tools/dirty_leads.py beside the repository")
    folder = tmp_path_factory.mktemp("dirty")

    def make(name, rows, *, encoding="utf-8-sig", seed=7):
        path = folder / name
        if not path.exists():
            command = [sys.executable, str(SCRIPT), str(path), "--rows", str(rows)]
            command += ["--seed", str(seed), "--encoding", encoding]
            subprocess.run(command, check=True, capture_output=True)
        return path, json.loads(path.with_suffix(".truth.json").read_text(encoding="utf-8"))

    return make


@pytest.fixture
def find_job(runtime):
    """``find_job(id) -> the job's row``"""

    def find(job_id):
        with runtime.read_connection() as connection:
            return connection.execute(job_table.select().where(job_table.c.id == job_id)).one()

    return find


@pytest.fixture
def import_rows(unit_of_work, run_jobs, find_job):
    """``import_rows(person, path, entity="prospect", **options) -> the job's row``"""

    def run(person, path, entity="prospect", **options):
        with unit_of_work(person) as uow:
            with path.open("rb") as file:
                file_id = store_upload(uow, file, path.name, max_bytes=50_000_000)
            job_id = start_import(uow, entity, file_id, **options)
        run_jobs()
        return find_job(job_id)

    return run


@pytest.fixture
def all_rows(unit_of_work):
    """``all_rows(entity="prospect") -> rows``, as the system sees them, by id."""

    def read(entity="prospect"):
        with unit_of_work(write=False) as uow:
            pages = query.stream(uow, entity, ListQuery(sort="id"))
            return [row for page in pages for row in page.items]

    return read
