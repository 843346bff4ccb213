"""The disk of PostgreSQL is full: writes are refused, nothing is half, and it recovers by itself."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from contextlib import suppress

import pytest
from sqlalchemy import select

from core.ops.doctor import examine

PATH = "/api/v1/records/department"
#: What a name may hold, so that the tables grow quickly.
LONG = "full " * 10


@pytest.fixture
def cluster_folder(cluster_folder, mounted):
    """The cluster's own small disk."""
    with mounted(cluster_folder, "400m"):
        yield cluster_folder


@pytest.fixture
def runtime(on_cluster):
    return on_cluster


def _fill(folder):
    """Take all the room there is; the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        for block in (1 << 20, 4096):
            with suppress(OSError):
                while file.write(b"\0" * block):
                    pass
    return filler


@pytest.mark.long
def test_a_full_disk_refuses_writes_and_recovers(
    cluster_folder, runtime, site, client, bearer, admin_id
):
    """B5: 201 or 503 with a hint alone; reading goes on; healthy at most 30 s after there is room."""
    headers = bearer(admin_id)
    made: dict[int, str] = {}

    def write(number: int) -> int:
        name = f"{LONG}{number}"
        more = {"Idempotency-Key": f"n{number}"}
        answer = client.post(PATH, json={"name": name}, headers=headers | more)
        if answer.status_code == 201:
            made[answer.json["id"]] = name
        else:
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "2"), (
                answer.text
            )
        return answer.status_code

    assert [write(number) for number in range(5)] == [201] * 5
    filler = _fill(cluster_folder)
    assert shutil.disk_usage(cluster_folder).free == 0
    answers, read = Counter(), Counter()
    for number in range(5, 5_000):
        answers[write(number)] += 1
        if answers[503] % 5 == 1:
            read[client.get(f"{PATH}?limit=1", headers=headers).status_code] += 1
        if answers[503] >= 20:
            break
    assert answers[503] >= 20, answers
    assert set(answers) <= {201, 503}
    assert set(read) == {200}
    filler.unlink()
    begun = time.monotonic()
    site.wait_until(lambda: write(9_999) == 201, 30, "a write after there was room")
    print(f"{dict(answers)}; healthy {time.monotonic() - begun:.1f} s after there was room")
    with site.unit_of_work(write=False) as uow:
        table = uow.entity("department").table
        kept = select(table.c.id, table.c.name).where(table.c.name.startswith("full"))
        assert {row.id: row.name for row in uow.execute(kept)} == made
    assert [each for each in examine(site.runtime) if each.state == "problem"] == []
