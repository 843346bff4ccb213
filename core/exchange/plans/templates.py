"""Texts of a plan in which columns are named in braces: ``{first|second:slug}@example.com``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from core.i18n import gettext as _
from core.tabular.columns import FORMS, Piece

__all__ = ["pieces_of", "wrong_in"]

_BRACES = re.compile(r"\{([^{}]*)\}")


def pieces_of(text: str, header: Sequence[str]) -> tuple[Piece, ...]:
    """The pieces of a text in which nothing is wrong."""
    places = {heading: place for place, heading in enumerate(header)}
    found, end = [], 0
    for match in _BRACES.finditer(text):
        if before := text[end : match.start()]:
            found.append(Piece(before))
        names, form = _parts(match[1])
        found.append(Piece("", tuple(places[name] for name in names), form))
        end = match.end()
    if rest := text[end:]:
        found.append(Piece(rest))
    return tuple(found)


def wrong_in(text: str, header: Sequence[str]) -> list[str]:
    """What is wrong with a text, for a file with these columns."""
    found, wrong = _BRACES.findall(text), []
    if not found:
        wrong.append(_("it names no column in braces; a text for every row is a constant"))
    if _BRACES.sub("", text).strip("{}") != _BRACES.sub("", text):
        wrong.append(_("a brace is not closed"))
    for inner in found:
        names, form = _parts(inner)
        wrong += [
            _("the file has no column '%(name)s'", name=name)
            for name in names
            if name not in header
        ]
        if form not in FORMS:
            wrong.append(
                _("there is no form '%(name)s'; there is %(known)s", name=form, known=_forms(FORMS))
            )
    return wrong


def _parts(inner: str) -> tuple[list[str], str]:
    names, _colon, form = inner.partition(":")
    return [name.strip() for name in names.split("|")], form.strip()


def _forms(known: Mapping[str, object]) -> str:
    return ", ".join(filter(None, known))
