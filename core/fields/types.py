"""Field types as frozen data: what a value is, never how it is stored, shown or checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from core.i18n import LazyText

__all__ = [
    "PICTURES",
    "AutoNumber",
    "Boolean",
    "Choice",
    "ChoiceField",
    "Computed",
    "Date",
    "DateTime",
    "Document",
    "Email",
    "FieldType",
    "File",
    "Image",
    "Integer",
    "Lines",
    "LongText",
    "Money",
    "MultiChoice",
    "Number",
    "Phone",
    "Reference",
    "References",
    "Region",
    "Related",
    "RichText",
    "Secret",
    "TagGroup",
    "Tags",
    "Text",
    "Url",
]

Label = str | LazyText


@dataclass(frozen=True)
class FieldType:
    """Base of all types. Consumers dispatch on the class; a subtype falls back to its parent."""


@dataclass(frozen=True)
class Text(FieldType):
    """One line of text."""

    max_length: int = 255


@dataclass(frozen=True)
class Secret(Text):
    """A password or key of a setting: sealed at rest, and never shown again. No entity has one."""

    max_length: int = 1_000


@dataclass(frozen=True)
class LongText(FieldType):
    """Several lines of plain text."""

    max_length: int = 20_000


@dataclass(frozen=True)
class RichText(LongText):
    """Formatted text: HTML, cleaned by an allow-list whenever it is written."""

    max_length: int = 100_000


@dataclass(frozen=True)
class Email(Text):
    """An e-mail address."""

    max_length: int = 254


@dataclass(frozen=True)
class Phone(Text):
    """A telephone number, kept in one canonical spelling."""

    max_length: int = 32
    mobile_only: bool = False


@dataclass(frozen=True)
class Url(Text):
    """A web address, http or https."""

    max_length: int = 2_000


@dataclass(frozen=True)
class Integer(FieldType):
    """A whole number of at most 18 digits."""

    minimum: int = -(10**18 - 1)
    maximum: int = 10**18 - 1


@dataclass(frozen=True)
class Number(FieldType):
    """An exact decimal with ``scale`` digits after the point and ``precision`` in all."""

    precision: int = 18
    scale: int = 4


@dataclass(frozen=True)
class Money(Number):
    """An amount of money. Its currency is named in ``currency_field``, else fixed, else the company's."""

    precision: int = 18
    scale: int = 2
    currency: str | None = None
    currency_field: str | None = None


@dataclass(frozen=True)
class Boolean(FieldType):
    """True or false; never null."""


@dataclass(frozen=True)
class Date(FieldType):
    """A calendar day, without a zone."""


@dataclass(frozen=True)
class DateTime(FieldType):
    """A moment: UTC in storage, the company's zone on screen."""


@dataclass(frozen=True)
class Choice:
    """One option: the ``value`` is stored, the ``label`` is shown, the ``tone`` colours its badge."""

    value: str
    label: Label
    tone: str = "neutral"
    #: Kept by records that hold it, given to no others.
    retired: bool = False


@dataclass(frozen=True)
class ChoiceField(FieldType):
    """One of a list of options.

    With ``shaped`` the company has the last word on them, by the rules of the field; no code may
    depend on one of them then. A parameter of a verb that is given the field's own type object
    offers what the field offers. ``fields_of`` names an entity: the fields that the company, or
    another module, has added to it are options too, behind the declared ones. With ``of_kinds`` they
    are the company's alone, of these kinds. With ``measures`` the figures that modules register for
    goals are options.
    """

    choices: tuple[Choice, ...] = ()
    shaped: bool = False
    fields_of: str = ""
    of_kinds: tuple[str, ...] = ()
    measures: bool = False

    def labels(self) -> dict[str, Label]:
        """``{value: label}`` in the declared order."""
        return {choice.value: choice.label for choice in self.choices}

    @property
    def retired_values(self) -> frozenset[str]:
        """The values that only records which hold them may have."""
        return frozenset(choice.value for choice in self.choices if choice.retired)


@dataclass(frozen=True)
class MultiChoice(ChoiceField):
    """Any number of a list of options, stored in the declared order."""


@dataclass(frozen=True)
class TagGroup:
    """Words that belong together, e.g. the grades of manufacturers; ``tone`` colours their badges.

    Of a ``single`` group a record has one word at most.
    """

    label: Label
    words: tuple[str, ...]
    tone: str = "neutral"
    single: bool = False


@dataclass(frozen=True)
class Tags(FieldType):
    """Words, each of at most ``max_length`` characters, at most ``max_items`` of them.

    Free ones, unless ``only_groups`` leaves those of the groups alone.
    """

    max_length: int = 40
    max_items: int = 50
    groups: tuple[TagGroup, ...] = ()
    only_groups: bool = False

    @cached_property
    def by_word(self) -> Mapping[str, TagGroup]:
        """The group of each word that is in one, in their order."""
        return {word: group for group in self.groups for word in group.words}


@dataclass(frozen=True)
class Region(FieldType):
    """A province, city or district of mainland China, by its six-digit code.

    ``level`` is the deepest allowed: ``province``, ``city`` or ``district``.
    """

    level: str = "district"


@dataclass(frozen=True)
class Reference(FieldType):
    """The id of one record of another entity. ``on_delete``: ``restrict``, ``clear`` or ``cascade``."""

    entity: str = ""
    on_delete: str = "restrict"


@dataclass(frozen=True)
class References(FieldType):
    """The ids of any number of records of another entity, kept in a link table."""

    entity: str = ""


@dataclass(frozen=True)
class Related(Integer):
    """The id of a record of any entity; which entity it is, the text field ``entity_field`` names.

    A record that holds one is reached only by who may read that other record too, and it is given
    only records that its writer may read. See `core.entities.related`.
    """

    minimum: int = 1
    entity_field: str = ""


@dataclass(frozen=True)
class Lines(FieldType):
    """Child records that live and die with their parent, found by their ``parent`` reference."""

    entity: str = ""
    parent: str = ""
    max_items: int = 500


@dataclass(frozen=True)
class File(FieldType):
    """One attached file, by the id of a stored file."""

    max_bytes: int = 50_000_000


#: Media types of pictures that hold pixels and nothing that runs.
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True)
class Image(File):
    """One picture that browsers show: PNG, JPEG, GIF or WebP."""

    max_bytes: int = 10_000_000


@dataclass(frozen=True)
class Document(FieldType):
    """A small JSON object or list that has its own editor, such as a role's grants."""


@dataclass(frozen=True)
class AutoNumber(FieldType):
    """A gap-free number such as ``L{yyyy}{mm}-{seq:4}``, given on creation; restarts with its period."""

    pattern: str = "{seq:6}"
    max_length: int = 64


@dataclass(frozen=True)
class Computed(FieldType):
    """A value worked out from others by an expression; stored, so that it filters, sorts and sums."""

    expression: str = ""
    result: FieldType = Number()
