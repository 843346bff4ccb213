"""What happens to specimens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.work.events import Event


@dataclass(frozen=True)
class SpecimenWeighed(Event):
    name: ClassVar[str] = "dummy_plugin.SpecimenWeighed"
    entity: str
    ids: tuple[int, ...]
