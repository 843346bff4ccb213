"""A request that lost against another transaction is done once more, before anybody hears of it."""

from __future__ import annotations

import logging
import random
import time

from flask import Flask, g, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError

from core.http.parts import NamedRequest
from core.http.requests import close_reading
from core.http.rules import UnhurriedRule
from core.plugins.manager import HookFailed

__all__ = ["RetryingFlask"]

log = logging.getLogger("dougong.web")
#: How often a request is done at most, and the longest first pause between two tries (seconds).
TRIES = 5
PAUSE = 0.05
#: PostgreSQL ended one of two transactions that could not both go on: a serialization failure, a
#: deadlock. Nothing of it is left, so that all of it can be done again.
_LOST = frozenset({"40001", "40P01"})


class RetryingFlask(Flask):
    """Runs a view again whose transaction was the victim of another one.

    Only while nothing of the request is committed. The answer after the last try is a 503.
    """

    request_class = NamedRequest
    url_rule_class = UnhurriedRule

    def dispatch_request(self) -> ResponseReturnValue:
        for number in range(1, TRIES):
            try:
                return super().dispatch_request()
            except (DBAPIError, HookFailed) as error:
                if not _has_lost(error) or g.get("has_written"):
                    raise
                log.info("the request lost against another and is done again (%s)", number)
            _begin_again(number)
        return super().dispatch_request()


def _has_lost(error: DBAPIError | HookFailed) -> bool:
    cause = error.__cause__ if isinstance(error, HookFailed) else error
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", "") in _LOST


def _begin_again(number: int) -> None:
    """As the view found it: no transaction, files at their beginning; and not at the same time."""
    close_reading()
    for _name, upload in request.files.items(multi=True):
        upload.stream.seek(0)
    time.sleep(random.SystemRandom().uniform(0, PAUSE) * 2 ** (number - 1))
