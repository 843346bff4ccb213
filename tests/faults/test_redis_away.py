"""Redis is only a doorbell: it may be slow to come, go, forget, or be written to by strangers."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from core.work.rq import QUEUE, Doorbell, _listen, porter

#: Redis does not care which database there is.
pytestmark = [pytest.mark.redis, pytest.mark.databases("sqlite")]


@pytest.fixture
def web(site, redis_server):
    """A web process with a worker process behind it."""
    bell = Doorbell(redis_server.url)
    site.start("worker", DOUGONG_REDIS_URL=redis_server.url)
    site.wait_until(bell.is_attended, 60, what="the worker")
    thread = porter(site.runtime, bell)
    thread.start()
    yield site
    thread.stop()


def _work(site, names):
    departments = [site.write(name) for name in names]
    wanted = site.expected(departments)
    site.wait_until(lambda: wanted <= site.effects(), what=f"the effects of {names}")
    return departments


def test_writes_and_work_go_on_without_redis_and_it_is_used_again(web, redis_server):
    """F2: taken away, given back, emptied."""
    done = _work(web, ["with redis"])
    redis_server.stop()
    costs = []
    for number in range(30):
        begun = time.perf_counter()
        web.runtime.wake()
        costs.append(time.perf_counter() - begun)
        done.append(web.write(f"without {number}"))
    assert sorted(costs)[-4] < 0.005  # a busy machine may let one wait for its processor
    done += _work(web, ["without redis"])
    redis_server.start()
    with Redis.from_url(redis_server.url) as redis:
        web.wait_until(lambda: redis.exists("dougong:attended"), what="the worker's return")
        done += _work(web, ["with redis again"])
        redis.flushall()
    done += _work(web, ["after it forgot all"])
    web.wait_until(web.is_idle, what="the rest")
    assert web.effects() == web.expected(done)


def test_a_web_process_works_itself_when_no_worker_is_there(site, redis_server):
    thread = porter(site.runtime, Doorbell(redis_server.url))
    thread.start()
    _work(site, ["nobody else"])
    thread.stop()


@pytest.mark.long
def test_nothing_that_a_message_names_is_called(web, redis_server, tmp_path):
    """Who can write to Redis can make workers look, and nothing else."""
    mark = tmp_path / "called"
    with Redis.from_url(redis_server.url) as redis:
        queue = Queue(QUEUE, connection=redis, serializer=JSONSerializer)
        queue.enqueue_call("os.mkdir", args=(str(mark),))
        web.wait_until(lambda: not queue.job_ids, what="the message")
        _work(web, ["still alive"])
        assert not mark.exists()
        web.wait_until(lambda: not redis.keys("rq:job:*"), what="the messages to be gone")


@pytest.mark.long
def test_a_worker_leaves_when_it_is_told_to(web, redis_server):
    worker = web.processes[-1]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0, web.logs()


@pytest.mark.databases("sqlite")
def test_a_signal_that_came_before_rq_listened_is_heard(redis_server):
    """Between our own listening for signals and rq's there is a moment in which one was lost."""
    stopping = threading.Event()
    stopping.set()
    begun = time.monotonic()
    _listen(Doorbell(redis_server.url), lambda: None, stopping)
    assert time.monotonic() - begun < 9, "it waited for its turn to be over"


@pytest.mark.long
def test_a_worker_leaves_also_while_redis_is_away(web, redis_server):
    redis_server.stop()
    time.sleep(1.5)
    worker = web.processes[-1]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0, web.logs()


# Redis is there and does not do what it should


def _forget(server, redis):
    redis.flushall()


def _be_full(server, redis):
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", "1mb")


def _be_a_replica(server, redis):
    redis.execute_command("REPLICAOF", "127.0.0.1", "1")


def _pause(server, redis):
    os.kill(server.process.pid, signal.SIGSTOP)


def _restart(server, redis):
    server.stop()
    server.start()


def _die(server, redis):
    server.stop()


def _go_on(server, redis):
    os.kill(server.process.pid, signal.SIGCONT)


def _be_a_master(server, redis):
    redis.execute_command("REPLICAOF", "NO", "ONE")


def _have_room(server, redis):
    redis.config_set("maxmemory", "0")


def _start(server, redis):
    server.start()


def _nothing(server, redis):
    """It is well again by itself."""


Deed = Callable[[object, Redis], None]
ILLS: dict[str, tuple[Deed, Deed]] = {
    "forgets": (_forget, _nothing),
    "is full": (_be_full, _have_room),
    "is a read-only replica": (_be_a_replica, _be_a_master),
    "stands still": (_pause, _go_on),
    "is restarted": (_restart, _nothing),
    "is killed": (_die, _start),
}


@pytest.mark.long
@pytest.mark.parametrize("ill", ILLS)
def test_whatever_redis_does_writes_go_on_and_nothing_is_lost(web, redis_server, ill):
    """J3: a write takes no longer, each effect happens once, and the bell rings again afterwards."""
    fall, recover = ILLS[ill]
    done = _work(web, ["before"])
    with Redis.from_url(redis_server.url) as redis:
        fall(redis_server, redis)
        slowest = 0.0
        for number in range(10):
            begun = time.perf_counter()
            done.append(web.write(f"{ill} {number}"))
            slowest = max(slowest, time.perf_counter() - begun)
        done += _work(web, [f"while it {ill}"])
        recover(redis_server, redis)
    done += _work(web, ["afterwards"])
    web.wait_until(web.is_idle, what="the rest")
    assert web.effects() == web.expected(done)
    assert slowest < 1
    bell = Doorbell(redis_server.url)
    web.wait_until(bell.is_attended, 60, what="the worker's return")


@pytest.mark.long
def test_a_start_without_redis_is_a_start(site, redis_server):
    """J3: Redis comes later, and is used from then on."""
    redis_server.stop()
    site.start("worker", DOUGONG_REDIS_URL=redis_server.url)
    thread = porter(site.runtime, Doorbell(redis_server.url))
    thread.start()
    done = _work(site, ["without", "and again without"])
    redis_server.start()
    site.wait_until(Doorbell(redis_server.url).is_attended, 60, what="the worker")
    done += _work(site, ["with"])
    site.wait_until(site.is_idle, what="the rest")
    thread.stop()
    assert site.effects() == site.expected(done)


def _processor_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.long
@pytest.mark.databases("sqlite", "postgresql")
def test_a_backlog_is_worked_off_at_a_hundred_jobs_a_second(site, redis_server):
    """J3: what has gathered while nobody worked, by one worker process.

    Asked of the processor's seconds, not of the wall's, which others use as well.
    """
    redis_server.stop()
    departments = [site.write(f"backlog {number}") for number in range(1_000)]
    wanted = site.expected(departments)
    redis_server.start()
    worker = site.start("worker", DOUGONG_REDIS_URL=redis_server.url)
    site.wait_until(lambda: site.effects(), 60, what="the first effect")
    begun, first = time.monotonic(), sum(site.effects().values())
    used = _processor_seconds(worker.pid)
    site.wait_until(lambda: sum(site.effects().values()) >= len(wanted), 240, what="the backlog")
    done = len(wanted) - first
    speed = done / (_processor_seconds(worker.pid) - used)
    wall = done / (time.monotonic() - begun)
    print(f"{speed:.0f} deliveries a second of the processor, {wall:.0f} of the wall")
    site.wait_until(site.is_idle, what="the rest")
    assert site.effects() == wanted
    assert speed > 100
