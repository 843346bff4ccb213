"""What was said and done about somebody: found and erased with the record that it is about (V2, V3)."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from sqlalchemy import LargeBinary, Text, cast, select, text

from core.audit.redacting import REDACTED
from core.audit.sealing import seal_pending
from core.audit.verifying import verify
from core.comments.service import add_comment
from core.db.base import metadata
from core.files.service import attach, store_upload
from core.privacy.erasing import erase_person, keep_erasures
from core.privacy.exporting import write_person
from core.privacy.finding import find_person

pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

NAME, MOBILE, OTHER = "欧阳金丝雀", "13911112222", "13733334444"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture
def said(make_lead, team, write, give, unit_of_work, change):
    """A lead with a person, follow-ups and a task about it, and a number in a talk with another."""
    lead = make_lead(team.fu, contact_name=NAME, mobile=MOBILE)
    other = make_lead(team.fu, contact_name="旁人", mobile=OTHER)
    visit = write(team.fu, lead, content=f"与{NAME}谈过，电话 {MOBILE}")
    change(team.fu, "follow_up", visit, content=f"与{NAME}再谈，电话 {MOBILE}")
    elsewhere = write(team.fu, other, content=f"另问 {MOBILE}，姓{NAME[:2]}", party=MOBILE)
    task = give(team.fu, lead, title=f"回访{NAME}", description=f"找{NAME}")
    with unit_of_work(team.fu) as uow:
        add_comment(uow, "follow_up", visit, f"{NAME}说再等等")
        picture = store_upload(uow, io.BytesIO(PNG), f"{NAME}的名片.png")
        attach(uow, picture, "follow_up", visit)
    return {"lead": lead, "other": other, "visit": visit, "elsewhere": elsewhere, "task": task}


def _left(runtime, *words):
    """Where one of the words stands, in any column of any table of ours."""
    found = []
    with runtime.read_connection() as connection:
        for table in metadata.tables.values():
            if not connection.dialect.has_table(connection, table.name):
                continue
            for column in table.c:
                if isinstance(column.type, LargeBinary):
                    continue
                texts = select(cast(text(f'"{column.name}"'), Text)).select_from(table)
                for value in connection.execute(texts).scalars():
                    if any(word in str(value) for word in words):
                        found.append((table.name, column.name, value))
    return found


def test_an_export_brings_what_was_said_about_the_person(said, unit_of_work, admin_id):
    out = io.BytesIO()
    with unit_of_work(admin_id, write=False) as uow:
        write_person(uow, find_person(uow, "lead", said["lead"]), out)
    with zipfile.ZipFile(out) as archive:
        told = json.loads(archive.read("data.json"))
    where = {(each["table"], each["key"]["id"], each["column"]) for each in told["mentions"]}
    assert {
        ("activities_follow_up", said["visit"], "content"),
        ("activities_follow_up", said["elsewhere"], "content"),
        ("activities_follow_up", said["elsewhere"], "party"),
        ("activities_task", said["task"], "title"),
    } <= where
    assert [file["name"] for file in told["files"]] == [f"{NAME}的名片.png"]
    assert OTHER not in json.dumps(told)


def test_an_erasure_takes_it_out(said, runtime, unit_of_work, admin_id, read):
    assert {place[0] for place in _left(runtime, NAME, MOBILE)} >= {"activities_follow_up"}
    seal_pending(runtime)
    with unit_of_work(admin_id) as uow:
        erase_person(uow, find_person(uow, "lead", said["lead"]))
    keep_erasures(runtime)
    assert _left(runtime, NAME, MOBILE) == []
    assert read("follow_up", said["visit"])["content"] == f"与{REDACTED}再谈，电话 {REDACTED}"
    elsewhere = read("follow_up", said["elsewhere"])
    assert elsewhere["content"] == f"另问 {REDACTED}，姓{NAME[:2]}"
    assert read("task", said["task"])["title"] == f"回访{REDACTED}"
    assert read("lead", said["other"])["mobile"] == OTHER
    seal_pending(runtime)
    assert verify(runtime).holds
