"""Redis is only a doorbell: it may be slow to come, go, forget, or be written to by strangers."""

from __future__ import annotations

import signal
import time

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from core.work.rq import QUEUE, Doorbell, porter

#: Redis does not care which database there is.
pytestmark = [pytest.mark.redis, pytest.mark.databases("sqlite")]


@pytest.fixture
def web(site, redis_server):
    """A web process with a worker process behind it."""
    bell = Doorbell(redis_server.url)
    site.start("worker", DOUGONG_REDIS_URL=redis_server.url)
    site.wait_until(bell.is_attended, what="the worker")
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
    assert max(costs) < 0.005
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


def test_a_worker_leaves_when_it_is_told_to(web, redis_server):
    worker = web.processes[-1]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0, web.logs()


def test_a_worker_leaves_also_while_redis_is_away(web, redis_server):
    redis_server.stop()
    time.sleep(1.5)
    worker = web.processes[-1]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0, web.logs()
