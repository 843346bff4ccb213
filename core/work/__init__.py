"""The transaction, what it publishes, and what runs afterwards."""

from core.work.events import Event
from core.work.uow import Origin, UnitOfWork

__all__ = ["Event", "Origin", "UnitOfWork"]
