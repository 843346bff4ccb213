"""Redis as a doorbell: after a commit somebody rings, and an rq worker looks into the tables.

Nothing of the work itself is in Redis. A ring that is lost costs two seconds, never a job.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import Refused
from core.work.worker import EmbeddedWorker

if TYPE_CHECKING:
    from types import FrameType

    from redis import Redis
    from rq import Queue
    from rq.job import Job

    from core.runtime import Runtime

__all__ = ["Doorbell", "attend", "open_doorbell", "porter"]

log = logging.getLogger("dougong.worker")
QUEUE = "dougong"
#: Set while a ring waits for its answer, so that a thousand commits ring once.
RUNG = "dougong:rung"
#: Renewed by every worker process; gone when none is left.
ATTENDED = "dougong:attended"
#: Named in each message for whoever lists the queue; nothing is ever called by that name.
MESSAGE = "core.work.rq.look"
RUNG_FOR = 30  # seconds
ATTENDED_FOR = 10
#: How long a Redis that did not answer is left alone.
QUIET_FOR = 5.0
TIMEOUT = 0.5


class Doorbell:
    """Rings, and knows whether somebody is there to hear it. Redis being away is no error."""

    def __init__(self, url: str) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
        from rq import Queue
        from rq.serializers import JSONSerializer

        self.url = url
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._queue = Queue(QUEUE, connection=self._redis, serializer=JSONSerializer)
        self._quiet_until = 0.0

    def ring(self) -> bool:
        """Ask a worker process to look; False when Redis is away."""

        def ring() -> bool:
            if self._redis.set(RUNG, 1, nx=True, ex=RUNG_FOR):
                self._queue.enqueue_call(MESSAGE, timeout=-1, result_ttl=0, ttl=RUNG_FOR)
            return True

        return self._ask(ring)

    def answer(self) -> None:
        """Say that somebody is about to look: from now on commits ring anew."""
        self._ask(lambda: bool(self._redis.delete(RUNG)))

    def attend(self) -> None:
        """Say that this worker process is here, for the next seconds."""
        self._ask(lambda: bool(self._redis.set(ATTENDED, 1, ex=ATTENDED_FOR)))

    def is_attended(self) -> bool:
        """True when a worker process was here a few seconds ago."""
        return self._ask(lambda: bool(self._redis.exists(ATTENDED)))

    def _ask(self, question: Callable[[], bool]) -> bool:
        from redis.exceptions import RedisError

        if time.monotonic() < self._quiet_until:
            return False
        try:
            return question()
        except RedisError as error:
            self._quiet_until = time.monotonic() + QUIET_FOR
            log.warning("Redis does not answer: %s", error)
            return False


def open_doorbell(url: str | None) -> Doorbell | None:
    """The bell at ``DOUGONG_REDIS_URL``; None without one. `Refused` without the packages."""
    if url is None:
        return None
    try:
        return Doorbell(url)
    except ImportError as error:
        raise Refused("DOUGONG_REDIS_URL needs the extra: pip install 'dougong[redis]'") from error


def porter(runtime: Runtime, bell: Doorbell | None) -> EmbeddedWorker:
    """The thread of a web process: it rings for the workers, and works while there are none.

    Requests never talk to Redis themselves: they wake this thread, which costs microseconds.
    """
    if bell is None:
        return EmbeddedWorker(runtime)

    def hand_over(woken: bool) -> bool:
        return bell.is_attended() and (not woken or bell.ring())

    return EmbeddedWorker(runtime, hand_over=hand_over)


def attend(runtime: Runtime, bell: Doorbell | None, stopping: threading.Event) -> None:
    """A worker process: sweeps by itself every two seconds, and looks at once when it rings.

    One thread works, whatever woke it; this one only listens, so that no job that hangs makes the
    process deaf. The sweeping goes on when Redis does not. Returns when ``stopping`` is set, after
    the job in hand.
    """

    def hand_over(woken: bool) -> bool:
        if bell is not None:
            bell.attend()
            if woken:
                bell.ring()  # what a job of ours left behind is for others too
        return False

    def look() -> None:
        if bell is not None:
            bell.answer()
        sweeper.look()

    sweeper = EmbeddedWorker(runtime, role="worker", hand_over=hand_over)
    sweeper.start()
    try:
        while bell is not None and not stopping.is_set():
            _listen(bell, look, stopping)
            stopping.wait(1)
        stopping.wait()
    finally:
        sweeper.stop(timeout=30)


def _listen(bell: Doorbell, look: Callable[[], None], stopping: threading.Event) -> None:
    """Hear rings until asked to stop, or until Redis fails in a way rq does not survive."""
    from redis import Redis
    from redis.exceptions import RedisError
    from rq.exceptions import StopRequested

    connection = Redis.from_url(bell.url, socket_connect_timeout=TIMEOUT)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _worker_class()(look, stopping, connection).work(logging_level="WARNING")
    except (RedisError, StopRequested) as error:
        log.info("rq worker left: %s", error)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)  # rq leaves its own behind
        connection.close()


def _worker_class() -> type[Any]:
    """Made when it is needed: rq is an extra, and takes its time to import."""
    from rq import SimpleWorker
    from rq.exceptions import StopRequested
    from rq.serializers import JSONSerializer
    from rq.worker import WorkerStatus

    class RingWorker(SimpleWorker):
        """An rq worker for whom every message means the same.

        Nothing that a message names is imported or called, so that writing to Redis is not
        running code; and nobody commands it over Redis' channels.
        """

        max_connection_wait_time = 5.0

        def __init__(
            self, look: Callable[[], None], stopping: threading.Event, connection: Redis
        ) -> None:
            super().__init__(
                [QUEUE], connection=connection, serializer=JSONSerializer, worker_ttl=20
            )
            self._look = look
            self._stopping = stopping

        def execute_job(self, job: Job, queue: Queue) -> None:
            self.set_state(WorkerStatus.BUSY)
            self._look()
            with self.connection.pipeline() as pipeline:
                pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
                job.delete(pipeline=pipeline)
                pipeline.execute()
            self.set_state(WorkerStatus.IDLE)

        def request_stop(self, signum: int, frame: FrameType | None) -> None:
            self._stopping.set()
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

        def heartbeat(self, *given: Any, **named: Any) -> None:
            """Also leave when the signal came where it was not heard: before rq listened for it."""
            if self._stopping.is_set():
                raise StopRequested
            super().heartbeat(*given, **named)

        def subscribe(self) -> None:
            """Listen to nobody."""

    return RingWorker
