"""From a record to its PDF, with the rights of whoever asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.documents.letterhead import read_letterhead
from core.entities import query
from core.errors import Invalid, NotFound, Problem
from core.i18n import LOCALES, current_locale, use_locale
from core.i18n import gettext as _
from core.plugins.contributions import DocumentTemplate

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Made", "make_document", "templates_of"]


@dataclass(frozen=True)
class Made:
    """A PDF and what its file is called."""

    filename: str
    content: bytes


def templates_of(uow: UnitOfWork, entity: str) -> list[DocumentTemplate]:
    """What can be printed of a record of the entity, by modules that are open to the actor."""
    found = (each.item for each in uow.contributions("register_documents"))
    return [template for template in found if template.entity == entity]


def make_document(
    uow: UnitOfWork, entity: str, record_id: int, template: str, language: str = ""
) -> Made:
    """The record as a PDF in a language (``zh_CN``, ``en``; the reader's own when empty).

    It says no more than the actor may read: its template is given what `query` gives. Raises
    `NotFound` for a record out of reach and for a template that there is not, `Forbidden` without the
    right to read, `Invalid` for another language.
    """
    # Library and fonts take some 30 MB and a second to load: no process does before it prints.
    from core.documents.drawing import to_pdf

    language = language or current_locale()
    if language not in LOCALES:
        message = _("This language is not known.")
        raise Invalid(message, [Problem("language", "choice", message)])
    uow.entity(entity)
    known = {each.name: each for each in templates_of(uow, entity)}
    if template not in known:
        raise NotFound(_("There is no such page."))
    with use_locale(language):
        document = known[template].build(uow, query.get(uow, entity, record_id))
        content = to_pdf(
            document,
            read_letterhead(uow),
            folder=uow.runtime.config.home / "fonts",
            language=language,
        )
    name = " ".join(part for part in (document.title, document.number) if part)
    return Made(f"{name or template}.pdf", content)
