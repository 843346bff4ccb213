"""What the plugin adds to timelines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.fields import EntitySpec
from core.plugins.contributions import TimelineItem, TimelineSource
from core.work.uow import UnitOfWork
from dummy_plugin.behaviour import answer


def weighings(
    uow: UnitOfWork, spec: EntitySpec, record_id: int, before: datetime | None, limit: int
) -> Sequence[TimelineItem]:
    """Entries of the test, newest first."""
    found = answer("weighings", record_id=record_id, before=before, limit=limit)
    return found or ()


SOURCES = (TimelineSource("weighings", weighings, entity="specimen"),)
