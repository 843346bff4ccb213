"""The plugin's part of the story."""

from __future__ import annotations

from core.entities import service
from core.plugins.contributions import DemoStep
from core.work.uow import UnitOfWork


def specimens(uow: UnitOfWork) -> list[str]:
    """Three stones."""
    service.create(uow, "specimen", [{"name": f"石头{n}"} for n in range(1, 4)])
    return ["三块石头"]


STEPS = (DemoStep("specimens", specimens),)
