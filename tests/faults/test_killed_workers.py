"""A worker is killed wherever it hurts, while others write: nothing is lost, nothing is doubled."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

import pytest

# Workers on PostgreSQL are killed too, at any moment, in the long tier: test_two_hundred_kills.
pytestmark = pytest.mark.databases("sqlite", later=("postgresql",))

POINTS = (
    "outbox.after_claim",
    "outbox.before_send",
    "outbox.after_send",
    "outbox.after_mark",
    "jobs.after_claim",
    "jobs.before_finish",
    "uow.before_commit",
    "uow.after_commit",
)
#: How often at each of them; by hand: DOUGONG_KILLS_EACH=50.
KILLS = int(os.environ.get("DOUGONG_KILLS_EACH", "1"))
#: Where an effect is there and nobody has noted it yet; the long tier asks the others.
TELLING = ("outbox.after_send",)


@pytest.mark.parametrize(
    "point",
    [each if each in TELLING else pytest.param(each, marks=pytest.mark.long) for each in POINTS],
)
def test_each_effect_happens_once_though_the_worker_was_killed(site, run_jobs, point):
    """J1: SIGKILL at the third passage; another worker takes over once the leases are over."""
    departments = [site.write("first of all")]
    for turn in range(KILLS):
        worker = site.start("worker", FAULT=f"{point}:kill:3")
        for number in range(500):
            if worker.poll() is not None:
                break
            departments.append(site.write(f"{point} {turn} {number}"))
            time.sleep(0.05)  # so that they are not all one handful
        assert worker.returncode == -signal.SIGKILL, site.logs()
        departments += [site.write(f"afterwards {turn} {number}") for number in range(3)]
        assert site.effects() != site.expected(departments)
        site.runtime.clock.move(timedelta(minutes=5))
        run_jobs()
        assert site.is_idle()
        assert site.effects() == site.expected(departments)
