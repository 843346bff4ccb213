"""What a company asks of a field beyond its declaration, as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.fields.types import Choice, TagGroup
from core.i18n import LazyText

__all__ = ["FieldRules", "WrittenDefault"]


@dataclass(frozen=True)
class WrittenDefault:
    """A default worked out when a record begins: ``me``, ``my_department`` or ``=expression``."""

    source: str


@dataclass(frozen=True, eq=False)
class FieldRules:
    """The rules of one field; what is false, None or empty asks nothing beyond the declaration.

    ``source`` is the whole as it is stored and as REST writes it.
    """

    source: Mapping[str, Any]
    required: bool = False
    unique: bool = False
    #: Conditions over the record; those of a field that does not apply ask nothing.
    required_when: Mapping[str, Any] | None = None
    visible_when: Mapping[str, Any] | None = None
    #: An expression that gives yes or no, and what to say when it gives no.
    validation: str = ""
    message: str | LazyText = ""
    #: A value as the column holds it, or a `WrittenDefault`.
    default: Any = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    min_length: int | None = None
    max_length: int | None = None
    #: The name of a way to write texts, such as ``id_card``.
    pattern: str = ""
    #: Tags alone: the words in their groups, and whether there are no others.
    groups: tuple[TagGroup, ...] = ()
    only_groups: bool = False
    #: Shaped choices alone: the company's options in their order, retired ones last. Without a label
    #: one is called as the module calls it.
    choices: tuple[Choice, ...] = ()
    #: True when what looks at something closed to whoever writes is not asked of them.
    skips_unseen: bool = False

    @property
    def is_conditional(self) -> bool:
        """True when other values decide whether the field is required."""
        return self.required_when is not None or self.visible_when is not None
