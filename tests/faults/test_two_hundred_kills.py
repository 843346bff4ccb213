"""SIGKILL of servers and workers, again and again, while four clients write and do not give up."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from writing import Writer, settle

#: Both databases together; how often each of the two is told by the environment of a shorter run.
KILLS = int(os.environ.get("DOUGONG_TEST_KILLS", "200")) // 2
CLIENTS = 4


class Killer:
    """Keeps a server and a worker running, and kills one of their processes at a time."""

    def __init__(self, site, port: int) -> None:
        self.site, self.port = site, port
        self.server, self.worker = self._serve(), site.start("worker")
        self.kills: Counter[str] = Counter()

    def _serve(self):
        return self.site.start("serve", "--port", str(self.port), "--workers", "2")

    def strike(self, chance: random.Random) -> None:
        victim = chance.choices(("worker", "process of the server", "server"), (3, 3, 1))[0]
        if victim == "worker":
            self._end(self.worker)
            self.worker = self.site.start("worker")
        elif victim == "server":
            children = _children(self.server.pid)
            self._end(self.server)
            for child in children:
                _kill(child)
            self.server = self._serve()
        elif children := _children(self.server.pid):
            _kill(chance.choice(children))
        else:
            return
        self.kills[victim] += 1

    @staticmethod
    def _end(process) -> None:
        process.kill()
        process.wait(10)


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def port(site) -> int:
    return site.free_port()


@pytest.fixture
def killer(site, port) -> Killer:
    return Killer(site, port)


@pytest.fixture
def writers(site, killer, port, token):
    """Four clients at work; afterwards, what they were told is compared with what there is."""
    found = [Writer(number, port, token) for number in range(CLIENTS)]
    for writer in found:
        writer.start()
    site.wait_until(lambda: all(writer.made for writer in found), 120, "the first answers")
    yield found
    for writer in found:
        writer.stopping.set()


def _go_on(site, writers) -> None:
    """Wait until somebody has been answered, so that each blow meets work."""
    before = sum(len(writer.made) for writer in writers)
    site.wait_until(lambda: sum(len(writer.made) for writer in writers) > before, 60, "an answer")


@pytest.mark.long
def test_nothing_that_was_answered_is_lost_and_each_effect_happens_once(site, killer, writers):
    chance = random.Random(KILLS)
    while sum(killer.kills.values()) < KILLS:
        time.sleep(chance.uniform(0.2, 2.0))
        _go_on(site, writers)
        killer.strike(chance)
    print(dict(killer.kills))
    settle(site, writers)
