"""Events: facts of the past tense, frozen dataclasses of plain values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import orjson

__all__ = [
    "Event",
    "FileStored",
    "ImportFinished",
    "JobFailed",
    "PluginDisabled",
    "PluginEnabled",
    "RecordActed",
    "RecordsCreated",
    "RecordsDeleted",
    "RecordsPurged",
    "RecordsRecomputed",
    "RecordsRestored",
    "RecordsUpdated",
    "SchemaChanged",
    "SettingsChanged",
    "UserSignedIn",
]


@dataclass(frozen=True)
class Event:
    """Base of all events. Fields are ids, texts, numbers, booleans and tuples of them."""

    #: ``core.RecordsCreated``; a plugin's events carry its name instead of ``core``.
    name: ClassVar[str] = ""

    def payload(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Self:
        """The event again; unknown keys (of a newer version) are ignored."""
        known = {item.name for item in fields(cls)}
        values = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in payload.items()
            if key in known
        }
        return cls(**values)

    def survives_json(self) -> bool:
        """True when nothing is lost on the way through the outbox."""
        return type(self).from_payload(orjson.loads(orjson.dumps(self.payload()))) == self


@dataclass(frozen=True)
class RecordsCreated(Event):
    name: ClassVar[str] = "core.RecordsCreated"
    entity: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class RecordsUpdated(Event):
    name: ClassVar[str] = "core.RecordsUpdated"
    entity: str
    ids: tuple[int, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True)
class RecordsDeleted(Event):
    """Put into the recycle bin."""

    name: ClassVar[str] = "core.RecordsDeleted"
    entity: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class RecordsRestored(Event):
    name: ClassVar[str] = "core.RecordsRestored"
    entity: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class RecordsPurged(Event):
    """Gone for good, out of the recycle bin."""

    name: ClassVar[str] = "core.RecordsPurged"
    entity: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class RecordsRecomputed(Event):
    """Computed fields have new values because other records changed; nobody edited these."""

    name: ClassVar[str] = "core.RecordsRecomputed"
    entity: str
    ids: tuple[int, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True)
class RecordActed(Event):
    """A verb of the business was used."""

    name: ClassVar[str] = "core.RecordActed"
    entity: str
    action: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class RecordsMerged(Event):
    """Records became part of another one; they are in the recycle bin."""

    name: ClassVar[str] = "core.RecordsMerged"
    entity: str
    id: int
    merged: tuple[int, ...]


@dataclass(frozen=True)
class RecordsSplit(Event):
    """A merge was taken back."""

    name: ClassVar[str] = "core.RecordsSplit"
    entity: str
    id: int
    merged: tuple[int, ...]


@dataclass(frozen=True)
class UserSignedIn(Event):
    name: ClassVar[str] = "core.UserSignedIn"
    user_id: int


@dataclass(frozen=True)
class SettingsChanged(Event):
    name: ClassVar[str] = "core.SettingsChanged"
    group: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class PluginEnabled(Event):
    name: ClassVar[str] = "core.PluginEnabled"
    plugin: str


@dataclass(frozen=True)
class PluginDisabled(Event):
    name: ClassVar[str] = "core.PluginDisabled"
    plugin: str


@dataclass(frozen=True)
class SchemaChanged(Event):
    name: ClassVar[str] = "core.SchemaChanged"
    entity: str
    field: str


@dataclass(frozen=True)
class FileStored(Event):
    name: ClassVar[str] = "core.FileStored"
    file_id: int


@dataclass(frozen=True)
class ImportFinished(Event):
    name: ClassVar[str] = "core.ImportFinished"
    entity: str
    job_id: int


@dataclass(frozen=True)
class JobFailed(Event):
    name: ClassVar[str] = "core.JobFailed"
    job_id: int
    kind: str
