"""REST: records, actions, structure, imports and jobs, as JSON."""

from typing import Any

from flask import Blueprint
from werkzeug.routing import BaseConverter

__all__ = [
    "account",
    "actions",
    "backups",
    "batch",
    "blueprint",
    "comments",
    "customizing",
    "docs",
    "documents",
    "explain",
    "field_rules",
    "hand_overs",
    "hand_overs",
    "imports",
    "jobs",
    "plugins",
    "privacy",
    "records",
    "search",
    "settings",
    "shares",
    "structure",
]

blueprint = Blueprint("api", __name__, url_prefix="/api")


class RecordId(BaseConverter):
    """An id as ``<record:record_id>``: at most 18 digits, so that every database can hold it."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)


def _add_converter(state: Any) -> None:
    state.app.url_map.converters["record"] = RecordId


blueprint.record(_add_converter)

from core.api import (  # noqa: E402 - views register on the blueprint above
    account,
    actions,
    backups,
    batch,
    comments,
    customizing,
    docs,
    documents,
    explain,
    field_rules,
    hand_overs,
    imports,
    jobs,
    plugins,
    privacy,
    records,
    search,
    settings,
    shares,
    structure,
)
