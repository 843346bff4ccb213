"""What people are told of in the application: the bell. See docs/adr/0019."""

from core.notifications.service import notify

__all__ = ["notify"]
