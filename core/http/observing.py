"""What can be seen from outside: how long requests take, what waits, and which log lines belong together."""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from core.logging import log_context
from core.work.tables import event_table, job_table

if TYPE_CHECKING:
    from core.runtime import Runtime

__all__ = ["SHARED", "Measurements", "observe_requests"]

log = logging.getLogger("dougong.access")
#: The variable that names the folder in which the processes of a server count together. It must be
#: set before this module, and with it the library, is imported.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
#: A request that takes longer is logged even where requests are not (seconds).
_SLOW = 1.0
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Measurements:
    """What one application counts, and what its database has waiting."""

    def __init__(self, runtime: Runtime) -> None:
        self._counted, self._state = CollectorRegistry(), CollectorRegistry()
        self._state.register(_Waiting(runtime))
        self.seconds = Histogram(
            "dougong_request_seconds",
            "Time to answer a request.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self._counted,
        )

    def text(self) -> bytes:
        """Everything in Prometheus' text format: of all processes of this server, and the database."""
        if os.environ.get(SHARED):
            together = CollectorRegistry()
            MultiProcessCollector(together)  # type: ignore[no-untyped-call]
            return generate_latest(together) + generate_latest(self._state)
        return b"".join(map(generate_latest, (REGISTRY, self._counted, self._state)))


class _Waiting(Collector):
    """What waits or runs in the background, as the database has it at this moment."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is asked of the database before somebody looks."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client."""
        table = job_table
        is_open = table.c.state.in_(("queued", "running"))
        with self._runtime.read_connection() as connection:
            counted = select(table.c.state, func.count()).where(is_open).group_by(table.c.state)
            jobs = {state: count for state, count in connection.execute(counted)}
            due = select(func.min(table.c.run_at)).where(table.c.state == "queued")
            oldest = connection.execute(due).scalar_one()
            new = select(func.count()).where(event_table.c.state == "new")
            events = connection.execute(new).scalar_one()
        family = GaugeMetricFamily("dougong_jobs", "Jobs by state.", labels=["state"])
        for state in ("queued", "running"):
            family.add_metric([state], jobs.get(state, 0))
        yield family
        waited = (self._runtime.clock.now() - oldest).total_seconds() if oldest else 0
        yield GaugeMetricFamily(
            "dougong_oldest_job_seconds",
            "How long the job that has been due longest has waited.",
            max(waited, 0),
        )
        yield GaugeMetricFamily("dougong_events_new", "Events that were not relayed yet.", events)


def _path() -> str:
    """The path of the request, without the key that a link by mail carries."""
    key = (request.view_args or {}).get("token")
    return request.path.replace(key, "…") if key else request.path


def observe_requests(app: Flask, runtime: Runtime) -> None:
    """Give each request an id, which its log lines carry, and measure it.

    A trusted proxy may give the id. To be called first, so that the whole of a request is seen.
    """
    config = runtime.config
    measurements = app.extensions["dougong.measurements"] = Measurements(runtime)

    def begin() -> None:
        given = request.headers.get("X-Request-Id", "") if config.proxy_hops else ""
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        g.began = time.perf_counter()
        context: AbstractContextManager[None] = log_context(request_id=g.request_id)
        context.__enter__()
        g.log_context = context

    def measure(response: Response) -> Response:
        seconds = time.perf_counter() - g.began
        route = request.url_rule.rule if request.url_rule is not None else "-"
        measurements.seconds.labels(request.method, route, response.status_code).observe(seconds)
        if config.access_log or seconds > _SLOW:
            told = {"route": route, "status": response.status_code, "ms": round(seconds * 1000, 1)}
            who = g.actor.user_id if "actor" in g else None
            told |= {"user": who, "address": request.remote_addr}
            log.info("%s %s", request.method, _path(), extra=told)
        return response

    def end(_error: BaseException | None) -> None:
        context: AbstractContextManager[None] | None = g.pop("log_context", None)
        if context is not None:
            context.__exit__(None, None, None)

    app.before_request(begin)
    app.after_request(measure)
    app.teardown_request(end)
