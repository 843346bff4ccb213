"""Limits on how often something is asked for: so many in any minute, by name and by whoever asks.

They are counted in Redis where there is one, for all processes together, else by each process for
itself. A Redis that does not answer lets everything through for some seconds, with a line in the log;
wrong passwords and codes are held back in the database all the same (`core.security.throttle`).
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import current_app, g, request

from core.errors import Refusal
from core.http.requests import SAFE_METHODS, actor, route_policy, runtime
from core.i18n import gettext as _
from core.security.throttle import place_of

__all__ = ["Limiter", "TooMany", "check_limits", "limited", "open_limiter", "take_form"]

log = logging.getLogger("dougong.limits")
View = TypeVar("View", bound=Callable[..., Any])
#: Counts are kept by slots of three seconds. The last sixty seconds lie within 21 of them, so that no
#: minute, whenever it begins, holds more than the limit, and a steady stream gets 95 % of it.
SLOT = 3
SLOTS = 21
#: Counted by network address; the others by person.
BY_PLACE = frozenset({"sign_in", "code", "reset", "form"})
#: How long a Redis that did not answer is left alone, and how long it may take to.
QUIET_FOR = 5.0
TIMEOUT = 0.25
#: Above this many counters in a process those of before the last minute are dropped.
MOST_KEPT = 20_000

SCRIPT = """
local now, limit, total, old = redis.call('TIME'), tonumber(ARGV[1]), 0, {}
local slot = math.floor(now[1] / 3)
local kept = redis.call('HGETALL', KEYS[1])
for i = 1, #kept, 2 do
  if tonumber(kept[i]) <= slot - 21 then old[#old + 1] = kept[i] else total = total + kept[i + 1] end
end
if total >= limit then
  return {now[1], unpack(kept)}
end
redis.call('HINCRBY', KEYS[1], slot, 1)
redis.call('EXPIRE', KEYS[1], 66)
if #old > 0 then redis.call('HDEL', KEYS[1], unpack(old)) end
return {}
"""


class TooMany(Refusal):
    """More in a minute than the company allows."""

    status = 429
    code = "too_many"

    def __init__(self, retry_after: int) -> None:
        super().__init__(_("Too many requests. Wait a moment and try again."))
        self.retry_after = retry_after


class Limiter:
    """Counters of this process: for installations without Redis, and so each process for itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: By key and slot.
        self._counters: dict[str, dict[int, int]] = {}

    def take(self, key: str, limit: int, now: float) -> int:
        """0 when one more is let through, else the seconds after which it will be. ``now`` in seconds."""
        slot = int(now // SLOT)
        with self._lock:
            counts = self._counters.get(key, {})
            counts = {at: count for at, count in counts.items() if at > slot - SLOTS}
            if sum(counts.values()) >= limit:
                return seconds_left(limit, now, counts)
            if len(self._counters) >= MOST_KEPT:
                self._drop_old(slot)
            counts[slot] = counts.get(slot, 0) + 1
            self._counters[key] = counts
        return 0

    def _drop_old(self, slot: int) -> None:
        self._counters = {k: c for k, c in self._counters.items() if max(c) > slot - SLOTS}

    def forget(self) -> None:
        """Count from nothing."""
        with self._lock:
            self._counters.clear()


class RedisLimiter(Limiter):
    """Counters in Redis, one round trip each, by its clock."""

    def __init__(self, url: str) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        super().__init__()
        self._redis = Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(SCRIPT)
        self._quiet_until = 0.0

    def take(self, key: str, limit: int, now: float) -> int:
        """As for `Limiter`; everything is let through while Redis is away."""
        from redis.exceptions import RedisError

        if time.monotonic() < self._quiet_until:
            return 0
        try:
            found: Any = self._script(keys=[f"dougong:limit:{key}"], args=[limit])
        except (RedisError, OSError) as error:
            self._quiet_until = time.monotonic() + QUIET_FOR
            log.warning("limits are not counted, Redis does not answer: %s", error)
            return 0
        if not found:
            return 0
        now, *pairs = (int(each) for each in found)
        return seconds_left(limit, now, dict(zip(pairs[::2], pairs[1::2], strict=True)))

    def forget(self) -> None:
        """Count from nothing."""
        for key in self._redis.scan_iter("dougong:limit:*"):
            self._redis.delete(key)


def open_limiter(redis_url: str | None) -> Limiter:
    """The limiter of this process."""
    return RedisLimiter(redis_url) if redis_url else Limiter()


def seconds_left(limit: int, now: float, counts: Mapping[int, int]) -> int:
    """Whole seconds until one more is let through, if nobody asks meanwhile."""
    left = sum(count for at, count in counts.items() if at > now // SLOT - SLOTS)
    for at in sorted(counts):
        if at > now // SLOT - SLOTS:
            left -= counts[at]
            if left < limit:
                return max(math.ceil((at + SLOTS) * SLOT - now), 1)
    return SLOT * SLOTS


def limited(name: str) -> Callable[[View], View]:
    """Count requests to a view under one of the limits in the settings."""

    def decorate(view: View) -> View:
        view.dougong_limit = name  # type: ignore[attr-defined]
        return view

    return decorate


def check_limits() -> None:
    """Before a view: refuse what comes too often. Most views have no limit and ask nothing."""
    if request.endpoint is None:
        return
    view = current_app.view_functions[request.endpoint]
    if g.by_token and actor().token_id is not None:
        _take("api", f"token {actor().token_id}")
    name = getattr(view, "dougong_limit", None)
    if name is None and _is_public_form(view):
        name = "form"
    if name is not None and (name not in BY_PLACE or request.method not in SAFE_METHODS):
        _take(name, _who() if name not in BY_PLACE else place_of(request.remote_addr or ""))


def take_form() -> None:
    """Count a form that is read before it is known who sent it. Raises `TooMany`."""
    _take("form", place_of(request.remote_addr or ""))


def _is_public_form(view: Callable[..., Any]) -> bool:
    """What somebody who is not signed in sends to a module's page that is open to everybody."""
    return (
        request.method not in SAFE_METHODS
        and route_policy(view) == "public"
        and actor().is_anonymous
    )


def _who() -> str:
    return f"person {actor().user_id}"


def _take(name: str, who: str) -> None:
    running = runtime()
    limit = running.snapshot.settings["core_limits"][name]
    if not limit:
        return
    key = hashlib.sha256(f"{name}\0{who}".encode()).hexdigest()[:32]
    limiter: Limiter = current_app.extensions["dougong.limits"]
    if wait := limiter.take(key, limit, running.clock.now().timestamp()):
        raise TooMany(wait)
