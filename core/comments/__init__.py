"""What people write under a record, to each other. See docs/adr/0020."""

from core.comments.service import add_comment

__all__ = ["add_comment"]
