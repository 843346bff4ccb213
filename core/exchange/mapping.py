"""Which column of a file is which field: by name, by label in any language, by synonym."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.entities.query import visible
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.i18n import LOCALES, use_locale
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.security.actor import FieldAccess
from core.settings.preferences import get_preference, put_preference
from core.tabular.keys import loose_form

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "RECORD_ID",
    "REPORT_COLUMNS",
    "ColumnMapping",
    "check_mapping",
    "importable_fields",
    "normalise_header",
    "propose",
    "remember",
]

#: The heading of the column of ids in exports; as a target of a mapping it is ``id``.
RECORD_ID = _l("Record ID")
#: What the report of refused rows adds, to the right; ignored when it is imported again.
REPORT_COLUMNS = (_l("Refused: line"), _l("Refused: field"), _l("Refused: reason"))

_BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|<[^<>]*>")
_NOT_IMPORTED = (t.Lines, t.File, t.Document)
#: A person's remembered headings of one entity; older ones beyond this are forgotten.
_REMEMBERED = 200


@dataclass(frozen=True)
class ColumnMapping:
    """The field of each column (``id``, or None for a column that is ignored), and why not."""

    header: tuple[str, ...]
    fields: tuple[str | None, ...]
    #: (heading, reason) of columns that are ignored.
    notes: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> list[str | None]:
        """What the arguments of a job hold."""
        return list(self.fields)


def importable_fields(uow: UnitOfWork, spec: EntitySpec) -> dict[str, FieldSpec]:
    """The fields that the actor may fill by an import, by name.

    The system also brings what happened before: dates that nobody types in.
    """
    actor = uow.actor
    access = actor.access(spec)
    return {
        item.name: item
        for item in spec
        if (item.is_writable or (actor.is_system and item.name in spec.history))
        and not isinstance(item.type, _NOT_IMPORTED)
        and (actor.is_system or access.field(item.name) >= FieldAccess.WRITE)
    }


def normalise_header(text: str) -> str:
    """``手机 （必填）*`` and ``手机(必填)`` are one: width, case, blanks and punctuation do not count."""
    return loose_form(text)


def propose(uow: UnitOfWork, spec: EntitySpec, header: Sequence[str]) -> ColumnMapping:
    """The likely mapping of a file's columns for this person; a field is used once."""
    usable = importable_fields(uow, spec)
    known = _known_headings(visible(uow, spec))
    remembered = get_preference(uow, f"import.{spec.name}") if uow.actor.user_id else None
    chosen = remembered if isinstance(remembered, Mapping) else {}
    fields: list[str | None] = []
    notes: list[tuple[str, str]] = []
    for text in header:
        heading = normalise_header(text)
        name = chosen[heading] if heading in chosen else _find(known, text)
        reason = _why_not(spec, usable, fields, name)
        if reason and text and heading not in _report_headings():
            notes.append((text, reason))
        fields.append(None if reason else name)
    return ColumnMapping(tuple(header), tuple(fields), tuple(notes))


def check_mapping(
    uow: UnitOfWork, spec: EntitySpec, header: Sequence[str], given: Mapping[str, str | None]
) -> ColumnMapping:
    """What a caller says, ``{heading: field or null}``, over the proposal.

    Raises `Invalid` for a heading that the file has not, and a field that is unknown, not the
    caller's to write or used twice.
    """
    proposal = propose(uow, spec, header)
    usable, problems = importable_fields(uow, spec), []
    fields = [
        None if text in given else name for text, name in zip(header, proposal.fields, strict=True)
    ]
    for text, name in given.items():
        if text not in header:
            message = _("The file has no column “%(name)s”.", name=text[:60])
            problems.append(Problem("mapping", "unknown_column", message))
        elif name is not None and name != "id" and name not in usable:
            message = _("There is no field %(name)s that you may import.", name=str(name)[:60])
            problems.append(Problem("mapping", "unknown_field", message))
        elif name is not None and name in [
            given.get(h) for h in header if h in given and h != text
        ]:
            message = _("The field %(name)s is used twice.", name=name[:60])
            problems.append(Problem("mapping", "twice", message))
        else:
            fields = [None if name is not None and n == name else n for n in fields]
            fields[list(header).index(text)] = name
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    return ColumnMapping(tuple(header), tuple(fields), proposal.notes)


def remember(uow: UnitOfWork, spec: EntitySpec, mapping: ColumnMapping) -> None:
    """Keep the person's mapping for the next file with such headings."""
    key = f"import.{spec.name}"
    old = get_preference(uow, key)
    pairs = zip(map(normalise_header, mapping.header), mapping.fields, strict=True)
    now = {heading: name for heading, name in pairs if heading}
    kept = {**(old if isinstance(old, Mapping) else {}), **now}
    put_preference(uow, key, dict(list(kept.items())[-_REMEMBERED:]))


def _why_not(
    spec: EntitySpec,
    usable: Mapping[str, FieldSpec],
    taken: Sequence[str | None],
    name: str | None,
) -> str:
    if name is None:
        return _("no field of this name")
    if name in taken:
        return _("another column has this field already")
    if name == "id" or name in usable:
        return ""
    if name in spec:
        return _("this field is not imported")
    return _("no field of this name")


def _find(known: Mapping[str, str], text: str) -> str | None:
    plain = unicodedata.normalize("NFKC", text)
    return known.get(normalise_header(plain)) or known.get(
        normalise_header(_BRACKETED.sub("", plain))
    )


def _known_headings(fields: Sequence[FieldSpec]) -> dict[str, str]:
    """Normalised headings with their field; a name wins over a label, a label over a synonym."""
    found: dict[str, str] = {}
    for locale in LOCALES:
        with use_locale(locale):
            found.setdefault(normalise_header(str(RECORD_ID)), "id")
    for item in fields:
        found.setdefault(normalise_header(item.name), item.name)
    found.pop("id", None)  # a column of somebody's own numbers is not our key
    for locale in LOCALES:
        with use_locale(locale):
            for item in fields:
                if item.name != "id":
                    label = str(item.label)
                    found.setdefault(normalise_header(label), item.name)
                    found.setdefault(normalise_header(f"{label} ({item.name})"), item.name)
    for item in fields:
        for synonym in item.synonyms:
            found.setdefault(normalise_header(synonym), item.name)
    return found


def _report_headings() -> set[str]:
    found = set()
    for locale in LOCALES:
        with use_locale(locale):
            found |= {normalise_header(str(text)) for text in REPORT_COLUMNS}
    return found
