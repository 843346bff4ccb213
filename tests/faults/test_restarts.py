"""Servers and workers are told to end under load, again and again: J10."""

from __future__ import annotations

import time

import pytest
from writing import Writer, settle

RESTARTS = 20


@pytest.mark.long
def test_twenty_restarts_lose_nothing_and_fail_nobody(site, token):
    """Whoever was let in is answered, each process ends by itself, and every effect happens once."""
    port = site.free_port()
    serve = ("serve", "--port", str(port), "--workers", "2")
    server, worker = site.start(*serve), site.start("worker")
    writers = [Writer(number, port, token) for number in range(3)]
    for writer in writers:
        writer.start()
    site.wait_until(lambda: all(writer.made for writer in writers), 120, "the first answers")
    for turn in range(RESTARTS):
        before = sum(len(writer.made) for writer in writers)
        site.wait_until(lambda n=before: sum(len(w.made) for w in writers) > n, 60, "an answer")
        # Sometimes before it is up, sometimes at work; never before Python itself is.
        time.sleep(0.6 + 0.4 * (turn % 4))
        for process in (worker, server) if turn % 2 else (worker,):
            process.terminate()
        assert worker.wait(60) == 0, site.logs()
        worker = site.start("worker")
        if turn % 2:
            assert server.wait(60) == 0, site.logs()
            server = site.start(*serve)
    answers = settle(site, writers)
    assert set(answers) <= {201, "not there", "cut"}, answers
    assert answers["cut"] <= RESTARTS, "those who waited at a door that was closed"
