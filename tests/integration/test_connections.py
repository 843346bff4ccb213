"""Pooled connections that the server has closed are replaced, unnoticed by whoever asks next."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import text

from core.db import liveness

pytestmark = pytest.mark.databases("postgresql")


def test_a_connection_that_the_server_ended_is_replaced(runtime: Any) -> None:
    database = runtime.database
    with database.connect(write=True) as other, other.begin():
        with database.connect(write=False) as connection:
            first = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        other.execute(text(f"SELECT pg_terminate_backend({int(first)})"))
        time.sleep(0.2)
        with database.connect(write=False) as connection:
            second = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    assert second != first


def test_a_living_connection_is_used_again_without_asking(
    runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = runtime.database
    asked = text("SELECT pg_backend_pid()")
    pids = []
    for idle in (liveness.ASK_AFTER, liveness.ASK_AFTER, 0.0):  # the last is asked, and lives too
        monkeypatch.setattr(liveness, "ASK_AFTER", idle)
        with database.connect(write=False) as connection:
            pids.append(connection.execute(asked).scalar_one())
    assert len(set(pids)) == 1
